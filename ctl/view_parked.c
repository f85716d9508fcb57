/*
 * parked: rows that wait for their parents, and what becomes of those.
 */
#include <string.h>

#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/view.h"

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "entity", arguments->entity);
	view_set_string(parameters, "parent", arguments->parent);
	view_set_count(parameters, "limit", arguments->limit);
	return parameters;
}

/* "offices 3"; the caller frees. */
static char *row_name(const json_t *object, const char *entity, const char *key)
{
	_cleanup_free_ char *name = reply_key(object, key);

	return text_format("%s %s", reply_string_or(object, entity, "-"), name);
}

static bool is_same_parent(const json_t *row, const json_t *before)
{
	return before &&
	       json_equal(json_object_get(row, "parent_entity"),
			  json_object_get(before, "parent_entity")) &&
	       json_equal(json_object_get(row, "parent_key"),
			  json_object_get(before, "parent_key"));
}

static const char *state_words(const json_t *row)
{
	static const struct {
		const char *state;
		const char *words;
	} words[] = {
		{ "not_in_source", "is not in the source" },
		{ "filtered_out", "the mapping leaves out (where)" },
		{ "not_carried", "is in the source and not carried over yet" },
	};
	const char *state = reply_string_or(row, "parent_state", "");

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i].state, state) == 0)
			return words[i].words;
	return "has not been carried over";
}

/* "offices 3, which is dead letter 42 (23502 name)". */
static char *parent_name(const json_t *row)
{
	const json_t *letter = json_object_get(row, "parent_letter");
	const json_t *waits_for = json_object_get(row, "parent_waits_for");
	_cleanup_free_ char *parent = row_name(row, "parent_entity", "parent_key");

	if (json_is_object(letter)) {
		const char *cause = reply_string_or(letter, "column",
						    reply_string_or(letter, "constraint", ""));

		return text_format("%s, which is %sdead letter %lld (%s%s%s)", parent,
				   strcmp(reply_string_or(letter, "state", ""), "discarded") == 0
					   ? "the discarded "
					   : "",
				   (long long)reply_integer(letter, "id"),
				   reply_string_or(letter, "sqlstate", "-"), cause[0] ? " " : "",
				   cause);
	}
	if (json_is_object(waits_for)) {
		_cleanup_free_ char *grandparent = row_name(waits_for, "entity", "legacy_key");

		return text_format("%s, which waits for %s", parent, grandparent);
	}
	return text_format("%s, which %s", parent, state_words(row));
}

static void add_row(struct table *table, const json_t *row)
{
	_cleanup_free_ char *name = row_name(row, "entity", "legacy_key");

	table_add(table, name);
	reply_cell_string(table, row, "column");
	reply_cell_time(table, row, "since");
	table_add(table, reply_bool(row, "mapped") ? "an older version" : "nothing");
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	static const struct table_column columns[] = {
		{ "Row", false, 0 },
		{ "By its column", false, 0 },
		{ "Since", false, 0 },
		{ "In target", false, 0 },
	};
	const json_t *rows = json_object_get(reply, "rows"), *before = NULL;
	int64_t total = reply_integer(reply, "total");
	int64_t shown = (int64_t)json_array_size(rows);
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *row;

	if (shown == 0) {
		text_appendf(out, "No rows wait for %s parent.\n",
			     arguments->entity || arguments->parent ? "such a" : "their");
		view_append_names(out, arguments);
		return;
	}
	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(rows, i, row) {
		if (!is_same_parent(row, before)) {
			_cleanup_free_ char *parent = parent_name(row);
			_cleanup_free_ char *heading = text_format("Waiting for %s", parent);

			table_add_heading(&table, heading);
		}
		add_row(&table, row);
		before = row;
	}
	table_print(&table, look, out);
	view_append_total(out, total, shown, "first");
}

const struct view view_parked = {
	.verb = "parked",
	.parameters = parameters_of,
	.print = print,
};
