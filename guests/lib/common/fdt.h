/*
 * Reads a flattened device tree (Devicetree Specification 0.4, chapter 5). A node is the offset of its FDT_BEGIN_NODE token in the structure block; FDT_NONE: there is none.
 * Numbers in a tree are big-endian.
 */
#pragma once

#include "types.h"

#define FDT_NONE (-1)

/* False when there is no device tree at the address. To be called first. */
bool fdt_init(const void *blob);

/* The first node after a node (FDT_NONE: from the start) whose "compatible" lists the text, or whose "device_type" is it. */
int fdt_by_compatible(int after, const char *text);
int fdt_by_device_type(int after, const char *text);

/* A node directly below the root by its name, without its unit address: "chosen", "psci". */
int fdt_by_name(const char *name);

/* A property's bytes in place and their count; NULL when the node has none of that name. */
const void *fdt_property(int node, const char *name, u32 *size);

/* A property as text; NULL when there is none, or it does not end with 0. */
const char *fdt_text(int node, const char *name);

/* The cell at an index of a property; fallback when there is none. */
u32 fdt_cell(int node, const char *name, u32 index, u32 fallback);

/* Address and size number index in "reg", two cells each, as both "virt" machines have them below the root. False when there is none. */
bool fdt_reg(int node, u32 index, u64 *address, u64 *size);

/* A number of one or two cells, by the property's size; fallback when there is none. */
u64 fdt_number(int node, const char *name, u64 fallback);
