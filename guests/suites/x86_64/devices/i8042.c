/* The keyboard controller (Intel 8042; IBM PS/2 Technical Reference, "Keyboard and Auxiliary Device Controller"). */
#include "apic.h"
#include "interrupts.h"
#include "io.h"
#include "pic.h"
#include "platform.h"
#include "report.h"
#include "timeout.h"

enum {
	DATA = 0x60,
	STATUS = 0x64,
	COMMAND = 0x64,
	STATUS_OUTPUT_FULL = 1 << 0,
	STATUS_INPUT_FULL = 1 << 1,
	STATUS_SYSTEM = 1 << 2,
	READ_COMMAND_BYTE = 0x20,
	WRITE_COMMAND_BYTE = 0x60,
	SELF_TEST = 0xaa,
	SELF_TEST_PASSED = 0x55,
	INTERFACE_TEST = 0xab,
	DISABLE_KEYBOARD = 0xad,
	ENABLE_KEYBOARD = 0xae,
	READ_OUTPUT_PORT = 0xd0,
	WRITE_OUTPUT_BUFFER = 0xd2,
	OUTPUT_PORT_RESET = 1 << 0,
	OUTPUT_PORT_A20 = 1 << 1,
	BYTE_INTERRUPT = 1 << 0,
	BYTE_DISABLE_KEYBOARD = 1 << 4,
	KEYBOARD_ECHO = 0xee,
	KEYBOARD_IRQ = 1,
	WAIT_MS = 5000,
	NOTHING = 0x100,
};

static void send(u16 port, u8 value)
{
	wait_until(!(inb(STATUS) & STATUS_INPUT_FULL), WAIT_MS);
	outb(port, value);
}

/* A byte from the output buffer, or NOTHING. */
static unsigned receive(void)
{
	return wait_until(inb(STATUS) & STATUS_OUTPUT_FULL, WAIT_MS) ? inb(DATA) : NOTHING;
}

static unsigned ask(u8 command)
{
	send(COMMAND, command);
	return receive();
}

static u8 data_seen;

static void take_byte(u8 vector)
{
	data_seen = inb(DATA);
	pic_eoi(vector - PIC_VECTOR_BASE);
}

static void controller(void)
{
	unsigned byte, port;

	for (int i = 0; i < 32 && inb(STATUS) & STATUS_OUTPUT_FULL; i++)
		inb(DATA);
	report_equal(ask(SELF_TEST), SELF_TEST_PASSED, "the self test passes");
	report(inb(STATUS) & STATUS_SYSTEM, "the system flag is set after the self test");
	report_equal(ask(INTERFACE_TEST), 0, "the keyboard interface test passes");
	byte = ask(READ_COMMAND_BYTE);
	report(byte != NOTHING, "the command byte can be read");
	send(COMMAND, WRITE_COMMAND_BYTE);
	send(DATA, (u8)(byte & ~BYTE_INTERRUPT));
	report_equal(ask(READ_COMMAND_BYTE), byte & ~(unsigned)BYTE_INTERRUPT, "the command byte reads as it was written");
	send(COMMAND, DISABLE_KEYBOARD);
	report(ask(READ_COMMAND_BYTE) & BYTE_DISABLE_KEYBOARD, "command 0xad sets the command byte's disable bit");
	send(COMMAND, ENABLE_KEYBOARD);
	report(!(ask(READ_COMMAND_BYTE) & BYTE_DISABLE_KEYBOARD), "command 0xae clears it");
	port = ask(READ_OUTPUT_PORT);
	report(port != NOTHING && port & OUTPUT_PORT_RESET, "the output port holds the reset line high");
	report(port & OUTPUT_PORT_A20, "the output port holds A20 open");
	send(COMMAND, WRITE_OUTPUT_BUFFER);
	send(DATA, 0x5a);
	report(inb(STATUS) & STATUS_OUTPUT_FULL, "command 0xd2 fills the output buffer");
	report_equal(receive(), 0x5a, "the byte is the one that was written");
	report(!(inb(STATUS) & STATUS_OUTPUT_FULL), "reading the data port empties the output buffer");
}

static void interrupt(void)
{
	bool reached;

	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT);
	pic_init();
	taken_start(PIC_VECTOR_BASE, PIC_VECTOR_BASE + 15, take_byte);
	pic_unmask(KEYBOARD_IRQ);
	send(COMMAND, WRITE_COMMAND_BYTE);
	send(DATA, BYTE_INTERRUPT);
	send(COMMAND, WRITE_OUTPUT_BUFFER);
	send(DATA, 0xa5);
	interrupts_enable();
	reached = wait_until(taken.count, WAIT_MS);
	interrupts_disable();
	pic_mask_all();
	report(reached && taken.vectors[0] == PIC_VECTOR_BASE + KEYBOARD_IRQ && data_seen == 0xa5, "a byte in the output buffer interrupts as IRQ 1");
	send(COMMAND, WRITE_COMMAND_BYTE);
	send(DATA, 0);
}

int main(int argc, char **argv)
{
	if (inb(STATUS) == 0xff) {
		report_skip("i8042: nothing answers at port 0x64");
		return report_summary();
	}
	controller();
	interrupt();
	/* PS/2 keyboards answer an echo with the same byte. */
	send(DATA, KEYBOARD_ECHO);
	report_equal(receive(), KEYBOARD_ECHO, "the keyboard answers an echo");
	return report_summary();
}
