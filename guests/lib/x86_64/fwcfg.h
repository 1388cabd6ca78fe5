/* QEMU's firmware configuration device by its ports (QEMU documentation, docs/specs/fw_cfg). */
#pragma once

#include "types.h"

enum {
	FWCFG_SELECTOR_PORT = 0x510,
	FWCFG_DATA_PORT = 0x511,
	FWCFG_SIGNATURE = 0x00,
	FWCFG_ID = 0x01,
	FWCFG_RAM_SIZE = 0x03,
	FWCFG_NB_CPUS = 0x05,
	FWCFG_FILE_DIR = 0x19,
};

/* Whether the signature "QEMU" is there. */
bool fwcfg_present(void);

/* Selects an item and reads from its start. */
void fwcfg_read(u16 key, void *buffer, size_t size);

/* Little-endian items. */
u16 fwcfg_read16(u16 key);
u64 fwcfg_read64(u16 key);
