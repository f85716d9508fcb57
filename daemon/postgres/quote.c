/*
 * Quoting names and values for SQL text.
 *
 * libpq's PQescapeIdentifier() wants a connection, because how bytes form characters depends on the
 * client's encoding. Ours is UTF-8 on every connection (see link.c), so generated SQL can be
 * written without one. What is not valid UTF-8 is refused: in it a quote might hide
 * (CVE-2025-1094). A test holds the results against libpq's.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "postgres/connection.h"

/* The number of bytes of the valid character at `bytes`, 0 when there is none (RFC 3629, section
   4). */
static size_t character_length(const unsigned char *bytes)
{
	unsigned char first = bytes[0];
	unsigned char low = 0x80, high = 0xBF; /* of the second byte */
	size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;

	if ((first >= 0x80 && first < 0xC2) || first > 0xF4)
		return 0;
	if (first == 0xE0)
		low = 0xA0; /* not overlong */
	if (first == 0xED)
		high = 0x9F; /* no surrogates */
	if (first == 0xF0)
		low = 0x90;
	if (first == 0xF4)
		high = 0x8F; /* not beyond U+10FFFF */
	if (length > 1 && (bytes[1] < low || bytes[1] > high))
		return 0;
	for (size_t i = 2; i < length; i++)
		if (bytes[i] < 0x80 || bytes[i] > 0xBF)
			return 0;
	return length;
}

/* Appends the string with each of the characters in `doubled` doubled; false when it is not
   UTF-8. */
static bool append_doubling(struct text *quoted, const char *string, const char *doubled)
{
	while (*string) {
		size_t length = character_length((const unsigned char *)string);

		if (length == 0)
			return false;
		if (strchr(doubled, *string))
			text_append_bytes(quoted, string, length);
		text_append_bytes(quoted, string, length);
		string += length;
	}
	return true;
}

static char *quote(const char *string, const char *opening, const char *closing,
		   const char *doubled)
{
	_cleanup_text_ struct text quoted = TEXT_INIT;

	text_append(&quoted, opening);
	if (!append_doubling(&quoted, string, doubled))
		return NULL;
	text_append(&quoted, closing);
	return text_steal(&quoted);
}

char *pg_quote_identifier(const char *name)
{
	return quote(name, "\"", "\"", "\"");
}

/* E'…' is read alike whatever standard_conforming_strings says. The blank keeps it apart from a
   word before it. */
char *pg_quote_literal(const char *value)
{
	if (strchr(value, '\\'))
		return quote(value, " E'", "'", "'\\");
	return quote(value, "'", "'", "'");
}
