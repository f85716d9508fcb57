/*
 * The command line, taken apart by a table of options that also yields the help and the
 * suggestions.
 */
#ifndef CTL_ARGUMENTS_H
#define CTL_ARGUMENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/command.h"
#include "common/error.h"
#include "ctl/options.h"

/* So many rows can be named one by one. */
#define ARGUMENTS_MOST_IDS 100

/* Strings are borrowed from argv and the environment; NULL, 0 and false stand for what was not
   given. */
struct arguments {
	const struct command *command; /* NULL: only --help or --version was asked for */
	const char *group; /* help was asked for of all commands whose first word this is */

	const char *socket;
	bool json;
	bool no_color;
	bool quiet;
	int64_t timeout_ms;
	bool version;
	bool help;

	const char *session; /* an id or its beginning */
	int64_t ids[ARGUMENTS_MOST_IDS];
	size_t id_count;
	const char *names[ARGUMENTS_MOST_IDS]; /* entities; or, with --show, a validation */
	size_t name_count;
	const char *checks;
	bool repair;
	bool show;
	bool no_wait;
	const char *key; /* of a row of `entity` */
	bool values;
	const char *parent;
	const char *sqlstate;
	const char *letter_state; /* of dead letters and conflicts */
	bool source;
	bool target;
	bool all;
	const char *entities;
	const char *exclude;
	bool accounts;
	const char *analysis_id;
	const char *entity;
	const char *sql;
	const char *html;
	const char *rule;
	const char *strategy;
	bool full;
	const char *level;
	int64_t tail;
	bool wait;
	bool dry_run;
	bool verbose;
	const char *keys[ARGUMENTS_MOST_IDS]; /* "patients:13" */
	size_t key_count;
	bool follow;
	bool force;
	int64_t batch_size;
	int64_t parallel;
	int64_t limit;
	bool commands; /* of the audit */
	bool rows;
	const char *user;
	int64_t since_us;
	int64_t before;
};

/* ERROR_USAGE, with a hint, when the command line makes no sense. */
_warn_unused_ bool arguments_parse(struct arguments *ret_arguments, int argc, char *const *argv,
				   struct error *err);

/* The daemon's socket where the command line does not name one; borrowed. */
const char *arguments_default_socket(void);

/* A JSON list of the names in "a,b,c". */
json_t *arguments_names(const char *names);

#endif
