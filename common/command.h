/*
 * The commands: one table that says what exists. The daemon binds a handler to each row, the client
 * a view; help, access checks and completion read the same rows, so that nothing is spelled twice.
 */
#ifndef COMMON_COMMAND_H
#define COMMON_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum access { ACCESS_OBSERVE, ACCESS_OPERATE };

struct command {
	const char *method; /* "io.migrated.Status" */
	const char *verb;   /* "status" */
	enum access access;
	bool streaming;	       /* may answer more than once */
	const char *arguments; /* of the verb, for its usage line: "[SESSION]" */
	const char *help;      /* one line */
};

extern const struct command commands[];
extern const size_t command_count;

const struct command *command_by_method(const char *method);
const struct command *command_by_verb(const char *verb);

/* The verb nearest to a mistyped one, or NULL when none is near (see text_nearest). */
const char *command_nearest(const char *verb);

#endif
