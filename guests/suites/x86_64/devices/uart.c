/*
 * COM1, a 16550A (TI PC16550D data sheet, SNLS378C). Everything that would reach the line runs in loopback (MCR bit 4); as the console is this very
 * UART, a block of checks collects first and reports when the console is back.
 */
#include "apic.h"
#include "console.h"
#include "interrupts.h"
#include "io.h"
#include "pic.h"
#include "platform.h"
#include "report.h"
#include "timeout.h"

enum {
	COM1 = 0x3f8,
	COM1_IRQ = 4,
	RBR = COM1,
	THR = COM1,
	DLL = COM1,
	IER = COM1 + 1,
	DLM = COM1 + 1,
	IIR = COM1 + 2,
	FCR = COM1 + 2,
	LCR = COM1 + 3,
	MCR = COM1 + 4,
	LSR = COM1 + 5,
	MSR = COM1 + 6,
	SCR = COM1 + 7,

	IER_RECEIVED = 1 << 0,
	IER_THR_EMPTY = 1 << 1,
	IER_LINE_STATUS = 1 << 2,
	IER_MODEM_STATUS = 1 << 3,
	IIR_NONE = 0x1,
	IIR_MODEM_STATUS = 0x0,
	IIR_THR_EMPTY = 0x2,
	IIR_RECEIVED = 0x4,
	IIR_LINE_STATUS = 0x6,
	IIR_TIMEOUT = 0xc,
	IIR_ID = 0xf,
	IIR_FIFOS = 0xc0,
	FCR_ENABLE = 1 << 0,
	FCR_CLEAR_RECEIVER = 1 << 1,
	FCR_CLEAR_TRANSMITTER = 1 << 2,
	FCR_TRIGGER_14 = 3 << 6,
	LCR_8N1 = 0x03,
	LCR_DLAB = 0x80,
	MCR_DTR = 1 << 0,
	MCR_RTS = 1 << 1,
	MCR_OUT1 = 1 << 2,
	MCR_OUT2 = 1 << 3,
	MCR_LOOP = 1 << 4,
	LSR_DR = 1 << 0,
	LSR_OE = 1 << 1,
	LSR_THRE = 1 << 5,
	LSR_TEMT = 1 << 6,
	WAIT_MS = 5000,
};

/* Waits for what has been sent to leave, then goes to loopback with empty FIFOs at the highest speed. */
static void begin(u8 fcr)
{
	wait_until(inb(LSR) & LSR_TEMT, WAIT_MS);
	outb(IER, 0);
	outb(MCR, MCR_LOOP);
	outb(FCR, 0);
	outb(FCR, fcr | FCR_CLEAR_RECEIVER | FCR_CLEAR_TRANSMITTER);
	inb(RBR);
	inb(LSR);
	inb(MSR);
	inb(IIR);
}

static void end(void)
{
	console_init();
}

static void registers(void)
{
	u8 scratch, ier, mcr, lcr, dll, dlm, ier_behind, lsr_after_write, iir_off, iir_on;

	begin(FCR_ENABLE);
	outb(SCR, 0xa5);
	scratch = inb(SCR);
	outb(IER, 0xf0);
	ier = inb(IER);
	outb(MCR, 0xe0 | MCR_LOOP);
	mcr = inb(MCR);
	outb(LCR, 0x1b);
	lcr = inb(LCR);
	outb(LCR, LCR_DLAB | LCR_8N1);
	outb(DLL, 0x34);
	outb(DLM, 0x12);
	dll = inb(DLL);
	dlm = inb(DLM);
	outb(LCR, LCR_8N1);
	ier_behind = inb(IER);
	outb(LCR, LCR_DLAB);
	outb(DLL, 1);
	outb(DLM, 0);
	outb(LCR, LCR_8N1);
	outb(LSR, 0);
	lsr_after_write = inb(LSR);
	iir_on = inb(IIR);
	outb(FCR, 0);
	iir_off = inb(IIR);
	end();

	report_equal(scratch, 0xa5, "the scratch register keeps what is written");
	report_equal(ier, 0, "bits 4 to 7 of IER read as zero");
	report_equal(mcr, MCR_LOOP, "bits 5 to 7 of MCR read as zero");
	report_equal(lcr, 0x1b, "LCR reads as it was written");
	report(dll == 0x34 && dlm == 0x12, "with DLAB the divisor latch is read and written");
	report_equal(ier_behind, 0, "without DLAB the divisor latch is out of the way");
	report_equal(lsr_after_write & (LSR_THRE | LSR_TEMT | LSR_DR), LSR_THRE | LSR_TEMT, "LSR says empty, ready to send, nothing received");
	report_equal(iir_on, IIR_FIFOS | IIR_NONE, "IIR with FIFOs on: bits 6 and 7, no interrupt");
	report_equal(iir_off, IIR_NONE, "IIR with FIFOs off: no interrupt");
}

static void loopback(void)
{
	static const u8 bytes[] = {0x55, 0xaa, 0x00, 0xff};
	u8 received[ARRAY_SIZE(bytes)], lsr_ready, lsr_empty, msr[4], delta, delta_again;
	bool arrived;

	begin(FCR_ENABLE);
	for (unsigned i = 0; i < ARRAY_SIZE(bytes); i++)
		outb(THR, bytes[i]);
	arrived = wait_until(inb(LSR) & LSR_TEMT, WAIT_MS);
	lsr_ready = inb(LSR);
	for (unsigned i = 0; i < ARRAY_SIZE(bytes); i++) {
		wait_until(inb(LSR) & LSR_DR, WAIT_MS);
		received[i] = inb(RBR);
	}
	lsr_empty = inb(LSR);
	for (unsigned i = 0; i < 4; i++) {
		outb(MCR, (u8)(MCR_LOOP | 1 << i));
		msr[i] = inb(MSR) >> 4;
	}
	outb(MCR, MCR_LOOP);
	inb(MSR);
	outb(MCR, MCR_LOOP | MCR_RTS);
	delta = inb(MSR) & 0xf;
	delta_again = inb(MSR) & 0xf;
	end();

	report(arrived && lsr_ready & LSR_DR, "in loopback a byte that is sent is received");
	report(received[0] == 0x55 && received[1] == 0xaa && received[2] == 0 && received[3] == 0xff, "bytes come out of the FIFO in order");
	report_equal(lsr_empty & LSR_DR, 0, "reading the last byte clears DR");
	/* Data sheet, section 8.7: CTS is RTS, DSR is DTR, RI is OUT1, DCD is OUT2. */
	report(msr[0] == 2 && msr[1] == 1 && msr[2] == 4 && msr[3] == 8, "in loopback the modem outputs drive the modem inputs");
	report_equal(delta, 1, "a change of CTS sets DCTS");
	report_equal(delta_again, 0, "reading MSR clears the delta bits");
}

/* Sends a byte and waits until it has left; all LSR bits seen meanwhile, for reading LSR clears its error bits. */
static u8 send(u8 byte)
{
	u8 seen = 0;

	outb(THR, byte);
	wait_until((seen |= inb(LSR)) & LSR_TEMT, WAIT_MS);
	return seen | inb(LSR);
}

static void fifo(void)
{
	u8 lsr_full = 0, lsr_over, lsr_after, first, id_line_status, id_below, after_clear;
	unsigned count;

	begin(FCR_ENABLE | FCR_TRIGGER_14);
	for (unsigned i = 0; i < 16; i++)
		lsr_full |= send((u8)i);
	lsr_over = send(0x99);
	lsr_after = inb(LSR);
	first = inb(RBR);
	for (count = 1; count < 32 && inb(LSR) & LSR_DR; count++)
		inb(RBR);

	outb(IER, IER_LINE_STATUS);
	for (unsigned i = 0; i < 17; i++) {
		outb(THR, (u8)i);
		delay_us(100); /* a character takes 87 µs; LSR must not be read here */
	}
	wait_until((inb(IIR) & IIR_ID) == IIR_LINE_STATUS, WAIT_MS);
	id_line_status = inb(IIR) & IIR_ID;
	outb(FCR, FCR_ENABLE | FCR_CLEAR_RECEIVER | FCR_TRIGGER_14);
	after_clear = inb(LSR);

	outb(IER, IER_RECEIVED);
	send(1);
	wait_until((inb(IIR) & IIR_ID) == IIR_TIMEOUT, WAIT_MS);
	id_below = inb(IIR) & IIR_ID;
	end();

	report_equal(lsr_full & LSR_OE, 0, "sixteen bytes fit into the receiver's FIFO");
	report_equal(lsr_over & LSR_OE, LSR_OE, "the seventeenth byte is an overrun: OE");
	report_equal(lsr_after & LSR_OE, 0, "reading LSR clears OE");
	report(first == 0 && count == 16, "an overrun leaves the FIFO as it is");
	report_equal(id_line_status, IIR_LINE_STATUS, "an overrun raises the receiver line status interrupt");
	report_equal(after_clear & LSR_DR, 0, "FCR bit 1 empties the receiver's FIFO");
	report_equal(id_below, IIR_TIMEOUT, "bytes below the trigger level give a character timeout");
}

static void eoi(u8 vector)
{
	pic_eoi(vector - PIC_VECTOR_BASE);
}

/* Data sheet, section 8.5, table III: what raises each interrupt, what clears it, and their order of priority. */
static void interrupts(void)
{
	u8 id_empty, id_after, id_first, id_second, id_modem, id_modem_after;
	bool thr_taken;

	pic_init();
	pic_unmask(COM1_IRQ);
	lapic_enable();
	lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT);

	begin(FCR_ENABLE);
	taken_start(PIC_VECTOR_BASE, PIC_VECTOR_BASE + 15, eoi);
	/* OUT2 gates the interrupt on a PC; in loopback it is held off from the pin, so this part runs outside. Nothing is sent meanwhile. */
	outb(MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	outb(IER, IER_THR_EMPTY);
	id_empty = inb(IIR) & IIR_ID;
	id_after = inb(IIR) & IIR_ID;
	outb(IER, 0);
	outb(IER, IER_THR_EMPTY);
	interrupts_enable();
	thr_taken = wait_until(taken.count, WAIT_MS);
	interrupts_disable();
	outb(IER, 0);
	inb(IIR);
	thr_taken = thr_taken && taken_once(PIC_VECTOR_BASE + COM1_IRQ);

	/* Without FIFOs, where there is no timeout to come first. */
	begin(0);
	send(0x42);
	outb(IER, IER_RECEIVED | IER_THR_EMPTY);
	id_first = inb(IIR) & IIR_ID;
	inb(RBR);
	id_second = inb(IIR) & IIR_ID;
	outb(IER, 0);
	inb(IIR);
	outb(IER, IER_MODEM_STATUS);
	outb(MCR, MCR_LOOP | MCR_DTR);
	id_modem = inb(IIR) & IIR_ID;
	inb(MSR);
	id_modem_after = inb(IIR) & IIR_ID;
	end();
	pic_mask(COM1_IRQ);

	report_equal(id_empty, IIR_THR_EMPTY, "enabling the THR empty interrupt with an empty THR raises it");
	report_equal(id_after, IIR_NONE, "reading IIR clears the THR empty interrupt");
	report(thr_taken, "the THR empty interrupt arrives as IRQ 4");
	report_equal(id_first, IIR_RECEIVED, "received data comes before THR empty");
	report_equal(id_second, IIR_THR_EMPTY, "THR empty follows when the data are read");
	report_equal(id_modem, IIR_MODEM_STATUS, "a modem input's change raises the modem status interrupt");
	report_equal(id_modem_after, IIR_NONE, "reading MSR clears the modem status interrupt");
}

int main(int argc, char **argv)
{
	registers();
	loopback();
	fifo();
	interrupts();
	return report_summary();
}
