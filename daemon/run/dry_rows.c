/*
 * See dry_rows.h. One entity after the other: its keys and what has become of them from within, then the same rows from outside.
 */
#include "run/dry_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "apply/parts.h"
#include "common/text.h"
#include "sql_run.h"
#include "store/store.h"

/* Rows of each kind that are shown when nobody has named any. */
#define ROWS_OF_A_KIND "3"

/* Columns of the answer from within. */
enum { LEGACY_KEY, TARGET_KEY, GONE, AFTER, SQLSTATE, CONSTRAINT, COLUMN, PARKED };

struct dry_rows {
	struct dry_rows_request request;
	size_t next; /* entity's part */
	PGresult *within;
	json_t *rows;
	dry_rows_on_done *on_done;
	void *arg;
};

static void next_entity(struct dry_rows *rows);

static const struct bound_entity *bound_of(const struct dry_rows *rows)
{
	return rows->request.session->runs[rows->next].bound;
}

static void finish(struct dry_rows *rows, const struct error *err)
{
	rows->on_done(rows->arg, err == NULL ? json_incref(rows->rows) : NULL, err);
}

/* --- one row ------------------------------------------------------------------------------------- */

static json_t *text_or_null(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? json_null()
						: json_string(PQgetvalue(result, row, column));
}

/* A row of the target as an object of texts; NULL: there is none. */
static json_t *values_of(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column)
		       ? NULL
		       : json_loads(PQgetvalue(result, row, column), 0, NULL);
}

static const char *kind_of(const PGresult *within, int row, const json_t *before,
			   const json_t *after)
{
	if (before == NULL && after != NULL)
		return "inserted";
	if (before != NULL && after == NULL)
		return "deleted";
	if (before != NULL && !json_equal((json_t *)before, (json_t *)after))
		return PQgetvalue(within, row, GONE)[0] == 't' ? "marked" : "updated";
	if (!PQgetisnull(within, row, SQLSTATE))
		return "set_aside";
	if (!PQgetisnull(within, row, PARKED))
		return "parked";
	return before != NULL ? "unchanged" : "absent";
}

/* Columns that differ; of a row that is only on one side, all of them. */
static json_t *changed_columns(json_t *before, json_t *after)
{
	json_t *columns = json_array();
	const char *name;
	json_t *value;

	json_object_foreach(after != NULL ? after : before, name, value) {
		json_t *was = json_object_get(before, name);
		json_t *is = json_object_get(after, name);

		if (before != NULL && after != NULL && json_equal(was, is))
			continue;
		json_array_append_new(columns, json_pack("{s:s, s:O?, s:O?}", "column", name,
							 "before", was, "after", is));
	}
	return columns;
}

static json_t *key_parts(const char *literal)
{
	json_t *array = json_array();
	size_t count;
	char **parts = store_key_parse(literal, &count);

	for (size_t i = 0; i < count; i++) {
		json_array_append_new(array, json_string(parts[i]));
		free(parts[i]);
	}
	free(parts);
	return array;
}

static void add_row(struct dry_rows *rows, int row, json_t *before)
{
	const PGresult *within = rows->within;
	json_auto_t *after = values_of(within, row, AFTER);

	json_array_append_new(rows->rows,
			      json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "entity",
					bound_of(rows)->entity->name, "legacy_key",
					key_parts(PQgetvalue(within, row, LEGACY_KEY)), "kind",
					kind_of(within, row, before, after), "sqlstate",
					text_or_null(within, row, SQLSTATE), "constraint",
					text_or_null(within, row, CONSTRAINT), "column",
					text_or_null(within, row, COLUMN), "waits_for",
					text_or_null(within, row, PARKED), "columns",
					changed_columns(before, after)));
}

/* --- as they stand, from outside ----------------------------------------------------------------- */

static int row_of_place(const PGresult *outside, int place)
{
	for (int row = 0; outside != NULL && row < PQntuples(outside); row++)
		if (atoi(PQgetvalue(outside, row, 0)) == place)
			return row;
	return -1;
}

static void add_rows(struct dry_rows *rows, const PGresult *outside)
{
	for (int row = 0; row < PQntuples(rows->within); row++) {
		int at = row_of_place(outside, row);
		json_auto_t *before = at >= 0 ? values_of(outside, at, 1) : NULL;

		add_row(rows, row, before);
	}
	PQclear(rows->within);
	rows->within = NULL;
	rows->next++;
	next_entity(rows);
}

static void on_outside(void *arg, const struct pg_answer *answer)
{
	struct dry_rows *rows = arg;

	if (answer->error != NULL)
		finish(rows, answer->error);
	else
		add_rows(rows, pg_answer_rows(answer));
}

/* (0, 'a', 'b'), (1, …): the rows that are mapped, by their places in the answer from within. */
static void append_places(struct text *text, const struct dry_rows *rows)
{
	for (int row = 0; row < PQntuples(rows->within); row++) {
		size_t count;
		char **parts;

		if (PQgetisnull(rows->within, row, TARGET_KEY))
			continue;
		parts = store_key_parse(PQgetvalue(rows->within, row, TARGET_KEY), &count);
		text_separate(text, ", ");
		text_appendf(text, "(%d", row);
		for (size_t i = 0; i < count; i++) {
			_cleanup_free_ char *literal = pg_quote_literal(parts[i]);

			text_appendf(text, ", %s::%s", literal,
				     bound_of(rows)->target_key_types[i]);
			free(parts[i]);
		}
		free(parts);
		text_append(text, ")");
	}
}

static void ask_outside(struct dry_rows *rows)
{
	const struct bound_entity *bound = bound_of(rows);
	_cleanup_text_ struct text places = TEXT_INIT;
	_cleanup_text_ struct text names = TEXT_INIT;
	_cleanup_text_ struct text sql = TEXT_INIT;
	_cleanup_free_ char *t_is_w = parts_target_is(bound, "w.t");

	append_places(&places, rows);
	if (places.length == 0) {
		add_rows(rows, NULL);
		return;
	}
	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&names, ", t%zu", i + 1);
	text_fill(&sql, sql_run_dry_rows_before,
		  (const struct text_hole[]){ { "places", text_string(&places) },
					      { "names", text_string(&names) },
					      { "target", bound->target_relation },
					      { "t_is_w", t_is_w },
					      { NULL, NULL } });
	pg_submit(rows->request.outside, text_string(&sql), 0, NULL, on_outside, rows);
}

/* --- what has become of them, from within ---------------------------------------------------------- */

static void on_within(void *arg, const struct pg_answer *answer)
{
	struct dry_rows *rows = arg;

	if (answer->error != NULL) {
		finish(rows, answer->error);
		return;
	}
	rows->within = PQcopyResult(pg_answer_rows(answer), PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
	ask_outside(rows);
}

/* The keys that were named: (1, '{13}'), … */
static char *named_keys(const json_t *keys)
{
	struct text text = TEXT_INIT;
	size_t place;
	json_t *key;

	text_append(&text, "SELECT * FROM (VALUES ");
	json_array_foreach(keys, place, key) {
		const char *parts[16];
		size_t count = json_array_size(key);
		_cleanup_free_ char *array = NULL;
		_cleanup_free_ char *literal = NULL;

		for (size_t i = 0; i < count && i < 16; i++)
			parts[i] = json_string_value(json_array_get(key, i));
		array = store_key_literal(parts, count < 16 ? count : 16);
		literal = pg_quote_literal(array);
		text_appendf(&text, "%s(%zu, %s::text[])", place > 0 ? ", " : "", place, literal);
	}
	text_append(&text, ") AS named (place, legacy_key)");
	return text_steal(&text);
}

static char *first_keys(const struct dry_rows *rows)
{
	struct text text = TEXT_INIT;
	const struct session *session = rows->request.session;
	const struct bound_entity *bound = bound_of(rows);
	_cleanup_free_ char *number = text_format("%d", session->number);
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *keys = bound_key_list(bound, "m.k%zu::text", ", ");

	text_fill(&text, sql_run_dry_rows_first,
		  (const struct text_hole[]){ { "change_log", bound->change_log },
					      { "entity", entity },
					      { "session", session->id },
					      { "number", number },
					      { "keys", keys },
					      { "most", ROWS_OF_A_KIND },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* What is no key at all (a word where there are numbers) names no row. */
static char *typed_keys(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++)
		text_appendf(&text,
			     ",\n         CASE WHEN migrated.is_of_type(f.legacy_key[%zu], '%s') "
			     "THEN f.legacy_key[%zu]::%s END AS k%zu",
			     i + 1, bound->key_types[i], i + 1, bound->key_types[i], i + 1);
	return text_steal(&text);
}

static void ask_within(struct dry_rows *rows, const json_t *keys)
{
	const struct bound_entity *bound = bound_of(rows);
	_cleanup_text_ struct text sql = TEXT_INIT;
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *found = keys != NULL ? named_keys(keys) : first_keys(rows);
	_cleanup_free_ char *typed = typed_keys(bound);
	_cleanup_free_ char *m_is_w = parts_equal_keys(bound->entity->source_key.count, "m.k",
						       "w.k");
	_cleanup_free_ char *t_is_m = parts_target_is(bound, "m.t");
	_cleanup_text_ struct text targets = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&targets, "%sm.t%zu::text", i > 0 ? ", " : "", i + 1);
	text_fill(&sql, sql_run_dry_rows_after,
		  (const struct text_hole[]){ { "found", found },
					      { "typed", typed },
					      { "entity", entity },
					      { "session", rows->request.session->id },
					      { "id_map", bound->id_map },
					      { "target", bound->target_relation },
					      { "targets", text_string(&targets) },
					      { "m_is_w", m_is_w },
					      { "t_is_m", t_is_m },
					      { NULL, NULL } });
	pg_submit(rows->request.within, text_string(&sql), 0, NULL, on_within, rows);
}

static void next_entity(struct dry_rows *rows)
{
	const struct session *session = rows->request.session;

	for (; rows->next < session->run_count; rows->next++) {
		const struct entity_run *run = &session->runs[rows->next];
		const json_t *keys = json_object_get(rows->request.keys, run->bound->entity->name);

		if (!run->bound->usable || (rows->request.keys != NULL && keys == NULL))
			continue;
		ask_within(rows, keys);
		return;
	}
	finish(rows, NULL);
}

struct dry_rows *dry_rows_new(const struct dry_rows_request *request, dry_rows_on_done *on_done,
			      void *arg)
{
	struct dry_rows *rows = memory_new(sizeof(*rows));

	*rows = (struct dry_rows){
		.request = *request,
		.rows = json_array(),
		.on_done = on_done,
		.arg = arg,
	};
	return rows;
}

void dry_rows_start(struct dry_rows *rows)
{
	next_entity(rows);
}

void dry_rows_free(struct dry_rows *rows)
{
	if (rows == NULL)
		return;
	pg_forget(rows->request.within, rows);
	pg_forget(rows->request.outside, rows);
	PQclear(rows->within);
	json_decref(rows->rows);
	free(rows);
}
