/*
 * status: the daemon, its connections, its cycles, and the session under way.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "ctl/format.h"
#include "ctl/progress.h"
#include "ctl/reply.h"
#include "ctl/view.h"

#define CYCLES_SHOWN 5 /* the JSON has more */

static void print_warning(const struct look *look, struct text *out, const char *what,
			  const char *why)
{
	_cleanup_free_ char *line = text_format("%s%s", what, why);

	look_append(look, out, STYLE_WARNING, line);
	text_append(out, "\n");
}

static void print_daemon(const struct look *look, struct text *out, const json_t *reply)
{
	const char *state = reply_string_or(reply, "state", "unknown");
	const char *reason = reply_string(reply, "reason");
	const char *standby = reply_string(reply, "standby");
	const char *throttled = reply_string(reply, "throttled");
	char started[FORMAT_SIZE];

	text_append(out, "migrated ");
	look_append(look, out, STYLE_PLAIN, reply_string_or(reply, "daemon_version", ""));
	text_append(out, "  ");
	look_append(look, out, look_style_of(state), state);
	text_appendf(out, "  pid %lld, %.1f MB, since %s\n", (long long)reply_integer(reply, "pid"),
		     (double)reply_integer(reply, "resident_kb") / 1024,
		     format_time(started, reply_string_or(reply, "started", "-")));
	if (reason && (!standby || strcmp(reason, standby) != 0))
		print_warning(look, out, "", reason);
	if (standby)
		print_warning(look, out, "standby: ", standby);
	if (throttled)
		print_warning(look, out, "throttled: ", throttled);
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

/* --- cycles ------------------------------------------------------------------------------------ */

/* "Cycles every 5min, 22:00-06:00 Europe/Berlin, a sweep every 1d; next at 2026-01-05 10:00:00; lag 3 min 20 s" */
static void append_cycles_line(const struct look *look, struct text *line, const json_t *cycles)
{
	const char *window = reply_string(cycles, "window");
	const char *next = reply_string(cycles, "next");
	char buffer[FORMAT_SIZE];
	double lag_ms;

	(void)look;
	text_appendf(line, "Cycles every %s",
		     clock_format_duration(buffer, reply_integer(cycles, "every_ms")));
	if (window)
		text_appendf(line, ", %s %s", window, reply_string_or(cycles, "time_zone", ""));
	if (reply_integer(cycles, "sweep_every_ms") > 0)
		text_appendf(line, ", a sweep every %s",
			     clock_format_duration(buffer,
						   reply_integer(cycles, "sweep_every_ms")));
	if (next)
		text_appendf(line, "; next at %s", format_time(buffer, next));
	if (reply_number(cycles, "lag_ms", &lag_ms))
		text_appendf(line, "; lag %s", format_short_duration(buffer, (int64_t)lag_ms));
}

static bool is_quiet(const json_t *cycle)
{
	return strcmp(reply_string_or(cycle, "result", ""), "quiet") == 0;
}

/* How many cycles from this one on are quiet: one line is enough for them. */
static size_t quiet_run(const json_t *last, size_t from)
{
	size_t end = from;

	while (end < json_array_size(last) && is_quiet(json_array_get(last, end)))
		end++;
	return end - from;
}

static void add_cycle(struct table *table, const json_t *cycle, size_t quiet_before)
{
	const char *session = reply_string(cycle, "session");
	_cleanup_free_ char *before = text_format("and %zu quiet one%s before", quiet_before,
						  quiet_before == 1 ? "" : "s");
	char buffer[FORMAT_SIZE];

	reply_cell_time(table, cycle, "started");
	table_add(table, format_short_duration(buffer, reply_integer(cycle, "elapsed_ms")));
	reply_cell_state(table, cycle, "result");
	table_add(table, reply_bool(cycle, "sweep") ? "sweep" : "watermark");
	reply_cell_integer(table, cycle, "changed");
	table_add(table, session ? format_short_id(buffer, session) : NULL);
	table_add(table, reply_string_or(cycle, "reason", quiet_before > 0 ? before : ""));
}

static void print_cycles(const struct look *look, struct text *out, const json_t *cycles)
{
	static const struct table_column columns[] = {
		{ "Cycle", false, 0 },	{ "Took", true, 0 },	{ "Result", false, 8 },
		{ "Look", false, 0 },	{ "Changed", true, 0 }, { "Session", false, 0 },
		{ "Reason", false, 0 },
	};
	const json_t *last = json_object_get(cycles, "last");
	_cleanup_text_ struct text line = TEXT_INIT;
	_cleanup_table_ struct table table = { 0 };

	text_append(out, "\n");
	append_cycles_line(look, &line, cycles);
	look_append(look, out, STYLE_PLAIN, text_string(&line));
	text_append(out, "\n");
	if (json_array_size(last) == 0)
		return;
	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	for (size_t i = 0, shown = 0; i < json_array_size(last) && shown < CYCLES_SHOWN; shown++) {
		size_t quiet = quiet_run(last, i);

		add_cycle(&table, json_array_get(last, i), quiet > 0 ? quiet - 1 : 0);
		i += quiet > 0 ? quiet : 1;
	}
	table_print(&table, look, out);
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const json_t *connections = json_object_get(reply, "connections");
	const json_t *session = json_object_get(reply, "session");
	const json_t *cycles = json_object_get(reply, "cycles");

	(void)arguments;
	print_daemon(look, out, reply);
	if (json_array_size(connections) > 0)
		print_connections(look, out, connections);
	if (reply_integer(cycles, "every_ms") > 0)
		print_cycles(look, out, cycles);
	text_append(out, "\n");
	if (json_is_object(session))
		progress_frame(look, out, session, json_object_get(reply, "entities"), 0, 0);
	else
		text_append(out, "No session is under way.\n");
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
