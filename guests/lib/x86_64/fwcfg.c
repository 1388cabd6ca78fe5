#include "fwcfg.h"

#include "io.h"
#include "string.h"

void fwcfg_read(u16 key, void *buffer, size_t size)
{
	u8 *to = buffer;

	outw(FWCFG_SELECTOR_PORT, key);
	while (size--)
		*to++ = inb(FWCFG_DATA_PORT);
}

bool fwcfg_present(void)
{
	char signature[4];

	fwcfg_read(FWCFG_SIGNATURE, signature, sizeof(signature));
	return !memcmp(signature, "QEMU", sizeof(signature));
}

u16 fwcfg_read16(u16 key)
{
	u16 value;

	fwcfg_read(key, &value, sizeof(value));
	return value;
}

u64 fwcfg_read64(u16 key)
{
	u64 value;

	fwcfg_read(key, &value, sizeof(value));
	return value;
}
