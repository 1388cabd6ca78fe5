#include "arguments.h"

#include "string.h"

static char copy[1024];
static char *arguments[ARGUMENTS_MAX + 2];

int arguments_split(const char *name, const char *text, char ***argv)
{
	size_t size = text ? strlen(text) : 0;
	char *at = copy;
	int count = 1;

	if (size >= sizeof(copy))
		size = sizeof(copy) - 1;
	memcpy(copy, text, size);
	copy[size] = 0;
	arguments[0] = (char *)name;
	while (count <= ARGUMENTS_MAX) {
		while (*at == ' ')
			*at++ = 0;
		if (!*at)
			break;
		arguments[count++] = at;
		while (*at && *at != ' ')
			at++;
	}
	arguments[count] = NULL;
	*argv = arguments;
	return count;
}
