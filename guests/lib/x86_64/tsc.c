#include "tsc.h"

#include "pit.h"
#include "processor.h"

enum {
	CALIBRATION_MS = 10,
	CALIBRATION_READS_MAX = 1000000, /* a port read takes some 0.1 to 10 µs */
	FALLBACK_KHZ = 1000000,
};

static u64 khz;

u64 tsc_khz(void)
{
	u64 start, reads = 0;

	if (khz)
		return khz;
	pit2_start(PIT_HZ * CALIBRATION_MS / 1000);
	start = rdtsc();
	while (!pit2_expired() && reads < CALIBRATION_READS_MAX)
		reads++;
	khz = (rdtsc() - start) / CALIBRATION_MS;
	if (reads == CALIBRATION_READS_MAX || khz == 0)
		khz = FALLBACK_KHZ;
	return khz;
}

u64 tsc_to_ns(u64 ticks)
{
	return ticks * 1000 / (tsc_khz() / 1000 ? tsc_khz() / 1000 : 1);
}
