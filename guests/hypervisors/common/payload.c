#include "payload.h"

#include "printf.h"
#include "report.h"
#include "string.h"

enum {
	EI_CLASS = 4,
	ELFCLASS64 = 2,
	PT_LOAD = 1,
	PAGE = 4096,
};

/* System V ABI, chapter 4 "Object Files", and chapter 5 "Program Header", in both classes. */
struct elf32_header {
	u8 ident[16];
	u16 type, machine;
	u32 version, entry, phoff, shoff, flags;
	u16 ehsize, phentsize, phnum;
};

struct elf64_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum;
};

struct elf32_segment {
	u32 type, offset, vaddr, paddr, filesz, memsz;
};

struct elf64_segment {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz;
};

extern u8 image_start[], image_end[];

static struct {
	const char *name;
	u64 count;
} kinds[EXIT_KINDS_MAX];

u64 l1_start(void)
{
	return (u64)image_start & ~(u64)(PAGE - 1);
}

u64 l1_end(void)
{
	return ((u64)image_end + PAGE - 1) & ~(u64)(PAGE - 1);
}

static void load_segment(u64 file, u64 offset, u64 to, u64 file_size, u64 memory_size)
{
	if (to < l1_end() && to + memory_size > l1_start())
		abort_test("the payload's segment at 0x%lx lies over the L1 hypervisor", to);
	if (to <= file && to + memory_size > file)
		abort_test("the payload's segment at 0x%lx lies over its own file at 0x%lx", to, file);
	memcpy((void *)to, (const void *)(file + offset), file_size);
	memset((void *)(to + file_size), 0, memory_size - file_size);
}

u64 payload_load(u64 address)
{
	const struct elf32_header *small = (const void *)address;
	const struct elf64_header *large = (const void *)address;
	bool wide = small->ident[EI_CLASS] == ELFCLASS64;
	unsigned count = wide ? large->phnum : small->phnum;

	if (memcmp(small->ident, "\177ELF", 4))
		abort_test("the L1 hypervisor finds no ELF image at 0x%lx", address);
	for (unsigned i = 0; i < count; i++) {
		const struct elf32_segment *s = (const void *)(address + small->phoff + i * small->phentsize);
		const struct elf64_segment *l = (const void *)(address + large->phoff + i * large->phentsize);

		if (wide && l->type == PT_LOAD)
			load_segment(address, l->offset, l->paddr, l->filesz, l->memsz);
		else if (!wide && s->type == PT_LOAD)
			load_segment(address, s->offset, s->paddr, s->filesz, s->memsz);
	}
	return wide ? large->entry : small->entry;
}

void exit_count(unsigned kind, const char *name)
{
	kinds[kind].name = name;
	kinds[kind].count++;
}

void exit_report(const char *extension)
{
	char text[256];
	u64 total = 0;
	int length = 0;

	text[0] = 0;
	for (unsigned i = 0; i < EXIT_KINDS_MAX; i++) {
		if (!kinds[i].count)
			continue;
		length += snprintf(text + length, sizeof(text) - (size_t)length, "%s%s %lu", length ? ", " : "", kinds[i].name, kinds[i].count);
		total += kinds[i].count;
	}
	printf("INFO: nested: ran as L2 of %s, %lu exits: %s\n", extension, total, text);
}
