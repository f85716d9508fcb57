/*
 * The life of one chunk of the comparison; see compare.h. The order of the functions below is the order of life; the cursor says which
 * part the chunk is of, where it begins, and how many of the source's rows so far have a place in the target.
 *
 *   rows:           boundary ▶ begin ▶ ship ▶ compare ──────────▶ keep
 *   extras, gone:   begin ▶ look ─┐               │ suspects      ▲
 *                                 └ suspects ▶ ship those keys ▶ look again
 *
 * A row that was handled, and of which a value cannot be made any more, fails the statement that compares. The chunk is then begun anew,
 * `apart`: whenever rows have been shipped, such rows are found and moved away before the others are compared.
 */
#include "run/compare.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/compare_sql.h"
#include "common/text.h"
#include "postgres/pump.h"
#include "store/store.h"

/* Rows of the target are looked at by key alone. */
#define LOOK_ROWS 100000

enum part { PART_ROWS, PART_EXTRAS, PART_GONE, PART_COUNT };

static const char *const part_names[PART_COUNT] = { "rows", "extras", "gone" };

struct comparison {
	struct check_request request;
	size_t key_count; /* the binding may be gone when it is freed */
	char *validation;
	char *begun_at; /* the cursor as it was given */
	enum part part;
	char **after;	/* parts of the key; NULL: from the beginning */
	char **up_to;	/* where this chunk ends; NULL: it is the last of its part */
	int64_t mapped; /* source rows of all chunks so far that have a place in the target */
	bool begun;
	bool seen_again; /* what is staged are suspects */
	bool apart;	 /* rows of which a value cannot be made are moved away first */
	int64_t mapped_before;
	int64_t moved_mapped; /* of those that were moved away, as `mapped` */
	int64_t rows;	      /* looked at */
	int64_t waiting;      /* of these */
	int64_t suspects;
	char **suspect_keys; /* an array literal for each part of the key */
	char *next;	     /* the cursor to go on from */
	struct check_chunk chunk;
	struct error error;
	char *unchecked;
	check_on_chunk *on_chunk;
	void *arg;
};

static size_t key_count(const struct comparison *comparison)
{
	return comparison->key_count;
}

static void keys_free(char **keys, size_t count)
{
	for (size_t i = 0; keys != NULL && i < count; i++)
		free(keys[i]);
	free(keys);
}

/* --- the end ------------------------------------------------------------------------------------------- */

static void comparison_free(struct comparison *comparison)
{
	size_t count = key_count(comparison);

	keys_free(comparison->after, count);
	keys_free(comparison->up_to, count);
	keys_free(comparison->suspect_keys, count);
	free(comparison->validation);
	free(comparison->begun_at);
	free(comparison->next);
	free(comparison->unchecked);
	free(comparison);
}

static void finish(struct comparison *comparison)
{
	bool failed = comparison->error.kind != ERROR_NONE;

	comparison->chunk.cursor = comparison->next;
	comparison->chunk.rows = comparison->rows;
	comparison->chunk.waiting = comparison->waiting;
	comparison->chunk.unchecked = comparison->unchecked;
	comparison->on_chunk(comparison->arg, failed ? NULL : &comparison->chunk,
			     failed ? &comparison->error : NULL);
	comparison_free(comparison);
}

static void on_rolled_back(void *arg, const struct pg_answer *answer)
{
	(void)answer;
	finish(arg);
}

static void fail(struct comparison *comparison, const struct error *err)
{
	struct pg_connection *target = comparison->request.target;

	comparison->error = *err;
	snprintf(comparison->error.entity, sizeof(comparison->error.entity), "%s",
		 comparison->request.bound->entity->name);
	if (!comparison->begun || !pg_connection_is_up(target))
		finish(comparison);
	else
		pg_submit(target, "ROLLBACK", 0, NULL, on_rolled_back, comparison);
}

static void begin(struct comparison *comparison);

static void on_given_up(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;

	if (answer->error != NULL)
		fail(comparison, answer->error);
	else
		begin(comparison);
}

/* Has the comparison of rows failed for a row's sake? Then the chunk is begun anew. */
static bool is_begun_apart(struct comparison *comparison, const struct pg_answer *answer)
{
	if (answer->error == NULL || answer->error->kind != ERROR_DATA || comparison->apart ||
	    comparison->part != PART_ROWS)
		return false;
	comparison->apart = true;
	comparison->begun = comparison->seen_again = false;
	comparison->mapped = comparison->mapped_before;
	keys_free(comparison->suspect_keys, key_count(comparison));
	free(comparison->next);
	comparison->suspect_keys = NULL;
	comparison->next = NULL;
	pg_submit(comparison->request.target, "ROLLBACK", 0, NULL, on_given_up, comparison);
	return true;
}

static bool failed(struct comparison *comparison, const struct pg_answer *answer)
{
	if (answer->error != NULL)
		fail(comparison, answer->error);
	return answer->error != NULL;
}

static int64_t number(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

/* --- the cursor ---------------------------------------------------------------------------------------- */

static char *cursor_format(enum part part, char *const *after, size_t count, int64_t mapped)
{
	json_auto_t *cursor = json_pack("{s:s, s:I, s:n}", "part", part_names[part], "mapped",
					(json_int_t)mapped, "after");
	json_t *keys;

	if (after != NULL) {
		keys = json_array();
		for (size_t i = 0; i < count; i++)
			json_array_append_new(keys, json_string(after[i]));
		json_object_set_new(cursor, "after", keys);
	}
	return json_dumps(cursor, JSON_COMPACT);
}

static void cursor_parse(struct comparison *comparison, const char *text)
{
	json_auto_t *cursor = text != NULL ? json_loads(text, 0, NULL) : NULL;
	const char *part = json_string_value(json_object_get(cursor, "part"));
	const json_t *after = json_object_get(cursor, "after");
	size_t count = key_count(comparison);

	for (size_t i = 0; part != NULL && i < PART_COUNT; i++)
		if (strcmp(part, part_names[i]) == 0)
			comparison->part = (enum part)i;
	comparison->mapped = json_integer_value(json_object_get(cursor, "mapped"));
	comparison->mapped_before = comparison->mapped;
	if (json_array_size(after) != count)
		return;
	comparison->after = memory_new(count * sizeof(char *));
	for (size_t i = 0; i < count; i++)
		comparison->after[i] = text_copy(json_string_value(json_array_get(after, i)));
}

static bool is_needed(const struct comparison *comparison, enum part part)
{
	const struct bound_entity *bound = comparison->request.bound;

	return part == PART_EXTRAS ? compare_sql_has_carried(bound) : compare_sql_has_gone(bound);
}

/* Where to go on after this chunk; NULL: all is done. */
static char *next_cursor(const struct comparison *comparison)
{
	enum part part = comparison->part;

	if (comparison->up_to != NULL)
		return cursor_format(part, comparison->up_to, key_count(comparison),
				     comparison->mapped);
	for (part++; part < PART_COUNT; part++)
		if (is_needed(comparison, part))
			return cursor_format(part, NULL, 0, comparison->mapped);
	return NULL;
}

/* --- kept ---------------------------------------------------------------------------------------------- */

static void on_kept(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;
	const PGresult *result;

	if (is_begun_apart(comparison, answer) || failed(comparison, answer))
		return;
	result = pg_answer_rows(answer);
	comparison->chunk.differences = number(result, 1);
	comparison->waiting = number(result, 2);
	finish(comparison);
}

static void keep(struct comparison *comparison, const char *with)
{
	_cleanup_text_ struct text text = TEXT_INIT;
	_cleanup_free_ char *rows = text_format("%" PRId64, comparison->rows);
	_cleanup_free_ char *waiting =
		text_format("%" PRId64 "%s", comparison->waiting,
			    !comparison->seen_again || comparison->part != PART_ROWS ? ""
			    : !comparison->apart ? " - (SELECT pg_catalog.count(*) FROM compared)"
						 : " - (SELECT pg_catalog.count(*) FROM compared)"
						   " - (SELECT pg_catalog.count(*) FROM unmade)");
	_cleanup_free_ char *sql = NULL;

	comparison->next = next_cursor(comparison);
	sql = check_keep_sql(&comparison->request, COMPARE_NAME, with, rows, waiting,
			     comparison->next);
	text_appendf(&text, "%s;\nCOMMIT", sql);
	pg_submit(comparison->request.target, text_string(&text), 0, NULL, on_kept, comparison);
}

static void keep_nothing(struct comparison *comparison)
{
	keep(comparison, "found AS (SELECT NULL::text AS kind, NULL::text[] AS legacy_key, "
			 "NULL::text[] AS target_key, NULL::text[] AS columns, "
			 "NULL::text AS name WHERE FALSE)");
}

/* --- rows of which a value cannot be made ------------------------------------------------------------------ */

static void compare_rows(struct comparison *comparison);
static void keep_found(struct comparison *comparison);
static void sort_out_rows(struct comparison *comparison);

static void on_moved_away(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;

	if (failed(comparison, answer))
		return;
	if (comparison->seen_again)
		keep_found(comparison);
	else
		compare_rows(comparison);
}

static void move_away(struct comparison *comparison)
{
	_cleanup_free_ char *sql = compare_sql_unmade(comparison->request.bound);

	pg_submit(comparison->request.target, sql, 0, NULL, on_moved_away, comparison);
}

/* Array literals: "{1,2}" and "{3}" are "{1,2,3}". */
static char *joined(const char *first, const char *second)
{
	if (strcmp(first, "{}") == 0 || strcmp(second, "{}") == 0)
		return text_copy(strcmp(first, "{}") == 0 ? second : first);
	return text_format("%.*s,%s", (int)strlen(first) - 1, first, second + 1);
}

static void on_moved_counted(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;
	const PGresult *result = pg_answer_rows(answer);
	int64_t handled;

	if (failed(comparison, answer))
		return;
	handled = number(result, 1);
	comparison->moved_mapped = number(result, 2);
	comparison->rows += number(result, 0);
	comparison->waiting += number(result, 0) - handled;
	comparison->suspects += handled;
	for (size_t i = 0; handled > 0 && i < key_count(comparison); i++) {
		_cleanup_free_ char *others = comparison->suspect_keys[i];

		comparison->suspect_keys[i] = joined(others, PQgetvalue(result, 0, 3 + (int)i));
	}
	sort_out_rows(comparison);
}

static void count_moved(struct comparison *comparison)
{
	_cleanup_free_ char *sql = compare_sql_unmade_count(comparison->request.bound);

	pg_submit(comparison->request.target, sql, 0, NULL, on_moved_counted, comparison);
}

/* --- suspects, seen once more ---------------------------------------------------------------------------- */

static char *found_sql(const struct comparison *comparison)
{
	const struct check_request *request = &comparison->request;
	key_arrays keys = (key_arrays)comparison->suspect_keys;

	switch (comparison->part) {
	case PART_EXTRAS:
		return compare_sql_extra(request->bound, keys);
	case PART_GONE:
		return compare_sql_staying(request->bound, keys);
	default:
		return compare_sql_found(request->binding, request->bound, comparison->apart);
	}
}

static void keep_found(struct comparison *comparison)
{
	_cleanup_free_ char *with = found_sql(comparison);

	keep(comparison, with);
}

static void on_suspects_shipped(void *arg, const struct pump_result *result)
{
	struct comparison *comparison = arg;

	if (result->error != NULL)
		fail(comparison, result->error);
	else if (comparison->apart)
		move_away(comparison);
	else
		keep_found(comparison);
}

static void ship_suspects(struct comparison *comparison)
{
	const struct check_request *request = &comparison->request;
	bool keys_only = comparison->part != PART_ROWS;
	_cleanup_free_ char *which = read_sql_keys(request->bound,
						   (key_arrays)comparison->suspect_keys);
	_cleanup_free_ char *read = keys_only ? read_sql_present(request->bound, which)
					      : read_sql_rows(request->binding, request->bound,
							      which);
	_cleanup_free_ char *stage = compare_sql_stage(request->bound, keys_only);

	comparison->seen_again = true;
	pump_start(request->source, read, request->target, stage, on_suspects_shipped, comparison);
}

static void take_suspects(struct comparison *comparison, const PGresult *result, int column)
{
	size_t count = key_count(comparison);

	comparison->suspect_keys = memory_new(count * sizeof(char *));
	for (size_t i = 0; i < count; i++)
		comparison->suspect_keys[i] = text_copy(
			PQgetisnull(result, 0, column + (int)i)
				? "{}"
				: PQgetvalue(result, 0, column + (int)i));
}

/* --- extras and gone ------------------------------------------------------------------------------------- */

static void on_looked(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;
	const PGresult *result = pg_answer_rows(answer);
	bool all;
	size_t parts;

	if (failed(comparison, answer))
		return;
	comparison->rows = 0;
	comparison->suspects = number(result, 2);
	all = comparison->part == PART_EXTRAS
		      ? number(result, 0) < LOOK_ROWS || !comparison->request.bound->legacy_unique
		      : comparison->suspects < LOOK_ROWS;
	if (!all)
		comparison->up_to = store_key_parse(PQgetvalue(result, 0, 1), &parts);
	take_suspects(comparison, result, 3);
	if (comparison->suspects > 0)
		ship_suspects(comparison);
	else
		keep_nothing(comparison);
}

static void look(struct comparison *comparison)
{
	const struct check_request *request = &comparison->request;
	key_arrays after = (key_arrays)comparison->after;
	_cleanup_free_ char *sql = comparison->part == PART_EXTRAS
					   ? compare_sql_carried(request->bound, after,
								 request->rows)
					   : compare_sql_gone(request->bound, after, LOOK_ROWS);

	pg_submit(request->target, sql, 0, NULL, on_looked, comparison);
}

/* --- rows ------------------------------------------------------------------------------------------------ */

static void go_on_with_suspects(struct comparison *comparison)
{
	if (comparison->suspects == 0) {
		keep_nothing(comparison);
		return;
	}
	comparison->waiting += comparison->suspects; /* less those that are compared again */
	ship_suspects(comparison);
}

/* What the id map has and no source row has led to is gone from the source, and waits for a sweep to see that. */
static void on_live(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;
	int64_t gone;

	if (failed(comparison, answer))
		return;
	gone = number(pg_answer_rows(answer), 0) - comparison->mapped;
	if (gone > 0) {
		comparison->rows += gone;
		comparison->waiting += gone;
	}
	go_on_with_suspects(comparison);
}

static void count_live(struct comparison *comparison)
{
	_cleanup_free_ char *sql = NULL;

	if (comparison->up_to != NULL) {
		go_on_with_suspects(comparison);
		return;
	}
	sql = compare_sql_live(comparison->request.bound);
	pg_submit(comparison->request.target, sql, 0, NULL, on_live, comparison);
}

static void on_mapped(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;

	if (failed(comparison, answer))
		return;
	comparison->mapped += number(pg_answer_rows(answer), 0) + comparison->moved_mapped;
	count_live(comparison);
}

/* All that were shipped have been looked at. */
static void sort_out_rows(struct comparison *comparison)
{
	_cleanup_free_ char *sql = NULL;

	if (comparison->waiting == 0) {
		comparison->mapped += comparison->rows;
		count_live(comparison);
		return;
	}
	sql = compare_sql_mapped(comparison->request.bound, (key_arrays)comparison->after,
				 (key_arrays)comparison->up_to);
	pg_submit(comparison->request.target, sql, 0, NULL, on_mapped, comparison);
}

static void on_compared(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (is_begun_apart(comparison, answer) || failed(comparison, answer))
		return;
	comparison->rows = number(result, 0);
	comparison->waiting = comparison->rows - number(result, 1);
	comparison->suspects = number(result, 2);
	take_suspects(comparison, result, 3);
	if (comparison->apart)
		count_moved(comparison);
	else
		sort_out_rows(comparison);
}

static void compare_rows(struct comparison *comparison)
{
	_cleanup_free_ char *sql = compare_sql_rows(comparison->request.binding,
						    comparison->request.bound,
						    (key_arrays)comparison->after,
						    (key_arrays)comparison->up_to);

	pg_submit(comparison->request.target, sql, 0, NULL, on_compared, comparison);
}

static void on_shipped(void *arg, const struct pump_result *result)
{
	struct comparison *comparison = arg;

	if (result->error != NULL)
		fail(comparison, result->error);
	else if (comparison->apart)
		move_away(comparison);
	else
		compare_rows(comparison);
}

static void ship(struct comparison *comparison)
{
	const struct check_request *request = &comparison->request;
	_cleanup_free_ char *which = read_sql_range(request->bound, (key_arrays)comparison->after,
						    (key_arrays)comparison->up_to);
	_cleanup_free_ char *read = read_sql_rows(request->binding, request->bound, which);
	_cleanup_free_ char *stage = compare_sql_stage(request->bound, false);

	pump_start(request->source, read, request->target, stage, on_shipped, comparison);
}

/* --- the beginning ----------------------------------------------------------------------------------------- */

static void on_begun(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;
	struct error err;

	comparison->begun = true;
	if (failed(comparison, answer))
		return;
	if (PQntuples(pg_answer_rows(answer)) == 0) {
		error_set(&err, ERROR_TRANSIENT, "its check has gone on meanwhile");
		snprintf(err.sqlstate, sizeof(err.sqlstate), "%s", CHECK_OVERTAKEN);
		fail(comparison, &err);
	} else if (comparison->part == PART_ROWS) {
		ship(comparison);
	} else {
		look(comparison);
	}
}

static void begin(struct comparison *comparison)
{
	_cleanup_free_ char *sql = check_begin_sql(&comparison->request, COMPARE_NAME);

	pg_submit(comparison->request.target, sql, 0, NULL, on_begun, comparison);
}

static void on_boundary(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;
	const PGresult *result = pg_answer_rows(answer);
	size_t count = key_count(comparison);

	if (failed(comparison, answer))
		return;
	if (PQntuples(result) > 0) {
		comparison->up_to = memory_new(count * sizeof(char *));
		for (size_t i = 0; i < count; i++)
			comparison->up_to[i] = text_copy(PQgetvalue(result, 0, (int)i));
	}
	begin(comparison);
}

static void find_boundary(struct comparison *comparison)
{
	const struct check_request *request = &comparison->request;
	_cleanup_free_ char *sql = compare_sql_boundary(request->bound,
							(key_arrays)comparison->after,
							request->rows);

	pg_submit(request->source, sql, 0, NULL, on_boundary, comparison);
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct comparison *comparison = arg;
	const PGresult *result = pg_answer_rows(answer);
	const char *fingerprint;

	if (failed(comparison, answer))
		return;
	fingerprint = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
	if (fingerprint[0] == '\0')
		comparison->unchecked = text_copy("it was never migrated");
	else if (strcmp(fingerprint, comparison->request.bound->fingerprint) != 0)
		comparison->unchecked = text_copy(
			"its mapping has changed since it was migrated; the next "
			"session carries all rows");
	if (comparison->unchecked != NULL)
		finish(comparison);
	else
		find_boundary(comparison);
}

struct check_run *compare_start(const struct check_request *request, check_on_chunk *on_chunk,
				void *arg)
{
	struct comparison *comparison = memory_new(sizeof(*comparison));

	*comparison = (struct comparison){ .request = *request,
					   .key_count = request->bound->entity->source_key.count,
					   .validation = text_copy(request->validation),
					   .begun_at = text_copy(request->cursor),
					   .on_chunk = on_chunk,
					   .arg = arg };
	comparison->request.validation = comparison->validation;
	comparison->request.cursor = comparison->begun_at;
	cursor_parse(comparison, request->cursor);
	if (comparison->part != PART_ROWS)
		begin(comparison);
	else if (comparison->after != NULL || request->in_session)
		find_boundary(comparison);
	else
		pg_submit(request->target,
			  "SELECT fingerprint FROM migrated.entity WHERE entity = $1", 1,
			  (const char *const[]){ request->bound->entity->name }, on_known,
			  comparison);
	return NULL;
}

int64_t compare_total(const struct binding *binding, const struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	const struct catalog_relation *relation = entity->source_table != NULL
							  ? catalog_relation(&binding->source,
									     entity->source_schema,
									     entity->source_table)
							  : NULL;

	return relation != NULL && relation->estimated_rows > 0 ? relation->estimated_rows : 0;
}
