#include "fdt.h"

#include "string.h"

enum {
	FDT_MAGIC = 0xd00dfeed,
	FDT_BEGIN_NODE = 1,
	FDT_END_NODE = 2,
	FDT_PROP = 3,
	FDT_NOP = 4,
};

struct fdt_header {
	u32 magic, totalsize, off_dt_struct, off_dt_strings, off_mem_rsvmap, version, last_comp_version, boot_cpuid_phys, size_dt_strings, size_dt_struct;
};

static const u8 *structure;
static const char *strings;
static u32 structure_size;

static u32 big_endian(const void *at)
{
	const u8 *b = at;

	return (u32)b[0] << 24 | (u32)b[1] << 16 | (u32)b[2] << 8 | b[3];
}

bool fdt_init(const void *blob)
{
	const struct fdt_header *header = blob;

	if (!blob || (uintptr_t)blob & 3 || big_endian(&header->magic) != FDT_MAGIC)
		return false;
	structure = (const u8 *)blob + big_endian(&header->off_dt_struct);
	strings = (const char *)blob + big_endian(&header->off_dt_strings);
	structure_size = big_endian(&header->size_dt_struct);
	return true;
}

static u32 token(u32 at)
{
	return at + 4 <= structure_size ? big_endian(structure + at) : 0;
}

static u32 aligned(u32 size)
{
	return (size + 3) & ~3u;
}

/* The token behind the one at an offset. */
static u32 next(u32 at)
{
	switch (token(at)) {
	case FDT_BEGIN_NODE:
		return at + 4 + aligned((u32)strlen((const char *)structure + at + 4) + 1);
	case FDT_PROP:
		return at + 12 + aligned(big_endian(structure + at + 4));
	default:
		return at + 4;
	}
}

static int next_node(int after)
{
	u32 at = after == FDT_NONE ? 0 : next((u32)after);

	for (; at < structure_size; at = next(at))
		if (token(at) == FDT_BEGIN_NODE)
			return (int)at;
	return FDT_NONE;
}

const void *fdt_property(int node, const char *name, u32 *size)
{
	if (node == FDT_NONE)
		return NULL;
	/* Properties come before the nodes below (section 5.4.2). */
	for (u32 at = next((u32)node); token(at) == FDT_PROP || token(at) == FDT_NOP; at = next(at)) {
		if (token(at) == FDT_NOP || strcmp(strings + big_endian(structure + at + 8), name))
			continue;
		*size = big_endian(structure + at + 4);
		return structure + at + 12;
	}
	return NULL;
}

static bool lists(int node, const char *name, const char *text)
{
	u32 size, at = 0;
	const char *list = fdt_property(node, name, &size);

	if (!list || !size || list[size - 1])
		return false;
	for (; at < size; at += (u32)strlen(list + at) + 1)
		if (!strcmp(list + at, text))
			return true;
	return false;
}

static int find(int after, const char *property, const char *text)
{
	int node = after;

	while ((node = next_node(node)) != FDT_NONE)
		if (lists(node, property, text))
			return node;
	return FDT_NONE;
}

int fdt_by_compatible(int after, const char *text)
{
	return find(after, "compatible", text);
}

int fdt_by_device_type(int after, const char *text)
{
	return find(after, "device_type", text);
}

int fdt_by_name(const char *name)
{
	size_t length = strlen(name);
	int depth = 0;

	for (u32 at = 0; at < structure_size; at = next(at)) {
		const char *found = (const char *)structure + at + 4;

		if (token(at) == FDT_END_NODE)
			depth--;
		if (token(at) == FDT_BEGIN_NODE && depth++ == 1 && !strncmp(found, name, length) && (found[length] == 0 || found[length] == '@'))
			return (int)at;
	}
	return FDT_NONE;
}

const char *fdt_text(int node, const char *name)
{
	u32 size;
	const char *text = fdt_property(node, name, &size);

	return text && size && !text[size - 1] ? text : NULL;
}

u32 fdt_cell(int node, const char *name, u32 index, u32 fallback)
{
	u32 size;
	const u8 *cells = fdt_property(node, name, &size);

	return cells && size >= 4 * (index + 1) ? big_endian(cells + 4 * index) : fallback;
}

u64 fdt_number(int node, const char *name, u64 fallback)
{
	u32 size;
	const u8 *cells = fdt_property(node, name, &size);

	if (!cells || size < 4)
		return fallback;
	return size < 8 ? big_endian(cells) : (u64)big_endian(cells) << 32 | big_endian(cells + 4);
}

bool fdt_reg(int node, u32 index, u64 *address, u64 *size)
{
	u32 bytes;
	const u8 *reg = fdt_property(node, "reg", &bytes);

	if (!reg || bytes < 16 * (index + 1))
		return false;
	reg += 16 * index;
	*address = (u64)big_endian(reg) << 32 | big_endian(reg + 4);
	*size = (u64)big_endian(reg + 8) << 32 | big_endian(reg + 12);
	return true;
}
