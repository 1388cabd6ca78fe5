/*
 * Formatted output. Conversions: d i u x X p s c %, with flags '-' and '0', a width, a precision for s ('*' for either), and the lengths
 * hh h l ll z. There is no floating point.
 */
#pragma once

#include "types.h"

/* As in ISO C 7.21.6.12: writes at most size bytes with the closing 0, and returns the length that the whole text has. */
int vsnprintf(char *buffer, size_t size, const char *format, va_list args) __attribute__((format(printf, 3, 0)));
int snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* To the console. A text longer than PRINTF_MAX - 1 characters is cut. Calls from several CPUs do not mix within one text. */
#define PRINTF_MAX 512
void vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
