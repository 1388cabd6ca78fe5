/*
 * The shortest loop in C that serves the guests of ExitGuest.cs, to compare gvmm's with. No checks in the loop but on the exit's reason.
 *
 * usage: exits IMAGE KIND; then for each line "N" on stdin: runs N turns of the guest's loop and prints the nanoseconds that one took,
 * on the clock and of the CPU.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define IMAGE_BYTES 0x10000
#define ENTRY 0x1000
#define LINE 4
#define MAX_CPUID 256

static int vm, vcpu;
static struct kvm_run *run;
static int pulses;

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void check(int result, const char *what)
{
	if (result < 0)
		err(3, "%s", what);
}

static void set_up(const char *image_path)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	check(kvm, "/dev/kvm");
	check(vm = ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	uint64_t identity_map = 0xfeffc000;
	check(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map), "KVM_SET_IDENTITY_MAP_ADDR");
	check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfeffd000UL), "KVM_SET_TSS_ADDR");
	check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");

	void *ram = mmap(NULL, IMAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int image = open(image_path, O_RDONLY);
	check(image, image_path);
	if (ram == MAP_FAILED || read(image, ram, IMAGE_BYTES) != IMAGE_BYTES)
		err(3, "reading %s", image_path);
	struct kvm_userspace_memory_region region = { .memory_size = IMAGE_BYTES, .userspace_addr = (uintptr_t)ram };
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");

	check(vcpu = ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	int run_bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	check(run_bytes, "KVM_GET_VCPU_MMAP_SIZE");
	run = mmap(NULL, run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(3, "mapping the vCPU");
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(cpuid->entries[0]));
	cpuid->nent = MAX_CPUID;
	check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	check(ioctl(vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");

	struct kvm_sregs sregs;
	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.selector = 0;
	sregs.cs.base = 0;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	struct kvm_regs regs = { .rip = ENTRY, .rflags = 2 };
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void serve(long turns)
{
	while (turns > 0) {
		check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			if (run->io.direction == KVM_EXIT_IO_IN)
				*((uint8_t *)run + run->io.data_offset) = 0;
			break;
		case KVM_EXIT_MMIO:
			if (!run->mmio.is_write)
				memset(run->mmio.data, 0, sizeof(run->mmio.data));
			break;
		default:
			errx(3, "exit %u of the guest", run->exit_reason);
		}
		if (pulses) {
			struct kvm_irq_level level = { .irq = LINE, .level = 1 };
			check(ioctl(vm, KVM_IRQ_LINE, &level), "KVM_IRQ_LINE");
			level.level = 0;
			check(ioctl(vm, KVM_IRQ_LINE, &level), "KVM_IRQ_LINE");
		}
		turns--;
	}
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc != 3)
		errx(2, "usage: %s IMAGE KIND", argv[0]);
	pulses = strcmp(argv[2], "Halt") == 0;
	set_up(argv[1]);
	while (fgets(line, sizeof(line), stdin)) {
		long turns = atol(line);
		int64_t start = now_ns(CLOCK_MONOTONIC), cpu_start = now_ns(CLOCK_THREAD_CPUTIME_ID);

		if (turns <= 0)
			errx(2, "'%s' is no number of turns", line);
		serve(turns);
		printf("%.1f %.1f\n", (double)(now_ns(CLOCK_MONOTONIC) - start) / turns,
		       (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start) / turns);
		fflush(stdout);
	}
	return 0;
}
