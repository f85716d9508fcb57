/*
 * An entity's part of a session: its lists of batches, and its counts; see entity_run.h. How batches are planned stands in plan.c;
 * what runs when is the session's business.
 */
#include "run/entity_run.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "run/session.h"

/* A batch that is refused as a first load costs half as much again: that pays as long as few are. */
#define MOST_REFUSED 3
#define LOADED_EACH_REFUSED 3

/* Nobody waits for a table that is filled in bulk mode, and what a batch takes besides its rows is paid less often. */
#define TIMES_IN_BULK 4

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

bool entity_run_is_first(const struct entity_run *run)
{
	return run->first && run->refused <= MOST_REFUSED + run->loaded / LOADED_EACH_REFUSED;
}

bool entity_run_has_moved(const struct entity_run *run)
{
	return run->state >= ENTITY_REBUILDING && run->state <= ENTITY_COMPLETED;
}

bool entity_run_is_checked(const struct entity_run *run)
{
	return run->state == ENTITY_CHECKING_BEFORE || run->state == ENTITY_CHECKING_AFTER;
}

struct pace_limits entity_run_limits(const struct entity_run *run)
{
	const struct settings *settings = run->session->means.settings;
	json_int_t asked = json_integer_value(json_object_get(run->session->options, "batch_size"));

	return (struct pace_limits){
		.batch_size = asked > 0 ? asked : settings->batch_size,
		.time_ms = settings->batch_time_ms * (run->aside > 0 ? TIMES_IN_BULK : 1),
		.bytes = settings->batch_memory_kb * 1024,
	};
}

const struct pace *entity_run_pace(const struct entity_run *run)
{
	if (run->state <= ENTITY_MOVED)
		return &run->move_pace;
	return run->state < ENTITY_FILLED ? &run->fill_pace : &run->delete_pace;
}

bool entity_run_waits(const struct entity_run *run)
{
	return run->retry.not_before_ms > clock_monotonic_ms();
}

/* --- the lists of batches ---------------------------------------------------------------------- */

static void insert(struct batch_spec **list, size_t *count, size_t at,
		   const struct batch_spec *spec)
{
	*list = memory_grow(*list, *count + 1, sizeof(**list));
	memmove(*list + at + 1, *list + at, (*count - at) * sizeof(**list));
	(*list)[at] = *spec;
	(*count)++;
}

/* Children first? */
static bool goes_down(enum batch_kind kind)
{
	return kind == BATCH_DELETES || kind == BATCH_UNDO || kind == BATCH_RETRY;
}

void entity_run_add(struct entity_run *run, const struct batch_spec *spec)
{
	if (goes_down(spec->kind))
		insert(&run->deletes, &run->delete_count, run->delete_count, spec);
	else
		insert(&run->moves, &run->move_count, run->move_count, spec);
}

void entity_run_put_back(struct entity_run *run, const struct batch_spec *spec)
{
	if (goes_down(spec->kind))
		insert(&run->deletes, &run->delete_count, 0, spec);
	else
		insert(&run->moves, &run->move_count, 0, spec);
}

/* The first whose time has come; of one kind, if `kind` is not NULL. */
static bool take(struct batch_spec *list, size_t *count, const enum batch_kind *kind,
		 struct batch_spec *ret_spec)
{
	int64_t now = clock_monotonic_ms();
	size_t i = 0;

	while (i < *count &&
	       (list[i].retry.not_before_ms > now || (kind != NULL && list[i].kind != *kind)))
		i++;
	if (i == *count)
		return false;
	*ret_spec = list[i];
	(*count)--;
	memmove(list + i, list + i + 1, (*count - i) * sizeof(*list));
	return true;
}

bool entity_run_take(struct entity_run *run, bool deletes, struct batch_spec *ret_spec)
{
	return deletes ? take(run->deletes, &run->delete_count, NULL, ret_spec)
		       : take(run->moves, &run->move_count, NULL, ret_spec);
}

bool entity_run_take_kind(struct entity_run *run, enum batch_kind kind, struct batch_spec *ret_spec)
{
	return goes_down(kind) ? take(run->deletes, &run->delete_count, &kind, ret_spec)
			       : take(run->moves, &run->move_count, &kind, ret_spec);
}

bool entity_run_has(const struct entity_run *run, enum batch_kind kind)
{
	const struct batch_spec *list = goes_down(kind) ? run->deletes : run->moves;
	size_t count = goes_down(kind) ? run->delete_count : run->move_count;

	for (size_t i = 0; i < count; i++)
		if (list[i].kind == kind)
			return true;
	return false;
}

void entity_run_forget(struct entity_run *run)
{
	for (size_t i = 0; i < run->move_count; i++)
		batch_spec_done(&run->moves[i]);
	for (size_t i = 0; i < run->delete_count; i++)
		batch_spec_done(&run->deletes[i]);
	run->move_count = 0;
	run->delete_count = 0;
	for (size_t i = 0; run->boundary != NULL && i < run->bound->entity->source_key.count; i++)
		free(run->boundary[i]);
	free(run->boundary);
	run->boundary = NULL;
}

/* --- progress ---------------------------------------------------------------------------------- */

void entity_run_count(struct entity_run *run, const struct batch_counts *counts)
{
	int64_t rows = batch_counts_total(counts);

	batch_counts_add(&run->counts, counts);
	run->moved_here += rows;
	rate_add(&run->rate, rows, clock_monotonic_ms());
	rate_add(&run->session->rate, rows, clock_monotonic_ms());
}

void entity_run_done(struct entity_run *run)
{
	entity_run_forget(run);
	free(run->moves);
	free(run->deletes);
}
