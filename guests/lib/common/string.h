/* The memory and string functions of the C standard (ISO C 7.24) that the suites use; the compiler calls the first four itself. */
#pragma once

#include "types.h"

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);

/* Parses an unsigned number in decimal, or in hexadecimal after "0x". False when s is empty, holds anything else or does not fit. */
bool parse_u64(const char *s, u64 *value);
