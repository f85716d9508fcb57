/*
 * What may come next on a command line that is being typed, for the scripts of the shells (ctl/completion/), which ask with
 * `migratectl --complete WORD...`. It is made of the tables of commands and options, so it never differs from them.
 */
#ifndef CTL_COMPLETION_H
#define CTL_COMPLETION_H

#include <stddef.h>

#include "common/text.h"

/* The words after the program's name, the last being what is typed just now (it may be ""). Appends one candidate a line, and behind a
   tab what it means. Sessions and entities are asked of the daemon, if it answers soon. */
void completion_append(struct text *out, const char *const *words, size_t count);

#endif
