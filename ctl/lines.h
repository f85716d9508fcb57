/*
 * Following a session where there is no terminal: a line for whatever has changed, and never a control sequence.
 */
#ifndef CTL_LINES_H
#define CTL_LINES_H

#include <jansson.h>

#include "ctl/look.h"

struct lines {
	const struct look *look;
	json_t *told; /* what was told last, by name */
};

void lines_init(struct lines *lines, const struct look *look);
void lines_done(struct lines *lines);

/* Prints what this frame brings. */
void lines_print(struct lines *lines, const json_t *frame);

#endif
