/* Exceptions of x87 and SSE instructions. Intel SDM volume 3, section 2.5 (CR0.EM, MP, TS) and section 6.15 (#NM, #MF, #XM). */
#include "platform.h"
#include "snippet.h"

SNIPPET(fninit, "", "fninit")
SNIPPET(fwait, "", "fwait")
SNIPPET(movaps, "", "movaps %%xmm0, %%xmm0")
SNIPPET(movaps_unaligned, "", "movaps (%%rdi), %%xmm0")
SNIPPET(ldmxcsr, "", "ldmxcsr (%%rdi)")
SNIPPET(divide_by_zero_x87, "fninit; fldcw (%%rdi); fldz; fld1; fdivp", "fwait")
SNIPPET(divide_by_zero_sse, "ldmxcsr (%%rdi); movss 4(%%rdi), %%xmm0; xorps %%xmm1, %%xmm1", "divss %%xmm1, %%xmm0")

int main(int argc, char **argv)
{
	u64 cr0 = read_cr0();
	u16 x87_unmasked = 0x033b; /* all masked but zero divide */
	u32 memory[8] __attribute__((aligned(16))) = {0x1f80 & ~(1u << 9), 0x3f800000}; /* MXCSR with zero divide unmasked; 1.0 */
	u32 mxcsr_reserved = 0x10000, mxcsr_default = 0x1f80;

	write_cr0(cr0 | CR0_TS);
	report(faults(fninit, 0, VECTOR_NM, 0), "an x87 instruction with CR0.TS raises #NM");
	report(faults(movaps, 0, VECTOR_NM, 0), "an SSE instruction with CR0.TS raises #NM");
	asm volatile("clts");
	report_equal(read_cr0() & CR0_TS, 0, "CLTS clears CR0.TS");
	write_cr0((cr0 | CR0_EM) & ~CR0_TS);
	report(faults(fninit, 0, VECTOR_NM, 0), "an x87 instruction with CR0.EM raises #NM");
	report(faults(movaps, 0, VECTOR_UD, 0), "an SSE instruction with CR0.EM raises #UD");
	write_cr0(cr0);
	write_cr4(read_cr4() & ~CR4_OSFXSR);
	report(faults(movaps, 0, VECTOR_UD, 0), "an SSE instruction with CR4.OSFXSR clear raises #UD");
	write_cr4(read_cr4() | CR4_OSFXSR);
	report(faults(movaps_unaligned, (u64)memory + 4, VECTOR_GP, 0), "MOVAPS of an unaligned address raises #GP(0)");
	report(faults(ldmxcsr, (u64)&mxcsr_reserved, VECTOR_GP, 0), "LDMXCSR of a reserved bit raises #GP(0)");
	report(faults(divide_by_zero_sse, (u64)memory, VECTOR_XM, 0), "an unmasked SSE zero divide raises #XM");
	asm volatile("ldmxcsr %0" : : "m"(mxcsr_default));
	write_cr4(read_cr4() & ~CR4_OSXMMEXCPT);
	report(faults(divide_by_zero_sse, (u64)memory, VECTOR_UD, 0), "an unmasked SSE zero divide with CR4.OSXMMEXCPT clear raises #UD");
	write_cr4(read_cr4() | CR4_OSXMMEXCPT);
	asm volatile("ldmxcsr %0" : : "m"(mxcsr_default));
	report(faults(divide_by_zero_x87, (u64)&x87_unmasked, VECTOR_MF, 0), "an unmasked x87 zero divide raises #MF at the next waiting instruction");
	asm volatile("fninit");
	write_cr0(cr0 | CR0_TS);
	report(faults(fwait, 0, VECTOR_NM, 0), "WAIT with CR0.MP and CR0.TS raises #NM");
	write_cr0(cr0);
	return report_summary();
}
