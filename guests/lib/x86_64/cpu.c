#include "cpu.h"

#define TRAP_STACK_SIZE 4096
#define IST_COUNT 3

/* Descriptor bits: present, code or data, DPL, and in the upper half L, D and G. */
#define SEGMENT_KERNEL_CODE64 0x00af9b000000ffffull
#define SEGMENT_KERNEL_DATA 0x00cf93000000ffffull
#define SEGMENT_KERNEL_CODE32 0x00cf9b000000ffffull
#define SEGMENT_USER_CODE32 0x00cffb000000ffffull
#define SEGMENT_USER_DATA 0x00cff3000000ffffull
#define SEGMENT_USER_CODE64 0x00affb000000ffffull
#define SEGMENT_TSS_AVAILABLE (0x89ull << 40)

struct cpu cpus[MAX_CPUS];

u64 gdt[GDT_SIZE / 8] __attribute__((aligned(16))) = {
	[KERNEL_CS / 8] = SEGMENT_KERNEL_CODE64,   [KERNEL_DS / 8] = SEGMENT_KERNEL_DATA, [KERNEL_CS32 / 8] = SEGMENT_KERNEL_CODE32,
	[USER_CS32 / 8] = SEGMENT_USER_CODE32,	   [USER_DS / 8] = SEGMENT_USER_DATA,	  [USER_CS / 8] = SEGMENT_USER_CODE64,
};

static struct tss tss[MAX_CPUS] __attribute__((aligned(16)));
static u8 trap_stacks[MAX_CPUS][IST_COUNT + 1][TRAP_STACK_SIZE] __attribute__((aligned(16)));

struct tss *this_tss(void)
{
	return &tss[this_cpu()->index];
}

void load_tss(u16 selector, const struct tss *segment, u32 limit)
{
	u64 base = (u64)segment;

	gdt[selector / 8] = SEGMENT_TSS_AVAILABLE | (limit & 0xffff) | (base & 0xffffff) << 16 | (u64)(limit & 0xf0000) << 32 | (base & 0xff000000) << 32;
	gdt[selector / 8 + 1] = base >> 32;
	asm volatile("ltr %0" : : "r"(selector) : "memory");
}

static void init_tss(u32 index)
{
	tss[index].rsp[0] = (u64)trap_stacks[index][0] + TRAP_STACK_SIZE;
	for (int i = 0; i < IST_COUNT; i++)
		tss[index].ist[i] = (u64)trap_stacks[index][i + 1] + TRAP_STACK_SIZE;
	tss[index].io_map_base = sizeof(struct tss);
	load_tss(GDT_TSS + 16 * index, &tss[index], sizeof(struct tss) - 1);
}

void cpu_init(u32 index)
{
	struct descriptor_pointer pointer = {.limit = sizeof(gdt) - 1, .base = (u64)gdt};
	struct cpu *cpu = &cpus[index];

	asm volatile("lgdt %0" : : "m"(pointer));
	cpu->self = cpu;
	cpu->index = index;
	cpu->apic_id = cpuid(1, 0).ebx >> 24;
	wrmsr(MSR_GS_BASE, (u64)cpu);
	init_tss(index);
	trap_load();
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
	if (has(CPUID_NX))
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	cpu->online = true;
}
