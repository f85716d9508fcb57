/*
 * See plan.h. Ends of ranges come from the source's index (plan.sql); what is planned is kept by functions of the control
 * schema (0004_batch.sql), which refuse to plan the same twice.
 */
#include "run/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "common/text.h"
#include "run/rollback.h"
#include "run/session.h"
#include "sql_run.h"
#include "sql_store.h"
#include "store/store.h"

/* Batches planned by one query, at least; more are planned when half of them are left. */
#define FEWEST_AHEAD 8

static const char *entity_name(const struct entity_run *run)
{
	return run->bound->entity->name;
}

/* Every lane should find one while the next are being planned. */
static size_t ahead(const struct entity_run *run)
{
	size_t lanes = lane_pool_size(run->session->means.lanes);

	return 2 * lanes > FEWEST_AHEAD ? 2 * lanes : FEWEST_AHEAD;
}

/* Rows of a change set for which a further lane pays. */
#define SMALLEST_SHARE 5000

/* --- batches as the store tells them ----------------------------------------------------------- */

static char **key_value(const PGresult *result, int row, int column, size_t *ret_parts)
{
	if (PQgetisnull(result, row, column))
		return NULL;
	return store_key_parse(PQgetvalue(result, row, column), ret_parts);
}

/* A row of number, kind, low, high. */
static struct batch_spec spec_from_row(const struct entity_run *run, const PGresult *result,
				       int row)
{
	struct batch_spec spec = {
		.number = atoi(PQgetvalue(result, row, 0)),
		.kind = batch_kind_of(PQgetvalue(result, row, 1)),
		.parts = run->bound->entity->source_key.count,
	};

	spec.low = key_value(result, row, 2, &spec.parts);
	spec.high = key_value(result, row, 3, &spec.parts);
	return spec;
}

void plan_add_batches(struct entity_run *run, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct batch_spec spec = spec_from_row(run, result, row);

		entity_run_add(run, &spec);
	}
}

/* --- the beginning: what there is to do, and how far it is planned --------------------------------- */

static void on_batches(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;

	if (answer->error == NULL)
		plan_add_batches(run, pg_answer_rows(answer));
	fault_point("plan.loaded");
	session_entity_planned(run, answer->error);
}

static void on_stands(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	size_t parts;

	if (answer->error != NULL) {
		session_entity_planned(run, answer->error);
		return;
	}
	if (PQntuples(result) == 0) {
		struct error err;

		error_set(&err, ERROR_INTERNAL, "its part of the session is not in the store");
		session_entity_planned(run, &err);
		return;
	}
	run->counted = true;
	run->total = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	run->boundary = key_value(result, 0, 1, &parts);
	run->keys_to = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
	run->deletes_to = strtoll(PQgetvalue(result, 0, 3), NULL, 10);
	run->moves_planned = PQgetvalue(result, 0, 4)[0] == 't';
	run->deletes_planned = PQgetvalue(result, 0, 5)[0] == 't';
	run->aside = strtoll(PQgetvalue(result, 0, 6), NULL, 10);
	run->first = PQgetvalue(result, 0, 7)[0] == 't';
	pg_submit(run->session->means.target, sql_store_batches_to_do, 2,
		  (const char *const[]){ run->session->id, entity_name(run) }, on_batches, run);
}

static void read_stands(struct entity_run *run)
{
	pg_submit(run->session->means.target, sql_store_plan_stands, 3,
		  (const char *const[]){ run->session->id, entity_name(run),
					 run->session->analysis },
		  on_stands, run);
}

static void on_counted(void *arg, const struct pg_answer *answer)
{
	fault_point("plan.counted");
	if (answer->error != NULL)
		session_entity_planned(arg, answer->error);
	else
		read_stands(arg);
}

static void count_changes(struct entity_run *run)
{
	pg_submit(run->session->means.target, sql_store_count_changes, 3,
		  (const char *const[]){ run->session->id, entity_name(run),
					 run->session->analysis },
		  on_counted, run);
}

static void on_unparked(void *arg, const struct pg_answer *answer)
{
	fault_point("plan.unparked");
	if (answer->error != NULL)
		session_entity_planned(arg, answer->error);
	else
		count_changes(arg);
}

static void unpark(struct entity_run *run)
{
	_cleanup_free_ char *sql = store_unpark_sql(run->session->binding, run->bound,
						    run->session->analysis);

	pg_submit(run->session->means.target, sql, 0, NULL, on_unparked, run);
}

void plan_begin(struct entity_run *run)
{
	entity_run_forget(run);
	run->followed = false;
	run->written_before = -1;
	run->released = false;
	run->deleted_before = 0;
	if (session_is_rollback(run->session))
		rollback_plan(run);
	else if (run->counted)
		read_stands(run);
	else if (run->whole)
		count_changes(run);
	else
		unpark(run);
}

/* --- further slices of the change set ---------------------------------------------------------- */

static void on_more(struct entity_run *run, const struct pg_answer *answer)
{
	fault_point(run->whole ? "plan.ranges_kept" : "plan.changes_kept");
	run->planning_more = false;
	if (answer->error == NULL)
		plan_add_batches(run, pg_answer_rows(answer));
	session_entity_planned(run, answer->error);
}

static int64_t last_ordinal(const PGresult *result)
{
	size_t parts;
	char **high = key_value(result, PQntuples(result) - 1, 3, &parts);
	int64_t ordinal = strtoll(high[0], NULL, 10);

	for (size_t i = 0; i < parts; i++)
		free(high[i]);
	free(high);
	return ordinal;
}

static void on_keys(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error == NULL && PQntuples(result) > 0)
		run->keys_to = last_ordinal(result);
	if (answer->error == NULL)
		run->moves_planned = PQntuples(result) < run->batches_asked;
	on_more(run, answer);
}

static void on_deletes(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error == NULL && PQntuples(result) > 0)
		run->deletes_to = last_ordinal(result);
	if (answer->error == NULL)
		run->deletes_planned = PQntuples(result) < run->batches_asked;
	on_more(run, answer);
}

/* A batch is one lane's work: what would fit into one is given to all of them, unless that is hardly worth their while. */
static int64_t shared_out(const struct entity_run *run, int64_t size)
{
	int64_t lanes = (int64_t)lane_pool_size(run->session->means.lanes);
	int64_t share = lanes > 0 ? (run->total + lanes - 1) / lanes : size;

	if (share < SMALLEST_SHARE)
		share = SMALLEST_SHARE;
	return share < size ? share : size;
}

static void plan_slices(struct entity_run *run, bool deletes)
{
	struct pace_limits limits = entity_run_limits(run);
	_cleanup_free_ char *after = text_format("%" PRId64,
						 deletes ? run->deletes_to : run->keys_to);
	_cleanup_free_ char *size = text_format(
		"%" PRId64,
		shared_out(run, pace_size(deletes ? &run->delete_pace : &run->move_pace, &limits)));
	_cleanup_free_ char *slices = text_format("%zu", ahead(run));

	run->planning_more = true;
	run->batches_asked = (int)ahead(run);
	pg_submit(run->session->means.target, sql_store_plan_slices, 7,
		  (const char *const[]){ run->session->id, entity_name(run), run->session->analysis,
					 deletes ? "t" : "f", after, size, slices },
		  deletes ? on_deletes : on_keys, run);
}

/* --- further ranges of the source's keys ------------------------------------------------------- */

static char *key_literal(char *const *parts, size_t count)
{
	return parts != NULL ? store_key_literal((const char *const *)parts, count) : NULL;
}

static void on_ranges_kept(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	size_t parts;
	int last;

	if (answer->error != NULL || PQntuples(result) == 0) {
		on_more(run, answer);
		return;
	}
	last = PQntuples(result) - 1;
	run->moves_planned = PQgetisnull(result, last, 3);
	if (!run->moves_planned) {
		for (size_t i = 0;
		     run->boundary != NULL && i < run->bound->entity->source_key.count; i++)
			free(run->boundary[i]);
		free(run->boundary);
		run->boundary = key_value(result, last, 3, &parts);
	}
	on_more(run, answer);
}

/* The key in one row of the source, as a text[] literal. */
static char *key_of_row(const struct entity_run *run, const PGresult *result, int row)
{
	size_t count = run->bound->entity->source_key.count;
	const char **parts = memory_new(count * sizeof(*parts));
	char *literal;

	for (size_t i = 0; i < count; i++)
		parts[i] = PQgetvalue(result, row, (int)i);
	literal = store_key_literal(parts, count);
	free(parts);
	return literal;
}

static void on_boundaries(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_free_ char *after = key_literal(run->boundary,
						 run->bound->entity->source_key.count);
	_cleanup_free_ char *dumped = NULL;
	json_auto_t *ends = NULL;

	if (answer->error != NULL) {
		on_more(run, answer);
		return;
	}
	fault_point("plan.ranges_known");
	ends = json_array();
	for (int row = 0; row < PQntuples(result); row++) {
		_cleanup_free_ char *end = key_of_row(run, result, row);

		json_array_append_new(ends, json_string(end));
	}
	if (PQntuples(result) < run->batches_asked)
		json_array_append_new(ends, json_null());
	dumped = json_dumps(ends, JSON_COMPACT);
	pg_submit(run->session->means.target, sql_store_plan_ranges, 4,
		  (const char *const[]){ run->session->id, entity_name(run), after, dumped },
		  on_ranges_kept, run);
}

/* `sql` about the rows of a range: its key columns, and `size` and `limit` where they are asked for. */
static char *range_sql(const struct entity_run *run, const char *sql, char *const *low,
		       char *const *high, const char *size, const char *limit)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text names = TEXT_INIT;
	_cleanup_text_ struct text keys = TEXT_INIT;
	_cleanup_text_ struct text expressions = TEXT_INIT;
	_cleanup_free_ char *which = read_sql_range(run->bound, (key_arrays)low, (key_arrays)high);

	for (size_t i = 0; i < run->bound->entity->source_key.count; i++) {
		text_appendf(&names, "%sk%zu", i > 0 ? ", " : "", i + 1);
		text_appendf(&keys, "%s%s", i > 0 ? ", " : "", run->bound->key_expressions[i]);
		text_appendf(&expressions, "%s%s AS k%zu", i > 0 ? ", " : "",
			     run->bound->key_expressions[i], i + 1);
	}
	text_fill(&text, sql,
		  (const struct text_hole[]){ { "names", text_string(&names) },
					      { "keys", text_string(&keys) },
					      { "expressions", text_string(&expressions) },
					      { "relation", run->bound->source_relation },
					      { "filter", run->bound->source_filter },
					      { "which", which },
					      { "limit", limit },
					      { "size", size },
					      { NULL, NULL } });
	return text_steal(&text);
}

static void plan_ranges(struct entity_run *run)
{
	struct pace_limits limits = entity_run_limits(run);
	int64_t rows = pace_size(&run->move_pace, &limits);
	_cleanup_free_ char *size = text_format("%" PRId64, rows);
	_cleanup_free_ char *limit = NULL;
	_cleanup_free_ char *sql = NULL;

	run->planning_more = true;
	run->batches_asked = (int)ahead(run);
	limit = text_format("%" PRId64, rows * run->batches_asked);
	sql = range_sql(run, sql_run_boundaries, run->boundary, NULL, size, limit);
	pg_submit(run->session->means.source, sql, 0, NULL, on_boundaries, run);
}

void plan_more(struct entity_run *run)
{
	bool deletes = run->state == ENTITY_DELETING;
	size_t left = deletes ? run->delete_count : run->move_count;

	if ((run->state != ENTITY_MOVING && !deletes) || run->planning_more ||
	    (deletes ? run->deletes_planned : run->moves_planned) || left > ahead(run) / 2)
		return;
	if (deletes || !run->whole)
		plan_slices(run, deletes);
	else
		plan_ranges(run);
}

/* --- rows that follow others of their entity ---------------------------------------------------- */

static int64_t rows_written(const struct entity_run *run)
{
	return run->counts.inserted + run->counts.updated + run->counts.unchanged;
}

static int64_t slice_rows(const PGresult *result, int row)
{
	size_t parts;
	char **low = key_value(result, row, 2, &parts), **high = key_value(result, row, 3, &parts);
	int64_t rows = strtoll(high[0], NULL, 10) - strtoll(low[0], NULL, 10) + 1;

	free(low[0]);
	free(low);
	free(high[0]);
	free(high);
	return rows;
}

static void on_follow(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	fault_point("plan.followed");
	run->planning_more = false;
	if (answer->error == NULL) {
		run->followed = PQntuples(result) == 0;
		for (int row = 0; row < PQntuples(result); row++)
			run->total += slice_rows(result, row);
		plan_add_batches(run, result);
	}
	session_entity_planned(run, answer->error);
}

bool plan_follow(struct entity_run *run)
{
	struct pace_limits limits = entity_run_limits(run);
	_cleanup_free_ char *sql = NULL;

	if (run->planning_more)
		return true;
	/* When nothing was written since, nobody's parent has come. */
	if (!run->bound->kin || run->followed || run->written_before == rows_written(run))
		return false;
	run->planning_more = true;
	run->written_before = rows_written(run);
	sql = store_follow_sql(run->bound, run->session->id, run->session->analysis,
			       pace_size(&run->move_pace, &limits),
			       pg_transaction_on(run->session->means.target)->within);
	pg_submit(run->session->means.target, sql, 0, NULL, on_follow, run);
	return true;
}

static void on_release(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	run->planning_more = false;
	if (answer->error == NULL) {
		int64_t rows = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10)
						     : 0;

		run->released = rows == 0;
		run->deletes_planned = rows == 0;
		run->total += rows;
	}
	session_entity_planned(run, answer->error);
}

bool plan_release(struct entity_run *run)
{
	_cleanup_free_ char *sql = NULL;

	if (run->planning_more)
		return true;
	/* When nothing was deleted since, nobody stands less in the way than before. */
	if (!run->bound->kin || run->bound->entity->on_delete != ON_DELETE_DELETE ||
	    run->released || run->deleted_before == run->counts.deleted)
		return false;
	run->planning_more = true;
	run->deleted_before = run->counts.deleted;
	sql = store_release_sql(run->bound, run->session->id, run->session->analysis);
	pg_submit(run->session->means.target, sql, 0, NULL, on_release, run);
	return true;
}

/* --- one batch made two ------------------------------------------------------------------------ */

struct split {
	struct entity_run *run;
	struct batch_spec spec;
	plan_on_split *on_split;
};

static void finish_split(struct split *split, enum plan_split outcome, const struct error *err)
{
	struct entity_run *run = split->run;

	run->active--;
	run->session->batches_active--;
	if (outcome == PLAN_SPLIT_DONE || outcome == PLAN_SPLIT_LOST)
		batch_spec_done(&split->spec);
	split->on_split(run, &split->spec, outcome, err);
	free(split);
}

/* The halves are what had failed, and go first. */
static void put_halves(struct split *split, const PGresult *result)
{
	for (int row = PQntuples(result); row-- > 0;) {
		struct batch_spec half = spec_from_row(split->run, result, row);

		half.retry.attempts = split->spec.retry.attempts;
		entity_run_put_back(split->run, &half);
	}
}

static void on_halves(void *arg, const struct pg_answer *answer)
{
	struct split *split = arg;
	const struct error *err = answer->error;

	if (err != NULL && session_will_reconnect(split->run->session, err)) {
		finish_split(split, PLAN_SPLIT_LOST, err);
	} else if (err != NULL) {
		finish_split(split, PLAN_SPLIT_FAILED, err);
	} else if (PQntuples(pg_answer_rows(answer)) == 0) {
		finish_split(split, PLAN_SPLIT_SINGLE, NULL);
	} else {
		put_halves(split, pg_answer_rows(answer));
		finish_split(split, PLAN_SPLIT_DONE, NULL);
	}
}

static void keep_split(struct split *split, const char *middle)
{
	struct entity_run *run = split->run;
	_cleanup_free_ char *number = text_format("%d", split->spec.number);

	pg_submit(run->session->means.target, sql_store_split_batch, 5,
		  (const char *const[]){ run->session->id, entity_name(run), number,
					 run->session->analysis[0] != '\0' ? run->session->analysis
									   : NULL,
					 middle },
		  on_halves, split);
}

static void on_middle(void *arg, const struct pg_answer *answer)
{
	struct split *split = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		finish_split(split, PLAN_SPLIT_FAILED, answer->error);
	} else if (PQntuples(result) == 0) {
		finish_split(split, PLAN_SPLIT_SINGLE, NULL);
	} else {
		_cleanup_free_ char *middle = key_of_row(split->run, result, 0);

		keep_split(split, middle);
	}
}

void plan_split(struct entity_run *run, const struct batch_spec *spec, plan_on_split *on_split)
{
	struct split *split = memory_new(sizeof(*split));

	*split = (struct split){ .run = run, .spec = *spec, .on_split = on_split };
	run->active++;
	run->session->batches_active++;
	if (spec->kind == BATCH_RANGE) {
		_cleanup_free_ char *sql = range_sql(run, sql_run_middle, spec->low, spec->high, "",
						     "");

		pg_submit(run->session->means.source, sql, 0, NULL, on_middle, split);
	} else {
		keep_split(split, NULL);
	}
}
