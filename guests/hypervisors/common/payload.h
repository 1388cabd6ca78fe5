/*
 * What every L1 hypervisor does: loads its payload, an image of the suites, and counts the exits of L2. The payload lies in memory as the ELF file that it is, put there by the
 * VMM at the architecture's PAYLOAD_ADDRESS (harness/drivers/NestedGuest.cs).
 */
#pragma once

#include "types.h"

/*
 * Copies the segments to where they belong and returns the entry. Ends the L1 when there is no ELF file, or a segment would lie over the L1 or the file.
 */
u64 payload_load(u64 address);

/* The L1's own memory, page-aligned, which L2 does not get. */
u64 l1_start(void);
u64 l1_end(void);

#define EXIT_KINDS_MAX 8

/* Counts an exit; kind is below EXIT_KINDS_MAX and has one name. */
void exit_count(unsigned kind, const char *name);

/* Prints what was counted, as an INFO line: INFO: nested: ran as L2 of <extension>, 12 exits: cpuid 3, port 9 */
void exit_report(const char *extension);
