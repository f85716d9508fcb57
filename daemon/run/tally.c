/*
 * Counting; see tally.h.
 */
#include "run/tally.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "run/session.h"

/* Around batch_time, which is half a second unless said otherwise; from a few rows to one that waits for locks. */
static const double batch_bounds[TALLY_BOUNDS_MAX] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
						       1,     2.5,  5,	   10,	 30,  60 };

/* From a quiet look to a session that runs for hours. */
static const double cycle_bounds[TALLY_BOUNDS_MAX] = { 0.01, 0.05, 0.1, 0.5, 1,	  5,
						       15,   60,   300, 900, 3600 };

const char *const tally_session_names[TALLY_SESSION_COUNT] = {
	[TALLY_COMPLETED] = "completed",
	[TALLY_FAILED] = "failed",
	[TALLY_CANCELLED] = "cancelled",
};

void tally_init(struct tally *tally)
{
	*tally = (struct tally){ .batch_times.bounds = batch_bounds,
				 .cycle_times.bounds = cycle_bounds };
}

void tally_done(struct tally *tally)
{
	for (size_t i = 0; i < tally->entity_count; i++)
		free(tally->entities[i].name);
	free(tally->entities);
}

static void add_time(struct tally_times *times, int64_t elapsed_ms)
{
	double seconds = (double)elapsed_ms / 1000;

	times->count++;
	times->sum_s += seconds;
	for (size_t i = 0; i < TALLY_BOUNDS_MAX && times->bounds[i] > 0; i++)
		if (seconds <= times->bounds[i]) {
			times->within[i]++;
			return;
		}
}

const struct tally_entity *tally_find(const struct tally *tally, const char *entity)
{
	for (size_t i = 0; i < tally->entity_count; i++)
		if (strcmp(tally->entities[i].name, entity) == 0)
			return &tally->entities[i];
	return NULL;
}

/* An entity that has gone from the configuration keeps what it has done: counters do not go back. */
static struct tally_entity *find_or_add(struct tally *tally, const char *entity)
{
	const struct tally_entity *found = tally_find(tally, entity);
	struct tally_entity *added;

	if (found != NULL)
		return &tally->entities[found - tally->entities];
	tally->entities = memory_grow(tally->entities, tally->entity_count + 1,
				      sizeof(*tally->entities));
	added = &tally->entities[tally->entity_count++];
	*added = (struct tally_entity){ .name = text_copy(entity) };
	return added;
}

void tally_batch(struct tally *tally, const char *entity, const struct batch_result *result)
{
	if (tally == NULL)
		return;
	batch_counts_add(&find_or_add(tally, entity)->counts, &result->counts);
	add_time(&tally->batch_times, result->elapsed_ms);
}

void tally_batch_failed(struct tally *tally)
{
	if (tally != NULL)
		tally->batches_failed++;
}

void tally_retry(struct tally *tally)
{
	if (tally != NULL)
		tally->retries++;
}

static void succeeded(struct tally *tally)
{
	tally->last_success_us = clock_wall_us();
}

void tally_session(struct tally *tally, const struct session *session)
{
	if (tally == NULL)
		return;
	for (size_t i = 0; i < TALLY_SESSION_COUNT; i++)
		tally->sessions[i] += strcmp(session->final_state, tally_session_names[i]) == 0;
	if (strcmp(session->final_state, tally_session_names[TALLY_COMPLETED]) == 0 &&
	    !session_is_rollback(session) && !session_is_again(session))
		succeeded(tally);
	tally->decided++;
}

void tally_cycle(struct tally *tally, enum cycle_result result, int64_t elapsed_ms)
{
	tally->cycles[result]++;
	if (result != CYCLE_SKIPPED)
		add_time(&tally->cycle_times, elapsed_ms);
	if (result == CYCLE_QUIET)
		succeeded(tally);
}
