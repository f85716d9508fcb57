/*
 * Terminal, locale, colours, and the width of what is shown.
 */
#include "ctl/look.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define ESCAPE '\033'

/* no-color.org: the variable counts when it is not empty. */
static bool wants_colour(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return !(no_color && no_color[0]) && terminal && strcmp(terminal, "dumb") != 0;
}

struct look look_of(int fd, bool no_color)
{
	bool terminal = isatty(fd);

	return (struct look){
		.terminal = terminal,
		.colour = terminal && !no_color && wants_colour(),
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	};
}

static const struct {
	const char *word;
	enum style style;
} word_styles[] = {
	{ "pending", STYLE_DIM },	 { "cancelled", STYLE_DIM },
	{ "none", STYLE_DIM },		 { "running", STYLE_ACTIVE },
	{ "busy", STYLE_ACTIVE },	 { "completed", STYLE_GOOD },
	{ "idle", STYLE_GOOD },		 { "ready", STYLE_GOOD },
	{ "synced", STYLE_GOOD },	 { "pass", STYLE_GOOD },
	{ "paused", STYLE_WARNING },	 { "behind", STYLE_WARNING },
	{ "ahead", STYLE_WARNING },	 { "warn", STYLE_WARNING },
	{ "unknown", STYLE_WARNING },	 { "waiting", STYLE_WARNING },
	{ "connecting", STYLE_WARNING }, { "setting up", STYLE_WARNING },
	{ "stalled", STYLE_WARNING },	 { "failed", STYLE_BAD },
	{ "missing", STYLE_BAD },	 { "fail", STYLE_BAD },
	{ "down", STYLE_BAD },		 { "unavailable", STYLE_BAD },
	{ "closed", STYLE_DIM },	 { "detecting", STYLE_ACTIVE },
	{ "starting", STYLE_WARNING },	 { "stopping", STYLE_WARNING },
	{ "standby", STYLE_WARNING },	 { "quiet", STYLE_DIM },
	{ "migrated", STYLE_GOOD },	 { "skipped", STYLE_WARNING },
};

enum style look_style_of(const char *word)
{
	for (size_t i = 0; word && i < sizeof word_styles / sizeof word_styles[0]; i++)
		if (strcmp(word_styles[i].word, word) == 0)
			return word_styles[i].style;
	return STYLE_PLAIN;
}

static const char *style_codes(enum style style)
{
	switch (style) {
	case STYLE_PLAIN:
		return NULL;
	case STYLE_BOLD:
		return "1";
	case STYLE_DIM:
		return "2";
	case STYLE_GOOD:
		return "32";
	case STYLE_ACTIVE:
		return "36";
	case STYLE_WARNING:
		return "33";
	case STYLE_BAD:
		return "31";
	}
	return NULL;
}

/* Control characters of ASCII, and those of Latin-1, which UTF-8 writes as C2 80 to C2 9F. */
static size_t control_length(const char *string)
{
	unsigned char first = (unsigned char)string[0];
	unsigned char second = first ? (unsigned char)string[1] : 0;

	if (first < 0x20 || first == 0x7f)
		return 1;
	return first == 0xc2 && second >= 0x80 && second <= 0x9f ? 2 : 0;
}

static void append_harmless(struct text *out, const char *string)
{
	while (*string) {
		size_t length = control_length(string);

		text_append_bytes(out, length > 0 ? "?" : string, 1);
		string += length > 0 ? length : 1;
	}
}

void look_append(const struct look *look, struct text *out, enum style style, const char *string)
{
	const char *codes = look->colour && string[0] ? style_codes(style) : NULL;

	if (codes)
		text_appendf(out, "%c[%sm", ESCAPE, codes);
	append_harmless(out, string);
	if (codes)
		text_appendf(out, "%c[0m", ESCAPE);
}

/* The length of one of our escape sequences, which all end with a letter; 0 when there is none. */
static size_t escape_length(const char *string)
{
	if (string[0] != ESCAPE || string[1] != '[')
		return 0;
	size_t length = 2 + strspn(string + 2, "0123456789;?");

	return length + (string[length] != '\0');
}

/* One character of UTF-8 by hand: the locale may be another. What is not UTF-8 counts as one byte,
   one column. */
static size_t character_length(const char *string, int *ret_width)
{
	const unsigned char *bytes = (const unsigned char *)string;
	size_t length = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : bytes[0] >= 0xc0 ? 2 : 1;
	wchar_t character = length == 1 ? bytes[0] : bytes[0] & (0xff >> (length + 1));

	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80) {
			*ret_width = 1;
			return 1;
		}
		character = (wchar_t)(character << 6 | (bytes[i] & 0x3f));
	}
	int width = wcwidth(character);

	*ret_width = width >= 0 ? width : 1;
	return length;
}

/* Walks until the string or the columns end. */
static size_t walk(const char *string, int columns, int *ret_used)
{
	size_t position = 0;
	int used = 0;

	while (string[position]) {
		int width = 0;
		size_t length = escape_length(string + position);

		if (length == 0)
			length = character_length(string + position, &width);
		if (width > columns - used)
			break;
		used += width;
		position += length;
	}
	*ret_used = used;
	return position;
}

int look_width(const char *string)
{
	int used;

	walk(string, 1 << 20, &used);
	return used;
}

size_t look_fit(const char *string, int columns)
{
	int used;

	return walk(string, columns, &used);
}

void look_terminal_size(int fd, int *ret_columns, int *ret_rows)
{
	struct winsize size = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		size = (struct winsize){ 0 };
	*ret_columns = size.ws_col > 0 ? size.ws_col : 80;
	*ret_rows = size.ws_row > 0 ? size.ws_row : 24;
}
