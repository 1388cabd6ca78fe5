/*
 * supervise: the small program between the harness and one VMM.
 *
 *     supervise REPORT_FD PARENT_PID FLAGS CPU_SECONDS AS_BYTES FILE_BYTES PROGRAM [ARGUMENT...]
 *
 * It starts PROGRAM (absolute) in a session of its own with resource limits that hold from its first instruction on, waits for it, and sees to
 * it that nothing outlives it, grandchildren that became daemons included:
 *
 *   - With a PID namespace (as root, or with user namespaces) two processes stand here: an outer one, and the namespace's init, whose end makes
 *     the kernel kill and reap everything inside. PROGRAM is not that init itself: an init ignores its own abort().
 *   - Without one, this process is the subreaper of all its descendants and kills them one generation after the other.
 *
 * SIGTERM ends everything, and so does the death of the parent (PR_SET_PDEATHSIG), even by SIGKILL.
 *
 * FLAGS is a decimal sum of FLAG_*; a limit of "-" is none. What happens is told on REPORT_FD as fixed records (struct report), each one
 * atomic write. Standard input, output and error are PROGRAM's. Freestanding, no libc: it starts in a fraction of a millisecond, and being so
 * small makes the peak memory that wait4 reports the VMM's own (it is inherited over fork).
 */
#include <linux/limits.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/time.h>
#include <linux/wait.h>
#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

#define FLAG_NO_NETWORK 1
#define FLAG_OWN_PIDS 2

enum { REPORT_ISOLATION = 1, REPORT_STARTED, REPORT_FAILED, REPORT_EXITED, REPORT_GONE };
enum { STEP_FORK = 1, STEP_LIMITS, STEP_EXEC, STEP_ARGUMENTS };

/* Little-endian, 32 bytes; read by SupervisedProcess.cs. */
struct report {
	uint32_t kind;
	int32_t value;
	uint64_t a, b, c;
};

static int report_fd;

#if defined(__x86_64__)
static long syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");
#elif defined(__aarch64__)
static long syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x0, sp\n\tbl start\n");
#else
#error "no system call stub for this architecture"
#endif

#define sys(n, a, b, c, d) syscall6(__NR_##n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static void report(uint32_t kind, int32_t value, uint64_t a, uint64_t b, uint64_t c)
{
	struct report r = { kind, value, a, b, c };

	sys(write, report_fd, &r, sizeof(r), 0);
}

static void __attribute__((noreturn)) quit(int code)
{
	for (;;)
		sys(exit_group, code, 0, 0, 0);
}

static void __attribute__((noreturn)) fail(int step, long error)
{
	report(REPORT_FAILED, (int32_t)-error, step, 0, 0);
	quit(1);
}

/* False for "-", which means none. */
static int number(const char *text, uint64_t *value)
{
	*value = 0;
	if (*text == '-')
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			fail(STEP_ARGUMENTS, -22);
		*value = *value * 10 + (uint64_t)(*text - '0');
	}
	return 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	sys(clock_gettime, CLOCK_MONOTONIC, &t, 0, 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int write_file(const char *path, const char *text, size_t length)
{
	long fd = sys(openat, -100, path, 1, 0);
	long written;

	if (fd < 0)
		return 0;
	written = sys(write, fd, text, length, 0);
	sys(close, fd, 0, 0, 0);
	return written == (long)length;
}

/* "ID ID 1": who it was outside, it stays inside. */
static int map_id(const char *path, unsigned long id)
{
	char digits[24], line[64];
	int n = 0, length = 0;

	do
		digits[n++] = (char)('0' + id % 10);
	while (id /= 10);
	for (int copy = 0; copy < 2; copy++) {
		for (int i = n; i-- > 0;)
			line[length++] = digits[i];
		line[length++] = ' ';
	}
	line[length++] = '1';
	return write_file(path, line, (size_t)length);
}

/* Returns the FLAG_* that were granted: directly with privilege, else through a user namespace. */
static uint64_t isolate(uint64_t wanted)
{
	unsigned long uid = (unsigned long)sys(getuid, 0, 0, 0, 0), gid = (unsigned long)sys(getgid, 0, 0, 0, 0);
	long flags = ((wanted & FLAG_OWN_PIDS) ? CLONE_NEWPID : 0) | ((wanted & FLAG_NO_NETWORK) ? CLONE_NEWNET : 0);

	if (!flags)
		return 0;
	if (sys(unshare, flags, 0, 0, 0) == 0)
		return wanted;
	if (sys(unshare, flags | CLONE_NEWUSER, 0, 0, 0) == 0) {
		write_file("/proc/self/setgroups", "deny", 4);
		map_id("/proc/self/uid_map", uid);
		map_id("/proc/self/gid_map", gid);
		return wanted;
	}
	return 0;
}

static void limit(int resource, uint64_t soft, uint64_t hard)
{
	struct rlimit64 value = { soft, hard };
	long error = sys(prlimit64, 0, resource, &value, 0);

	if (error)
		fail(STEP_LIMITS, error);
}

/* This process's number as the harness sees it: /proc is still the outer one. */
static int32_t outer_pid(void)
{
	char text[16];
	long length = sys(readlinkat, -100, "/proc/self", text, sizeof(text));
	int32_t pid = 0;

	for (long i = 0; i < length; i++)
		pid = pid * 10 + (text[i] - '0');
	return length > 0 ? pid : (int32_t)sys(getpid, 0, 0, 0, 0);
}

static void __attribute__((noreturn)) become(char **argv, char **envp)
{
	uint64_t value, none = 0;

	sys(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	sys(setsid, 0, 0, 0, 0);
	if (number(argv[4], &value))
		limit(RLIMIT_CPU, value, value + 2);
	if (number(argv[5], &value))
		limit(RLIMIT_AS, value, value);
	if (number(argv[6], &value))
		limit(RLIMIT_FSIZE, value, value);
	limit(RLIMIT_CORE, 0, 0);
	report(REPORT_STARTED, outer_pid(), 0, 0, 0);
	sys(rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
	fail(STEP_EXEC, sys(execve, argv[7], argv + 7, envp, 0));
}

static long spawn(char **argv, char **envp)
{
	long pid = sys(clone, SIGCHLD, 0, 0, 0);

	if (pid < 0)
		fail(STEP_FORK, pid);
	if (pid == 0)
		become(argv, envp);
	return pid;
}

/* Kills every child; those of a killed child become ours, so that waiting and killing in turn reaches all. */
static void kill_children(void)
{
	char text[4096];
	long fd, length;
	int pid = 0;

	fd = sys(openat, -100, "/proc/thread-self/children", 0, 0);
	if (fd < 0)
		return;
	length = sys(read, fd, text, sizeof(text), 0);
	sys(close, fd, 0, 0, 0);
	for (long i = 0; i < length; i++) {
		if (text[i] >= '0' && text[i] <= '9') {
			pid = pid * 10 + (text[i] - '0');
		} else if (pid) {
			sys(kill, pid, SIGKILL, 0, 0);
			pid = 0;
		}
	}
}

static void report_usage(void)
{
	struct rusage usage = { 0 };

	sys(getrusage, RUSAGE_CHILDREN, &usage, 0, 0);
	report(REPORT_GONE, 0, (uint64_t)usage.ru_utime.tv_sec * 1000000u + (uint64_t)usage.ru_utime.tv_usec,
	       (uint64_t)usage.ru_stime.tv_sec * 1000000u + (uint64_t)usage.ru_stime.tv_usec, (uint64_t)usage.ru_maxrss);
}

/* Runs the program to its end, or to SIGTERM. */
static void run(char **argv, char **envp, uint64_t signals)
{
	uint64_t begin = now_ns();
	long child = spawn(argv, envp), pid;
	int status;

	for (;;) {
		if (sys(rt_sigtimedwait, &signals, 0, 0, 8) == SIGTERM) {
			sys(kill, child, SIGKILL, 0, 0);
			continue;
		}
		while ((pid = sys(wait4, -1, &status, WNOHANG, 0)) > 0) {
			if (pid == child) {
				report(REPORT_EXITED, status, now_ns() - begin, 0, 0);
				return;
			}
		}
	}
}

/* The PID namespace's init: its return is the end of all that is in the namespace. */
static void __attribute__((noreturn)) init(char **argv, char **envp, uint64_t signals, int parent_alive)
{
	char byte;

	/* The parent may have died before the death signal was asked for: then its end of the pipe is closed. */
	sys(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	if (sys(read, parent_alive, &byte, 1, 0) == 0)
		quit(0);
	run(argv, envp, signals);
	quit(0);
}

/*
 * With a PID namespace: waits for its init, which ends when the program does. SIGTERM is passed on rather than SIGKILL sent, because the
 * kernel discards the CPU time of what a namespace's end takes along.
 */
static void wait_for_init(long child, uint64_t signals)
{
	for (;;) {
		if (sys(rt_sigtimedwait, &signals, 0, 0, 8) == SIGTERM)
			sys(kill, child, SIGTERM, 0, 0);
		else if (sys(wait4, child, 0, WNOHANG, 0) == child)
			return;
	}
}

void __attribute__((noreturn)) start(long *stack)
{
	long argc = stack[0], pid;
	char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
	uint64_t value, flags, granted, signals = 1ull << (SIGCHLD - 1) | 1ull << (SIGTERM - 1);
	int alive[2];

	report_fd = 2;
	if (argc < 8)
		quit(2);
	number(argv[1], &value);
	report_fd = (int)value;
	/* Of the harness' descriptors PROGRAM gets the first three, whatever somebody left open. */
	if (sys(close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */, 0))
		sys(fcntl, report_fd, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */, 0);
	sys(rt_sigprocmask, SIG_BLOCK, &signals, 0, 8);
	number(argv[3], &flags);
	granted = isolate(flags);
	/* After isolate(): a change of credentials clears it. */
	sys(prctl, PR_SET_PDEATHSIG, SIGTERM, 0, 0);
	number(argv[2], &value);
	if (sys(getppid, 0, 0, 0, 0) != (long)value)
		quit(0);
	report(REPORT_ISOLATION, (int32_t)granted, 0, 0, 0);
	if (granted & FLAG_OWN_PIDS) {
		sys(pipe2, alive, 02000000 /* O_CLOEXEC */, 0, 0);
		pid = sys(clone, SIGCHLD, 0, 0, 0);
		if (pid < 0)
			fail(STEP_FORK, pid);
		if (pid == 0) {
			sys(close, alive[1], 0, 0, 0);
			init(argv, envp, signals, alive[0]);
		}
		sys(close, alive[0], 0, 0, 0);
		sys(write, alive[1], "", 1, 0);
		wait_for_init(pid, signals);
	} else {
		sys(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0);
		run(argv, envp, signals);
		do
			kill_children();
		while (sys(wait4, -1, 0, 0, 0) > 0);
	}
	report_usage();
	quit(0);
}

/* The compiler may call these for structures, freestanding or not. */
void *memset(void *to, int byte, size_t size)
{
	for (char *p = to; size--; p++)
		*p = (char)byte;
	return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
	char *p = to;

	for (const char *q = from; size--;)
		*p++ = *q++;
	return to;
}
