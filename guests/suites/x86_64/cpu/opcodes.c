/* Opcodes that are undefined, or invalid in 64-bit mode: #UD, no error code. Intel SDM volume 2, appendix A, and "Exceptions" of each instruction. */
#include "platform.h"
#include "snippet.h"

SNIPPET(ud2, "", "ud2")
SNIPPET(ud1, "", ".byte 0x0f, 0xb9, 0xc0")
SNIPPET(lock_register, "", ".byte 0xf0, 0x01, 0xc1") /* LOCK ADD ECX, EAX */
SNIPPET(lock_mov, "", ".byte 0xf0, 0x89, 0x07") /* LOCK MOV [RDI], EAX */
SNIPPET(push_es, "", ".byte 0x06")
SNIPPET(daa, "", ".byte 0x27")
SNIPPET(aaa, "", ".byte 0x37")
SNIPPET(pusha, "", ".byte 0x60")
SNIPPET(into, "", ".byte 0xce")
SNIPPET(aam, "", ".byte 0xd4, 0x0a")
SNIPPET(salc, "", ".byte 0xd6")
SNIPPET(far_jmp_immediate, "", ".byte 0xea, 0, 0, 0, 0, 8, 0")
SNIPPET(mov_to_cs, "mov $8, %%eax", ".byte 0x8e, 0xc8")
SNIPPET(mov_from_cr1, "", ".byte 0x0f, 0x20, 0xc8")
SNIPPET(mov_segment_6, "", ".byte 0x8e, 0xf0")
SNIPPET(lea_register, "", ".byte 0x8d, 0xc0")

static const struct {
	const char *name;
	void (*code)(u64);
} invalid_opcodes[] = {
	{"UD2", ud2},
	{"UD1", ud1},
	{"LOCK with a register destination", lock_register},
	{"LOCK MOV", lock_mov},
	/* SDM volume 2, table A-2, superscript i64: invalid in 64-bit mode. */
	{"PUSH ES in 64-bit mode", push_es},
	{"DAA in 64-bit mode", daa},
	{"AAA in 64-bit mode", aaa},
	{"PUSHA in 64-bit mode", pusha},
	{"INTO in 64-bit mode", into},
	{"AAM in 64-bit mode", aam},
	{"opcode 0xd6 in 64-bit mode", salc},
	{"JMP ptr16:32 in 64-bit mode", far_jmp_immediate},
	{"MOV to CS", mov_to_cs},
	{"MOV from CR1", mov_from_cr1},
	{"MOV to segment register 6", mov_segment_6},
	{"LEA of a register", lea_register},
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < ARRAY_SIZE(invalid_opcodes); i++)
		report(faults(invalid_opcodes[i].code, 0, VECTOR_UD, 0), "%s raises #UD", invalid_opcodes[i].name);
	return report_summary();
}
