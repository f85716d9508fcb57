/*
 * UUIDs as text, by libuuid.
 */
#include "common/uuid.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <uuid/uuid.h>

#define PREFIX_MIN 4

void uuid_make(char ret_text[UUID_TEXT_SIZE])
{
	uuid_t uuid;

	uuid_generate_random(uuid);
	uuid_unparse_lower(uuid, ret_text);
}

/* 8-4-4-4-12: where the dashes stand. */
static bool is_dash_position(size_t position)
{
	return position == 8 || position == 13 || position == 18 || position == 23;
}

/* The number of characters that agree with the shape of a UUID; the first that does not ends the
 * count. */
static size_t matching_length(const char *text)
{
	size_t length = 0;

	while (length < UUID_TEXT_SIZE - 1 &&
	       (is_dash_position(length) ? text[length] == '-'
					 : isxdigit((unsigned char)text[length]) != 0))
		length++;
	return length;
}

bool uuid_is_valid(const char *text)
{
	return matching_length(text) == UUID_TEXT_SIZE - 1 && text[UUID_TEXT_SIZE - 1] == '\0';
}

bool uuid_is_prefix(const char *text)
{
	size_t length = matching_length(text);

	return length >= PREFIX_MIN && text[length] == '\0';
}
