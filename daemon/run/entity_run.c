/*
 * Planning of an entity's batches, and its counts; see entity_run.h. What runs when is the session's business.
 *
 * Ranges are planned a few dozen ahead, as the source's index yields their ends; slices of a change set in one statement.
 * Every batch stands in the store before it is done, so that after a crash what is left to do is read from there.
 */
#include "run/entity_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "common/clock.h"
#include "common/text.h"
#include "run/session.h"
#include "sql_run.h"
#include "sql_store.h"
#include "store/store.h"

/* Ranges planned by one query, and how few may be left before the next. */
#define RANGES_AHEAD 32
#define RANGES_LEFT 8

/* Weight of the newest batch in the smoothed rate. */
#define RATE_WEIGHT 0.3

static const char *entity_name(const struct entity_run *run)
{
	return run->bound->entity->name;
}

static int64_t batch_size(const struct entity_run *run)
{
	json_int_t asked = json_integer_value(json_object_get(run->session->options, "batch_size"));

	return asked > 0 ? asked : run->session->means.settings->batch_size;
}

const char *entity_run_status(const struct entity_run *run)
{
	if (run->state == ENTITY_COMPLETED)
		return "completed";
	if (run->state == ENTITY_FAILED)
		return "failed";
	if (run->state == ENTITY_CANCELLED)
		return "cancelled";
	if (run->paused || run->session->hold != HOLD_NONE)
		return "paused";
	return run->state == ENTITY_PENDING ? "pending" : "running";
}

bool entity_run_is_over(const struct entity_run *run)
{
	return run->state >= ENTITY_COMPLETED;
}

bool entity_run_has_moved(const struct entity_run *run)
{
	return run->state >= ENTITY_MOVED && run->state <= ENTITY_COMPLETED;
}

/* --- the lists of batches ---------------------------------------------------------------------- */

static void push(struct batch_spec **list, size_t *count, const struct batch_spec *spec)
{
	*list = memory_grow(*list, *count + 1, sizeof(**list));
	(*list)[(*count)++] = *spec;
}

/* A range that has just been planned cannot be claimed before it is kept. */
static bool is_stored(const struct entity_run *run, const struct batch_spec *spec)
{
	return spec->kind != BATCH_RANGE || !run->planning_more || spec->number < run->stored_below;
}

bool entity_run_take(struct entity_run *run, bool deletes, struct batch_spec *ret_spec)
{
	size_t i = 0;
	struct batch_spec *list = deletes ? run->deletes : run->moves;
	size_t *count = deletes ? &run->delete_count : &run->move_count;

	while (i < *count && !is_stored(run, &list[i]))
		i++;
	if (i == *count)
		return false;
	*ret_spec = list[i];
	(*count)--;
	memmove(list + i, list + i + 1, (*count - i) * sizeof(*list));
	return true;
}

void entity_run_put_back(struct entity_run *run, const struct batch_spec *spec)
{
	if (spec->kind == BATCH_DELETES)
		push(&run->deletes, &run->delete_count, spec);
	else
		push(&run->moves, &run->move_count, spec);
}

static enum batch_kind kind_from_name(const char *name)
{
	if (strcmp(name, "range") == 0)
		return BATCH_RANGE;
	return strcmp(name, "keys") == 0 ? BATCH_KEYS : BATCH_DELETES;
}

static char **key_value(const PGresult *result, int row, int column, size_t *ret_parts)
{
	if (PQgetisnull(result, row, column))
		return NULL;
	return store_key_parse(PQgetvalue(result, row, column), ret_parts);
}

/* --- planning ---------------------------------------------------------------------------------- */

static void on_batches(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		session_entity_planned(run, answer->error);
		return;
	}
	for (int row = 0; row < PQntuples(result); row++) {
		struct batch_spec spec = {
			.number = atoi(PQgetvalue(result, row, 0)),
			.kind = kind_from_name(PQgetvalue(result, row, 1)),
			.parts = run->bound->entity->source_key.count,
		};

		if (spec.number < run->known_below)
			continue;
		spec.low = key_value(result, row, 2, &spec.parts);
		spec.high = key_value(result, row, 3, &spec.parts);
		entity_run_put_back(run, &spec);
	}
	run->known_below = run->next_number;
	fault_point("plan.loaded");
	session_entity_planned(run, NULL);
}

static void on_total(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		session_entity_planned(run, answer->error);
		return;
	}
	if (PQntuples(result) > 0)
		run->total = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	pg_submit(run->session->means.target, sql_store_batches_to_do, 2,
		  (const char *const[]){ run->session->id, entity_name(run) }, on_batches, run);
}

static void load_batches(struct entity_run *run)
{
	pg_submit(run->session->means.target, sql_store_entity_total, 2,
		  (const char *const[]){ run->session->id, entity_name(run) }, on_total, run);
}

static void on_changes_planned(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;

	if (answer->error != NULL) {
		session_entity_planned(run, answer->error);
		return;
	}
	run->planned = true;
	fault_point("plan.changes_kept");
	load_batches(run);
}

/* Cuts the change set; for a whole entity only its deletions, the rest being ranges. */
static void plan_changes(struct entity_run *run)
{
	_cleanup_free_ char *size = text_format("%" PRId64, batch_size(run));

	pg_submit(run->session->means.target, sql_store_plan_changes, 5,
		  (const char *const[]){ run->session->id, entity_name(run), run->session->analysis,
					 size, run->whole ? "t" : "f" },
		  on_changes_planned, run);
}

static void on_unparked(void *arg, const struct pg_answer *answer)
{
	fault_point("plan.unparked");
	if (answer->error != NULL)
		session_entity_planned(arg, answer->error);
	else
		plan_changes(arg);
}

static void unpark(struct entity_run *run)
{
	_cleanup_free_ char *sql = store_unpark_sql(run->session->binding, run->bound,
						    run->session->analysis);

	pg_submit(run->session->means.target, sql, 0, NULL, on_unparked, run);
}

/* --- ranges ------------------------------------------------------------------------------------ */

static json_t *key_to_json(char *const *parts, size_t count)
{
	json_t *array;

	if (parts == NULL)
		return json_null();
	array = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_string(parts[i]));
	return array;
}

static char **copy_key(char *const *parts, size_t count)
{
	char **copy;

	if (parts == NULL)
		return NULL;
	copy = memory_new(count * sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = text_copy(parts[i]);
	return copy;
}

static void free_key(char **parts, size_t count)
{
	for (size_t i = 0; parts != NULL && i < count; i++)
		free(parts[i]);
	free(parts);
}

/* A range from the last boundary to `high` (taken over; NULL: the end). */
static void add_range(struct entity_run *run, json_t *ranges, char **high)
{
	size_t parts = run->bound->entity->source_key.count;
	struct batch_spec spec = {
		.number = run->next_number++,
		.kind = BATCH_RANGE,
		.low = run->boundary,
		.high = high,
		.parts = parts,
	};

	json_array_append_new(ranges, json_pack("{s:i, s:o, s:o}", "number", spec.number, "low",
						key_to_json(spec.low, parts), "high",
						key_to_json(high, parts)));
	run->boundary = copy_key(high, parts);
	run->known_below = run->next_number;
	push(&run->moves, &run->move_count, &spec);
}

/* The ranges wait on the list until they stand in the store: a batch cannot be claimed before. */
static void on_ranges_kept(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;

	run->planning_more = false;
	fault_point("plan.ranges_kept");
	if (answer->error != NULL)
		session_entity_planned(run, answer->error);
	else if (run->boundary == NULL)
		plan_changes(run);
	else
		session_entity_planned(run, NULL);
}

static void on_boundaries(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	size_t parts = run->bound->entity->source_key.count;
	json_auto_t *ranges = NULL;
	_cleanup_free_ char *dumped = NULL;

	if (answer->error != NULL) {
		run->planning_more = false;
		session_entity_planned(run, answer->error);
		return;
	}
	fault_point("plan.ranges_known");
	ranges = json_array();
	for (int row = 0; row < PQntuples(result); row++) {
		char **high = memory_new(parts * sizeof(*high));

		for (size_t i = 0; i < parts; i++)
			high[i] = text_copy(PQgetvalue(result, row, (int)i));
		add_range(run, ranges, high);
	}
	if (PQntuples(result) < RANGES_AHEAD)
		add_range(run, ranges, NULL);
	dumped = json_dumps(ranges, JSON_COMPACT);
	pg_submit(run->session->means.target, sql_store_plan_ranges, 3,
		  (const char *const[]){ run->session->id, entity_name(run), dumped },
		  on_ranges_kept, run);
}

static char *boundaries_sql(const struct entity_run *run)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text names = TEXT_INIT;
	_cleanup_text_ struct text keys = TEXT_INIT;
	_cleanup_text_ struct text expressions = TEXT_INIT;
	_cleanup_free_ char *size = text_format("%" PRId64, batch_size(run));
	_cleanup_free_ char *limit = text_format("%" PRId64, batch_size(run) * RANGES_AHEAD);
	_cleanup_free_ char *which = read_sql_range(run->bound, (key_arrays)run->boundary, NULL);

	for (size_t i = 0; i < run->bound->entity->source_key.count; i++) {
		text_appendf(&names, "%sk%zu", i > 0 ? ", " : "", i + 1);
		text_appendf(&keys, "%s%s", i > 0 ? ", " : "", run->bound->key_expressions[i]);
		text_appendf(&expressions, "%s%s AS k%zu", i > 0 ? ", " : "",
			     run->bound->key_expressions[i], i + 1);
	}
	text_fill(&text, sql_run_boundaries,
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

void entity_run_plan_more(struct entity_run *run)
{
	_cleanup_free_ char *sql = NULL;

	if (!run->whole || run->planned || run->planning_more || run->move_count > RANGES_LEFT)
		return;
	run->planning_more = true;
	run->stored_below = run->next_number;
	sql = boundaries_sql(run);
	pg_submit(run->session->means.source, sql, 0, NULL, on_boundaries, run);
}

/* What an earlier life planned: its last range, then the batches it left undone. */
static void on_last_range(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	size_t parts;

	if (answer->error != NULL) {
		session_entity_planned(run, answer->error);
		return;
	}
	if (PQntuples(result) == 0) {
		run->next_number = 1;
		entity_run_plan_more(run);
		return;
	}
	run->boundary = key_value(result, 0, 1, &parts);
	if (run->boundary == NULL) {
		plan_changes(run);
		return;
	}
	run->next_number = atoi(PQgetvalue(result, 0, 0)) + 1;
	load_batches(run);
}

static void forget_batches(struct entity_run *run)
{
	for (size_t i = 0; i < run->move_count; i++)
		batch_spec_done(&run->moves[i]);
	for (size_t i = 0; i < run->delete_count; i++)
		batch_spec_done(&run->deletes[i]);
	run->move_count = 0;
	run->delete_count = 0;
	free_key(run->boundary, run->bound->entity->source_key.count);
	run->boundary = NULL;
}

void entity_run_plan(struct entity_run *run)
{
	run->state = ENTITY_PLANNING;
	run->known_below = 0;
	forget_batches(run);
	if (run->planned)
		load_batches(run);
	else if (run->whole)
		pg_submit(run->session->means.target, sql_store_last_range, 2,
			  (const char *const[]){ run->session->id, entity_name(run) },
			  on_last_range, run);
	else
		unpark(run);
}

/* --- progress ---------------------------------------------------------------------------------- */

static void smooth_rate(struct entity_run *run, int64_t rows)
{
	int64_t now = clock_monotonic_ms();
	int64_t since = run->last_batch_ms > 0 ? run->last_batch_ms : run->started_ms;
	double sample = (double)rows * 1000 / (double)(now > since ? now - since : 1);

	run->rate = run->rate > 0 ? run->rate + RATE_WEIGHT * (sample - run->rate) : sample;
	run->last_batch_ms = now;
}

void entity_run_count(struct entity_run *run, const struct batch_counts *counts)
{
	int64_t rows = batch_counts_total(counts);

	run->counts.inserted += counts->inserted;
	run->counts.updated += counts->updated;
	run->counts.unchanged += counts->unchanged;
	run->counts.deleted += counts->deleted;
	run->counts.failed += counts->failed;
	run->counts.parked += counts->parked;
	run->moved_here += rows;
	smooth_rate(run, rows);
}

void entity_run_done(struct entity_run *run)
{
	forget_batches(run);
	free(run->moves);
	free(run->deletes);
}
