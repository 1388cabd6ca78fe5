/* CPUID tells a consistent story. Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E for the extended leaves. */
#include "cpu.h"
#include "platform.h"
#include "report.h"
#include "string.h"
#include "trap.h"

static void leaf_range(void)
{
	struct cpuid basic = cpuid(0, 0), extended = cpuid(0x80000000, 0);
	char vendor[13];

	memcpy(vendor, &basic.ebx, 4);
	memcpy(vendor + 4, &basic.edx, 4);
	memcpy(vendor + 8, &basic.ecx, 4);
	vendor[12] = 0;
	report_info("vendor %s, basic leaves to 0x%x, extended ones to 0x%x", vendor, basic.eax, extended.eax);
	report(basic.eax >= 1 && basic.eax < 0x80000000, "leaf 0 gives the highest basic leaf");
	report(extended.eax >= 0x80000001, "leaf 0x80000000 gives the highest extended leaf, at least 0x80000001");
	for (unsigned i = 0; i < 12; i++)
		if (vendor[i] < ' ' || vendor[i] > '~') {
			report(false, "the vendor is printable");
			return;
		}
	report(true, "the vendor is printable");
}

/* What long mode cannot be without: APM volume 2, section 1.1; the x86-64 ABI's baseline. */
static void baseline(void)
{
	static const struct {
		const char *name;
		unsigned bit;
	} edx[] = {{"FPU", 0}, {"PSE", 3}, {"TSC", 4}, {"MSR", 5}, {"PAE", 6}, {"CX8", 8}, {"CMOV", 15}, {"FXSR", 24}, {"SSE", 25}, {"SSE2", 26}};

	for (unsigned i = 0; i < ARRAY_SIZE(edx); i++)
		report(cpuid(1, 0).edx >> edx[i].bit & 1, "%s is announced", edx[i].name);
	report(has(CPUID_LM), "long mode is announced");
}

static void addresses(void)
{
	u32 eax;

	if (cpuid(0x80000000, 0).eax < 0x80000008) {
		report_skip("address widths: no leaf 0x80000008");
		return;
	}
	eax = cpuid(0x80000008, 0).eax;
	/* SDM volume 3, section 4.1.4: at most 52; 4-level paging translates 48. */
	report((eax & 0xff) >= 32 && (eax & 0xff) <= 52, "the physical address width is from 32 to 52");
	report((eax >> 8 & 0xff) == 48 || (eax >> 8 & 0xff) == 57, "the linear address width is 48 or 57");
}

/* SDM volume 2, CPUID: results are zero-extended, subleaves that leaf 0 to 3 have not do not matter. */
static void registers(void)
{
	u64 rax = ~0ull << 32, rbx = ~0ull, rcx = ~0ull << 32, rdx = ~0ull;
	struct cpuid first = cpuid(0, 0), again = cpuid(0, 0x1234);

	asm volatile("cpuid" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx));
	report(rax >> 32 == 0 && rbx >> 32 == 0 && rcx >> 32 == 0 && rdx >> 32 == 0, "CPUID clears bits 32 to 63 of RAX, RBX, RCX and RDX");
	report(!memcmp(&first, &again, sizeof(first)), "leaf 0 does not look at ECX");
}

/* Bits that mirror what the system does with control registers and the APIC. */
static void mirrors(void)
{
	u64 cr4 = read_cr4(), rflags;

	report_equal(cpuid(1, 0).ebx >> 24, this_cpu()->apic_id, "leaf 1 gives the same initial APIC ID each time");
	report_equal(cpuid(1, 0).ecx >> 27 & 1, cr4 >> 18 & 1, "OSXSAVE mirrors CR4.OSXSAVE");
	report_equal(cpuid(1, 0).edx >> 9 & 1, rdmsr(MSR_APIC_BASE) >> 11 & 1, "APIC mirrors the enable bit of IA32_APIC_BASE");
	/* SDM volume 1, section 20.1: RFLAGS.ID can be changed where there is CPUID. */
	rflags = read_rflags();
	write_rflags(rflags ^ RFLAGS_ID);
	report_equal((read_rflags() ^ rflags) & RFLAGS_ID, RFLAGS_ID, "RFLAGS.ID can be changed");
	write_rflags(rflags);
}

static void hypervisor(void)
{
	u32 highest;

	if (!has(CPUID_HYPERVISOR)) {
		report_skip("hypervisor leaves: not announced by CPUID");
		return;
	}
	highest = cpuid(0x40000000, 0).eax;
	report_info("hypervisor leaves to 0x%x", highest);
	/* KVM documentation, "KVM CPUID bits": 0 stands for 0x40000001 with old hosts. */
	report(highest == 0 || (highest >= 0x40000000 && highest < 0x40010000), "leaf 0x40000000 gives the highest hypervisor leaf");
}

static void brand(void)
{
	u32 text[13] = {0};
	bool printable = true;

	if (cpuid(0x80000000, 0).eax < 0x80000004) {
		report_skip("brand string: no leaf 0x80000004");
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		struct cpuid r = cpuid(0x80000002 + i, 0);

		memcpy(text + 4 * i, &r, sizeof(r));
	}
	for (const char *c = (const char *)text; *c; c++)
		printable &= *c >= ' ' && *c <= '~';
	report(printable, "the brand string is printable");
	report_info("brand: %s", printable ? (const char *)text : "?");
}

int main(int argc, char **argv)
{
	leaf_range();
	baseline();
	addresses();
	registers();
	mirrors();
	hypervisor();
	brand();
	return report_summary();
}
