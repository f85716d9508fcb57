/*
 * The life of a chunk; see check_run.h.
 *
 *   its row is locked ──▶ where the range ends ──▶ [rows are shipped] ──▶ differences kept, COMMIT
 *
 * What goes on meanwhile is no difference: whatever is held against each other stands in one database and is looked at by one statement,
 * and rows of the source are told by their hashes.
 */
#include "verify/check_run.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "postgres/pump.h"
#include "sql_verify.h"
#include "verify/check_sql.h"

struct check_run {
	struct check_request request;
	const char *check; /* its name */
	const struct check_look *looks;
	size_t look;	  /* the present one */
	char **low;	  /* the key that its range is above; NULL: the first */
	char **high;	  /* up to which it goes; NULL: to the last */
	char *validation; /* of the request, which is borrowed for the call only */
	char *cursor;
	char *next; /* cursor */
	char *unchecked;
	struct check_chunk chunk;
	bool reading; /* the source has a transaction for it */
	bool committed;
	bool foreign;	  /* its cursor says nothing to us */
	unsigned closing; /* sides whose transaction is being ended */
	struct error error;
	check_on_chunk *on_chunk;
	void *arg;
};

static const struct check_look *look_of(const struct check_run *run)
{
	return &run->looks[run->look];
}

static bool is_over(const struct check_run *run)
{
	return look_of(run)->find == NULL;
}

/* --- ranges ------------------------------------------------------------------------------------- */

static bool is_by_legacy_key(enum check_along along)
{
	return along == ALONG_SOURCE || along == ALONG_ID_MAP || along == ALONG_CARRIED;
}

/* Expressions of the keys that it goes along; the caller frees them. */
static char **keys_along(const struct check_run *run, enum check_along along, size_t *ret_count)
{
	const struct bound_entity *bound = run->request.bound;
	size_t count = is_by_legacy_key(along) ? bound->entity->source_key.count
					       : bound->entity->target_key.count;
	char **keys = memory_new(count * sizeof(*keys));

	for (size_t i = 0; i < count; i++)
		switch (along) {
		case ALONG_SOURCE:
			keys[i] = text_copy(bound->key_expressions[i]);
			break;
		case ALONG_ID_MAP:
			keys[i] = text_format("m.k%zu", i + 1);
			break;
		case ALONG_TARGETS:
			keys[i] = text_format("m.t%zu", i + 1);
			break;
		case ALONG_TARGET:
			keys[i] = text_format("t.%s", bound->target_key_quoted[i]);
			break;
		case ALONG_CARRIED:
			keys[i] = check_sql_carried_part(bound, "t", i);
			break;
		}
	*ret_count = count;
	return keys;
}

static void keys_free(char **keys, size_t count)
{
	for (size_t i = 0; keys != NULL && i < count; i++)
		free(keys[i]);
	free(keys);
}

static size_t key_count(const struct check_run *run)
{
	size_t count;
	char **keys = keys_along(run, look_of(run)->along, &count);

	keys_free(keys, count);
	return count;
}

/* `type` is one that all values can be read as, whatever the length of their column's; "": the column's. */
static void append_bound(struct text *text, char *const *keys, size_t count, const char *comparison,
			 char *const *values, const char *type)
{
	text_separate(text, " AND ");
	text_append(text, "(");
	for (size_t i = 0; i < count; i++)
		text_appendf(text, "%s%s", i > 0 ? ", " : "", keys[i]);
	text_appendf(text, ") %s (", comparison);
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *value = pg_quote_literal(values[i]);

		text_appendf(text, "%s%s%s", i > 0 ? ", " : "", value, type);
	}
	text_append(text, ")");
}

/* Rows without a key are in no range; the last takes them along, if there can be any. */
static void append_keyless(struct text *text, char *const *keys, size_t count)
{
	_cleanup_free_ char *range = text_steal(text);

	text_appendf(text, "(%s", range);
	for (size_t i = 0; i < count; i++)
		text_appendf(text, " OR %s IS NULL", keys[i]);
	text_append(text, ")");
}

static char *condition_between(const struct check_run *run, enum check_along along,
			       char *const *low, char *const *high)
{
	bool of_integers = along != ALONG_SOURCE && is_by_legacy_key(along) &&
			   check_sql_has_integer_key(run->request.bound);
	const char *type = of_integers ? "::bigint" : "";
	size_t count;
	char **keys = keys_along(run, along, &count);
	struct text text = TEXT_INIT;

	if (low != NULL)
		append_bound(&text, keys, count, ">", low, type);
	if (high != NULL)
		append_bound(&text, keys, count, "<=", high, type);
	if (text.length == 0)
		text_append(&text, "TRUE");
	else if (high == NULL && along == ALONG_SOURCE)
		append_keyless(&text, keys, count);
	keys_free(keys, count);
	return text_steal(&text);
}

static char *condition(const struct check_run *run)
{
	return condition_between(run, look_of(run)->along, run->low, run->high);
}

/* The same range of legacy keys elsewhere. Only of integers: texts may be ordered otherwise there. */
static char *condition_elsewhere(const struct check_run *run, enum check_along along)
{
	const struct check_request *request = &run->request;
	bool of_target = along == ALONG_CARRIED;

	if (!is_by_legacy_key(look_of(run)->along) || !check_sql_has_integer_key(request->bound) ||
	    (of_target && !check_sql_in_step(request->binding, request->bound)))
		return NULL;
	return condition_between(run, along, run->low, run->high);
}

/* --- cursors: [look, key…] ------------------------------------------------------------------------- */

static void skip_looks(struct check_run *run)
{
	const struct check_request *request = &run->request;

	while (!is_over(run) && !look_of(run)->applies(request->binding, request->bound))
		run->look++;
}

static bool read_key(struct check_run *run, const json_t *cursor)
{
	size_t count = key_count(run);

	if (json_array_size(cursor) == 1)
		return true;
	if (json_array_size(cursor) != count + 1)
		return false;
	run->low = memory_new(count * sizeof(*run->low));
	for (size_t i = 0; i < count; i++) {
		const char *part = json_string_value(json_array_get(cursor, i + 1));

		run->low[i] = text_copy(part != NULL ? part : "");
	}
	return true;
}

/* False: it was written by another version, or of another mapping. */
static bool read_cursor(struct check_run *run)
{
	json_auto_t *cursor = NULL;
	size_t count = 0;

	while (run->looks[count].find != NULL)
		count++;
	if (run->cursor != NULL) {
		cursor = json_loads(run->cursor, 0, NULL);
		if (!json_is_integer(json_array_get(cursor, 0)))
			return false;
		if ((size_t)json_integer_value(json_array_get(cursor, 0)) >= count)
			return false;
		run->look = (size_t)json_integer_value(json_array_get(cursor, 0));
		if (!look_of(run)->applies(run->request.binding, run->request.bound) ||
		    !read_key(run, cursor))
			return false;
	}
	skip_looks(run);
	return true;
}

/* Where to go on once this chunk is done; NULL: nowhere. */
static char *next_cursor(const struct check_run *run)
{
	struct check_run next = *run;
	json_auto_t *cursor = json_array();
	size_t count = key_count(run);

	if (run->high == NULL) {
		next.look++;
		skip_looks(&next);
	}
	if (is_over(&next))
		return NULL;
	json_array_append_new(cursor, json_integer((json_int_t)next.look));
	for (size_t i = 0; run->high != NULL && i < count; i++)
		json_array_append_new(cursor, json_string(run->high[i]));
	return json_dumps(cursor, JSON_COMPACT);
}

/* --- the end ------------------------------------------------------------------------------------ */

/* Whoever is told may take the binding away, so nothing of it is looked at afterwards. */
static void forget_range(struct check_run *run)
{
	size_t count = is_over(run) ? 0 : key_count(run);

	keys_free(run->low, count);
	keys_free(run->high, count);
}

static void run_free(struct check_run *run)
{
	free(run->validation);
	free(run->cursor);
	free(run->next);
	free(run->unchecked);
	free(run);
}

/* Most often it is a setting of ours that ends a statement. */
static void explain(struct check_run *run)
{
	struct error *err = &run->error;

	snprintf(err->entity, sizeof(err->entity), "%s", run->request.bound->entity->name);
	snprintf(err->phase, sizeof(err->phase), "%s", run->check);
	if (strcmp(err->sqlstate, "57014") == 0)
		error_context(err, "it took longer than statement_timeout allows, or somebody "
				   "ended it");
}

static void finish(struct check_run *run)
{
	bool failed = run->error.kind != ERROR_NONE;

	if (failed)
		explain(run);
	forget_range(run);
	run->chunk.cursor = run->next;
	run->chunk.unchecked = run->unchecked;
	run->on_chunk(run->arg, failed ? NULL : &run->chunk, failed ? &run->error : NULL);
	run_free(run);
}

static void on_closed(void *arg, const struct pg_answer *answer)
{
	struct check_run *run = arg;

	(void)answer;
	if (--run->closing == 0)
		finish(run);
}

static void close_side(struct check_run *run, struct pg_connection *connection)
{
	if (!pg_connection_is_up(connection))
		return; /* its transaction has gone with the link */
	run->closing++;
	pg_submit(connection, "ROLLBACK", 0, NULL, on_closed, run);
}

/* What was not committed is undone. */
static void end(struct check_run *run, const struct error *err)
{
	if (err != NULL)
		run->error = *err;
	run->closing = 1;
	if (run->reading)
		close_side(run, run->request.source);
	if (!run->committed)
		close_side(run, run->request.target);
	if (--run->closing == 0)
		finish(run);
}

static bool failed(struct check_run *run, const struct error *err)
{
	if (err != NULL)
		end(run, err);
	return err != NULL;
}

/* --- finding and keeping -------------------------------------------------------------------------- */

static void on_kept(void *arg, const struct pg_answer *answer)
{
	struct check_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		end(run, answer->error);
		return;
	}
	run->committed = true;
	run->chunk.rows = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	run->chunk.differences = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
	run->chunk.waiting = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
	end(run, NULL);
}

/* Where there is nothing to look at, nothing is found. */
static char *found(const struct check_run *run)
{
	_cleanup_free_ char *which = NULL, *mapped = NULL, *carried = NULL;

	if (is_over(run))
		return text_copy(sql_verify_check_nothing);
	which = condition(run);
	mapped = condition_elsewhere(run, ALONG_ID_MAP);
	carried = condition_elsewhere(run, ALONG_CARRIED);
	return look_of(run)->find(&run->request, &(struct check_range){ .which = which,
									.mapped = mapped,
									.carried = carried });
}

static const char *waiting(const struct check_run *run)
{
	return is_over(run) || look_of(run)->waiting == NULL ? "0" : look_of(run)->waiting;
}

static bool holds_ranges(const struct check_run *run)
{
	return !is_over(run) && look_of(run)->ranges != NULL &&
	       look_of(run)->ranges(run->request.binding, run->request.bound);
}

static void keep(struct check_run *run)
{
	_cleanup_free_ char *with = found(run);
	_cleanup_free_ char *rows = text_format("%" PRId64, run->chunk.rows);
	_cleanup_free_ char *sql = NULL, *statements = NULL;

	run->next = is_over(run) ? NULL : next_cursor(run);
	sql = check_keep_sql(&run->request, run->check, with, rows, waiting(run), run->next);
	statements = text_format("%s%s;\nCOMMIT",
				 holds_ranges(run) ? "SET LOCAL enable_nestloop = off;\n" : "",
				 sql);
	pg_submit(run->request.target, statements, 0, NULL, on_kept, run);
}

/* --- shipping ------------------------------------------------------------------------------------- */

static void on_pumped(void *arg, const struct pump_result *result)
{
	struct check_run *run = arg;

	if (!failed(run, result->error))
		keep(run);
}

static void ship(struct check_run *run)
{
	const struct check_request *request = &run->request;
	const struct check_look *look = look_of(run);
	_cleanup_free_ char *which = condition(run);
	_cleanup_free_ char *read = look->read(request, which);
	_cleanup_free_ char *columns = look->columns(request->bound);
	_cleanup_free_ char *stage = check_sql_stage(request->bound);
	_cleanup_text_ struct text begin = TEXT_INIT;

	text_fill(&begin, sql_verify_check_stage,
		  (const struct text_hole[]){ { "entity", request->bound->entity->name },
					      { "columns", columns },
					      { "stage", stage },
					      { NULL, NULL } });
	pump_start(request->source, read, request->target, text_string(&begin), on_pumped, run);
}

/* --- where the range ends ---------------------------------------------------------------------------- */

/* A range that is not full is the last. */
static void take_high(struct check_run *run, const PGresult *result)
{
	size_t count = key_count(run);

	for (size_t i = 0; i < count; i++)
		if (PQgetisnull(result, 0, (int)i + 1))
			return;
	run->high = memory_new(count * sizeof(*run->high));
	for (size_t i = 0; i < count; i++)
		run->high[i] = text_copy(PQgetvalue(result, 0, (int)i + 1));
}

static void on_range(void *arg, const struct pg_answer *answer)
{
	struct check_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (failed(run, answer->error))
		return;
	if (PQntuples(result) == 1)
		run->chunk.rows = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	if (PQnfields(result) > 1 && run->chunk.rows >= run->request.rows)
		take_high(run, result);
	if (look_of(run)->read != NULL)
		ship(run);
	else
		keep(run);
}

static char *relation_along(const struct check_run *run)
{
	const struct bound_entity *bound = run->request.bound;

	switch (look_of(run)->along) {
	case ALONG_SOURCE:
		return text_copy(bound->source_relation);
	case ALONG_ID_MAP:
	case ALONG_TARGETS:
		return text_format("%s AS m", bound->id_map);
	case ALONG_TARGET:
	case ALONG_CARRIED:
		return text_format("%s AS t", bound->target_relation);
	}
	abort();
}

/* What it goes along is not all that the relation has. */
static char *filter_along(const struct check_run *run)
{
	const struct bound_entity *bound = run->request.bound;

	if (look_of(run)->along == ALONG_SOURCE)
		return text_copy(bound->source_filter);
	if (look_of(run)->along == ALONG_CARRIED)
		return check_sql_carries(bound, "t");
	return text_copy("TRUE");
}

static char *range_sql(const struct check_run *run)
{
	size_t count;
	char **expressions = keys_along(run, look_of(run)->along, &count);
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text names = TEXT_INIT;
	_cleanup_text_ struct text none = TEXT_INIT;
	_cleanup_text_ struct text keys = TEXT_INIT;
	_cleanup_text_ struct text order = TEXT_INIT;
	_cleanup_free_ char *relation = relation_along(run);
	_cleanup_free_ char *filter = filter_along(run);
	_cleanup_free_ char *which = condition_between(run, look_of(run)->along, run->low, NULL);
	_cleanup_free_ char *rows = text_format("%" PRId64, run->request.rows);

	for (size_t i = 0; i < count; i++) {
		text_appendf(&names, ", n.x%zu", i + 1);
		text_append(&none, ", NULL");
		text_appendf(&keys, "%s%s AS x%zu", i > 0 ? ", " : "", expressions[i], i + 1);
		text_appendf(&order, "%s%s", i > 0 ? ", " : "", expressions[i]);
	}
	text_fill(&text, sql_verify_check_range,
		  (const struct text_hole[]){ { "names", text_string(&names) },
					      { "none", text_string(&none) },
					      { "keys", text_string(&keys) },
					      { "order", text_string(&order) },
					      { "relation", relation },
					      { "filter", filter },
					      { "which", which },
					      { "rows", rows },
					      { NULL, NULL } });
	keys_free(expressions, count);
	return text_steal(&text);
}

static char *whole_sql(const struct check_run *run)
{
	struct text text = TEXT_INIT;

	text_fill(&text, sql_verify_check_whole,
		  (const struct text_hole[]){ { "relation", run->request.bound->source_relation },
					      { "filter", run->request.bound->source_filter },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* A query has no index to cut it by. */
static void find_range(struct check_run *run)
{
	bool of_source = look_of(run)->along == ALONG_SOURCE;
	bool whole = of_source && run->request.bound->entity->source_table == NULL;
	_cleanup_free_ char *sql = whole ? whole_sql(run) : range_sql(run);
	_cleanup_free_ char *opening =
		text_format("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n%s", sql);

	run->reading = of_source;
	pg_submit(of_source ? run->request.source : run->request.target, of_source ? opening : sql,
		  0, NULL, on_range, run);
}

/* --- the beginning ------------------------------------------------------------------------------ */

/* Why it cannot be checked as it is now; NULL: it can. */
static const char *obstacle(const struct check_run *run, const PGresult *state)
{
	const struct check_request *request = &run->request;
	bool has_map = PQgetvalue(state, 0, 0)[0] == 't';
	bool migrated = PQgetvalue(state, 0, 1)[0] == 't';
	bool same = PQgetvalue(state, 0, 2)[0] == 't';

	if (!request->bound->usable)
		return binding_refusal(request->binding, request->bound);
	if (run->foreign)
		return "it was begun by another version, or with another mapping; begin a new one";
	if (!has_map || (!migrated && !request->in_session))
		return "it has not been migrated yet";
	if (!same && !request->in_session)
		return "its mapping has changed since it was migrated; the next session reads all "
		       "of it anew";
	return NULL;
}

static void on_begun(void *arg, const struct pg_answer *answer)
{
	struct check_run *run = arg;
	const char *reason;
	struct error err;

	if (failed(run, answer->error))
		return;
	if (PQntuples(answer->results[answer->count - 2]) == 0) {
		error_set(&err, ERROR_INTERNAL, "the check has gone on meanwhile, or was ended");
		snprintf(err.sqlstate, sizeof(err.sqlstate), CHECK_OVERTAKEN);
		end(run, &err);
		return;
	}
	reason = obstacle(run, pg_answer_rows(answer));
	if (reason != NULL) {
		run->unchecked = text_copy(reason);
		end(run, NULL);
	} else if (is_over(run)) {
		keep(run);
	} else {
		find_range(run);
	}
}

static void begin(struct check_run *run)
{
	const struct bound_entity *bound = run->request.bound;
	_cleanup_free_ char *opening = check_begin_sql(&run->request, run->check);
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *id_map = pg_quote_literal(bound->usable ? bound->id_map : "");
	_cleanup_text_ struct text text = TEXT_INIT;

	text_appendf(&text, "%s;\n", opening);
	text_fill(&text, sql_verify_check_state,
		  (const struct text_hole[]){ { "id_map_name", id_map },
					      { "entity", entity },
					      { "fingerprint", bound->fingerprint },
					      { NULL, NULL } });
	pg_submit(run->request.target, text_string(&text), 0, NULL, on_begun, run);
}

/* --- how much there is ---------------------------------------------------------------------------------- */

static int64_t estimated(const struct catalog *catalog, const char *schema, const char *table)
{
	const struct catalog_relation *relation = table != NULL
							  ? catalog_relation(catalog, schema, table)
							  : NULL;

	return relation != NULL && relation->estimated_rows > 0 ? relation->estimated_rows : 0;
}

int64_t check_run_total(const struct check_look *looks, const struct binding *binding,
			const struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	int64_t total = 0;

	for (const struct check_look *look = looks; look->find != NULL; look++) {
		bool of_source = look->along == ALONG_SOURCE;

		if (look->applies(binding, bound))
			total += of_source ? estimated(&binding->source, entity->source_schema,
						       entity->source_table)
					   : estimated(&binding->target, entity->target_schema,
						       entity->target_table);
	}
	return total;
}

/* --- life ----------------------------------------------------------------------------------------------- */

struct check_run *check_run_start(const struct check_request *request, const char *check,
				  const struct check_look *looks, check_on_chunk *on_chunk,
				  void *arg)
{
	struct check_run *run = memory_new(sizeof(*run));

	*run = (struct check_run){
		.request = *request,
		.check = check,
		.looks = looks,
		.validation = text_copy(request->validation),
		.cursor = text_copy(request->cursor),
		.on_chunk = on_chunk,
		.arg = arg,
	};
	run->request.validation = run->validation;
	run->request.cursor = run->cursor;
	run->foreign = !read_cursor(run);
	begin(run);
	return run;
}
