/*
 * See trouble.h. One function a kind of trouble, in a table, in the order in which they are told.
 */
#include "ctl/trouble.h"

#include <string.h>

#include "ctl/format.h"
#include "ctl/reply.h"

static void append_line(const struct look *look, struct text *out, enum style style,
			const struct text *line)
{
	look_append(look, out, style, text_string(line));
	text_append(out, "\n");
}

static void append_standby(const struct look *look, struct text *out, const json_t *reply)
{
	const char *standby = reply_string(reply, "standby");
	_cleanup_text_ struct text line = TEXT_INIT;

	if (!standby)
		return;
	text_appendf(&line, "standby: %s", standby);
	append_line(look, out, STYLE_WARNING, &line);
}

/* A database that is away: since when, and what it says. */
static void append_databases(const struct look *look, struct text *out, const json_t *reply)
{
	const json_t *connections = json_object_get(reply, "connections");
	size_t i;
	json_t *connection;

	json_array_foreach(connections, i, connection) {
		const char *state = reply_string_or(connection, "state", "");
		const char *away = reply_string(connection, "away");
		const char *error = reply_string(connection, "error");
		_cleanup_text_ struct text line = TEXT_INIT;
		char since[FORMAT_SIZE];

		if (strcmp(state, "ready") == 0 || strcmp(state, "busy") == 0 || (!away && !error))
			continue;
		text_appendf(&line, "reconnecting to %s",
			     reply_string_or(connection, "name", "database"));
		if (away)
			text_appendf(&line, " since %s", format_time_of_day(since, away));
		if (error)
			text_appendf(&line, ": %s", error);
		append_line(look, out, STYLE_BAD, &line);
	}
}

static bool is_said_elsewhere(const json_t *reply, const char *reason)
{
	const char *standby = reply_string(reply, "standby");
	const json_t *connections = json_object_get(reply, "connections");
	size_t i;
	json_t *connection;

	if (standby && strcmp(standby, reason) == 0)
		return true;
	json_array_foreach(connections, i, connection) {
		const char *error = reply_string(connection, "error");

		if (error && strstr(reason, error))
			return true;
	}
	return false;
}

static void append_reason(const struct look *look, struct text *out, const json_t *reply)
{
	const char *reason = reply_string(reply, "reason");
	_cleanup_text_ struct text line = TEXT_INIT;

	if (!reason || is_said_elsewhere(reply, reason))
		return;
	text_append(&line, reason);
	append_line(look, out, STYLE_WARNING, &line);
}

static void append_throttled(const struct look *look, struct text *out, const json_t *reply)
{
	const char *throttled = reply_string(reply, "throttled");
	_cleanup_text_ struct text line = TEXT_INIT;

	if (!throttled)
		return;
	text_appendf(&line, "throttled: %s", throttled);
	append_line(look, out, STYLE_WARNING, &line);
}

/* The last cycle, when it has come to nothing. */
static void append_cycle(const struct look *look, struct text *out, const json_t *reply)
{
	const json_t *last = json_array_get(json_object_get(json_object_get(reply, "cycles"),
							    "last"),
					    0);
	const char *result = reply_string_or(last, "result", "");
	_cleanup_text_ struct text line = TEXT_INIT;
	char at[FORMAT_SIZE];

	if (strcmp(result, "failed") != 0 && strcmp(result, "skipped") != 0)
		return;
	text_appendf(&line, "the last cycle (%s) %s",
		     format_time_of_day(at, reply_string_or(last, "started", "-")),
		     strcmp(result, "failed") == 0 ? "has failed" : "was skipped");
	if (reply_string(last, "reason"))
		text_appendf(&line, ": %s", reply_string(last, "reason"));
	append_line(look, out, strcmp(result, "failed") == 0 ? STYLE_BAD : STYLE_WARNING, &line);
}

/* Entities that have stopped, by name. */
static void append_failed(const struct look *look, struct text *out, const json_t *reply)
{
	const json_t *entities = json_object_get(reply, "entities");
	_cleanup_text_ struct text line = TEXT_INIT;
	size_t i, count = 0;
	json_t *entity;

	json_array_foreach(entities, i, entity) {
		if (strcmp(reply_string_or(entity, "status", ""), "failed") != 0)
			continue;
		text_appendf(&line, "%s%s", count++ > 0 ? ", " : "",
			     reply_string_or(entity, "entity", "-"));
	}
	if (count == 0)
		return;
	_cleanup_text_ struct text whole = TEXT_INIT;

	text_appendf(&whole, "%zu %s failed: %s", count,
		     count == 1 ? "entity has" : "entities have", text_string(&line));
	append_line(look, out, STYLE_BAD, &whole);
}

static void append_validation(const struct look *look, struct text *out, const json_t *reply)
{
	const json_t *validation = json_object_get(reply, "validation");
	const char *state = reply_string_or(validation, "state", "");
	int64_t differences = reply_integer(validation, "differences");
	_cleanup_text_ struct text line = TEXT_INIT;
	char number[32];

	if (strcmp(state, "failed") == 0)
		text_appendf(&line, "the last validation has failed: %s",
			     reply_string_or(validation, "reason", "no reason is given"));
	else if (differences > 0)
		text_appendf(&line, "validation: %s %s; migratectl validate --show",
			     text_thousands(number, differences),
			     differences == 1 ? "row differs" : "rows differ");
	else
		return;
	append_line(look, out, STYLE_BAD, &line);
}

void trouble_append(const struct look *look, struct text *out, const json_t *reply)
{
	static void (*const kinds[])(const struct look *look, struct text *out,
				     const json_t *reply) = {
		append_standby, append_databases, append_reason,     append_throttled,
		append_failed,	append_cycle,	  append_validation,
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		kinds[i](look, out, reply);
}
