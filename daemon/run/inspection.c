/*
 * See inspection.h. Where a check stands is read from its row before its first chunk, and whenever the answer to a chunk was lost or
 * refused: what the store says is what is true.
 */
#include "run/inspection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "run/compare.h"
#include "run/pace.h"
#include "sql_store.h"
#include "store/store.h"
#include "verify/check.h"

/* A chunk takes about so long: it can be waited for, and what a session waits for it is little. */
#define CHUNK_MS 1000
#define CHUNK_ROWS 100000
#define CHUNK_BYTES (INT64_C(256) << 20)

/* How often a chunk is tried again before its check has failed, and the pause before that. */
#define MOST_ATTEMPTS 5
#define AGAIN_MS 200

const char *const inspected_state_names[] = {
	[INSPECTED_PENDING] = "pending", [INSPECTED_RUNNING] = "running",
	[INSPECTED_DONE] = "done",	 [INSPECTED_UNCHECKED] = "unchecked",
	[INSPECTED_FAILED] = "failed",
};

const char *const inspection_checks[INSPECTION_CHECKS] = { "counts", "references", "mappings",
							   "values", "rules" };

struct inspection {
	struct inspection_request request;
	size_t place;  /* of the check under way; all before it are over */
	bool in_chunk; /* one is under way */
	bool known;    /* where the check stands; else its row is asked */
	char *cursor;
	struct pace pace;
	int64_t chunk_began_ms;
	unsigned attempts; /* of the present chunk that failed */
	struct event *rest;
	bool cancelled;
	bool dropped;
	bool over;
	struct error error; /* that it ended with */
};

static void next_check(struct inspection *inspection);
static void read_check(struct inspection *inspection);
static void next_chunk(struct inspection *inspection);

/* --- what is wanted ------------------------------------------------------------------------------ */

void inspected_entity_done(struct inspected_entity *entity)
{
	for (size_t i = 0; i < INSPECTION_CHECKS; i++)
		free(entity->checks[i].reason);
	free(entity->entity);
	*entity = (struct inspected_entity){ 0 };
}

static bool is_named(const json_t *names, const char *name)
{
	size_t i;
	const json_t *each;

	json_array_foreach(names, i, each)
		if (strcmp(json_string_value(each), name) == 0)
			return true;
	return names == NULL;
}

static bool is_check(const char *name)
{
	for (size_t i = 0; i < INSPECTION_CHECKS; i++)
		if (strcmp(inspection_checks[i], name) == 0)
			return true;
	return false;
}

bool inspected_entity_want(struct inspected_entity *entity, const json_t *names, struct error *err)
{
	size_t i;
	const json_t *each;

	json_array_foreach(names, i, each)
		if (!is_check(json_string_value(each))) {
			error_set(err, ERROR_USAGE, "there is no check \"%s\"",
				  json_string_value(each));
			return error_hint(err, "the checks are counts, references, mappings, "
					       "values and rules");
		}
	for (i = 0; i < INSPECTION_CHECKS; i++)
		entity->checks[i].wanted = is_named(names, inspection_checks[i]);
	return true;
}

void inspected_entity_describe(const struct inspected_entity *entity, size_t place, json_t *array)
{
	for (size_t i = 0; i < INSPECTION_CHECKS; i++)
		if (entity->checks[i].wanted)
			json_array_append_new(array,
					      json_pack("{s:s, s:s, s:i}", "entity", entity->entity,
							"check", inspection_checks[i], "position",
							(int)(place * INSPECTION_CHECKS + i)));
}

/* --- the end --------------------------------------------------------------------------------------- */

static void inspection_free(struct inspection *inspection)
{
	event_free(inspection->rest);
	free(inspection->cursor);
	free(inspection);
}

/* From the loop: what has called us may yet need the binding, which goes when all is told. */
static void finish(struct inspection *inspection, const struct error *err)
{
	inspection->over = true;
	if (err != NULL)
		inspection->error = *err;
	event_active(inspection->rest, 0, 0);
}

static void tell_end(struct inspection *inspection)
{
	struct inspection_request request = inspection->request;
	struct error err = inspection->error;

	pg_forget(request.store, inspection);
	inspection_free(inspection);
	request.on_done(request.arg, err.kind != ERROR_NONE ? &err : NULL);
}

static struct inspected_check *check_of(const struct inspection *inspection)
{
	return &inspection->request.entity->checks[inspection->place];
}

static const char *name_of(const struct inspection *inspection)
{
	return inspection_checks[inspection->place];
}

static void tell_progress(struct inspection *inspection)
{
	if (inspection->request.on_progress != NULL)
		inspection->request.on_progress(inspection->request.arg);
}

static bool ends_here(struct inspection *inspection, const struct error *err)
{
	struct error cancelled;

	if (inspection->cancelled) {
		error_set(&cancelled, ERROR_CANCELLED, "the validation was cancelled");
		finish(inspection, &cancelled);
		return true;
	}
	if (err != NULL) {
		finish(inspection, err);
		return true;
	}
	return false;
}

/* --- a check is over ------------------------------------------------------------------------------- */

static void on_check_kept(void *arg, const struct pg_answer *answer)
{
	struct inspection *inspection = arg;

	if (ends_here(inspection, answer->error))
		return;
	tell_progress(inspection);
	inspection->place++;
	next_check(inspection);
}

static void set_reason(struct inspected_check *check, const char *reason)
{
	char *copy = text_copy(reason);

	free(check->reason);
	check->reason = copy;
}

static void end_check(struct inspection *inspection, enum inspected_state state, const char *reason)
{
	struct inspected_check *check = check_of(inspection);

	check->state = state;
	set_reason(check, reason);
	pg_submit(inspection->request.store, sql_store_validation_check_end, 5,
		  (const char *const[]){
			  inspection->request.validation, inspection->request.bound->entity->name,
			  name_of(inspection), inspected_state_names[state], reason },
		  on_check_kept, inspection);
}

/* --- chunks ---------------------------------------------------------------------------------------- */

static struct pace_limits limits_of(const struct inspection *inspection)
{
	(void)inspection;
	return (struct pace_limits){ .batch_size = CHUNK_ROWS,
				     .time_ms = CHUNK_MS,
				     .bytes = CHUNK_BYTES };
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct inspection *inspection = arg;

	(void)fd;
	(void)what;
	if (inspection->over)
		tell_end(inspection);
	else if (ends_here(inspection, NULL))
		return;
	else if (inspection->known)
		next_chunk(inspection);
	else
		read_check(inspection);
}

static void rest(struct inspection *inspection, int64_t ms)
{
	event_add(inspection->rest,
		  &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 });
}

static void chunk_failed(struct inspection *inspection, const struct error *err)
{
	struct pace_limits limits = limits_of(inspection);

	if (err->kind == ERROR_CONNECTION || strcmp(err->sqlstate, STORE_TAKEN_OVER) == 0) {
		finish(inspection, err);
		return;
	}
	if (++inspection->attempts >= MOST_ATTEMPTS || err->kind == ERROR_STRUCTURE ||
	    err->kind == ERROR_DENIED) {
		end_check(inspection, INSPECTED_FAILED, err->message);
		return;
	}
	pace_halve(&inspection->pace, &limits);
	inspection->known = false;
	rest(inspection, AGAIN_MS * inspection->attempts);
}

static void chunk_done(struct inspection *inspection, const struct check_chunk *chunk)
{
	const struct inspection_request *request = &inspection->request;
	struct inspected_check *check = check_of(inspection);
	struct pace_limits limits = limits_of(inspection);
	int64_t took = clock_monotonic_ms() - inspection->chunk_began_ms;
	char *cursor = chunk->cursor != NULL ? text_copy(chunk->cursor) : NULL;

	inspection->attempts = 0;
	check->rows += chunk->rows;
	check->waiting += chunk->waiting;
	check->differences += chunk->differences;
	free(inspection->cursor);
	inspection->cursor = cursor;
	pace_measured(&inspection->pace, &limits, chunk->rows, 0, took);
	tell_progress(inspection);
	if (cursor == NULL) {
		check->state = INSPECTED_DONE;
		inspection->place++;
		next_check(inspection);
		return;
	}
	rest(inspection, request->rest_ms != NULL ? request->rest_ms(request->arg, took) : 0);
}

static void on_chunk(void *arg, const struct check_chunk *chunk, const struct error *err)
{
	struct inspection *inspection = arg;

	inspection->in_chunk = false;
	if (inspection->dropped)
		inspection_free(inspection);
	else if (ends_here(inspection, NULL))
		return;
	else if (err != NULL)
		chunk_failed(inspection, err);
	else if (chunk->unchecked != NULL)
		end_check(inspection, INSPECTED_UNCHECKED, chunk->unchecked);
	else
		chunk_done(inspection, chunk);
}

static check_start_chunk *start_of(const char *name)
{
	const struct check *check = check_find(name);

	if (strcmp(name, COMPARE_NAME) == 0)
		return compare_start;
	return check != NULL ? check->start : NULL;
}

static void next_chunk(struct inspection *inspection)
{
	const struct inspection_request *request = &inspection->request;
	struct pace_limits limits = limits_of(inspection);
	struct check_request chunk = {
		.binding = request->binding,
		.bound = request->bound,
		.source = lane_source(request->lane),
		.target = lane_target(request->lane),
		.epoch = request->epoch,
		.validation = request->validation,
		.cursor = inspection->cursor,
		.keep = request->settings->validation_keep_differences,
		.rows = pace_size(&inspection->pace, &limits),
		.work_memory_kb = request->settings->work_memory_kb,
		.in_session = request->in_session,
	};
	check_start_chunk *start = start_of(name_of(inspection));

	inspection->chunk_began_ms = clock_monotonic_ms();
	inspection->in_chunk = true;
	start(&chunk, on_chunk, inspection);
}

/* --- a check begins, or goes on ---------------------------------------------------------------------- */

static enum inspected_state state_from_name(const char *name)
{
	enum inspected_state state = INSPECTED_PENDING;

	while (state < INSPECTED_FAILED && strcmp(inspected_state_names[state], name) != 0)
		state++;
	return state;
}

void inspected_check_read(struct inspected_check *check, const PGresult *result, int row,
			  int column)
{
	check->wanted = true;
	check->state = state_from_name(PQgetvalue(result, row, column));
	check->rows = strtoll(PQgetvalue(result, row, column + 2), NULL, 10);
	check->waiting = strtoll(PQgetvalue(result, row, column + 3), NULL, 10);
	check->differences = strtoll(PQgetvalue(result, row, column + 4), NULL, 10);
	set_reason(check, PQgetisnull(result, row, column + 5)
				  ? NULL
				  : PQgetvalue(result, row, column + 5));
	check->repaired = strtoll(PQgetvalue(result, row, column + 6), NULL, 10);
	check->total = strtoll(PQgetvalue(result, row, column + 7), NULL, 10);
}

static void on_check(void *arg, const struct pg_answer *answer)
{
	struct inspection *inspection = arg;
	const PGresult *result = pg_answer_rows(answer);
	struct inspected_check *check = check_of(inspection);

	if (ends_here(inspection, answer->error))
		return;
	if (PQntuples(result) == 0) {
		inspection->place++; /* somebody has taken the validation away */
		next_check(inspection);
		return;
	}
	inspected_check_read(check, result, 0, 0);
	free(inspection->cursor);
	inspection->cursor = PQgetisnull(result, 0, 1) ? NULL : text_copy(PQgetvalue(result, 0, 1));
	tell_progress(inspection);
	if (check->state != INSPECTED_RUNNING) {
		inspection->place++;
		next_check(inspection);
	} else if (!inspection->request.bound->usable) {
		end_check(inspection, INSPECTED_UNCHECKED,
			  binding_refusal(inspection->request.binding, inspection->request.bound));
	} else if (start_of(name_of(inspection)) == NULL) {
		end_check(inspection, INSPECTED_UNCHECKED, "this version has no such check");
	} else {
		inspection->known = true;
		next_chunk(inspection);
	}
}

static int64_t total_of(const struct inspection *inspection)
{
	const struct inspection_request *request = &inspection->request;
	const struct check *check = check_find(name_of(inspection));

	if (!request->bound->usable)
		return 0;
	if (strcmp(name_of(inspection), COMPARE_NAME) == 0)
		return compare_total(request->binding, request->bound);
	return check != NULL && check->total != NULL
		       ? check->total(request->binding, request->bound)
		       : 0;
}

static void read_check(struct inspection *inspection)
{
	int64_t total = total_of(inspection);
	_cleanup_free_ char *text = total > 0 ? text_format("%" PRId64, total) : NULL;

	pg_submit(inspection->request.store, sql_store_validation_check_begin, 4,
		  (const char *const[]){ inspection->request.validation,
					 inspection->request.bound->entity->name,
					 name_of(inspection), text },
		  on_check, inspection);
}

static void next_check(struct inspection *inspection)
{
	while (inspection->place < INSPECTION_CHECKS &&
	       (!check_of(inspection)->wanted || check_of(inspection)->state >= INSPECTED_DONE))
		inspection->place++;
	inspection->pace = (struct pace){ 0 };
	inspection->attempts = 0;
	inspection->known = false;
	if (inspection->place == INSPECTION_CHECKS)
		finish(inspection, NULL);
	else
		read_check(inspection);
}

/* --- life ------------------------------------------------------------------------------------------ */

struct inspection *inspection_start(const struct inspection_request *request)
{
	struct inspection *inspection = memory_new(sizeof(*inspection));

	*inspection = (struct inspection){ .request = *request };
	inspection->rest = event_new(request->base, -1, 0, on_rested, inspection);
	/* From the loop, as whoever starts it does not know it yet. */
	while (inspection->place < INSPECTION_CHECKS && !check_of(inspection)->wanted)
		inspection->place++;
	if (inspection->place == INSPECTION_CHECKS)
		inspection->place--;
	rest(inspection, 0);
	return inspection;
}

void inspection_cancel(struct inspection *inspection, struct pg_connection *beside_source,
		       struct pg_connection *beside_target)
{
	inspection->cancelled = true;
	if (!inspection->over && event_pending(inspection->rest, EV_TIMEOUT, NULL))
		rest(inspection, 0);
	if (!inspection->in_chunk)
		return;
	pg_cancel_by(lane_source(inspection->request.lane), beside_source);
	pg_cancel_by(lane_target(inspection->request.lane), beside_target);
}

void inspection_drop(struct inspection *inspection)
{
	pg_forget(inspection->request.store, inspection);
	inspection->dropped = true;
	if (!inspection->in_chunk)
		inspection_free(inspection);
	else
		event_del(inspection->rest);
}
