namespace Gauntlet.Linux;

/// <summary>What a running VMM may ask of the kernel, and why; and the filter that says so.</summary>
/// <remarks>Numbers are those of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl); arguments are compared in their low 32 bits, which all that is looked at has.</remarks>
internal static class SandboxRules
{
    private const int EPERM = 1, ENOSYS = 38;

    /// <summary>An argument that is looked at.</summary>
    private enum Condition
    {
        None,

        /// <summary>It has one of these values.</summary>
        OneOf,

        /// <summary>None of these bits is set.</summary>
        NoneSet,

        /// <summary>All of these bits are set.</summary>
        AllSet,
    }

    /// <param name="Why">What needs it.</param>
    /// <param name="Argument">0 to 5, with a condition.</param>
    private sealed record Rule(int Number, string Name, string Why, Condition Condition = Condition.None, int Argument = 0, params uint[] Values);

    // open(2): O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, and __O_TMPFILE.
    private const uint WritingFlags = 1 | 2 | 0x40 | 0x200 | 0x400 | 0x400000;
    private const uint CloneThread = 0x10000, CloneVm = 0x100;

    // prctl(2): PR_GET_NAME, PR_SET_NAME, PR_SET_TIMERSLACK, PR_SET_VMA.
    private static readonly uint[] s_prctl = [16, 15, 29, 0x53564d41];

    private static readonly Rule[] s_rules =
    [
        // Most frequent first: the filter goes through them in order.
        new(202, "futex", "every lock and wait of the runtime"),
        new(0, "read", "chardevs, eventfds, files that are open"),
        new(1, "write", "chardevs, eventfds, disks"),
        new(7, "poll", "chardevs and the clock's thread wait"),
        new(271, "ppoll", "the clock's thread, to the nanosecond"),
        new(17, "pread64", "disks, assemblies"),
        new(18, "pwrite64", "disks"),
        new(19, "readv", "disks, sockets"),
        new(20, "writev", "disks, sockets"),
        new(295, "preadv", "disks"),
        new(296, "pwritev", "disks"),
        new(327, "preadv2", "disks, what needs no waiting"),
        new(74, "fsync", "a guest's flush"),
        new(75, "fdatasync", "a guest's flush"),
        new(77, "ftruncate", "images that grow, memory files"),
        new(285, "fallocate", "a guest's discard and write-zeroes"),
        new(8, "lseek", "disks, assemblies, what of a snapshot's RAM was touched"),
        new(TgkillNumber, "tgkill", "a vCPU's kick, abort; of this process", Condition.OneOf),

        // Memory: the collector, the just-in-time compiler, translated code.
        new(9, "mmap", "heaps, stacks of new threads, code, guest RAM"),
        new(10, "mprotect", "heaps, code"),
        new(11, "munmap", "heaps, code"),
        new(25, "mremap", "the C library's heap"),
        new(12, "brk", "the C library's heap"),
        new(28, "madvise", "heaps give memory back"),
        new(149, "mlock", "the runtime's barrier between threads, where there is no membarrier"),
        new(324, "membarrier", "the runtime's barrier between threads"),
        new(319, "memfd_create", "views of code, writable and executable apart"),
        new(27, "mincore", "the runtime looks whether a page is there"),

        // Threads.
        new(56, "clone", "threads, and no processes", Condition.AllSet, 0, CloneThread | CloneVm),
        new(60, "exit", "a thread ends"),
        new(231, "exit_group", "the process ends"),
        new(273, "set_robust_list", "a thread begins"),
        new(334, "rseq", "a thread begins"),
        new(218, "set_tid_address", "a thread begins"),
        new(131, "sigaltstack", "a thread begins and ends"),
        new(14, "rt_sigprocmask", "threads, signals"),
        new(13, "rt_sigaction", "the runtime's handlers"),
        new(15, "rt_sigreturn", "a handler returns"),
        new(219, "restart_syscall", "a wait goes on after a signal"),
        new(24, "sched_yield", "the runtime spins"),
        new(204, "sched_getaffinity", "how many processors there are"),
        new(203, "sched_setaffinity", "a thread of the runtime begins; of itself", Condition.OneOf, 0, 0),
        new(144, "sched_setscheduler", "a thread of the runtime begins; SCHED_OTHER only", Condition.OneOf, 1, 0),
        new(145, "sched_getscheduler", "a thread's attributes"),
        new(146, "sched_get_priority_max", "a thread's attributes"),
        new(147, "sched_get_priority_min", "a thread's attributes"),
        new(143, "sched_getparam", "a thread's attributes"),
        new(309, "getcpu", "the collector's heaps"),
        new(186, "gettid", "a vCPU's thread tells where to kick"),
        new(39, "getpid", "abort, the runtime's diagnostics"),
        new(157, "prctl", "a thread's name, the clock's timer slack, names of mappings", Condition.OneOf, 0, s_prctl),

        // Time.
        new(228, "clock_gettime", "clocks"),
        new(229, "clock_getres", "clocks"),
        new(230, "clock_nanosleep", "waits"),
        new(35, "nanosleep", "waits"),
        new(96, "gettimeofday", "clocks"),
        new(98, "getrusage", "the thread pool measures itself"),
        new(99, "sysinfo", "the collector asks how much memory is free"),
        new(318, "getrandom", "virtio-rng, hash seeds"),

        // KVM's and terminals' requests, by their type byte; see Compile.
        new(IoctlNumber, "ioctl", "KVM; terminals and what waits at a chardev"),

        // Sockets and descriptors that exist already: chardevs wait for clients, who come and go.
        new(288, "accept4", "a chardev's client comes"),
        new(43, "accept", "a chardev's client comes"),
        new(44, "sendto", "chardevs, network back ends"),
        new(45, "recvfrom", "chardevs, network back ends"),
        new(46, "sendmsg", "chardevs, network back ends"),
        new(47, "recvmsg", "chardevs, network back ends"),
        new(48, "shutdown", "a client goes"),
        new(51, "getsockname", "a chardev tells where it listens"),
        new(52, "getpeername", "a chardev tells who came"),
        new(54, "setsockopt", "a chardev's client comes"),
        new(55, "getsockopt", "chardevs"),
        new(3, "close", "descriptors"),
        new(72, "fcntl", "descriptors"),
        new(32, "dup", "descriptors"),
        new(290, "eventfd2", "the clock's thread, chardevs"),
        new(293, "pipe2", "a chardev's wake-up"),
        new(291, "epoll_create1", "the runtime's socket engine"),
        new(233, "epoll_ctl", "the runtime's socket engine"),
        new(232, "epoll_wait", "the runtime's socket engine"),
        new(281, "epoll_pwait", "the runtime's socket engine"),

        // Files to read: assemblies are loaded when their first method is, the collector reads /proc and /sys.
        new(257, "openat", "assemblies, /proc, /sys; to read", Condition.NoneSet, 2, WritingFlags),
        new(2, "open", "the same", Condition.NoneSet, 1, WritingFlags),
        new(5, "fstat", "files that are open"),
        new(262, "newfstatat", "assemblies"),
        new(332, "statx", "assemblies"),
        new(4, "stat", "assemblies"),
        new(6, "lstat", "assemblies"),
        new(21, "access", "assemblies"),
        new(269, "faccessat", "assemblies"),
        new(439, "faccessat2", "assemblies"),
        new(89, "readlink", "paths"),
        new(267, "readlinkat", "paths"),
        new(79, "getcwd", "paths"),
        new(73, "flock", "files that the runtime opens"),
        new(221, "fadvise64", "files that the runtime opens"),
        new(138, "fstatfs", "files that the runtime opens"),
        new(63, "uname", "the runtime's version checks"),
        new(102, "getuid", "the runtime's diagnostics"),
        new(107, "geteuid", "the runtime's diagnostics"),
        new(108, "getegid", "the runtime's diagnostics"),
        new(104, "getgid", "the runtime's diagnostics"),
        new(302, "prlimit64", "stack sizes; of this process", Condition.OneOf, 0, 0),
        new(87, "unlink", "the sockets that gvmm made go with it"),
    ];

    /// <summary>What only somebody asks for who has taken over: the process ends at once.</summary>
    private static readonly (int Number, string Name)[] s_deadly =
    [
        (59, "execve"), (322, "execveat"), (57, "fork"), (58, "vfork"), (101, "ptrace"), (310, "process_vm_readv"), (311, "process_vm_writev"), (165, "mount"),
        (166, "umount2"), (161, "chroot"), (155, "pivot_root"), (272, "unshare"), (308, "setns"), (175, "init_module"), (313, "finit_module"), (246, "kexec_load"),
        (320, "kexec_file_load"), (321, "bpf"), (298, "perf_event_open"), (323, "userfaultfd"), (105, "setuid"), (106, "setgid"), (126, "capset"),
        (425, "io_uring_setup"), (434, "pidfd_open"), (438, "pidfd_getfd"), (248, "add_key"), (250, "keyctl"), (169, "reboot"),
    ];

    // struct seccomp_data: number, architecture, instruction pointer, six arguments of eight bytes.
    private const uint NumberOffset = 0, ArchitectureOffset = 4, ArgumentsOffset = 16;
    private const uint AuditArchX86_64 = 0xc000003e, X32Bit = 0x40000000;
    private const uint Allow = 0x7fff0000, KillProcess = 0x80000000, Errno = 0x00050000;

    // BPF: load a word of the data; return; jump when equal, greater or equal, when a bit is set; and.
    private const ushort Load = 0x20, Return = 0x06, JumpEqual = 0x15, JumpAtLeast = 0x35, JumpSet = 0x45, And = 0x54;

    private const int IoctlNumber = 16, TgkillNumber = 234, Clone3Number = 435;

    // ioctl(2) requests: KVM's type byte; terminals', of which two push input into the terminal that gvmm was started from.
    private const uint TypeMask = 0xff00, KvmType = 0xae00, TerminalType = 0x5400, PushInput = 0x5412, LinuxConsole = 0x541c;

    /// <param name="process">Whose threads may be signalled.</param>
    public static BpfInstruction[] Compile(int process)
    {
        var code = new List<BpfInstruction>
        {
            new(Load, 0, 0, ArchitectureOffset),
            new(JumpEqual, 1, 0, AuditArchX86_64),
            new(Return, 0, 0, KillProcess),
            new(Load, 0, 0, NumberOffset),
            new(JumpAtLeast, 0, 1, X32Bit),
            new(Return, 0, 0, KillProcess),
        };
        foreach (var rule in s_rules)
            Add(code, rule, process);
        foreach (var (number, _) in s_deadly)
            Answer(code, number, KillProcess);
        // Its flags are in memory, where a filter cannot look: without it the C library asks for clone.
        Answer(code, Clone3Number, Errno | ENOSYS);
        code.Add(new BpfInstruction(Return, 0, 0, Errno | EPERM));
        return [.. code];
    }

    private static void Answer(List<BpfInstruction> code, int number, uint answer)
    {
        code.Add(new BpfInstruction(JumpEqual, 0, 1, (uint)number));
        code.Add(new BpfInstruction(Return, 0, 0, answer));
    }

    private static void Add(List<BpfInstruction> code, Rule rule, int process)
    {
        var body = new List<BpfInstruction>();
        if (rule.Number == IoctlNumber)
            AddIoctl(body);
        else if (rule.Number == TgkillNumber)
            AddCondition(body, rule with { Values = [(uint)process] });
        else if (rule.Condition != Condition.None)
            AddCondition(body, rule);
        else
            body.Add(new BpfInstruction(Return, 0, 0, Allow));
        code.Add(new BpfInstruction(JumpEqual, 0, (byte)body.Count, (uint)rule.Number));
        code.AddRange(body);
    }

    private static void AddCondition(List<BpfInstruction> body, Rule rule)
    {
        body.Add(new BpfInstruction(Load, 0, 0, ArgumentsOffset + 8 * (uint)rule.Argument));
        switch (rule.Condition)
        {
            case Condition.NoneSet:
                body.Add(new BpfInstruction(JumpSet, 0, 1, rule.Values[0]));
                body.Add(new BpfInstruction(Return, 0, 0, Errno | EPERM));
                body.Add(new BpfInstruction(Return, 0, 0, Allow));
                return;
            case Condition.AllSet:
                body.Add(new BpfInstruction(And, 0, 0, rule.Values[0]));
                break;
        }
        foreach (var value in rule.Values)
        {
            body.Add(new BpfInstruction(JumpEqual, 0, 1, value));
            body.Add(new BpfInstruction(Return, 0, 0, Allow));
        }
        body.Add(new BpfInstruction(Return, 0, 0, Errno | EPERM));
    }

    private static void AddIoctl(List<BpfInstruction> body)
    {
        body.Add(new BpfInstruction(Load, 0, 0, ArgumentsOffset + 8));
        foreach (var denied in (ReadOnlySpan<uint>)[PushInput, LinuxConsole])
        {
            body.Add(new BpfInstruction(JumpEqual, 0, 1, denied));
            body.Add(new BpfInstruction(Return, 0, 0, Errno | EPERM));
        }
        body.Add(new BpfInstruction(And, 0, 0, TypeMask));
        foreach (var type in (ReadOnlySpan<uint>)[KvmType, TerminalType])
        {
            body.Add(new BpfInstruction(JumpEqual, 0, 1, type));
            body.Add(new BpfInstruction(Return, 0, 0, Allow));
        }
        body.Add(new BpfInstruction(Return, 0, 0, Errno | EPERM));
    }
}
