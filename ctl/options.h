/*
 * The options: one table from which the command line is parsed, and the help, the suggestions and the completion are made.
 */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Where the daemon listens unless something else is said. */
#define OPTIONS_DEFAULT_SOCKET "/run/migrated/control"

/* There are not more. */
#define OPTIONS_MOST 128

enum option_kind {
	OPTION_FLAG,	/* bool */
	OPTION_STRING,	/* const char *, not empty */
	OPTION_NAMES,	/* const char *, names separated by commas */
	OPTION_CHOICE,	/* const char *, one of those that `value` separates by "|" */
	OPTION_COUNT,	/* int64_t, at least 1 */
	OPTION_SECONDS, /* int64_t milliseconds, from "30", "0.5" or "2min" */
	OPTION_KEY,	/* one more of `keys` */
	OPTION_MOMENT, /* int64_t microseconds since the Unix epoch, from "2h" (ago) or "2026-01-05 09:00" */
	OPTION_SESSION, /* const char *, the beginning of a session's id */
};

/* Several rows may have the same name, for verbs of which the help says something else; all but that, and which choices
   there are, is then the same. */
struct option {
	const char *name;  /* "--entities" */
	char letter;	   /* 'H', or 0 */
	const char *value; /* how the help calls it: "A,B"; NULL for flags */
	const char *verbs; /* those that take it, separated by commas; NULL: every one */
	enum option_kind kind;
	size_t offset; /* in struct arguments */
	const char *help;
};

extern const struct option options[];
extern const size_t option_count;

bool option_belongs_to(const struct option *option, const char *verb);

#endif
