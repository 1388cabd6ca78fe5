/* Facts about the host that the harness passes in, as K=V lines (kvm-unit-tests' environment file). */
#pragma once

#include "types.h"

/* The architecture's start-up gives the text; it stays in place and need not end with 0. */
void environment_init(const char *text, size_t size);

/* Copies the value of a key, cut to size - 1 characters; the last line with the key wins. False when there is none. */
bool environment_get(const char *key, char *value, size_t size);

/* A numeric value, or fallback when the key is missing or is no number. */
u64 environment_number(const char *key, u64 fallback);
