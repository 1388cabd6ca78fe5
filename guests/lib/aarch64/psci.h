/* Calls by the SMC Calling Convention (DEN 0028), and with them PSCI (DEN 0022), by HVC or SMC as the device tree says. */
#pragma once

#include "types.h"

#define PSCI_VERSION 0x84000000u
#define PSCI_CPU_OFF 0x84000002u
#define PSCI_CPU_ON 0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_FEATURES 0x8400000au

#define PSCI_SUCCESS 0
#define PSCI_NOT_SUPPORTED (-1)
#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_ALREADY_ON (-4)

/* Hypervisor services: the call's UID (DEN 0028, section 6.2). */
#define SMCCC_HYPERVISOR_UID 0x8600ff01u

/* False when the device tree has no PSCI node. */
bool psci_init(void);

/* "hvc" or "smc". */
const char *psci_method(void);

/* X0 as it comes back. */
s64 psci_call(u64 function, u64 a, u64 b, u64 c);

/* The four registers that come back from an HVC. */
struct smccc_result {
	u64 x[4];
};
struct smccc_result smccc_hvc(u64 function);
