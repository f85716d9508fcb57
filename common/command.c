/*
 * What exists, row by row, and finding it again by method or by verb.
 */
#include "common/command.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* Whatever starts work or changes its course operates; detecting does, since it keeps an analysis.
   */
const struct command commands[] = {
	{ "io.migrated.Status", "status", SECTION_WORK, ACCESS_OBSERVE, false, "",
	  "show the daemon, its connections and the session under way" },
	{ "io.migrated.Watch", "watch", SECTION_WORK, ACCESS_OBSERVE, true, "[SESSION]",
	  "follow a session while it runs" },
	{ "io.migrated.List", "list", SECTION_WORK, ACCESS_OBSERVE, false, "",
	  "list the sessions, the newest first" },
	{ "io.migrated.Logs", "logs", SECTION_WORK, ACCESS_OBSERVE, true, "",
	  "show what the daemon has logged" },
	{ "io.migrated.Analyze", "analyze", SECTION_WORK, ACCESS_OBSERVE, true, "",
	  "count what both databases hold of each entity" },
	{ "io.migrated.Detect", "detect", SECTION_WORK, ACCESS_OPERATE, false, "",
	  "find what is new, modified and deleted, and keep it as an analysis" },
	{ "io.migrated.Migrate", "migrate", SECTION_WORK, ACCESS_OPERATE, false, "",
	  "carry over what an analysis found" },
	{ "io.migrated.Pause", "pause", SECTION_WORK, ACCESS_OPERATE, false, "[SESSION]",
	  "pause a session, or one entity of it" },
	{ "io.migrated.Resume", "resume", SECTION_WORK, ACCESS_OPERATE, false, "[SESSION]",
	  "resume what was paused or has stopped" },
	{ "io.migrated.Cancel", "cancel", SECTION_WORK, ACCESS_OPERATE, false, "[SESSION]",
	  "cancel a session, or one entity of it" },
	{ "io.migrated.Validate", "validate", SECTION_WORK, ACCESS_OPERATE, true, "[ENTITY]...",
	  "compare source and target, and repair what differs" },
	{ "io.migrated.Rollback", "rollback", SECTION_WORK, ACCESS_OPERATE, false, "SESSION",
	  "undo what a session did, row by row" },
	{ "io.migrated.Plan", "plan", SECTION_WORK, ACCESS_OBSERVE, false, "",
	  "show the order of work, or the SQL of one entity" },
	{ "io.migrated.Check", "check", SECTION_WORK, ACCESS_OBSERVE, false, "",
	  "check that both databases are ready for a migration" },
	{ "io.migrated.Report", "report", SECTION_WORK, ACCESS_OBSERVE, false, "[SESSION]",
	  "report on a session, the last one by default" },
	{ "io.migrated.ListRules", "rules", SECTION_WORK, ACCESS_OBSERVE, false, "",
	  "list the business rules, and how many rows break each" },
	{ "io.migrated.Explain", "explain", SECTION_WORK, ACCESS_OBSERVE, false, "ENTITY KEY",
	  "say where a row is, and why it is not as in the source" },
	{ "io.migrated.Audit", "audit", SECTION_WORK, ACCESS_OPERATE, false, "",
	  "show who has asked what here, or which rows were changed" },
	{ "io.migrated.Reload", "reload", SECTION_WORK, ACCESS_OPERATE, false, "",
	  "read the configuration again, and say what has changed" },
	{ "io.migrated.ListDeadLetters", "dead-letters list", SECTION_ASIDE, ACCESS_OBSERVE, false,
	  "", "list rows that could not be carried over" },
	{ "io.migrated.ShowDeadLetter", "dead-letters show", SECTION_ASIDE, ACCESS_OBSERVE, false,
	  "ID", "show one of them, and what can be done about it" },
	{ "io.migrated.RetryDeadLetters", "dead-letters retry", SECTION_ASIDE, ACCESS_OPERATE,
	  false, "[ID]...", "try them again with what the source has now" },
	{ "io.migrated.DiscardDeadLetters", "dead-letters discard", SECTION_ASIDE, ACCESS_OPERATE,
	  false, "[ID]...", "leave them alone until they change in the source" },
	{ "io.migrated.ListParked", "parked", SECTION_ASIDE, ACCESS_OBSERVE, false, "",
	  "list rows that wait for their parent" },
	{ "io.migrated.ListLeft", "left", SECTION_ASIDE, ACCESS_OBSERVE, false, "[SESSION]",
	  "list rows that a rollback has left as they are" },
	{ "io.migrated.ListConflicts", "conflicts list", SECTION_ASIDE, ACCESS_OBSERVE, false, "",
	  "list rows that were edited in the target, too" },
	{ "io.migrated.ShowConflict", "conflicts show", SECTION_ASIDE, ACCESS_OBSERVE, false, "ID",
	  "show one of them" },
	{ "io.migrated.ResolveConflicts", "conflicts resolve", SECTION_ASIDE, ACCESS_OPERATE, false,
	  "[ID]...", "decide who wins, of rows that are held" },
};

const size_t command_count = sizeof commands / sizeof commands[0];

const struct option_method option_methods[] = {
	{ "io.migrated.Account", ACCESS_OBSERVE },	  /* status --accounts */
	{ "io.migrated.ShowValidation", ACCESS_OBSERVE }, /* validate --show */
	{ "io.migrated.DryRun", ACCESS_OPERATE },	  /* migrate --dry-run; it shows rows */
	{ NULL, ACCESS_OBSERVE },
};

enum access command_access(const char *method)
{
	const struct command *command = command_by_method(method);

	if (command)
		return command->access;
	for (const struct option_method *other = option_methods; other->method; other++)
		if (strcmp(other->method, method) == 0)
			return other->access;
	return ACCESS_OBSERVE;
}

const struct command *command_by_method(const char *method)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].method, method) == 0)
			return &commands[i];
	return NULL;
}

const struct command *command_by_verb(const char *verb)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].verb, verb) == 0)
			return &commands[i];
	return NULL;
}

/* --- verbs of two words ------------------------------------------------------------------------ */

const char *command_within(const struct command *command, const char *group)
{
	size_t length = strlen(group);

	return strncmp(command->verb, group, length) == 0 && command->verb[length] == ' '
		       ? command->verb + length + 1
		       : NULL;
}

static const struct command *first_within(const char *group)
{
	for (size_t i = 0; i < command_count; i++)
		if (command_within(&commands[i], group))
			return &commands[i];
	return NULL;
}

bool command_is_group(const char *word)
{
	return first_within(word) != NULL;
}

const struct command *command_by_words(const char *const *words, size_t count, size_t *ret_taken)
{
	const struct command *command = NULL;

	if (count > 1) {
		_cleanup_free_ char *both = text_format("%s %s", words[0], words[1]);

		command = command_by_verb(both);
	}
	*ret_taken = command ? 2 : 1;
	if (!command && count > 0 && !strchr(words[0], ' '))
		command = command_by_verb(words[0]);
	if (!command && count == 1)
		command = first_within(words[0]);
	return command;
}

/* --- the nearest ------------------------------------------------------------------------------- */

/* Of a verb of two words, as it stands in the table; of its first word, once for each. */
static char *nearest_verb(const char *word)
{
	const char *verbs[sizeof commands / sizeof commands[0]];

	for (size_t i = 0; i < command_count; i++)
		verbs[i] = commands[i].verb;
	return text_copy(text_nearest(word, verbs, command_count));
}

static char *nearest_first_word(const char *word)
{
	char *firsts[sizeof commands / sizeof commands[0]];
	char *nearest;

	for (size_t i = 0; i < command_count; i++)
		firsts[i] = text_format("%.*s", (int)strcspn(commands[i].verb, " "),
					commands[i].verb);
	nearest = text_copy(text_nearest(word, (const char *const *)firsts, command_count));
	for (size_t i = 0; i < command_count; i++)
		free(firsts[i]);
	return nearest;
}

char *command_nearest(const char *const *words, size_t count)
{
	char *nearest = NULL;

	if (count > 1) {
		_cleanup_free_ char *both = text_format("%s %s", words[0], words[1]);

		nearest = nearest_verb(both);
	}
	if (!nearest && count > 0 && !command_is_group(words[0]))
		nearest = nearest_first_word(words[0]);
	return nearest;
}
