/*
 * dead-letters: the rows that could not be carried over, one of them, and what is to become of them.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/view.h"

/* --- words ---------------------------------------------------------------------------------------- */

/* "13", or "(1, de)" of a composite key; the caller frees. */
static char *key_of(const json_t *object, const char *member)
{
	const json_t *key = json_object_get(object, member);
	_cleanup_free_ char *parts = reply_join(key);

	return json_array_size(key) > 1 ? text_format("(%s)", parts) : text_copy(parts);
}

/* What it failed of: a column, a constraint, both. */
static char *cause_of(const json_t *letter)
{
	const char *column = reply_string(letter, "column");
	const char *constraint = reply_string(letter, "constraint");

	if (column && constraint)
		return text_format("%s (%s)", column, constraint);
	return text_copy(column ? column : constraint ? constraint : "-");
}

static const char *rows_word(int64_t count)
{
	return count == 1 ? "row" : "rows";
}

/* --- list ----------------------------------------------------------------------------------------- */

static json_t *list_parameters(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "entity", arguments->entity);
	view_set_string(parameters, "session", arguments->session);
	view_set_string(parameters, "sqlstate", arguments->sqlstate);
	view_set_string(parameters, "state", arguments->letter_state);
	view_set_count(parameters, "limit", arguments->limit);
	return parameters;
}

static void add_letter(struct table *table, const json_t *letter, bool with_state)
{
	_cleanup_free_ char *key = key_of(letter, "legacy_key");
	_cleanup_free_ char *cause = cause_of(letter);
	_cleanup_free_ char *id = text_format("%lld", (long long)reply_integer(letter, "id"));

	table_add(table, id);
	reply_cell_string(table, letter, "entity");
	table_add(table, key);
	if (with_state)
		reply_cell_state(table, letter, "state");
	reply_cell_string(table, letter, "sqlstate");
	table_add(table, cause);
	reply_cell_integer(table, letter, "attempts");
	reply_cell_time(table, letter, "updated");
	table_add_note(table, reply_string_or(letter, "message", ""));
}

static void print_letters(const struct look *look, struct text *out, const json_t *letters,
			  bool with_state)
{
	static const struct table_column open[] = {
		{ "Id", true, 0 },	  { "Entity", false, 0 }, { "Key", false, 0 },
		{ "SQLSTATE", false, 0 }, { "Cause", false, 0 },  { "Tries", true, 0 },
		{ "Last try", false, 0 },
	};
	static const struct table_column any[] = {
		{ "Id", true, 0 },     { "Entity", false, 0 },	 { "Key", false, 0 },
		{ "State", false, 0 }, { "SQLSTATE", false, 0 }, { "Cause", false, 0 },
		{ "Tries", true, 0 },  { "Last try", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *letter;

	table_init(&table, with_state ? any : open,
		   with_state ? sizeof any / sizeof any[0] : sizeof open / sizeof open[0]);
	json_array_foreach(letters, i, letter) {
		add_letter(&table, letter, with_state);
	}
	table_print(&table, look, out);
}

/* The most frequent kinds, when not all rows are shown. */
static void print_counts(const struct look *look, struct text *out, const json_t *counts)
{
	static const struct table_column columns[] = {
		{ "Rows", true, 0 },
		{ "Entity", false, 0 },
		{ "SQLSTATE", false, 0 },
		{ "Cause", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *count;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(counts, i, count) {
		_cleanup_free_ char *cause = cause_of(count);

		reply_cell_integer(&table, count, "rows");
		reply_cell_string(&table, count, "entity");
		reply_cell_string(&table, count, "sqlstate");
		table_add(&table, cause);
	}
	text_append(out, "\n");
	table_print(&table, look, out);
}

static void print_list(const struct look *look, struct text *out, const json_t *reply,
		       const struct arguments *arguments)
{
	const char *state = arguments->letter_state ? arguments->letter_state : "open";
	const json_t *letters = json_object_get(reply, "letters");
	int64_t total = reply_integer(reply, "total");
	int64_t shown = (int64_t)json_array_size(letters);
	char number[32], part[32];

	if (shown == 0) {
		text_appendf(out, "There are no %s%sdead letters%s.\n",
			     strcmp(state, "all") == 0 ? "" : state,
			     strcmp(state, "all") == 0 ? "" : " ",
			     arguments->entity || arguments->session || arguments->sqlstate
				     ? " like these"
				     : "");
		return;
	}
	print_letters(look, out, letters, strcmp(state, "open") != 0);
	if (total > shown)
		print_counts(look, out, json_object_get(reply, "counts"));
	text_appendf(out, "\n%s %s%s%s%s.\n", text_thousands(number, total), rows_word(total),
		     total > shown ? ", the last " : "",
		     total > shown ? text_thousands(part, shown) : "",
		     total > shown ? " of them shown (--limit shows more)" : "");
	if (!arguments->quiet)
		text_append(out,
			    "migratectl dead-letters show ID says more of one, and what can be "
			    "done.\n");
}

const struct view view_letters_list = {
	.verb = "dead-letters list",
	.parameters = list_parameters,
	.print = print_list,
};
