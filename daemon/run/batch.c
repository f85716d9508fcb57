/*
 * The life of a batch; see batch.h. Callbacks record what happened and go on to the next step; the order of the functions
 * below is the order of life.
 */
#include "run/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/delete_sql.h"
#include "apply/load_sql.h"
#include "apply/undo_sql.h"
#include "base/fault.h"
#include "common/clock.h"
#include "common/text.h"
#include "postgres/pump.h"
#include "sql_store.h"

#define LOCK_TIMED_OUT "55P03"
#define ROW_IS_THERE "23505"
#define BATCH_DONE_ALREADY "MG001" /* migrated.claim_batch() */

struct batch {
	struct lane *lane;
	const struct binding *binding;
	const struct bound_entity *bound;
	const struct batch_spec *spec;
	struct batch_place place;
	char *session;
	char *analysis;
	char **key_arrays;
	char *warnings;
	bool begun; /* a transaction is open on the target */
	enum write_way way;
	struct batch_result result;
	int64_t started_ms;
	struct error error; /* why it failed, kept while the transaction is rolled back */
	batch_on_done *on_done;
	void *arg;
};

static void pump(struct batch *batch);
static void write_rows(struct batch *batch, enum write_way way, bool again);

static const char *const kind_names[] = {
	[BATCH_RANGE] = "range",     [BATCH_KEYS] = "keys",	[BATCH_DELETES] = "deletes",
	[BATCH_RESTORE] = "restore", [BATCH_LOOSEN] = "loosen", [BATCH_UNDO] = "undo",
	[BATCH_RETRY] = "retry",
};

const char *batch_kind_name(enum batch_kind kind)
{
	return kind_names[kind];
}

enum batch_kind batch_kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
		if (strcmp(kind_names[i], name) == 0)
			return (enum batch_kind)i;
	return BATCH_RANGE;
}

bool batch_kind_undoes(enum batch_kind kind)
{
	return kind >= BATCH_RESTORE;
}

void batch_spec_done(struct batch_spec *spec)
{
	for (size_t i = 0; i < spec->parts; i++) {
		if (spec->low != NULL)
			free(spec->low[i]);
		if (spec->high != NULL)
			free(spec->high[i]);
	}
	free(spec->low);
	free(spec->high);
	*spec = (struct batch_spec){ 0 };
}

int64_t batch_counts_total(const struct batch_counts *counts)
{
	return counts->inserted + counts->updated + counts->unchanged + counts->deleted +
	       counts->failed + counts->parked;
}

void batch_counts_add(struct batch_counts *counts, const struct batch_counts *further)
{
	counts->inserted += further->inserted;
	counts->updated += further->updated;
	counts->unchanged += further->unchanged;
	counts->deleted += further->deleted;
	counts->failed += further->failed;
	counts->parked += further->parked;
	counts->warned += further->warned;
	counts->overwritten += further->overwritten;
	counts->kept += further->kept;
	counts->held += further->held;
}

/* Round trips of a batch: to begin, to end the COPY, to write; and before them to ask for the keys, unless it is a range. */
#define ROUND_TRIPS 3

/* The measure is no more than an estimate, of which not more than half is believed. */
static int64_t on_the_way_ms(const struct batch *batch, int64_t elapsed_ms)
{
	int trips = ROUND_TRIPS + (batch->spec->kind != BATCH_RANGE);
	int64_t ms = trips * pg_connection_round_trip_ms(lane_target(batch->lane));

	return ms < elapsed_ms / 2 ? ms : elapsed_ms / 2;
}

static void finish(struct batch *batch, const struct error *err)
{
	batch_on_done *on_done = batch->on_done;
	void *arg = batch->arg;
	struct batch_result result = batch->result;
	_cleanup_free_ char *warnings = batch->warnings;
	struct error copy = { 0 };

	result.elapsed_ms = clock_monotonic_ms() - batch->started_ms;
	result.on_the_way_ms = on_the_way_ms(batch, result.elapsed_ms);
	result.warnings = warnings;
	if (err != NULL)
		copy = *err;
	for (size_t i = 0; batch->key_arrays != NULL && i < batch->bound->entity->source_key.count;
	     i++)
		free(batch->key_arrays[i]);
	free(batch->key_arrays);
	free(batch->session);
	free(batch->analysis);
	free(batch);
	on_done(arg, &result, err != NULL ? &copy : NULL);
}

static bool deletes(const struct batch *batch)
{
	return batch->spec->kind == BATCH_DELETES;
}

/* --- failure: no transaction is left open ------------------------------------------------------ */

static void on_counts(void *arg, const struct pg_answer *answer)
{
	struct batch *batch = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL || result == NULL || PQntuples(result) == 0) {
		finish(batch, answer->error != NULL ? answer->error : &batch->error);
		return;
	}
	batch->result.counts = (struct batch_counts){
		.inserted = strtoll(PQgetvalue(result, 0, 0), NULL, 10),
		.updated = strtoll(PQgetvalue(result, 0, 1), NULL, 10),
		.unchanged = strtoll(PQgetvalue(result, 0, 2), NULL, 10),
		.deleted = strtoll(PQgetvalue(result, 0, 3), NULL, 10),
		.failed = strtoll(PQgetvalue(result, 0, 4), NULL, 10),
		.parked = strtoll(PQgetvalue(result, 0, 5), NULL, 10),
		.warned = strtoll(PQgetvalue(result, 0, 6), NULL, 10),
		.overwritten = strtoll(PQgetvalue(result, 0, 8), NULL, 10),
		.kept = strtoll(PQgetvalue(result, 0, 9), NULL, 10),
		.held = strtoll(PQgetvalue(result, 0, 10), NULL, 10),
	};
	if (!PQgetisnull(result, 0, 7))
		batch->warnings = text_copy(PQgetvalue(result, 0, 7));
	finish(batch, NULL);
}

/* A backend that should be gone (frozen, or not noticed yet) is named, for people who may end it. */
static void on_holder(void *arg, const struct pg_answer *answer)
{
	struct batch *batch = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error == NULL && PQntuples(result) > 0)
		error_context(&batch->error, "backend %s holds the batch",
			      PQgetvalue(result, 0, 0));
	finish(batch, &batch->error);
}

static void ask_of_batch(struct batch *batch, const char *sql, pg_on_answer *on_answer)
{
	_cleanup_free_ char *number = text_format("%d", batch->spec->number);

	pg_submit(lane_target(batch->lane), sql, 3,
		  (const char *const[]){ batch->session, batch->bound->entity->name, number },
		  on_answer, batch);
}

static void on_rolled_back(void *arg, const struct pg_answer *answer)
{
	struct batch *batch = arg;

	if (answer->error != NULL) {
		finish(batch, &batch->error);
	} else if (strcmp(batch->error.sqlstate, BATCH_DONE_ALREADY) == 0) {
		batch->result.rows = 0; /* it is not this attempt that has carried them */
		ask_of_batch(batch, sql_store_batch_counts, on_counts);
	} else if (strcmp(batch->error.sqlstate, LOCK_TIMED_OUT) == 0) {
		ask_of_batch(batch, sql_store_batch_holder, on_holder);
	} else {
		finish(batch, &batch->error);
	}
}

static void fail(struct batch *batch, const struct error *err, const char *phase)
{
	batch->error = *err;
	snprintf(batch->error.phase, sizeof(batch->error.phase), "%s", phase);
	snprintf(batch->error.entity, sizeof(batch->error.entity), "%s",
		 batch->bound->entity->name);
	if (!batch->begun || !pg_connection_is_up(lane_target(batch->lane)))
		finish(batch, &batch->error);
	else
		pg_continue(lane_target(batch->lane), batch->place.transaction->undo,
			    on_rolled_back, batch);
}

/* --- the keys of the change set ---------------------------------------------------------------- */

static void on_keys(void *arg, const struct pg_answer *answer)
{
	struct batch *batch = arg;
	size_t count = batch->bound->entity->source_key.count;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL || fault_point("batch.keys_known")) {
		fail(batch, answer->error != NULL ? answer->error : fault_error(), "plan");
		return;
	}
	batch->key_arrays = memory_new(count * sizeof(char *));
	for (size_t i = 0; i < count; i++)
		batch->key_arrays[i] = text_copy(
			PQgetisnull(result, 0, (int)i) ? "{}" : PQgetvalue(result, 0, (int)i));
	pump(batch);
}

static void ask_for_keys(struct batch *batch)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	for (size_t i = 1; i <= batch->bound->entity->source_key.count; i++)
		text_appendf(&text, "%spg_catalog.array_agg(c.legacy_key[%zu] ORDER BY c.ordinal)",
			     i == 1 ? "SELECT " : ", ", i);
	text_append(&text, " FROM migrated.change AS c WHERE c.analysis = $1 AND c.entity = $2 "
			   "AND c.ordinal BETWEEN $3 AND $4 AND (c.kind = 'deleted') = $5");
	pg_submit(lane_target(batch->lane), text_string(&text), 5,
		  (const char *const[]){ batch->analysis, batch->bound->entity->name,
					 batch->spec->low[0], batch->spec->high[0],
					 batch->spec->kind == BATCH_DELETES ? "t" : "f" },
		  on_keys, batch);
}

/* --- rows from the source into the stage ------------------------------------------------------- */

static void on_pumped(void *arg, const struct pump_result *result)
{
	struct batch *batch = arg;

	batch->result.rows = result->rows;
	batch->result.bytes = result->bytes;
	if (result->error != NULL)
		fail(batch, result->error, result->source_failed ? "read" : "stage");
	else if (fault_point(deletes(batch) ? "delete.staged" : "batch.staged"))
		fail(batch, fault_error(), "stage");
	else
		write_rows(batch, batch->way, false);
}

static void pump(struct batch *batch)
{
	_cleanup_free_ char *which = NULL;
	_cleanup_free_ char *read = NULL;
	_cleanup_free_ char *begin = entity_sql_begin(batch->bound, &batch->place, deletes(batch));

	if (batch->spec->kind == BATCH_RANGE)
		which = read_sql_range(batch->bound, (key_arrays)batch->spec->low,
				       (key_arrays)batch->spec->high);
	else
		which = read_sql_keys(batch->bound, (key_arrays)batch->key_arrays);
	read = deletes(batch) ? read_sql_present(batch->bound, which)
			      : read_sql_rows(batch->binding, batch->bound, which);
	batch->begun = true;
	pump_start(lane_source(batch->lane), read, lane_target(batch->lane), begin, on_pumped,
		   batch);
	fault_point("batch.read_begun");
}

/* --- resolved, written, committed -------------------------------------------------------------- */

/* A row that is there already is no bad one, when it was written as if it were not. */
static enum write_way next_way(struct batch *batch, const struct error *err)
{
	batch->result.refused = true;
	return batch->way == WRITE_LOAD && strcmp(err->sqlstate, ROW_IS_THERE) == 0 ? WRITE_ANY
										    : WRITE_ISOLATE;
}

static void on_written(void *arg, const struct pg_answer *answer)
{
	struct batch *batch = arg;

	if (answer->error == NULL)
		fault_point(deletes(batch) ? "delete.committed" : "batch.committed");
	if (answer->error == NULL)
		on_counts(batch, answer);
	else if (answer->error->kind == ERROR_DATA && batch->way != WRITE_ISOLATE)
		write_rows(batch, next_way(batch, answer->error), true);
	else
		fail(batch, answer->error, "write");
}

static void write_rows(struct batch *batch, enum write_way way, bool again)
{
	_cleanup_free_ char *sql = deletes(batch) ? delete_sql(batch->binding, batch->bound,
							       &batch->place, way == WRITE_ISOLATE)
						  : entity_sql_write(batch->binding, batch->bound,
								     &batch->place, way, again);

	batch->way = way;
	batch->result.loaded |= way == WRITE_LOAD;
	if (way == WRITE_ISOLATE)
		fault_point("batch.isolated");
	pg_continue(lane_target(batch->lane), sql, on_written, batch);
	fault_point(deletes(batch) ? "delete.write_sent" : "batch.write_sent");
}

/* --- undone, committed ------------------------------------------------------------------------- */

static void on_undone(void *arg, const struct pg_answer *answer)
{
	struct batch *batch = arg;

	if (answer->error != NULL) {
		fail(batch, answer->error, "undo");
		return;
	}
	fault_point("undo.committed");
	on_counts(batch, answer);
}

static void undo(struct batch *batch)
{
	_cleanup_free_ char *sql = undo_sql_batch(batch->bound->entity->name, &batch->place);

	batch->begun = true;
	pg_submit(lane_target(batch->lane), sql, 0, NULL, on_undone, batch);
	fault_point("undo.sent");
}

void batch_start(struct lane *lane, const struct binding *binding, const struct bound_entity *bound,
		 const struct batch_place *place, const struct batch_spec *spec, bool first,
		 batch_on_done *on_done, void *arg)
{
	struct batch *batch = memory_new(sizeof(*batch));

	*batch = (struct batch){
		.lane = lane,
		.binding = binding,
		.bound = bound,
		.spec = spec,
		.way = first && load_sql_is_possible(bound) ? WRITE_LOAD : WRITE_ANY,
		.place = *place,
		.session = text_copy(place->session),
		.analysis = text_copy(place->analysis),
		.started_ms = clock_monotonic_ms(),
		.on_done = on_done,
		.arg = arg,
	};
	batch->place.session = batch->session;
	batch->place.analysis = batch->analysis;
	batch->place.batch = spec->number;
	batch->place.transaction = pg_transaction_on(lane_target(lane));
	fault_point("batch.begun");
	if (batch_kind_undoes(spec->kind)) {
		undo(batch);
		return;
	}
	if (spec->kind == BATCH_RANGE) {
		pump(batch);
		return;
	}
	batch->place.low = spec->low[0];
	batch->place.high = spec->high[0];
	ask_for_keys(batch);
}
