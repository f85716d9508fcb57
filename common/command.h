/*
 * The commands: one table that says what exists. The daemon binds a handler to each row, the client
 * a view; help, access checks and completion read the same rows, so that nothing is spelled twice.
 */
#ifndef COMMON_COMMAND_H
#define COMMON_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum access { ACCESS_OBSERVE, ACCESS_OPERATE };

/* What the help shows together. */
enum command_section { SECTION_WORK, SECTION_ASIDE };

struct command {
	const char *method; /* "io.migrated.Status" */
	/* "status"; or two words, "dead-letters list". Rows with the same first word are a group and stand
	   together; that word alone means its first row. */
	const char *verb;
	enum command_section section;
	enum access access;
	bool streaming; /* may answer more than once */
	const char *
		arguments; /* of the verb: "", "[SESSION]", "ID", "[ID]..." (see ctl/arguments.c) */
	const char *help;  /* one line */
};

extern const struct command commands[];
extern const size_t command_count;

const struct command *command_by_method(const char *method);
/* Methods that an option of a command calls beside the command's own ("migrate --dry-run"); ends with NULL. */
struct option_method {
	const char *method;
	enum access access;
};
extern const struct option_method option_methods[];

/* Who may call this method; one that nobody knows can only be looked for. */
enum access command_access(const char *method);

/* The whole verb, of one word or two. */
const struct command *command_by_verb(const char *verb);

/* The command that these words begin with, and how many of them are its verb; NULL when there is none. */
const struct command *command_by_words(const char *const *words, size_t count, size_t *ret_taken);

/* Is this the first word of verbs that have two? */
bool command_is_group(const char *word);

/* Does this verb begin with that word? Its second word, or NULL. */
const char *command_within(const struct command *command, const char *group);

/* The verb nearest to what these words begin with, or the group nearest to the first, for the caller to free; NULL when none is
   near (see text_nearest). */
char *command_nearest(const char *const *words, size_t count);

#endif
