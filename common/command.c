/*
 * What exists, row by row, and finding it again by method or by verb.
 */
#include "common/command.h"

#include <string.h>

#include "common/text.h"

/* Whatever starts work or changes its course operates; detecting does, since it keeps an analysis.
   */
const struct command commands[] = {
	{ "io.migrated.Status", "status", ACCESS_OBSERVE, false, "",
	  "show the daemon, its connections and the session under way" },
	{ "io.migrated.Watch", "watch", ACCESS_OBSERVE, true, "[SESSION]",
	  "follow a session while it runs" },
	{ "io.migrated.List", "list", ACCESS_OBSERVE, false, "",
	  "list the sessions, the newest first" },
	{ "io.migrated.Analyze", "analyze", ACCESS_OBSERVE, true, "",
	  "count what both databases hold of each entity" },
	{ "io.migrated.Detect", "detect", ACCESS_OPERATE, false, "",
	  "find what is new, modified and deleted, and keep it as an analysis" },
	{ "io.migrated.Migrate", "migrate", ACCESS_OPERATE, false, "",
	  "carry over what an analysis found" },
	{ "io.migrated.Pause", "pause", ACCESS_OPERATE, false, "[SESSION]",
	  "pause a session, or one entity of it" },
	{ "io.migrated.Resume", "resume", ACCESS_OPERATE, false, "[SESSION]",
	  "resume what was paused or has stopped" },
	{ "io.migrated.Cancel", "cancel", ACCESS_OPERATE, false, "[SESSION]",
	  "cancel a session, or one entity of it" },
	{ "io.migrated.Plan", "plan", ACCESS_OBSERVE, false, "",
	  "show the order of work, or the SQL of one entity" },
	{ "io.migrated.Check", "check", ACCESS_OBSERVE, false, "",
	  "check that both databases are ready for a migration" },
};

const size_t command_count = sizeof commands / sizeof commands[0];

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

const char *command_nearest(const char *verb)
{
	const char *verbs[sizeof commands / sizeof commands[0]];

	for (size_t i = 0; i < command_count; i++)
		verbs[i] = commands[i].verb;
	return text_nearest(verb, verbs, command_count);
}
