/*
 * status: what is wrong, then the daemon, its connections, its cycles, and the session under way; the one-shot form of watch.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/cycles.h"
#include "ctl/format.h"
#include "ctl/progress.h"
#include "ctl/reply.h"
#include "ctl/trouble.h"
#include "ctl/view.h"

#define CYCLES_SHOWN 5 /* the JSON has more */

static void print_warning(const struct look *look, struct text *out, const char *what,
			  const char *why)
{
	_cleanup_free_ char *line = text_format("%s%s", what, why);

	look_append(look, out, STYLE_WARNING, line);
	text_append(out, "\n");
}

/* What bulk mode has taken from tables, and since when: a line a table, and what cannot be put back. */
static void print_set_aside(const struct look *look, struct text *out, const json_t *items)
{
	size_t i, j;
	json_t *item, *other;

	json_array_foreach(items, i, item) {
		const char *table = reply_string_or(item, "table", "-");
		const char *problem = reply_string(item, "problem");
		int64_t count = 0;
		bool first = true;
		char since[FORMAT_SIZE];

		json_array_foreach(items, j, other) {
			bool same = strcmp(reply_string_or(other, "table", "-"), table) == 0;

			first &= !same || j >= i;
			count += same &&
				 strcmp(reply_string_or(other, "kind", ""), "statistics") != 0;
		}
		if (first && count > 0) {
			_cleanup_free_ char *line = text_format(
				"%s: %lld index%s and foreign key%s set aside since %s", table,
				(long long)count, count == 1 ? "" : "es", count == 1 ? "" : "s",
				format_time(since, reply_string_or(item, "since", "-")));

			print_warning(look, out, "bulk mode: ", line);
		}
		if (problem) {
			_cleanup_free_ char *line = text_format("%s cannot be put back: %s",
								reply_string_or(item, "name", "-"),
								problem);

			print_warning(look, out, "bulk mode: ", line);
		}
	}
}

static void print_daemon(const struct look *look, struct text *out, const json_t *reply)
{
	const char *state = reply_string_or(reply, "state", "unknown");
	char started[FORMAT_SIZE];

	text_append(out, "migrated ");
	look_append(look, out, STYLE_PLAIN, reply_string_or(reply, "daemon_version", ""));
	text_append(out, "  ");
	look_append(look, out, look_style_of(state), state);
	text_appendf(out, "  pid %lld, %.1f MB, since %s\n", (long long)reply_integer(reply, "pid"),
		     (double)reply_integer(reply, "resident_kb") / 1024,
		     format_time(started, reply_string_or(reply, "started", "-")));
	print_set_aside(look, out, json_object_get(reply, "set_aside"));
}

/* --- connections ------------------------------------------------------------------------------- */

/* 150018 is 15.18, 90624 is 9.6.24. */
static void add_server_version(struct table *table, int64_t version)
{
	char buffer[32];

	if (version <= 0)
		table_add(table, NULL);
	else if (version >= 100000) {
		snprintf(buffer, sizeof buffer, "%d.%d", (int)(version / 10000),
			 (int)(version % 10000));
		table_add(table, buffer);
	} else {
		snprintf(buffer, sizeof buffer, "%d.%d.%d", (int)(version / 10000),
			 (int)(version / 100 % 100), (int)(version % 100));
		table_add(table, buffer);
	}
}

static void print_connections(const struct look *look, struct text *out, const json_t *connections)
{
	static const struct table_column columns[] = {
		{ "Connection", false, 0 }, { "State", false, 9 }, { "Server", false, 0 },
		{ "Since", false, 0 },	    { "Error", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *connection;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(connections, i, connection) {
		reply_cell_string(&table, connection, "name");
		reply_cell_state(&table, connection, "state");
		add_server_version(&table, reply_integer(connection, "server_version"));
		reply_cell_time(&table, connection, "since");
		reply_cell_string(&table, connection, "error");
	}
	text_append(out, "\n");
	table_print(&table, look, out);
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const json_t *connections = json_object_get(reply, "connections");
	const json_t *session = json_object_get(reply, "session");

	(void)arguments;
	print_daemon(look, out, reply);
	trouble_append(look, out, reply);
	if (json_array_size(connections) > 0)
		print_connections(look, out, connections);
	if (cycles_are_wanted(reply)) {
		text_append(out, "\n");
		cycles_append(look, out, json_object_get(reply, "cycles"), 0, CYCLES_SHOWN + 2);
	}
	text_append(out, "\n");
	if (json_is_object(session))
		progress_frame(look, out, session, json_object_get(reply, "entities"));
	else
		text_append(out, "No session is under way.\n");
	progress_validation(look, out, json_object_get(reply, "validation"));
}

/* So that a monitor needs to read nothing. */
static enum exit_status judge(const json_t *reply)
{
	const json_t *session = json_object_get(reply, "session");

	return strcmp(reply_string_or(session, "state", ""), "paused") == 0 ? EXIT_PAUSED
									    : EXIT_DONE;
}

/* Accounts are not in the daemon's memory: it reads every row. */
static enum exit_status run(const struct view *view, const struct arguments *arguments,
			    struct client *client)
{
	if (!arguments->accounts)
		return view_call(view, arguments, client);
	client_set_timeout(client, arguments->timeout_ms);
	return view_call(&view_account, arguments, client);
}

const struct view view_status = {
	.verb = "status",
	.run = run,
	.print = print,
	.judge = judge,
	.quick = true,
};
