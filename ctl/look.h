/*
 * How output looks on what it is written to: colours, characters, width. Decided once, at the
 * start.
 */
#ifndef CTL_LOOK_H
#define CTL_LOOK_H

#include <stdbool.h>

#include "common/text.h"

struct look {
	bool terminal;
	bool colour;
	bool utf8;
};

/* For a descriptor, by terminal, locale, NO_COLOR and TERM; setlocale() must have been called. */
struct look look_of(int fd, bool no_color);

enum style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GOOD,
	STYLE_ACTIVE,
	STYLE_WARNING,
	STYLE_BAD,
};

/* The style of a state, status or result as it stands in a reply: "completed", "synced", "fail". */
enum style look_style_of(const char *word);

/* Appends a string from a reply: coloured when colours are on, control characters made harmless. */
void look_append(const struct look *look, struct text *out, enum style style, const char *string);

/* What a terminal advances by for a UTF-8 string; escape sequences (ours) take no place. */
int look_width(const char *string);

/* The number of bytes of `string` that fit into so many columns; escape sequences are never cut. */
size_t look_fit(const char *string, int columns);

/* The columns and rows of a terminal; 80 by 24 when it does not say. */
void look_terminal_size(int fd, int *ret_columns, int *ret_rows);

#endif
