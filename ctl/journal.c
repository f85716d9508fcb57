/*
 * journalctl is run with `--output=json`, and its lines are turned into events; see systemd.journal-fields(7).
 */
#include "ctl/journal.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "ctl/reply.h"

#define TAIL 50
#define SEARCHED \
	100000 /* entries among which a session is looked for, since a match takes whole values only */
#define MOST_ARGUMENTS 10

extern char **environ;

struct reading {
	const struct journal_question *question;
	journal_on_line *on_line;
	void *arg;
	json_t *kept; /* the last of those that match, where the journal cannot count them */
};

/* --- from an entry to an event ------------------------------------------------------------------ */

static json_t *copy_of(const json_t *entry, const char *field)
{
	const char *value = reply_string(entry, field);

	return value ? json_string(value) : json_null();
}

/* An entry's value may be anything; what is no text is not shown. */
static json_t *event_of(const json_t *entry)
{
	static const char *const levels[] = { "emerg",	 "alert",  "crit", "err",
					      "warning", "notice", "info", "debug" };
	const char *priority = reply_string_or(entry, "PRIORITY", "6");
	const char *time = reply_string_or(entry, "__REALTIME_TIMESTAMP", "0");
	char rfc3339[CLOCK_RFC3339_SIZE];

	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "time",
			 clock_format_rfc3339(rfc3339, strtoll(time, NULL, 10)), "level",
			 levels[priority[0] >= '0' && priority[0] <= '7' ? priority[0] - '0' : 6],
			 "message", reply_string_or(entry, "MESSAGE", "-"), "event",
			 copy_of(entry, "MIGRATED_EVENT"), "message_id",
			 copy_of(entry, "MESSAGE_ID"), "session",
			 copy_of(entry, "MIGRATED_SESSION"), "entity",
			 copy_of(entry, "MIGRATED_ENTITY"), "database",
			 copy_of(entry, "MIGRATED_DATABASE"), "legacy_key",
			 copy_of(entry, "MIGRATED_LEGACY_KEY"), "sqlstate",
			 copy_of(entry, "MIGRATED_SQLSTATE"), "phase",
			 copy_of(entry, "MIGRATED_PHASE"));
}

static int64_t tail_of(const struct journal_question *question)
{
	return question->tail > 0 ? question->tail : TAIL;
}

static void take_line(struct reading *reading, const char *line)
{
	const struct journal_question *question = reading->question;
	json_auto_t *entry = json_loads(line, 0, NULL);
	json_auto_t *event = json_is_object(entry) ? event_of(entry) : NULL;

	if (!event ||
	    (question->session && strncmp(reply_string_or(event, "session", ""), question->session,
					  strlen(question->session)) != 0))
		return;
	if (!reading->kept) {
		reading->on_line(reading->arg, event);
		return;
	}
	json_array_append(reading->kept, event);
	if ((int64_t)json_array_size(reading->kept) > tail_of(question))
		json_array_remove(reading->kept, 0);
}

static void read_lines(struct reading *reading, int fd)
{
	FILE *lines = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0, i;
	json_t *event;

	while (getline(&line, &size, lines) >= 0)
		take_line(reading, line);
	json_array_foreach(reading->kept, i, event) {
		reading->on_line(reading->arg, event);
	}
	free(line);
	fclose(lines);
}

/* --- journalctl --------------------------------------------------------------------------------- */

static char **command_of(const struct journal_question *question)
{
	char **argv = memory_new((MOST_ARGUMENTS + 1) * sizeof *argv);
	size_t count = 0;

	argv[count++] = text_copy("journalctl");
	argv[count++] = text_copy("--identifier=migrated");
	argv[count++] = text_copy("--output=json");
	argv[count++] = text_copy("--no-pager");
	argv[count++] = text_copy("--quiet");
	argv[count++] = text_format("--lines=%lld",
				    (long long)(question->session ? SEARCHED : tail_of(question)));
	if (question->level)
		argv[count++] = text_format("--priority=%s", question->level);
	if (question->follow)
		argv[count++] = text_copy("--follow");
	if (question->entity)
		argv[count++] = text_format("MIGRATED_ENTITY=%s", question->entity);
	return argv;
}

/* Its output; -1: it cannot be run. */
static int start(const struct journal_question *question, pid_t *ret_pid)
{
	char **argv = command_of(question);
	posix_spawn_file_actions_t actions;
	int ends[2], failed;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	failed = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
	free(argv);
	if (!failed)
		return ends[0];
	close(ends[0]);
	return -1;
}

bool journal_read(const struct journal_question *question, journal_on_line *on_line, void *arg)
{
	struct reading reading = { .question = question, .on_line = on_line, .arg = arg };
	int status = -1;
	pid_t pid;
	int fd = start(question, &pid);

	if (fd < 0)
		return false;
	if (question->session && !question->follow)
		reading.kept = json_array();
	read_lines(&reading, fd);
	json_decref(reading.kept);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
