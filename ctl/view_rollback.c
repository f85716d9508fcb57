/*
 * rollback: undoes a session, or says what that would do; left: what it has left as it is.
 */
#include <string.h>

#include "ctl/follow.h"
#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/view.h"

/* --- rollback ---------------------------------------------------------------------------------- */

static json_t *rollback_parameters(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "session", arguments->session);
	view_set_names(parameters, "entities",
		       arguments->entities ? arguments->entities : arguments->entity);
	view_set_flag(parameters, "force", arguments->force);
	view_set_flag(parameters, "dry_run", arguments->dry_run);
	return parameters;
}

static int64_t append_left(struct text *words, const json_t *entity)
{
	int64_t rows = 0;
	char number[32];
	size_t i;
	json_t *left;

	json_array_foreach(json_object_get(entity, "left"), i, left) {
		text_separate(words, ", ");
		text_appendf(words, "%s %s", text_thousands(number, reply_integer(left, "rows")),
			     reply_string_or(left, "reason", "-"));
		rows += reply_integer(left, "rows");
	}
	return rows;
}

static void print_survey(const struct look *look, struct text *out, const json_t *entities)
{
	static const struct table_column columns[] = {
		{ "Entity", false, 0 },	 { "Removed", true, 0 }, { "Updated", true, 0 },
		{ "Restored", true, 0 }, { "Left", true, 0 },	 { "Why", false, 0 },
	};
	static const char *const counts[] = { "removed", "updated", "restored" };
	_cleanup_table_ struct table table = { 0 };
	char number[32];
	size_t i;
	json_t *entity;

	if (json_array_size(entities) == 0) {
		text_append(out, "There is nothing to undo.\n");
		return;
	}
	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(entities, i, entity) {
		_cleanup_text_ struct text words = TEXT_INIT;
		int64_t left = append_left(&words, entity);

		table_add(&table, reply_string_or(entity, "entity", "-"));
		for (size_t j = 0; j < sizeof counts / sizeof counts[0]; j++)
			table_add(&table, text_thousands(number, reply_integer(entity, counts[j])));
		table_add(&table, text_thousands(number, left));
		table_add(&table, text_string(&words));
	}
	table_print(&table, look, out);
}

static void print_rollback(const struct look *look, struct text *out, const json_t *reply,
			   const struct arguments *arguments)
{
	const char *session = reply_string(reply, "session");
	char id[FORMAT_SIZE];

	if (!session) {
		print_survey(look, out, json_object_get(reply, "entities"));
		return;
	}
	text_append(out, "Session ");
	look_append(look, out, STYLE_BOLD, session);
	if (!arguments->quiet)
		text_appendf(out, "  (migratectl watch %s)", format_short_id(id, session));
	text_append(out, "\n");
}

/* Rows that would be left are no failure, but no success either. */
static enum exit_status judge_rollback(const json_t *reply)
{
	size_t i;
	json_t *entity;

	json_array_foreach(json_object_get(reply, "entities"), i, entity)
		if (json_array_size(json_object_get(entity, "left")) > 0)
			return EXIT_PAUSED;
	return EXIT_DONE;
}

static enum exit_status run_rollback(const struct view *view, const struct arguments *arguments,
				     struct client *client)
{
	json_auto_t *parameters = rollback_parameters(arguments);

	return arguments->wait && !arguments->dry_run ? follow_begun(client, arguments, parameters)
						      : view_call(view, arguments, client);
}

const struct view view_rollback = {
	.verb = "rollback",
	.parameters = rollback_parameters,
	.print = print_rollback,
	.judge = judge_rollback,
	.run = run_rollback,
};

/* --- left -------------------------------------------------------------------------------------- */

static json_t *left_parameters(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "session", arguments->session);
	view_set_string(parameters, "entity", arguments->entity);
	view_set_count(parameters, "limit", arguments->limit);
	return parameters;
}

/* "edited: email, phone", "changed by session 3f2a91c0", "refused: 23503 cases_patient_id_fkey" */
static char *reason_of(const json_t *row)
{
	struct text text = TEXT_INIT;
	const char *since = reply_string(row, "since");
	const char *sqlstate = reply_string(row, "sqlstate");
	const char *constraint = reply_string(row, "constraint");
	char id[FORMAT_SIZE];
	size_t i;
	json_t *column;

	text_append(&text, reply_string_or(row, "reason", "-"));
	if (since)
		text_appendf(&text, " by session %s", format_short_id(id, since));
	json_array_foreach(json_object_get(row, "columns"), i, column)
		text_appendf(&text, "%s%s", i == 0 ? ": " : ", ", json_string_value(column));
	if (sqlstate || constraint)
		text_appendf(&text, ": %s%s%s", sqlstate ? sqlstate : "",
			     sqlstate && constraint ? " " : "", constraint ? constraint : "");
	return text_steal(&text);
}

static void print_left(const struct look *look, struct text *out, const json_t *reply,
		       const struct arguments *arguments)
{
	static const struct table_column columns[] = {
		{ "Entity", false, 0 },
		{ "Legacy key", false, 0 },
		{ "Target key", false, 0 },
		{ "Why", false, 0 },
	};
	const json_t *rows = json_object_get(reply, "rows");
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *row;

	(void)arguments;
	if (json_array_size(rows) == 0) {
		text_append(out, reply_string(reply, "session")
					 ? "The rollback has left no such rows.\n"
					 : "There was no such rollback.\n");
		return;
	}
	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(rows, i, row) {
		_cleanup_free_ char *legacy_key = reply_key(row, "legacy_key");
		_cleanup_free_ char *target_key = reply_key(row, "target_key");
		_cleanup_free_ char *reason = reason_of(row);

		table_add(&table, reply_string_or(row, "entity", "-"));
		table_add(&table, legacy_key);
		table_add(&table, target_key);
		table_add(&table, reason);
	}
	table_print(&table, look, out);
	view_append_total(out, reply_integer(reply, "total"), (int64_t)json_array_size(rows),
			  "first");
}

const struct view view_left = {
	.verb = "left",
	.parameters = left_parameters,
	.print = print_left,
};
