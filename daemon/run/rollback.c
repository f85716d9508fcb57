/*
 * See rollback.h: a rollback's parts, their steps, and their batches. How it is asked for stands in rollback_request.c; what a batch
 * does, in the control schema (migrated.undo_batch).
 */
#include "run/rollback.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "common/log.h"
#include "common/text.h"
#include "run/opening.h"
#include "run/plan.h"
#include "run/recovery.h"
#include "run/schedule.h"
#include "run/steer.h"
#include "sql_store.h"

static const char *name_of(const struct entity_run *run)
{
	return run->bound->entity->name;
}

static const char *of_session(const struct session *session)
{
	return json_string_value(json_object_get(session->options, "rollback"));
}

static bool forces(const struct session *session)
{
	return json_is_true(json_object_get(session->options, "force"));
}

/* --- its beginning ----------------------------------------------------------------------------- */

void rollback_insert(struct session *session, const char *options, pg_on_answer *on_inserted)
{
	pg_submit(session->means.target, sql_store_rollback_insert, 4,
		  (const char *const[]){ session->id, options, of_session(session),
					 forces(session) ? "t" : "f" },
		  on_inserted, session);
}

static void add_part(struct session *session, const PGresult *parts, int row, const bool *wanted)
{
	for (size_t i = 0; i < session->means.set->count; i++) {
		struct entity_run *run;

		if (!wanted[i] ||
		    strcmp(session->means.set->entities[i].name, PQgetvalue(parts, row, 0)) != 0)
			continue;
		run = opening_add_run(session, &session->binding->entities[i]);
		run->level = (size_t)strtoull(PQgetvalue(parts, row, 1), NULL, 10);
		steer_begin(run);
	}
}

static void on_parts(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;
	const PGresult *parts = pg_answer_rows(answer);
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
	opening_forget(session);
	for (int row = 0; row < PQntuples(parts); row++)
		add_part(session, parts, row, wanted);
	opening_open(session);
}

void rollback_load(struct session *session)
{
	pg_submit(session->means.target, sql_store_rollback_parts, 1,
		  (const char *const[]){ session->id }, on_parts, session);
}

/* --- planning ---------------------------------------------------------------------------------- */

static void on_batches(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;

	if (answer->error == NULL)
		plan_add_batches(run, pg_answer_rows(answer));
	session_entity_planned(run, answer->error);
}

static void on_planned(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	fault_point("undo.planned");
	if (answer->error != NULL) {
		session_entity_planned(run, answer->error);
		return;
	}
	run->counted = true;
	run->total = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	run->imageless = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
	run->goes_alone = PQgetvalue(result, 0, 2)[0] == 't';
	run->moves_planned = run->deletes_planned = true;
	pg_submit(run->session->means.target, sql_store_batches_to_do, 2,
		  (const char *const[]){ run->session->id, name_of(run) }, on_batches, run);
}

void rollback_plan(struct entity_run *run)
{
	struct pace_limits limits = entity_run_limits(run);
	_cleanup_free_ char *size = text_format("%" PRId64, limits.batch_size);

	run->retried = false;
	run->finished = false;
	pg_submit(run->session->means.target, sql_store_rollback_plan, 3,
		  (const char *const[]){ run->session->id, name_of(run), size }, on_planned, run);
}

/* Nothing is touched before it is known what cannot be undone. */
static bool may_begin(struct session *session)
{
	int64_t imageless = 0;
	struct error err;

	for (size_t i = 0; i < session->run_count; i++) {
		if (session->runs[i].state < ENTITY_MOVING)
			return false;
		imageless += session->runs[i].imageless;
	}
	if (imageless == 0 || forces(session))
		return true;
	error_set(&err, ERROR_USAGE,
		  "nothing was undone: of %" PRId64 " row%s what was there before is not kept any "
		  "more (before_images, before_images_keep)",
		  imageless, imageless == 1 ? "" : "s");
	error_hint(&err, "migratectl rollback --force leaves those as they are");
	session_fail(session, &err);
	return false;
}

/* --- the end of an entity ---------------------------------------------------------------------- */

static void on_retry_planned(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;

	fault_point("undo.retried");
	run->planning_more = false;
	if (answer->error == NULL) {
		run->retried = true;
		plan_add_batches(run, pg_answer_rows(answer));
	}
	session_entity_planned(run, answer->error);
}

static void plan_retry(struct entity_run *run)
{
	struct pace_limits limits = entity_run_limits(run);
	_cleanup_free_ char *size = text_format("%" PRId64, limits.batch_size);

	run->planning_more = true;
	pg_submit(run->session->means.target, sql_store_rollback_retry, 3,
		  (const char *const[]){ run->session->id, name_of(run), size }, on_retry_planned,
		  run);
}

/* That a table could not be vacuumed (it is not ours, somebody has it) costs time only. */
static void on_vacuumed(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;

	if (answer->error != NULL && session_will_reconnect(run->session, answer->error)) {
		run->planning_more = false;
		session_entity_planned(run, answer->error);
		return;
	}
	if (answer->error != NULL)
		log_error_of(LOG_DEBUG,
			     &(struct log_fields){ .session = run->session->id,
						   .entity = name_of(run),
						   .phase = "undo" },
			     answer->error);
	run->planning_more = false;
	run->finished = true;
	session_entity_planned(run, NULL);
}

/* Parents are removed next, and for each the database looks for rows that refer to it: through all that were there, if nobody
   cleans up. */
static void vacuum(struct entity_run *run)
{
	_cleanup_free_ char *sql = text_format("VACUUM %s", run->bound->target_relation);

	if (run->counts.deleted == 0) {
		run->planning_more = false;
		run->finished = true;
		session_entity_planned(run, NULL);
		return;
	}
	pg_submit(run->session->means.target, sql, 0, NULL, on_vacuumed, run);
}

static void on_by_trigger(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;

	if (answer->error == NULL && PQntuples(pg_answer_rows(answer)) > 0)
		log_event(
			LOG_WARNING,
			&(struct log_fields){ .session = run->session->id, .entity = name_of(run) },
			"%s: triggers have set these columns to other values than they had, and this role "
			"may not do without triggers: %s",
			name_of(run), PQgetvalue(pg_answer_rows(answer), 0, 0));
	vacuum(run);
}

static void on_finished(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;

	fault_point("undo.finished");
	if (answer->error != NULL) {
		run->planning_more = false;
		session_entity_planned(run, answer->error);
		return;
	}
	pg_submit(run->session->means.target, sql_store_rollback_by_trigger, 2,
		  (const char *const[]){ run->session->id, name_of(run) }, on_by_trigger, run);
}

static void finish(struct entity_run *run)
{
	run->planning_more = true;
	pg_submit(run->session->means.target, sql_store_rollback_finish, 2,
		  (const char *const[]){ run->session->id, name_of(run) }, on_finished, run);
}

static bool go_on_to_the_end(struct entity_run *run)
{
	if (run->planning_more || run->delete_count > 0 || run->active > 0)
		return false;
	if (run->finished) {
		schedule_set_state(run, ENTITY_COMPLETED, NULL);
		return true;
	}
	if (!schedule_may_plan(run))
		return false;
	if (run->retried)
		finish(run);
	else
		plan_retry(run);
	return false;
}

/* --- from state to state ----------------------------------------------------------------------- */

/* Parents are restored first. */
static bool lower_levels_have_moved(const struct entity_run *run)
{
	const struct session *session = run->session;

	for (size_t i = 0; i < session->run_count; i++)
		if (session->runs[i].level < run->level && session->runs[i].state < ENTITY_MOVED)
			return false;
	return true;
}

/* Children are undone first. */
static bool higher_levels_are_over(const struct entity_run *run)
{
	const struct session *session = run->session;

	for (size_t i = 0; i < session->run_count; i++)
		if (session->runs[i].level > run->level && !entity_run_is_over(&session->runs[i]))
			return false;
	return true;
}

bool rollback_step(struct entity_run *run)
{
	struct session *session = run->session;

	switch (run->state) {
	case ENTITY_PENDING:
		if (!schedule_may_plan(run))
			return false;
		schedule_plan(run);
		return true;
	case ENTITY_MOVING:
		if (!may_begin(session) || !lower_levels_have_moved(run) || run->active > 0 ||
		    entity_run_has(run, BATCH_RESTORE))
			return false;
		schedule_set_state(run, ENTITY_MOVED, NULL);
		return true;
	case ENTITY_MOVED:
		if (!schedule_all_have_reached(session, ENTITY_MOVED))
			return false;
		schedule_set_state(run, ENTITY_FILLING, NULL);
		return true;
	case ENTITY_FILLING:
		if (run->active > 0 || entity_run_has(run, BATCH_LOOSEN))
			return false;
		schedule_set_state(run, ENTITY_FILLED, NULL);
		return true;
	case ENTITY_FILLED:
		if (!schedule_all_have_reached(session, ENTITY_FILLED) ||
		    !higher_levels_are_over(run))
			return false;
		schedule_set_state(run, ENTITY_DELETING, NULL);
		return true;
	case ENTITY_DELETING:
		return go_on_to_the_end(run);
	default:
		return false;
	}
}

bool rollback_offer(struct entity_run *run, struct lane *lane)
{
	struct batch_spec spec;
	bool taken = false;

	if (run->state == ENTITY_MOVING && schedule_all_have_reached(run->session, ENTITY_MOVING) &&
	    lower_levels_have_moved(run))
		taken = entity_run_take_kind(run, BATCH_RESTORE, &spec);
	else if (run->state == ENTITY_FILLING)
		taken = entity_run_take_kind(run, BATCH_LOOSEN, &spec);
	else if (run->state == ENTITY_DELETING)
		taken = entity_run_take(run, true, &spec);
	if (taken)
		schedule_give(run, lane, &spec);
	return taken;
}

void rollback_forget(struct session *session)
{
	pg_submit(session->means.target, sql_store_rollback_forget, 1,
		  (const char *const[]){ session->id }, NULL, NULL);
}
