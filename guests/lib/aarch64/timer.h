/* The virtual and physical timers of EL1 (Arm ARM, chapter D11). */
#pragma once

#include "sysreg.h"

/* CNTx_CTL_EL0. */
#define TIMER_ENABLE BIT(0)
#define TIMER_IMASK BIT(1)
#define TIMER_ISTATUS BIT(2)

/* Interrupt IDs: PPIs 11 and 14 (the device tree's /timer, Base System Architecture, section 3.6). */
#define TIMER_VIRTUAL_ID 27
#define TIMER_PHYSICAL_ID 30
