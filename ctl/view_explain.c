/*
 * explain: where one row is, and why. First in a sentence, then what is known of it, then what to do next.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/explain_words.h"
#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/view.h"

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "entity", arguments->entity);
	view_set_string(parameters, "key", arguments->key);
	view_set_flag(parameters, "target", arguments->target);
	view_set_flag(parameters, "values", arguments->values);
	return parameters;
}

/* --- fields --------------------------------------------------------------------------------------- */

#define LABEL_WIDTH 12 /* with what is between */

/* Takes the string over. */
static void give(const struct look *look, struct text *out, const char *label, char *string)
{
	view_append_field(look, out, label, LABEL_WIDTH, string);
	free(string);
}

static const char *time_of(char buffer[FORMAT_SIZE], const json_t *object, const char *member)
{
	return format_time(buffer, reply_string_or(object, member, "-"));
}

static void append_source(const struct look *look, struct text *out, const json_t *e)
{
	const json_t *source = json_object_get(e, "source");
	const json_t *handled = json_object_get(e, "handled");
	const char *error = reply_string(source, "error");

	if (!reply_bool(source, "asked"))
		give(look, out, "Source",
		     text_format("not known: %s", error ? error : "it was not asked"));
	else if (!reply_bool(source, "present"))
		give(look, out, "Source", text_copy("has no such row"));
	else if (!reply_bool(source, "wanted"))
		give(look, out, "Source",
		     text_copy("has the row; the mapping leaves it out (where)"));
	else
		give(look, out, "Source",
		     text_format("has the row%s",
				 json_is_true(handled) ? ", in the version that was handled last"
				 : json_is_false(handled)
					 ? ", in another version than was handled last"
					 : ""));
}

static void append_target(const struct look *look, struct text *out, const json_t *e)
{
	const json_t *target = json_object_get(e, "target");
	const json_t *map = json_object_get(e, "map");
	const char *error = reply_string(target, "error");
	_cleanup_free_ char *key = reply_key(e, "target_key");

	if (!reply_bool(target, "asked"))
		give(look, out, "Target",
		     text_format("not known: %s", error ? error : "it was not asked"));
	else if (!json_is_object(map) && !reply_bool(target, "present"))
		give(look, out, "Target", text_copy("nothing leads to a row there"));
	else if (json_is_null(json_object_get(target, "present")))
		give(look, out, "Target", text_format("%s; whether it is there is not known", key));
	else
		give(look, out, "Target",
		     text_format("%s %s%s", key,
				 reply_bool(target, "present") ? "is there" : "is not there",
				 reply_bool(map, "edited")
					 ? reply_bool(target, "present")
						   ? ", edited since we wrote it"
						   : ", deleted there by somebody else"
					 : ""));
}

static void append_map(const struct look *look, struct text *out, const json_t *e)
{
	const json_t *map = json_object_get(e, "map");
	const char *session = reply_string(map, "session");
	_cleanup_free_ char *legacy = reply_key(e, "legacy_key");
	_cleanup_free_ char *target = reply_key(map, "target_key");
	_cleanup_free_ char *carries = reply_key(map, "carries");
	_cleanup_text_ struct text text = TEXT_INIT;
	char buffer[FORMAT_SIZE];

	if (!json_is_object(map))
		return;
	text_appendf(&text, "%s leads to %s", legacy, target);
	if (session)
		text_appendf(&text, " since session %s", format_short_id(buffer, session));
	else if (reply_bool(map, "adopted"))
		text_append(&text, ", adopted: it was there before us");
	if (json_is_array(json_object_get(map, "carries")))
		text_appendf(&text, "; that row carries %s",
			     json_equal(json_object_get(map, "carries"),
					json_object_get(e, "legacy_key"))
				     ? "this key"
				     : carries);
	if (reply_string(map, "gone"))
		text_appendf(&text, "; found gone %s", time_of(buffer, map, "gone"));
	give(look, out, "Mapping", text_copy(text_string(&text)));
}

static void append_comparison(const struct look *look, struct text *out, const json_t *e)
{
	const json_t *columns = json_object_get(e, "columns");
	_cleanup_free_ char *names = reply_join(columns);

	if (reply_string(e, "misfit"))
		give(look, out, "Equal",
		     text_format("not compared: %s", reply_string(e, "misfit")));
	else if (reply_bool(e, "compared"))
		give(look, out, "Equal",
		     json_array_size(columns) == 0 ? text_copy("yes, all mapped columns")
						   : text_format("no: %s", names));
}

static void append_letter(const struct look *look, struct text *out, const json_t *e)
{
	const json_t *letter = json_object_get(e, "letter");
	char last[FORMAT_SIZE];

	if (!json_is_object(letter))
		return;
	give(look, out, "Dead letter",
	     text_format("%lld, %s, tried %lld times, last %s: %s %s",
			 (long long)reply_integer(letter, "id"),
			 reply_string_or(letter, "state", "-"),
			 (long long)reply_integer(letter, "attempts"),
			 time_of(last, letter, "updated"), reply_string_or(letter, "sqlstate", "-"),
			 reply_string_or(letter, "message", "-")));
}

static void append_waits(const struct look *look, struct text *out, const json_t *e)
{
	char since[FORMAT_SIZE];
	size_t i;
	json_t *waits;

	json_array_foreach(json_object_get(e, "waits_for"), i, waits) {
		_cleanup_free_ char *row = explain_row(waits, "entity", "legacy_key");
		_cleanup_free_ char *parent = explain_parent(waits);

		give(look, out, i == 0 ? "Waits for" : "",
		     i == 0 ? text_format("%s, since %s", parent, time_of(since, waits, "since"))
			    : text_format("%s waits for %s", row, parent));
	}
	json_array_foreach(json_object_get(e, "deferred"), i, waits) {
		give(look, out, i == 0 ? "Deferred" : "", explain_parent(waits));
	}
}

static void append_waiting(const struct look *look, struct text *out, const json_t *e)
{
	const json_t *rows = json_object_get(e, "waiting_rows");
	int64_t waiting = reply_integer(e, "waiting");
	_cleanup_text_ struct text text = TEXT_INIT;
	char number[32];
	size_t i;
	json_t *row;

	if (waiting == 0)
		return;
	text_appendf(&text, "%s %s: ", text_thousands(number, waiting),
		     waiting == 1 ? "row waits for it" : "rows wait for it");
	json_array_foreach(rows, i, row) {
		_cleanup_free_ char *name = explain_row(row, "entity", "legacy_key");

		text_appendf(&text, "%s%s%s%s%s", i > 0 ? ", " : "", name,
			     reply_bool(row, "deferred") ? " (only " : "",
			     reply_bool(row, "deferred") ? reply_string_or(row, "column", "-") : "",
			     reply_bool(row, "deferred") ? ")" : "");
	}
	if (waiting > (int64_t)json_array_size(rows))
		text_append(&text, ", ...");
	give(look, out, "Waiting", text_copy(text_string(&text)));
}

static void append_conflicts(const struct look *look, struct text *out, const json_t *e)
{
	char updated[FORMAT_SIZE];
	size_t i;
	json_t *conflict;

	json_array_foreach(json_object_get(e, "conflicts"), i, conflict) {
		_cleanup_free_ char *columns = reply_join(json_object_get(conflict, "columns"));

		give(look, out, i == 0 ? "Conflicts" : "",
		     text_format("%lld %s: %s in the source, %s in the target%s%s, %s",
				 (long long)reply_integer(conflict, "id"),
				 reply_string_or(conflict, "state", "-"),
				 reply_string_or(conflict, "in_source", "-"),
				 reply_string_or(conflict, "in_target", "-"),
				 columns[0] ? ": " : "", columns,
				 time_of(updated, conflict, "updated")));
	}
}

static void append_notes(const struct look *look, struct text *out, const json_t *e)
{
	static const struct {
		const char *state;
		const char *words;
	} mappings[] = {
		{ "never", "was never migrated to its end" },
		{ "changed", "has changed since it was migrated" },
	};
	const json_t *noted = json_object_get(e, "noted");
	const char *session = reply_string(noted, "session");
	_cleanup_free_ char *warnings = reply_join(json_object_get(e, "warnings"));
	char buffer[FORMAT_SIZE];
	size_t i;
	json_t *former;

	for (i = 0; i < sizeof mappings / sizeof mappings[0]; i++)
		if (strcmp(reply_string_or(e, "mapping", ""), mappings[i].state) == 0)
			give(look, out, "Entity", text_copy(mappings[i].words));
	if (json_is_object(noted))
		give(look, out, "Change set",
		     text_format("%s (%s)",
				 session ? "of the session under way" : "of the last analysis",
				 reply_string_or(noted, "kind", "-")));
	if (reply_string(e, "again"))
		give(look, out, "Again",
		     text_format("the next session carries it again (%s)",
				 reply_string(e, "again")));
	if (warnings[0])
		give(look, out, "Rules", text_format("breaks %s, which only warns", warnings));
	json_array_foreach(json_object_get(e, "former"), i, former) {
		_cleanup_free_ char *key = reply_key(former, "target_key");

		give(look, out, i == 0 ? "Before" : "",
		     text_format("led to %s until %s, when the key came to stand for another row",
				 key, time_of(buffer, former, "until")));
	}
}

static void append_facts(const struct look *look, struct text *out, const json_t *e)
{
	append_source(look, out, e);
	append_target(look, out, e);
	append_map(look, out, e);
	append_comparison(look, out, e);
	append_letter(look, out, e);
	append_waits(look, out, e);
	append_waiting(look, out, e);
	append_conflicts(look, out, e);
	append_notes(look, out, e);
}

/* --- tables --------------------------------------------------------------------------------------- */

static void append_history(const struct look *look, struct text *out, const json_t *e)
{
	static const struct table_column columns[] = {
		{ "Changed", false, 0 },
		{ "Session", false, 0 },
		{ "What", false, 0 },
		{ "Columns", false, 0 },
	};
	const json_t *history = json_object_get(e, "history");
	int64_t shown = (int64_t)json_array_size(history);
	_cleanup_table_ struct table table = { 0 };
	char id[FORMAT_SIZE], number[32];
	size_t i, j;
	json_t *change, *value;

	if (shown == 0)
		return;
	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(history, i, change) {
		_cleanup_free_ char *names = reply_join(json_object_get(change, "columns"));

		reply_cell_time(&table, change, "at");
		table_add(&table, format_short_id(id, reply_string_or(change, "session", "-")));
		reply_cell_string(&table, change, "kind");
		table_add(&table, names[0] ? names : "-");
		json_array_foreach(json_object_get(change, "values"), j, value) {
			const char *before = reply_string(value, "before");
			const char *after = reply_string(value, "after");
			_cleanup_free_ char *note =
				text_format("%s: %s -> %s", reply_string_or(value, "column", "-"),
					    before ? before : "NULL", after ? after : "NULL");

			table_add_note(&table, note);
		}
	}
	text_append(out, "\n");
	table_print(&table, look, out);
	if (reply_integer(e, "changes") > shown)
		text_appendf(out, "The last %lld of %s changes.\n", (long long)shown,
			     text_thousands(number, reply_integer(e, "changes")));
}

static bool is_among(const json_t *names, const char *name)
{
	size_t i;
	json_t *member;

	json_array_foreach(names, i, member)
		if (json_is_string(member) && strcmp(json_string_value(member), name) == 0)
			return true;
	return false;
}

static void append_values(const struct look *look, struct text *out, const json_t *e)
{
	static const struct table_column columns[] = {
		{ "Column", false, 0 },
		{ "Of the source", false, 0 },
		{ "In the target", false, 0 },
		{ "", false, 0 },
	};
	bool in_source = reply_bool(json_object_get(e, "source"), "wanted");
	bool in_target = reply_bool(json_object_get(e, "target"), "present");
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *value;

	if (json_array_size(json_object_get(e, "values")) == 0)
		return;
	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(json_object_get(e, "values"), i, value) {
		const char *column = reply_string_or(value, "column", "-");

		table_add(&table, column);
		table_add(&table, in_source ? reply_string_or(value, "source", "NULL") : NULL);
		table_add(&table, in_target ? reply_string_or(value, "target", "NULL") : NULL);
		table_add(&table, is_among(json_object_get(e, "columns"), column) ? "differs" : "");
	}
	text_append(out, "\n");
	table_print(&table, look, out);
}

/* --- the whole ------------------------------------------------------------------------------------ */

static void append_next(const struct look *look, struct text *out, const json_t *e)
{
	_cleanup_free_ char *command = NULL;
	char *next = explain_next(e, &command);

	if (next[0] == '\0') {
		free(next);
		return;
	}
	text_append(out, "\n");
	give(look, out, "Next", next);
	if (command) {
		text_append(out, "  ");
		look_append(look, out, STYLE_BOLD, command);
		text_append(out, "\n");
	}
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	_cleanup_free_ char *sentence = explain_sentence(reply);

	look_append(look, out, STYLE_BOLD, sentence);
	text_append(out, "\n\n");
	append_facts(look, out, reply);
	append_values(look, out, reply);
	append_history(look, out, reply);
	if (!arguments->quiet)
		append_next(look, out, reply);
}

/* That there is no such row is an answer, and no success. */
static enum exit_status judge(const json_t *reply)
{
	return strcmp(reply_string_or(reply, "state", ""), "unknown") == 0 ? EXIT_NO_SUCH
									   : EXIT_DONE;
}

const struct view view_explain = {
	.verb = "explain",
	.parameters = parameters_of,
	.print = print,
	.judge = judge,
};
