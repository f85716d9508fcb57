/*
 * What fills a template of SQL, collected part by part: names and values for text_fill().
 */
#ifndef DAEMON_APPLY_HOLES_H
#define DAEMON_APPLY_HOLES_H

#include <stddef.h>

#include "common/text.h"

#define HOLES_MOST 112

/* Zero-initialized; ended with holes_done(). */
struct holes {
	struct text_hole list[HOLES_MOST + 1]; /* for text_fill(): ends with a NULL name */
	char *owned[HOLES_MOST];
	size_t count;
};

/* A value that is borrowed. */
void holes_add(struct holes *holes, const char *name, const char *value);

/* A value that is taken over. */
void holes_give(struct holes *holes, const char *name, char *value);

/* The value of a hole that was added before; NULL: there is none. */
const char *holes_value(const struct holes *holes, const char *name);

void holes_done(struct holes *holes);

#endif
