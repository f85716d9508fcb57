/*
 * Changes of an entity's state, and keeping in the store what people see of it; see schedule.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/event.h"
#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/record.h"
#include "run/schedule.h"
#include "sql_store.h"
#include "store/store.h"

static const char *name_of(const struct entity_run *run)
{
	return run->bound->entity->name;
}

const char *schedule_kept_state(const struct entity_run *run)
{
	if (run->state < ENTITY_COMPLETED && run->paused)
		return "paused";
	if (run->state > ENTITY_PENDING && run->state < ENTITY_COMPLETED)
		return "running";
	return entity_run_status(run);
}

static void on_kept(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;

	if (answer->error == NULL || run->session->phase == SESSION_ENDED)
		return;
	run->unkept = true;
	if (answer->error->kind != ERROR_CONNECTION)
		log_error_of(LOG_ERR,
			     &(struct log_fields){ .session = run->session->id,
						   .entity = name_of(run) },
			     answer->error);
}

void schedule_keep(struct entity_run *run)
{
	_cleanup_free_ char *retries = text_format("%" PRId64, run->retries);
	_cleanup_free_ char *timings = NULL;

	record_time(run);
	timings = record_timings(run);
	run->unkept = false;
	pg_submit(run->session->means.target, sql_store_session_entity_state, 7,
		  (const char *const[]){ run->session->id, name_of(run), schedule_kept_state(run),
					 run->reason[0] != '\0' ? run->reason : NULL, retries,
					 timings, RECORD_COUNT_MOST },
		  on_kept, run);
	run->session->means.on_change(run->session->means.arg);
}

static void keep_completed(struct entity_run *run)
{
	int64_t elapsed = run->finished_ms - run->started_ms;
	_cleanup_free_ char *rate = NULL;
	_cleanup_free_ char *filled = NULL;

	fault_point("entity.completed");
	if (session_is_rollback(run->session)) {
		schedule_keep(run);
		return;
	}
	filled = store_id_map_filled_sql(run->bound);
	if (run->moved_here > 0 && !session_is_again(run->session))
		rate = text_format("%.1f", (double)run->moved_here * 1000 /
						   (double)(elapsed > 0 ? elapsed : 1));
	pg_submit(run->session->means.target, sql_store_entity_migrated, 5,
		  (const char *const[]){ name_of(run), run->bound->fingerprint, rate,
					 run->whole ? "t" : "f", run->session->analysis },
		  on_kept, run);
	if (run->whole)
		pg_submit(run->session->means.target, filled, 0, NULL, on_kept, run);
	schedule_keep(run);
}

void schedule_set_state(struct entity_run *run, enum entity_state state, const char *reason)
{
	bool was_over = entity_run_is_over(run);

	record_time(run);
	run->state = state;
	if (reason != NULL || !run->paused || state >= ENTITY_COMPLETED)
		snprintf(run->reason, sizeof(run->reason), "%s", reason != NULL ? reason : "");
	if (run->started_ms == 0 && state > ENTITY_CHECKING_BEFORE)
		run->started_ms = clock_monotonic_ms();
	if (was_over || !entity_run_is_over(run)) {
		run->session->means.on_change(run->session->means.arg);
		return;
	}
	run->finished_ms = clock_monotonic_ms();
	if (state == ENTITY_COMPLETED)
		keep_completed(run);
	else
		schedule_keep(run);
}

void schedule_tell_stop(const struct entity_run *run, const struct error *err)
{
	const struct log_fields fields = {
		.session = run->session->id,
		.entity = name_of(run),
		.sqlstate = err != NULL ? err->sqlstate : NULL,
		.phase = err != NULL ? err->phase : NULL,
	};

	if (run->session->means.dry)
		log_event(LOG_ERR, &fields, "%s stops: %s", name_of(run), run->reason);
	else
		event_log(EVENT_ENTITY_STOPPED, &fields, "%s stops: %s", name_of(run), run->reason);
}

void schedule_fail_entity(struct entity_run *run, const char *reason, const struct error *err)
{
	schedule_set_state(run, ENTITY_FAILED, reason);
	schedule_tell_stop(run, err);
}

void schedule_fail_with_parent(struct entity_run *run, const char *reason)
{
	log_event(LOG_ERR,
		  &(struct log_fields){ .session = run->session->id, .entity = name_of(run) },
		  "%s stops: %s", name_of(run), reason);
	schedule_set_state(run, ENTITY_FAILED, reason);
}

void schedule_keep_unkept(struct session *session)
{
	for (size_t i = 0; i < session->run_count; i++)
		if (session->runs[i].unkept && session->runs[i].state == ENTITY_COMPLETED)
			keep_completed(&session->runs[i]);
		else if (session->runs[i].unkept)
			schedule_keep(&session->runs[i]);
}
