/*
 * Problems: what is wrong with the configuration, where, and what to write instead. They are
 * collected, not returned, so that one run names them all.
 */
#ifndef DAEMON_CONFIG_PROBLEM_H
#define DAEMON_CONFIG_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json_decode.h"

struct problem {
	char *file; /* "environment" for a variable; `path` is its name then */
	int line;   /* 0: not known; then the path says where */
	char *path; /* "$.columns.status.values"; NULL for the file as a whole */
	char *message;
};

struct problem_list {
	struct problem *problems;
	size_t count;
};

void problem_add(struct problem_list *list, const char *file, int line, const char *path,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));
void problem_list_done(struct problem_list *list);

/* Was there a problem at exactly this place? */
bool problem_list_names(const struct problem_list *list, const char *file, const char *path);

/* "etc/entities.d/orders.json: $.columns.status: unknown key \"form\" (did you mean \"from\"?)";
 * caller frees. */
char *problem_format(const struct problem *problem);

/* A report for json_decode() that adds to `list`, as problems of `file`. Both are borrowed. */
struct problem_sink {
	struct problem_list *list;
	const char *file;
};
struct json_report problem_report(struct problem_sink *sink);

#endif
