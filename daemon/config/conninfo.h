/*
 * Connection strings: what the file says, what the environment overrides, and the default that
 * makes a connection safe (the server's certificate checked). libpq parses them; nothing connects
 * here.
 */
#ifndef DAEMON_CONFIG_CONNINFO_H
#define DAEMON_CONFIG_CONNINFO_H

#include <stdbool.h>
#include <stddef.h>

#include "config/problem.h"

/* A variable (its name without SOURCE_DB_ or TARGET_DB_) and the keyword of the conninfo that it
 * overrides. */
struct conninfo_override {
	const char *suffix;
	const char *keyword;
};

extern const struct conninfo_override conninfo_overrides[];
extern const size_t conninfo_override_count;

/* What a connection string is made of. */
struct conninfo_origin {
	const char *prefix;   /* of the variables: "SOURCE_DB_" */
	const char *file;     /* where the string itself stands: the file or "environment" … */
	const char *path;     /* … and "$.source.conninfo" or "SOURCE_DB_URL" */
	const char *conninfo; /* NULL when there is none: the variables must do */
	char *const *environment;
};

/*
 * Parses the string, applies the variables, adds sslmode=verify-full if none is given (unless the
 * host is a socket or loopback) and returns it as keyword='value' pairs; the caller frees. NULL when there was a problem. Neither problems nor warnings repeat any
 * part of the string: it may hold a password, and may be broken just there.
 */
char *conninfo_complete(const struct conninfo_origin *origin, struct problem_list *problems,
			struct problem_list *warnings);

/* Is there a password in it? False for one that does not parse. */
bool conninfo_has_password(const char *conninfo);

#endif
