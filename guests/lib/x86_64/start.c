/* Start-up in C: the boot CPU goes to main, the others to their work. Multiboot Specification 0.6.96, section 3.3 "Boot information format". */
#include "console.h"
#include "cpu.h"
#include "environment.h"
#include "io.h"
#include "pic.h"
#include "platform.h"
#include "report.h"
#include "smp.h"
#include "string.h"

enum {
	MULTIBOOT_LOADER_MAGIC = 0x2badb002,
	MULTIBOOT_INFO_CMDLINE = 1 << 2,
	MULTIBOOT_INFO_MODS = 1 << 3,
	EXIT_PORT = 0xf4, /* isa-debug-exit */
	SHUTDOWN_PORT = 0x8900, /* Bochs' */
	CMDLINE_MAX = 1024,
	ARGS_MAX = 64,
};

struct multiboot_info {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
};

struct multiboot_module {
	u32 start, end, string, reserved;
};

extern u32 multiboot_magic, multiboot_info_address;
void cpu_start(u32 index);

static char cmdline[CMDLINE_MAX];
static char *args[ARGS_MAX + 1];

static int split(char *text)
{
	int count = 0;

	while (count < ARGS_MAX) {
		while (*text == ' ')
			*text++ = 0;
		if (!*text)
			break;
		args[count++] = text;
		while (*text && *text != ' ')
			text++;
	}
	return count;
}

static int parse_multiboot(void)
{
	const struct multiboot_info *info = (const struct multiboot_info *)(u64)multiboot_info_address;

	if (multiboot_magic != MULTIBOOT_LOADER_MAGIC)
		abort_test("no multiboot loader: EAX was 0x%x at the entry", multiboot_magic);
	if (info->flags & MULTIBOOT_INFO_MODS && info->mods_count) {
		const struct multiboot_module *module = (const struct multiboot_module *)(u64)info->mods_addr;

		environment_init((const char *)(u64)module->start, module->end - module->start);
	}
	if (info->flags & MULTIBOOT_INFO_CMDLINE) {
		const char *text = (const char *)(u64)info->cmdline;
		size_t size = strlen(text);

		if (size >= sizeof(cmdline))
			size = sizeof(cmdline) - 1;
		memcpy(cmdline, text, size);
	}
	return split(cmdline);
}

void exit(int code)
{
	outl(EXIT_PORT, (u32)code);
	/* Reached where there is no such port: Bochs' way to power off, then nothing more. */
	for (const char *c = "Shutdown"; *c; c++)
		outb(SHUTDOWN_PORT, (u8)*c);
	for (;;)
		asm volatile("cli; hlt");
}

/* From start.S, on each CPU. */
void cpu_start(u32 index)
{
	if (index) {
		cpu_init(index);
		smp_work();
	}
	trap_init();
	cpu_init(index);
	console_init();
	/* A firmware may have left the timer's line open; interrupts come only to those who ask for them. */
	pic_mask_all();
	int argc = parse_multiboot();
	exit(main(argc, args));
}
