/*
 * See cycles.h. Quiet cycles in a row are one line: most are.
 */
#include "ctl/cycles.h"

#include <string.h>

#include "common/clock.h"
#include "ctl/format.h"
#include "ctl/reply.h"

bool cycles_are_wanted(const json_t *reply)
{
	return reply_integer(json_object_get(reply, "cycles"), "every_ms") > 0;
}

char *cycles_lag(const json_t *cycles, int64_t since_ms)
{
	char lag[FORMAT_SIZE];
	double lag_ms;

	if (!reply_number(cycles, "lag_ms", &lag_ms))
		return text_copy("");
	return text_format("lag %s", format_short_duration(lag, (int64_t)lag_ms + since_ms));
}

/* "Cycles every 5min, 22:00-06:00 Europe/Berlin, a sweep every 1d; next at 2026-01-05 10:00:00; lag 3 min 20 s" */
static void append_cycles_line(struct text *line, const json_t *cycles, int64_t since_ms)
{
	const char *window = reply_string(cycles, "window");
	const char *next = reply_string(cycles, "next");
	char buffer[FORMAT_SIZE];
	_cleanup_free_ char *lag = cycles_lag(cycles, since_ms);

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
	if (lag[0])
		text_appendf(line, "; %s", lag);
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

static void append_last(const struct look *look, struct text *out, const json_t *last, size_t most)
{
	static const struct table_column columns[] = {
		{ "Cycle", false, 0 },	{ "Took", true, 0 },	{ "Result", false, 8 },
		{ "Look", false, 0 },	{ "Changed", true, 0 }, { "Session", false, 0 },
		{ "Reason", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	for (size_t i = 0, shown = 0; i < json_array_size(last) && shown < most; shown++) {
		size_t quiet = quiet_run(last, i);

		add_cycle(&table, json_array_get(last, i), quiet > 0 ? quiet - 1 : 0);
		i += quiet > 0 ? quiet : 1;
	}
	table_print(&table, look, out);
}

void cycles_append(const struct look *look, struct text *out, const json_t *cycles,
		   int64_t since_ms, size_t lines)
{
	const json_t *last = json_object_get(cycles, "last");
	_cleanup_text_ struct text line = TEXT_INIT;

	append_cycles_line(&line, cycles, since_ms);
	look_append(look, out, STYLE_PLAIN, text_string(&line));
	text_append(out, "\n");
	if (json_array_size(last) > 0 && lines > 2)
		append_last(look, out, last, lines - 2);
}
