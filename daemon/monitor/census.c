/*
 * Asking the store what stands aside, and when; see census.h. Callbacks record; one event decides whether to ask.
 */
#include "monitor/census.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/engine.h"
#include "sql_store.h"

/* While a session carries rows. */
#define DURING_SESSION_MS 15000

/* Pauses are so many times as long as the question took. */
#define PAUSE_PER_COST 100

/* After a question that failed, for whatever reason. */
#define FAILED_AGAIN_MS 60000

struct census_entity {
	char *name;
	int64_t rows[CENSUS_KINDS];
};

struct census {
	struct event_base *base;
	struct engine *engine;
	struct engine_subscriber *subscriber;
	struct event *look;
	bool asking;
	bool known; /* what follows is what the store holds */
	struct census_entity *entities;
	size_t count;
	int64_t last_success_us;

	/* Of the last question. */
	int64_t asked_ms;
	int64_t not_before_ms;
	uint64_t decided;
	uint64_t batches;
};

/* As the query names them. */
static const char *const names[CENSUS_KINDS] = {
	[CENSUS_DEAD_LETTERS] = "dead_letters",
	[CENSUS_PARKED] = "parked",
	[CENSUS_HELD] = "held",
	[CENSUS_DIFFERENCES] = "differences",
};

/* --- the answer ---------------------------------------------------------------------------------- */

static void forget(struct census *census)
{
	for (size_t i = 0; i < census->count; i++)
		free(census->entities[i].name);
	free(census->entities);
	census->entities = NULL;
	census->count = 0;
	census->known = false;
}

static struct census_entity *find(const struct census *census, const char *name)
{
	for (size_t i = 0; i < census->count; i++)
		if (strcmp(census->entities[i].name, name) == 0)
			return &census->entities[i];
	return NULL;
}

static struct census_entity *find_or_add(struct census *census, const char *name)
{
	struct census_entity *entity = find(census, name);

	if (entity != NULL)
		return entity;
	census->entities = memory_grow(census->entities, census->count + 1,
				       sizeof(*census->entities));
	entity = &census->entities[census->count++];
	*entity = (struct census_entity){ .name = text_copy(name),
					  .rows = { [CENSUS_DIFFERENCES] = -1 } };
	return entity;
}

static void take_row(struct census *census, const PGresult *result, int row)
{
	const char *what = PQgetvalue(result, row, 0);
	int64_t rows = strtoll(PQgetvalue(result, row, 2), NULL, 10);

	for (size_t kind = 0; kind < CENSUS_KINDS; kind++)
		if (strcmp(what, names[kind]) == 0) {
			find_or_add(census, PQgetvalue(result, row, 1))->rows[kind] = rows;
			return;
		}
	census->last_success_us = rows; /* NULL, which is read as 0: none */
}

static void look_in(struct census *census, int64_t ms)
{
	event_add(census->look,
		  &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 });
}

static void on_answer(void *arg, const struct pg_answer *answer)
{
	struct census *census = arg;
	const PGresult *result = pg_answer_rows(answer);
	int64_t now = clock_monotonic_ms();

	census->asking = false;
	forget(census);
	if (answer->error != NULL &&
	    (answer->error->kind == ERROR_CONNECTION || answer->error->kind == ERROR_CANCELLED))
		return;		     /* on_change(), when there is another connection */
	if (answer->error != NULL) { /* a control schema of an older version, for one */
		log_error(LOG_DEBUG, answer->error);
		census->not_before_ms = now + FAILED_AGAIN_MS;
		look_in(census, FAILED_AGAIN_MS);
		return;
	}
	for (int row = 0; row < PQntuples(result); row++)
		take_row(census, result, row);
	census->known = true;
	census->not_before_ms = now + (now - census->asked_ms) * PAUSE_PER_COST;
	look_in(census, 0);
}

/* --- the question -------------------------------------------------------------------------------- */

static void ask(struct census *census)
{
	const struct tally *tally = engine_tally(census->engine);

	census->asking = true;
	census->asked_ms = clock_monotonic_ms();
	census->decided = tally->decided;
	census->batches = tally->batch_times.count;
	pg_submit(engine_target(census->engine), sql_store_census, 0, NULL, on_answer, census);
}

/* When it is to be asked, by the monotonic clock; 0: nothing can have changed. */
static int64_t due_ms(const struct census *census)
{
	const struct tally *tally = engine_tally(census->engine);
	int64_t at;

	if (!census->known || tally->decided != census->decided)
		at = census->asked_ms;
	else if (tally->batch_times.count != census->batches)
		at = census->asked_ms + DURING_SESSION_MS;
	else
		return 0;
	at = at > census->not_before_ms ? at : census->not_before_ms;
	return at > 0 ? at : 1;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct census *census = arg;
	int64_t due, now = clock_monotonic_ms();
	bool made;

	(void)fd;
	(void)what;
	if (census->asking)
		return;
	if (!engine_has_store(census->engine, &made)) {
		forget(census);
		census->not_before_ms = 0;
		return;
	}
	if (!made) { /* nothing was ever carried */
		forget(census);
		census->known = true;
		census->decided = UINT64_MAX;
		return;
	}
	due = due_ms(census);
	if (due != 0 && due <= now)
		ask(census);
	else if (due != 0)
		look_in(census, due - now);
}

static void on_change(void *arg)
{
	struct census *census = arg;

	look_in(census, 0);
}

/* --- what is known -------------------------------------------------------------------------------- */

int64_t census_of(const struct census *census, enum census_kind kind, const char *entity)
{
	const struct census_entity *found = find(census, entity);

	if (!census->known || !engine_has_store(census->engine, NULL))
		return -1;
	if (found == NULL)
		return kind == CENSUS_DIFFERENCES ? -1 : 0;
	return found->rows[kind];
}

int64_t census_last_success_us(const struct census *census)
{
	return census->known && engine_has_store(census->engine, NULL) ? census->last_success_us
								       : 0;
}

/* --- life ----------------------------------------------------------------------------------------- */

struct census *census_new(struct event_base *base, struct engine *engine)
{
	struct census *census = memory_new(sizeof(*census));

	census->base = base;
	census->engine = engine;
	census->look = event_new(base, -1, 0, on_look, census);
	census->subscriber = engine_subscribe(engine, on_change, census);
	look_in(census, 0);
	return census;
}

void census_free(struct census *census)
{
	if (census == NULL)
		return;
	engine_unsubscribe(census->engine, census->subscriber);
	pg_forget(engine_target(census->engine), census);
	event_free(census->look);
	forget(census);
	free(census);
}
