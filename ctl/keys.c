/*
 * See keys.h. Sequences are those of ECMA-48 (CSI) and of the VT100's application mode (SS3).
 */
#include "ctl/keys.h"

#include <string.h>

static const struct {
	const char *rest; /* behind ESC [ or ESC O */
	enum key key;
} sequences[] = {
	{ "A", KEY_UP },	 { "B", KEY_DOWN }, { "C", KEY_RIGHT }, { "D", KEY_LEFT },
	{ "H", KEY_HOME },	 { "F", KEY_END },  { "M", KEY_ENTER }, { "1~", KEY_HOME },
	{ "7~", KEY_HOME },	 { "4~", KEY_END }, { "8~", KEY_END },	{ "5~", KEY_PAGE_UP },
	{ "6~", KEY_PAGE_DOWN },
};

/* The length of what follows ESC [ : parameters, then one letter or '~'. */
static size_t sequence_length(const char *bytes, size_t length)
{
	size_t i = 0;

	while (i < length && (unsigned char)bytes[i] >= 0x20 && (unsigned char)bytes[i] < 0x40)
		i++;
	return i < length ? i + 1 : i;
}

static int sequence(const char *bytes, size_t length, size_t *ret_taken)
{
	size_t rest = bytes[1] == '[' ? sequence_length(bytes + 2, length - 2) : length > 2;

	*ret_taken = 2 + rest;
	for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
		if (strlen(sequences[i].rest) == rest &&
		    memcmp(sequences[i].rest, bytes + 2, rest) == 0)
			return sequences[i].key;
	return KEY_OTHER;
}

int keys_next(const char *bytes, size_t length, size_t *ret_taken)
{
	*ret_taken = length > 0;
	if (length == 0)
		return KEY_NONE;
	if (bytes[0] == KEY_ESCAPE && length > 1 && (bytes[1] == '[' || bytes[1] == 'O'))
		return sequence(bytes, length, ret_taken);
	if (bytes[0] == '\r')
		return KEY_ENTER;
	return (unsigned char)bytes[0] < 0x80 ? bytes[0] : KEY_OTHER;
}
