#include "printf.h"

#include "platform.h"
#include "string.h"

struct sink {
	char *buffer;
	size_t size, length;
};

struct conversion {
	bool left, zero;
	int width, precision; /* precision < 0: none */
};

static void put(struct sink *sink, char c)
{
	if (sink->length + 1 < sink->size)
		sink->buffer[sink->length] = c;
	sink->length++;
}

static void put_padded(struct sink *sink, const struct conversion *c, const char *text, int length)
{
	bool zero = c->zero && !c->left;
	int pad = c->width > length ? c->width - length : 0;

	/* Zeros go between the sign and the digits. */
	if (zero && length && *text == '-') {
		put(sink, *text++);
		length--;
	}
	for (; !c->left && pad; pad--)
		put(sink, zero ? '0' : ' ');
	while (length--)
		put(sink, *text++);
	for (; pad; pad--)
		put(sink, ' ');
}

static void put_number(struct sink *sink, const struct conversion *c, u64 value, bool negative, unsigned base, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	int at = sizeof(text);

	do {
		text[--at] = digits[value % base];
		value /= base;
	} while (value);
	if (negative)
		text[--at] = '-';
	put_padded(sink, c, text + at, sizeof(text) - at);
}

static s64 signed_argument(int length, va_list *args)
{
	switch (length) {
	case -2:
		return (s8)va_arg(*args, int);
	case -1:
		return (s16)va_arg(*args, int);
	case 0:
		return va_arg(*args, int);
	default:
		return va_arg(*args, s64);
	}
}

static u64 unsigned_argument(int length, va_list *args)
{
	switch (length) {
	case -2:
		return (u8)va_arg(*args, unsigned);
	case -1:
		return (u16)va_arg(*args, unsigned);
	case 0:
		return va_arg(*args, unsigned);
	default:
		return va_arg(*args, u64);
	}
}

static int number(const char **format, va_list *args)
{
	int value = 0;

	if (**format == '*') {
		(*format)++;
		return va_arg(*args, int);
	}
	while (**format >= '0' && **format <= '9')
		value = value * 10 + *(*format)++ - '0';
	return value;
}

/* Formats one conversion; format is just behind its '%'. Returns what follows it. */
static const char *convert(struct sink *sink, const char *format, va_list *args)
{
	struct conversion c = {.precision = -1};
	int length = 0, size;
	const char *text;
	s64 value;
	char character;

	for (;; format++) {
		if (*format == '-')
			c.left = true;
		else if (*format == '0')
			c.zero = true;
		else
			break;
	}
	c.width = number(&format, args);
	if (*format == '.') {
		format++;
		c.precision = number(&format, args);
	}
	for (; *format == 'h'; format++)
		length--;
	for (; *format == 'l' || *format == 'z'; format++)
		length++;
	switch (*format) {
	case 'd':
	case 'i':
		value = signed_argument(length, args);
		put_number(sink, &c, value < 0 ? -(u64)value : (u64)value, value < 0, 10, false);
		break;
	case 'u':
		put_number(sink, &c, unsigned_argument(length, args), false, 10, false);
		break;
	case 'x':
	case 'X':
		put_number(sink, &c, unsigned_argument(length, args), false, 16, *format == 'X');
		break;
	case 'p':
		put(sink, '0');
		put(sink, 'x');
		put_number(sink, &c, (uintptr_t)va_arg(*args, void *), false, 16, false);
		break;
	case 's':
		text = va_arg(*args, const char *);
		if (!text)
			text = "(null)";
		for (size = 0; (c.precision < 0 || size < c.precision) && text[size]; size++)
			;
		put_padded(sink, &c, text, size);
		break;
	case 'c':
		character = (char)va_arg(*args, int);
		put_padded(sink, &c, &character, 1);
		break;
	case '%':
		put(sink, '%');
		break;
	default:
		/* An unknown conversion is printed as it stands, so that the mistake shows. */
		put(sink, '%');
		return format;
	}
	return format + 1;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
	struct sink sink = {.buffer = buffer, .size = size};
	va_list copy;

	va_copy(copy, args);
	while (*format) {
		if (*format == '%')
			format = convert(&sink, format + 1, &copy);
		else
			put(&sink, *format++);
	}
	va_end(copy);
	if (size)
		buffer[sink.length < size ? sink.length : size - 1] = 0;
	return (int)sink.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(buffer, size, format, args);
	va_end(args);
	return length;
}

void vprintf(const char *format, va_list args)
{
	char buffer[PRINTF_MAX];

	vsnprintf(buffer, sizeof(buffer), format, args);
	console_write(buffer, strlen(buffer));
}

void printf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}
