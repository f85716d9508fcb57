/*
 * See opening.h. Nothing is begun here before the breakers have weighed it.
 */
#include "run/opening.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/breaker.h"
#include "run/record.h"
#include "run/rollback.h"
#include "run/schedule.h"
#include "run/steer.h"
#include "sql_store.h"
#include "store/store.h"

/* --- which entities take part -------------------------------------------------------------------- */

struct entity_run *opening_add_run(struct session *session, const struct bound_entity *bound)
{
	struct entity_run *run = &session->runs[session->run_count++];

	*run = (struct entity_run){ .session = session, .bound = bound, .level = bound->level };
	return run;
}

/* Read again, an analysis begins anew. */
void opening_forget(struct session *session)
{
	for (size_t i = 0; i < session->run_count; i++) {
		session_forget(session, &session->runs[i]);
		entity_run_done(&session->runs[i]);
	}
	session->run_count = 0;
}

static int row_of_entity(const PGresult *result, const char *entity)
{
	for (int row = 0; row < PQntuples(result); row++)
		if (strcmp(PQgetvalue(result, row, 0), entity) == 0)
			return row;
	return -1;
}

static int64_t number(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

/* --- opening: the session's rows in the store ---------------------------------------------------- */

static void on_opened(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;

	session->opening--;
	fault_point("session.opened");
	if (session->phase != SESSION_OPENING)
		return;
	session->opening_failed |= session_store_failed(session, answer->error);
	if (session->opening_failed || session->opening > 0)
		return; /* opening_again(), if it failed */
	session->started_us = clock_wall_us();
	session->started_ms = clock_monotonic_ms();
	session_tell(session, EVENT_SESSION_STARTED, "started");
	session_set_phase(session, SESSION_RUNNING);
	schedule_store_ready(session);
}

static void keep_run(struct session *session, const struct entity_run *run)
{
	_cleanup_free_ char *level = text_format("%zu", run->level);
	_cleanup_free_ char *total = text_format("%" PRId64, run->total);
	_cleanup_free_ char *source = record_relation(run->bound->entity->source_schema,
						      run->bound->entity->source_table);
	_cleanup_free_ char *target = record_relation(run->bound->entity->target_schema,
						      run->bound->entity->target_table);
	_cleanup_free_ char *refers_to = record_parents(run, false);
	_cleanup_free_ char *deferred_to = record_parents(run, true);

	session->opening++;
	pg_submit(session->means.target, sql_store_session_entity_insert, 12,
		  (const char *const[]){ session->id, run->bound->entity->name, level,
					 run->whole ? "t" : "f", total, schedule_kept_state(run),
					 run->reason[0] != '\0' ? run->reason : NULL, source,
					 target, refers_to, deferred_to, RECORD_COUNT_MOST },
		  on_opened, session);
}

void opening_open(struct session *session)
{
	session_set_phase(session, SESSION_OPENING);
	session->opening_failed = false;
	for (size_t i = 0; i < session->run_count; i++)
		keep_run(session, &session->runs[i]);
	session->opening++;
	pg_submit(session->means.target, sql_store_session_open, 3,
		  (const char *const[]){ session->id,
					 session->analysis[0] != '\0' ? session->analysis : NULL,
					 session->mode },
		  on_opened, session);
}

/* --- from an analysis ----------------------------------------------------------------------------- */

static void choose_mode(struct session *session)
{
	bool whole = session->run_count > 0;

	for (size_t i = 0; i < session->run_count; i++)
		whole &= session->runs[i].whole;
	snprintf(session->mode, sizeof(session->mode), "%s",
		 session_is_full(session)    ? "full"
		 : session_is_again(session) ? "again"
		 : whole		     ? "initial"
					     : "differential");
}

static void add_runs_of_analysis(struct session *session, const PGresult *result,
				 const bool *wanted)
{
	for (size_t place = 0; place < session->means.set->count; place++) {
		size_t i = session->binding->order[place];
		const struct bound_entity *bound = &session->binding->entities[i];
		int row = row_of_entity(result, bound->entity->name);
		struct entity_run *run;

		const char *undetected = json_string_value(
			json_object_get(session->undetected, bound->entity->name));

		if (!wanted[i] || (row < 0 && bound->usable && undetected == NULL) ||
		    (row < 0 && session_is_again(session)))
			continue;
		run = opening_add_run(session, bound);
		steer_begin(run);
		if (row < 0 || !bound->usable) {
			run->state = ENTITY_FAILED;
			snprintf(run->reason, sizeof(run->reason), "%s",
				 undetected != NULL && bound->usable
					 ? undetected
					 : binding_refusal(session->binding, bound));
			schedule_tell_stop(run, NULL);
			continue;
		}
		run->whole = session_is_full(session) || PQgetvalue(result, row, 1)[0] == 't';
		run->total = run->whole ? number(result, row, 5)
					: number(result, row, 2) + number(result, row, 3) +
						  number(result, row, 4);
	}
}

/* An analysis taken by default must speak of everything that is to be migrated. */
static bool covers(const struct session *session, const PGresult *result, const bool *wanted)
{
	for (size_t i = 0; i < session->means.set->count; i++)
		if (wanted[i] && session->binding->entities[i].usable &&
		    row_of_entity(result, session->means.set->entities[i].name) < 0)
			return false;
	return true;
}

static void on_weighed(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;

	session->asking = false;
	if (session->phase != SESSION_DETECTING || session_store_failed(session, answer->error) ||
	    session->hold != HOLD_NONE)
		return; /* session_proceed() comes back, if anybody */
	breaker_weigh(session, answer);
	if (session->hold == HOLD_NONE)
		opening_open(session);
}

/* Nothing is begun before it is known that it may be. */
static void weigh(struct session *session)
{
	_cleanup_free_ char *sql = breaker_sql(session);

	session->asking = true;
	pg_submit(session->means.target, sql, 0, NULL, on_weighed, session);
}

static void on_analysis(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_free_ bool *wanted = NULL;
	struct error err;

	session->asking = false;
	if (session->phase != SESSION_DETECTING || session_store_failed(session, answer->error) ||
	    session->hold != HOLD_NONE)
		return; /* session_proceed() comes back, if anybody */
	wanted = session_selection(session, &err);
	if (wanted == NULL) {
		session_fail(session, &err);
		return;
	}
	if (session->analysis_by_default && !covers(session, result, wanted)) {
		session->analysis[0] = '\0';
		session_proceed(session);
		return;
	}
	session->analysis_settled = json_object_size(session->undetected) == 0;
	opening_forget(session);
	add_runs_of_analysis(session, result, wanted);
	choose_mode(session);
	weigh(session);
}

/* Those that have a mapping now, and what it is: a text[] of names, or of fingerprints. */
static char *usable_entities(const struct session *session, bool fingerprints)
{
	size_t count = 0;
	const char **list = memory_new((session->means.set->count + 1) * sizeof(*list));
	char *literal;

	for (size_t i = 0; i < session->means.set->count; i++) {
		const struct bound_entity *bound = &session->binding->entities[i];

		if (bound->usable)
			list[count++] = fingerprints ? bound->fingerprint : bound->entity->name;
	}
	literal = store_key_literal(list, count);
	free(list);
	return literal;
}

static void load_again(struct session *session)
{
	_cleanup_free_ char *names = usable_entities(session, false);
	_cleanup_free_ char *fingerprints = usable_entities(session, true);

	pg_submit(session->means.target, sql_store_again_entities, 3,
		  (const char *const[]){ session->analysis, names, fingerprints }, on_analysis,
		  session);
}

void opening_load(struct session *session)
{
	session->asking = true;
	session_set_phase(session, SESSION_DETECTING);
	if (session_is_rollback(session))
		rollback_load(session);
	else if (session_is_again(session))
		load_again(session);
	else
		pg_submit(session->means.target, sql_store_analysis_entities, 1,
			  (const char *const[]){ session->analysis }, on_analysis, session);
}

/* --- from an earlier life -------------------------------------------------------------------------- */

static void resume_run(struct entity_run *run, const PGresult *result, int row)
{
	const char *state = PQgetvalue(result, row, 2);

	run->level = (size_t)number(result, row, 20);
	run->whole = PQgetvalue(result, row, 1)[0] == 't';
	run->total = number(result, row, 4);
	run->counted = PQgetvalue(result, row, 5)[0] == 't';
	run->counts = (struct batch_counts){
		.inserted = number(result, row, 6),
		.updated = number(result, row, 7),
		.unchanged = number(result, row, 8),
		.deleted = number(result, row, 9),
		.failed = number(result, row, 10),
		.parked = number(result, row, 11),
		.warned = number(result, row, 12),
		.overwritten = number(result, row, 13),
		.kept = number(result, row, 14),
		.held = number(result, row, 15),
	};
	run->retries = number(result, row, 16);
	record_restore(run, PQgetvalue(result, row, 17));
	run->differences = number(result, row, 18);
	run->unchecked = number(result, row, 19);
	snprintf(run->reason, sizeof(run->reason), "%s", PQgetvalue(result, row, 3));
	if (strcmp(state, "completed") == 0)
		run->state = ENTITY_COMPLETED;
	else if (strcmp(state, "failed") == 0)
		run->state = ENTITY_FAILED;
	else if (strcmp(state, "cancelled") == 0)
		run->state = ENTITY_CANCELLED;
	else
		run->paused = strcmp(state, "paused") == 0;
}

static void on_resumed(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (session->phase != SESSION_OPENING || session_store_failed(session, answer->error))
		return;
	for (size_t i = 0; i < session->means.set->count; i++) {
		const struct bound_entity *bound =
			&session->binding->entities[session->binding->order[i]];
		int row = row_of_entity(result, bound->entity->name);

		if (row >= 0)
			resume_run(opening_add_run(session, bound), result, row);
	}
	for (size_t i = 0; i < session->run_count; i++)
		if (!session->runs[i].bound->usable && !entity_run_is_over(&session->runs[i]))
			schedule_fail_entity(&session->runs[i],
					     binding_refusal(session->binding,
							     session->runs[i].bound),
					     NULL);
	session->started_ms = clock_monotonic_ms();
	session_tell(session, EVENT_SESSION_TAKEN_UP,
		     session->hold != HOLD_NONE ? "found, paused" : "resumed");
	session_set_phase(session, SESSION_RUNNING);
	session_proceed(session);
}

void opening_read(struct session *session)
{
	session_set_phase(session, SESSION_OPENING);
	pg_submit(session->means.target, sql_store_session_entities, 1,
		  (const char *const[]){ session->id }, on_resumed, session);
}

void opening_again(struct session *session)
{
	if (session->opening > 0)
		return;
	if (session->run_count > 0 || session->started_us == 0)
		opening_open(session);
	else
		opening_read(session);
}
