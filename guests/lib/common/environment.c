#include "environment.h"

#include "string.h"

static const char *environment;
static size_t environment_size;

void environment_init(const char *text, size_t size)
{
	environment = text;
	environment_size = size;
}

bool environment_get(const char *key, char *value, size_t size)
{
	size_t key_length = strlen(key), at = 0;
	bool found = false;

	while (at < environment_size) {
		size_t end = at, length;

		while (end < environment_size && environment[end] != '\n' && environment[end])
			end++;
		if (end - at > key_length && !strncmp(environment + at, key, key_length) && environment[at + key_length] == '=') {
			length = end - at - key_length - 1;
			if (length > size - 1)
				length = size - 1;
			memcpy(value, environment + at + key_length + 1, length);
			value[length] = 0;
			found = true;
		}
		at = end + 1;
	}
	return found;
}

u64 environment_number(const char *key, u64 fallback)
{
	char text[32];
	u64 value;

	return environment_get(key, text, sizeof(text)) && parse_u64(text, &value) ? value : fallback;
}
