/*
 * Legacy keys in their text form: arrays of text as PostgreSQL writes and reads them
 * (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO).
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "store/store.h"

char *store_key_literal(const char *const *parts, size_t count)
{
	struct text text = TEXT_INIT;

	text_append(&text, "{");
	for (size_t i = 0; i < count; i++) {
		text_append(&text, i > 0 ? ",\"" : "\"");
		for (const char *c = parts[i]; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				text_append(&text, "\\");
			text_append_bytes(&text, c, 1);
		}
		text_append(&text, "\"");
	}
	text_append(&text, "}");
	return text_steal(&text);
}

/* Reads one element at *next, quoted or plain, and leaves *next behind it. */
static char *parse_part(const char **next)
{
	struct text text = TEXT_INIT;
	const char *c = *next;
	bool quoted = *c == '"';

	text_append(&text, "");
	for (c += quoted; *c != '\0'; c++) {
		if (quoted ? *c == '"' : *c == ',' || *c == '}')
			break;
		if (*c == '\\' && c[1] != '\0')
			c++;
		text_append_bytes(&text, c, 1);
	}
	*next = c + (quoted && *c == '"');
	return text_steal(&text);
}

char **store_key_parse(const char *literal, size_t *ret_count)
{
	char **parts = NULL;
	size_t count = 0;
	const char *next = literal + (*literal == '{');

	while (*next != '\0' && *next != '}') {
		parts = memory_grow(parts, count + 1, sizeof(*parts));
		parts[count++] = parse_part(&next);
		if (*next == ',')
			next++;
	}
	*ret_count = count;
	return parts;
}

/* --- as people write it --------------------------------------------------------------------------- */

/* Reads one part at *next, in double quotes (twice for one of them) or plain, up to the comma or `end`, and leaves *next there. */
static char *split_part(const char **next, const char *end)
{
	struct text text = TEXT_INIT;
	const char *c = *next;

	text_append(&text, "");
	while (c < end && *c == ' ')
		c++;
	if (c < end && *c == '"') {
		for (c++; c < end && (*c != '"' || (c + 1 < end && c[1] == '"')); c++) {
			c += *c == '"';
			text_append_bytes(&text, c, 1);
		}
		c += c < end;
	}
	for (; c < end && *c != ','; c++)
		text_append_bytes(&text, c, 1);
	*next = c;
	return text_steal(&text);
}

char **store_key_split(const char *key, size_t count, size_t *ret_count)
{
	char **parts = memory_new(sizeof(*parts));
	const char *end = key + strlen(key), *next = key;

	*ret_count = 1;
	if (count <= 1) {
		parts[0] = text_copy(key);
		return parts;
	}
	if (*next == '(' && end[-1] == ')') {
		next++;
		end--;
	}
	parts[0] = split_part(&next, end);
	while (next < end) {
		next++;
		parts = memory_grow(parts, *ret_count + 1, sizeof(*parts));
		parts[(*ret_count)++] = split_part(&next, end);
	}
	return parts;
}

void store_key_free(char **parts, size_t count)
{
	for (size_t i = 0; parts != NULL && i < count; i++)
		free(parts[i]);
	free(parts);
}
