#include "report.h"

#include "platform.h"
#include "printf.h"
#include "string.h"

enum {
	EXIT_CODE_PASS = 0,
	EXIT_CODE_FAIL = 1,
	EXIT_CODE_SKIP = 38, /* the VMM's status becomes 77 */
	EXIT_CODE_ABORT = 63, /* and 127 */
};

static struct {
	unsigned tests, failures, xfailures, kfailures, skipped;
} total;

static char prefixes[REPORT_PREFIX_MAX];

static void count(unsigned *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* One write for a whole line, so that lines of several CPUs do not mix. */
static void line(const char *verdict, const char *format, va_list args)
{
	char text[PRINTF_MAX - REPORT_PREFIX_MAX - 16];

	vsnprintf(text, sizeof(text), format, args);
	printf("%s: %s%s\n", verdict, prefixes, text);
}

void report_prefix_push(const char *format, ...)
{
	size_t length = strlen(prefixes);
	va_list args;

	va_start(args, format);
	vsnprintf(prefixes + length, sizeof(prefixes) - length, format, args);
	va_end(args);
	length = strlen(prefixes);
	snprintf(prefixes + length, sizeof(prefixes) - length, ": ");
}

void report_prefix_pop(void)
{
	size_t length = strlen(prefixes);

	if (length)
		length -= 2;
	while (length && !(prefixes[length - 1] == ' ' && length > 1 && prefixes[length - 2] == ':'))
		length--;
	prefixes[length] = 0;
}

bool report(bool pass, const char *format, ...)
{
	va_list args;

	count(&total.tests);
	if (!pass)
		count(&total.failures);
	va_start(args, format);
	line(pass ? "PASS" : "FAIL", format, args);
	va_end(args);
	return pass;
}

bool report_equal(u64 found, u64 expected, const char *format, ...)
{
	bool pass = found == expected;
	va_list args;

	if (!pass)
		report_info("found 0x%lx, expected 0x%lx", found, expected);
	count(&total.tests);
	if (!pass)
		count(&total.failures);
	va_start(args, format);
	line(pass ? "PASS" : "FAIL", format, args);
	va_end(args);
	return pass;
}

bool report_xfail(bool pass, const char *format, ...)
{
	va_list args;

	count(&total.tests);
	count(pass ? &total.failures : &total.xfailures);
	va_start(args, format);
	line(pass ? "XPASS" : "XFAIL", format, args);
	va_end(args);
	return !pass;
}

bool report_kfail(bool pass, const char *format, ...)
{
	va_list args;

	count(&total.tests);
	if (!pass)
		count(&total.kfailures);
	va_start(args, format);
	line(pass ? "PASS" : "KFAIL", format, args);
	va_end(args);
	return pass;
}

void report_skip(const char *format, ...)
{
	va_list args;

	count(&total.tests);
	count(&total.skipped);
	va_start(args, format);
	line("SKIP", format, args);
	va_end(args);
}

void report_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line("INFO", format, args);
	va_end(args);
}

void measure(const char *name, u64 value, const char *unit)
{
	printf("MEASURE: %s %lu %s\n", name, value, unit);
}

int report_summary(void)
{
	char text[PRINTF_MAX];
	int length = snprintf(text, sizeof(text), "SUMMARY: %u tests", total.tests);

	if (total.failures)
		length += snprintf(text + length, sizeof(text) - length, ", %u unexpected failures", total.failures);
	if (total.xfailures)
		length += snprintf(text + length, sizeof(text) - length, ", %u expected failures", total.xfailures);
	if (total.kfailures)
		length += snprintf(text + length, sizeof(text) - length, ", %u known failures", total.kfailures);
	if (total.skipped)
		length += snprintf(text + length, sizeof(text) - length, ", %u skipped", total.skipped);
	printf("%s\n", text);
	if (total.tests == total.skipped)
		return EXIT_CODE_SKIP;
	return total.failures ? EXIT_CODE_FAIL : EXIT_CODE_PASS;
}

void abort_test(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line("ABORT", format, args);
	va_end(args);
	exit(EXIT_CODE_ABORT);
}
