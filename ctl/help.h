/*
 * --help, made of the tables of commands and options.
 */
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include "common/command.h"
#include "common/text.h"

/* Of the program, or of one command. */
void help_append(struct text *out, const struct command *command);

/* Of all commands whose first word this is. */
void help_append_group(struct text *out, const char *group);

#endif
