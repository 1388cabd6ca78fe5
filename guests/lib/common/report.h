/*
 * Result lines in kvm-unit-tests' format (guests/README.md), one check a line, and their sum.
 *
 * A check's name is the same whether it passes or fails, so that runs can be compared by it: what was found goes to an INFO line before the
 * FAIL line. Names are unique within an image. The functions may be called on any CPU.
 */
#pragma once

#include "types.h"

#define REPORT_FORMAT(n) __attribute__((format(printf, n, n + 1)))

/* Puts "prefix: " before the names that follow, until the pop. At most REPORT_PREFIX_MAX - 1 characters in all. */
#define REPORT_PREFIX_MAX 128
void report_prefix_push(const char *format, ...) REPORT_FORMAT(1);
void report_prefix_pop(void);

/* A check: PASS or FAIL. Returns pass. */
bool report(bool pass, const char *format, ...) REPORT_FORMAT(2);

/* A check that two values are equal; tells both when they are not. */
bool report_equal(u64 found, u64 expected, const char *format, ...) REPORT_FORMAT(3);

/* XPASS or XFAIL: the check is expected to fail. */
bool report_xfail(bool pass, const char *format, ...) REPORT_FORMAT(2);

/* PASS, or KFAIL where a fault of the platform is known. */
bool report_kfail(bool pass, const char *format, ...) REPORT_FORMAT(2);

/* A check that this machine cannot run; the text ends with the reason: "name: why". */
void report_skip(const char *format, ...) REPORT_FORMAT(1);

void report_info(const char *format, ...) REPORT_FORMAT(1);

/* A number for the record: MEASURE: name value unit. */
void measure(const char *name, u64 value, const char *unit);

/* Prints the SUMMARY line and returns the exit code. */
int report_summary(void);

/* Ends the guest with an ABORT line and code 63: the checks cannot go on. */
_Noreturn void abort_test(const char *format, ...) REPORT_FORMAT(1);
