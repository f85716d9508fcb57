/*
 * plan: the order of work by levels; with --sql the statements of one entity, as a script.
 */
#include <string.h>

#include "ctl/reply.h"
#include "ctl/view.h"

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "sql", arguments->sql);
	return parameters;
}

/* --- bulk mode -------------------------------------------------------------------------------- */

/* What would be set aside, entity by entity; "off" is not worth a line. */
static void print_bulk(const struct look *look, struct text *out, const json_t *entities)
{
	bool begun = false;
	size_t i, j;
	json_t *planned, *kept;

	json_array_foreach(entities, i, planned) {
		const json_t *bulk = json_object_get(planned, "bulk");
		_cleanup_free_ char *aside = NULL;
		_cleanup_text_ struct text line = TEXT_INIT;

		if (!json_is_true(json_object_get(bulk, "used")))
			continue;
		if (!begun)
			text_append(out, "\nBulk mode: set aside while an empty table is filled, "
					 "and put back after it\n");
		begun = true;
		aside = reply_join(json_object_get(bulk, "aside"));
		text_appendf(&line, "  %s, %s: %s", reply_string_or(planned, "entity", "-"),
			     reply_string_or(bulk, "reason", "-"), aside);
		json_array_foreach(json_object_get(bulk, "kept"), j, kept)
			text_appendf(&line, "%s%s (%s)", j == 0 ? "; but not " : ", ",
				     reply_string_or(kept, "name", "-"),
				     reply_string_or(kept, "reason", "-"));
		look_append(look, out, STYLE_PLAIN, text_string(&line));
		text_append(out, "\n");
	}
}

/* --- the order -------------------------------------------------------------------------------- */

static void add_joined(struct table *table, const json_t *list)
{
	_cleanup_free_ char *joined = reply_join(list);

	table_add(table, joined);
}

/* Reasons are long and mostly the same, so they stand below, each once, and a number in the table. Adds it when it is new. */
static size_t note_number(json_t *notes, const char *reason)
{
	size_t i;
	json_t *note;

	json_array_foreach(notes, i, note)
		if (strcmp(json_string_value(note), reason) == 0)
			return i + 1;
	json_array_append_new(notes, json_string(reason));
	return json_array_size(notes);
}

static void add_note(struct table *table, const json_t *planned, json_t *notes)
{
	const char *reason = reply_string(planned, "reason");

	if (reason)
		table_add_number(table, (int64_t)note_number(notes, reason));
	else
		table_add(table, NULL);
}

static void add_planned(struct table *table, const json_t *planned, json_t *notes)
{
	_cleanup_free_ char *indented = text_format("  %s",
						    reply_string_or(planned, "entity", "-"));

	table_add(table, indented);
	reply_cell_string(table, planned, "source");
	reply_cell_string(table, planned, "target");
	reply_cell_string(table, planned, "strategy");
	add_note(table, planned, notes);
	add_joined(table, json_object_get(planned, "refers_to"));
	add_joined(table, json_object_get(planned, "deferred"));
}

static void add_level(struct table *table, const json_t *entities, int64_t level, json_t *notes)
{
	_cleanup_free_ char *heading = text_format("Level %lld", (long long)level);
	bool begun = false;
	size_t i;
	json_t *planned;

	json_array_foreach(entities, i, planned) {
		if (reply_integer(planned, "level") != level)
			continue;
		if (!begun)
			table_add_heading(table, heading);
		begun = true;
		add_planned(table, planned, notes);
	}
}

static void print_notes(const struct look *look, struct text *out, const json_t *notes)
{
	size_t i;
	json_t *note;

	if (json_array_size(notes) > 0)
		text_append(out, "\n");
	json_array_foreach(notes, i, note) {
		text_appendf(out, "%4zu  ", i + 1);
		look_append(look, out, STYLE_PLAIN, json_string_value(note));
		text_append(out, "\n");
	}
}

static void print_levels(const struct look *look, struct text *out, const json_t *reply)
{
	static const struct table_column columns[] = {
		{ "Entity", false, 0 },	     { "Source", false, 0 }, { "Target", false, 0 },
		{ "Strategy", false, 0 },    { "Note", true, 0 },    { "Refers to", false, 0 },
		{ "Second pass", false, 0 },
	};
	int64_t levels = reply_integer(reply, "levels");
	json_auto_t *notes = json_array();
	_cleanup_table_ struct table table = { 0 };

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	for (int64_t level = 0; level < levels; level++)
		add_level(&table, json_object_get(reply, "entities"), level, notes);
	table_print(&table, look, out);
	print_notes(look, out, notes);
	print_bulk(look, out, json_object_get(reply, "entities"));
}

/* --- the statements --------------------------------------------------------------------------- */

/* To a file or a program as it is, since every byte may be part of a literal; to a terminal without
   what could move its cursor. */
static void append_sql(const struct look *look, struct text *out, const char *sql)
{
	while (look->terminal && *sql) {
		size_t length = strcspn(sql, "\n\t");
		_cleanup_free_ char *piece = text_format("%.*s", (int)length, sql);

		look_append(look, out, STYLE_PLAIN, piece);
		text_append_bytes(out, sql + length, sql[length] != '\0');
		sql += length + (sql[length] != '\0');
	}
	text_append(out, sql);
	if (out->length > 0 && out->data[out->length - 1] != '\n')
		text_append(out, "\n");
}

/* The semicolon has a line of its own: the last one may end with a comment. */
static bool ends_with_semicolon(const char *sql)
{
	size_t length = strlen(sql);

	while (length > 0 && strchr(" \t\r\n", sql[length - 1]))
		length--;
	return length > 0 && sql[length - 1] == ';';
}

static void print_statement(const struct look *look, struct text *out, size_t number,
			    const json_t *statement)
{
	const char *sql = reply_string_or(statement, "sql", "");
	_cleanup_free_ char *header = text_format("-- %zu. %s, on the %s database", number,
						  reply_string_or(statement, "step", "-"),
						  reply_string_or(statement, "database", "-"));

	if (number > 1)
		text_append(out, "\n");
	look_append(look, out, STYLE_DIM, header);
	text_append(out, "\n");
	append_sql(look, out, sql);
	if (!ends_with_semicolon(sql))
		text_append(out, ";\n");
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	size_t i;
	json_t *statement;

	if (!arguments->sql) {
		print_levels(look, out, reply);
		return;
	}
	json_array_foreach(json_object_get(reply, "statements"), i, statement) {
		print_statement(look, out, i + 1, statement);
	}
}

const struct view view_plan = { .verb = "plan", .parameters = parameters_of, .print = print };
