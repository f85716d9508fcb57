/*
 * migrate --dry-run: what a session would do, entity by entity, why rows would be set aside, and some rows before and after.
 */
#include "ctl/view_dry_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "ctl/follow.h"
#include "ctl/format.h"
#include "ctl/reply.h"

/* --- what it would do --------------------------------------------------------------------------- */

/* Conflicts are columns only where there are any. */
enum { COLUMN_COUNT = 11, COLUMNS_WITHOUT_CONFLICTS = 8 };

static const struct table_column columns[COLUMN_COUNT] = {
	{ "Entity", false, 12 },  { "Inserted", true, 8 }, { "Updated", true, 8 },
	{ "Deleted", true, 7 },	  { "Marked", true, 6 },   { "Unchanged", true, 9 },
	{ "Set aside", true, 9 }, { "Parked", true, 6 },   { "Overwritten", true, 0 },
	{ "Kept", true, 0 },	  { "Held", true, 0 },
};

/* The figure of each column, after the entity; what is gone is deleted or marked. */
static const char *const figures[COLUMN_COUNT - 1] = { "inserted", "updated",	  "deleted",
						       "marked",   "unchanged",	  "failed",
						       "parked",   "overwritten", "kept",
						       "held" };

static bool marks(const json_t *reply, const char *entity)
{
	size_t i;
	json_t *name;

	json_array_foreach(json_object_get(reply, "marking"), i, name)
		if (strcmp(json_string_value(name), entity) == 0)
			return true;
	return false;
}

static int64_t figure_of(const json_t *reply, const json_t *entity, const char *figure)
{
	bool marking = marks(reply, reply_string_or(entity, "entity", ""));

	if (strcmp(figure, "marked") == 0)
		return marking ? reply_integer(entity, "deleted") : 0;
	if (strcmp(figure, "deleted") == 0 && marking)
		return 0;
	return reply_integer(entity, figure);
}

static bool has_conflicts(const json_t *entities)
{
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity)
		for (size_t j = COLUMNS_WITHOUT_CONFLICTS - 1; j < COLUMN_COUNT - 1; j++)
			if (reply_integer(entity, figures[j]) > 0)
				return true;
	return false;
}

static void print_entities(const struct look *look, struct text *out, const json_t *reply)
{
	const json_t *entities = json_object_get(reply, "entities");
	_cleanup_table_ struct table table = { 0 };
	int64_t sums[COLUMN_COUNT - 1] = { 0 };
	size_t i;
	json_t *entity;

	table_init(&table, columns,
		   has_conflicts(entities) ? COLUMN_COUNT : COLUMNS_WITHOUT_CONFLICTS);
	json_array_foreach(entities, i, entity) {
		const char *reason = reply_string(entity, "reason");

		reply_cell_string(&table, entity, "entity");
		for (size_t j = 0; j + 1 < table.column_count; j++) {
			int64_t figure = figure_of(reply, entity, figures[j]);

			table_add_number(&table, figure);
			sums[j] += figure;
		}
		if (strcmp(reply_string_or(entity, "status", ""), "completed") != 0 && reason)
			table_add_note(&table, reason);
	}
	table_add_styled(&table, STYLE_BOLD, "Total");
	for (size_t j = 0; j + 1 < table.column_count; j++)
		table_add_number(&table, sums[j]);
	table_print(&table, look, out);
}

/* --- why rows would be set aside ------------------------------------------------------------------ */

static void print_set_aside(const struct look *look, struct text *out, const json_t *reply)
{
	static const struct table_column causes[] = {
		{ "Set aside", false, 12 },
		{ "SQLSTATE", false, 8 },
		{ "Cause", false, 0 },
		{ "Rows", true, 6 },
	};
	const json_t *kinds = json_object_get(reply, "set_aside");
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *kind;

	if (json_array_size(kinds) == 0)
		return;
	table_init(&table, causes, sizeof causes / sizeof causes[0]);
	json_array_foreach(kinds, i, kind) {
		const char *constraint = reply_string(kind, "constraint");

		reply_cell_string(&table, kind, "entity");
		reply_cell_string(&table, kind, "sqlstate");
		table_add(&table, constraint ? constraint : reply_string(kind, "column"));
		reply_cell_integer(&table, kind, "rows");
	}
	text_append(out, "\n");
	table_print(&table, look, out);
}

static void print_remarks(const struct look *look, struct text *out, const json_t *reply)
{
	size_t i;
	json_t *remark;

	json_array_foreach(json_object_get(reply, "remarks"), i, remark) {
		text_append(out, "\n");
		look_append(look, out, STYLE_WARNING, "A session would be paused here: ");
		look_append(look, out, STYLE_PLAIN, json_string_value(remark));
		text_append(out, "\n");
	}
}

/* --- rows ----------------------------------------------------------------------------------------- */

static void append_value(const struct look *look, struct text *out, const json_t *column,
			 const char *side)
{
	const char *value = reply_string(column, side);

	look_append(look, out, value ? STYLE_PLAIN : STYLE_DIM, value ? value : "NULL");
}

static void print_columns(const struct look *look, struct text *out, const json_t *row)
{
	const json_t *list = json_object_get(row, "columns");
	bool before = strcmp(reply_string_or(row, "kind", ""), "inserted") != 0;
	bool after = strcmp(reply_string_or(row, "kind", ""), "deleted") != 0;
	int width = 0;
	size_t i;
	json_t *column;

	json_array_foreach(list, i, column) {
		int own = look_width(reply_string_or(column, "column", "-"));

		width = own > width ? own : width;
	}
	json_array_foreach(list, i, column) {
		const char *name = reply_string_or(column, "column", "-");

		text_append(out, "  ");
		look_append(look, out, STYLE_PLAIN, name);
		text_appendf(out, "%*s  ", width - look_width(name), "");
		if (before)
			append_value(look, out, column, "before");
		if (before && after)
			text_append(out, look->utf8 ? " → " : " -> ");
		if (after)
			append_value(look, out, column, "after");
		text_append(out, "\n");
	}
}

static void append_cause(const struct look *look, struct text *out, const json_t *row)
{
	static const char *const causes[] = { "sqlstate", "constraint", "column", "waits_for" };

	for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
		const char *cause = reply_string(row, causes[i]);

		if (!cause)
			continue;
		text_append(out, i == 3 ? ", waits for " : " ");
		look_append(look, out, STYLE_PLAIN, cause);
	}
}

static void print_rows(const struct look *look, struct text *out, const json_t *reply)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(reply, "rows"), i, row) {
		const char *kind = reply_string_or(row, "kind", "-");
		_cleanup_free_ char *key = reply_key(row, "legacy_key");
		bool aside = strcmp(kind, "set_aside") == 0;

		text_append(out, "\n");
		look_append(look, out, STYLE_BOLD, reply_string_or(row, "entity", "-"));
		text_append(out, " ");
		look_append(look, out, STYLE_BOLD, key);
		text_append(out, ": ");
		look_append(look, out, look_style_of(kind), aside ? "set aside" : kind);
		append_cause(look, out, row);
		text_append(out, "\n");
		print_columns(look, out, row);
	}
}

void dry_run_print(const struct look *look, struct text *out, const json_t *reply,
		   const struct arguments *arguments)
{
	(void)arguments;
	print_entities(look, out, reply);
	print_set_aside(look, out, reply);
	print_remarks(look, out, reply);
	print_rows(look, out, reply);
}

/* --- asking ----------------------------------------------------------------------------------------- */

static enum exit_status say_outcome(const json_t *reply, const struct arguments *arguments)
{
	const json_t *session = json_object_get(reply, "session");
	const char *state = reply_string_or(session, "state", "failed");
	const char *reason = reply_string(session, "reason");
	bool completed = strcmp(state, "completed") == 0;
	int64_t rows = reply_integer(session, "done");
	char number[32], elapsed[FORMAT_SIZE];

	if (completed && arguments->quiet)
		return EXIT_DONE;
	log_notice("the dry run %s%s%s%s after %s %s in %s; nothing was changed",
		   completed ? "" : "was not completed, it ", completed ? "has ended" : state,
		   reason ? ": " : "", reason ? reason : "", text_thousands(number, rows),
		   format_rows(rows),
		   format_duration(elapsed, reply_integer(session, "elapsed_ms")));
	return completed ? EXIT_DONE : EXIT_FAILED;
}

static enum exit_status end(const struct look *look, json_t *reply,
			    const struct arguments *arguments)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	if (arguments->json)
		view_append_json(&out, reply, false);
	else
		dry_run_print(look, &out, reply, arguments);
	fputs(text_string(&out), stdout);
	fflush(stdout);
	return say_outcome(reply, arguments);
}

static void add_keys(json_t *parameters, const struct arguments *arguments)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < arguments->key_count; i++)
		json_array_append_new(keys, json_string(arguments->keys[i]));
	json_object_set_new(parameters, "keys", keys);
}

enum exit_status dry_run(const struct arguments *arguments, json_t *parameters,
			 struct client *client)
{
	view_set_flag(parameters, "rows", arguments->verbose);
	if (arguments->key_count > 0)
		add_keys(parameters, arguments);
	return follow_session(client, &(struct follow_settings){ .method = "io.migrated.DryRun",
								 .parameters = parameters,
								 .end = end,
								 .arguments = arguments });
}
