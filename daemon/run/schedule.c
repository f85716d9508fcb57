/*
 * The scheduling of a session's entities over the lanes; see schedule.h.
 */
#include "run/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "sql_store.h"
#include "store/store.h"

/* Backoff of a batch that may be tried again: doubling from the first to the second. */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 30000

/* Weight of the newest second in the session's smoothed rate. */
#define RATE_WEIGHT 0.3

/* What is under way on one lane. */
struct errand {
	struct entity_run *run;
	struct lane *lane;
	struct batch_spec spec; /* batches only */
};

static const char *name_of(const struct entity_run *run)
{
	return run->bound->entity->name;
}

/* --- keeping an entity's state ------------------------------------------------------------------- */

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
		log_error(LOG_ERR, answer->error);
}

void schedule_keep(struct entity_run *run)
{
	run->unkept = false;
	pg_submit(run->session->means.target, sql_store_session_entity_state, 4,
		  (const char *const[]){ run->session->id, name_of(run), schedule_kept_state(run),
					 run->reason[0] != '\0' ? run->reason : NULL },
		  on_kept, run);
	run->session->means.on_change(run->session->means.arg);
}

static void keep_completed(struct entity_run *run)
{
	int64_t elapsed = run->finished_ms - run->started_ms;
	_cleanup_free_ char *rate = NULL;
	_cleanup_free_ char *filled = store_id_map_filled_sql(run->bound);

	fault_point("entity.completed");
	if (run->moved_here > 0)
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

	run->state = state;
	if (reason != NULL || !run->paused || state >= ENTITY_COMPLETED)
		snprintf(run->reason, sizeof(run->reason), "%s", reason != NULL ? reason : "");
	if (run->started_ms == 0 && state > ENTITY_PENDING)
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

void schedule_fail_entity(struct entity_run *run, const char *reason)
{
	log_event(LOG_ERR,
		  &(struct log_fields){ .session = run->session->id, .entity = name_of(run) },
		  "%s stops: %s", name_of(run), reason);
	schedule_set_state(run, ENTITY_FAILED, reason);
}

/* --- from state to state ----------------------------------------------------------------------- */

static bool parents_have_moved(struct entity_run *run)
{
	struct session *session = run->session;

	for (size_t i = 0; i < session->run_count; i++) {
		struct entity_run *parent = &session->runs[i];

		if (parent == run || !entity_depends_on(run->bound->entity, parent->bound->entity))
			continue;
		if (parent->state == ENTITY_FAILED || parent->state == ENTITY_CANCELLED) {
			_cleanup_free_ char *reason = text_format("it refers to \"%s\", which %s",
								  name_of(parent),
								  parent->state == ENTITY_FAILED
									  ? "failed"
									  : "was cancelled");

			if (parent->state == ENTITY_FAILED)
				schedule_fail_entity(run, reason);
			else
				schedule_set_state(run, ENTITY_CANCELLED, reason);
			return false;
		}
		if (!entity_run_has_moved(parent))
			return false;
	}
	return true;
}

static bool has_references_to_fill(const struct entity_run *run)
{
	for (size_t i = 0; i < run->bound->entity->column_count; i++) {
		const struct column *column = &run->bound->entity->columns[i];

		if (column->kind == COLUMN_REFERENCE &&
		    (column->deferred || column->if_missing == IF_MISSING_NULL))
			return true;
	}
	return false;
}

static bool all_have_reached(const struct session *session, enum entity_state state)
{
	for (size_t i = 0; i < session->run_count; i++)
		if (session->runs[i].state < state)
			return false;
	return true;
}

/* Those that refer to it have deleted what is gone of them. */
static bool children_have_deleted(const struct entity_run *run)
{
	const struct session *session = run->session;

	for (size_t i = 0; i < session->run_count; i++)
		if (&session->runs[i] != run && !entity_run_is_over(&session->runs[i]) &&
		    entity_depends_on(session->runs[i].bound->entity, run->bound->entity))
			return false;
	return true;
}

static void complete_or_go_on(struct entity_run *run)
{
	if (run->delete_count == 0 && !has_references_to_fill(run))
		schedule_set_state(run, ENTITY_COMPLETED, NULL);
	else
		schedule_set_state(run, ENTITY_MOVED, NULL);
}

static bool store_is_up(const struct session *session)
{
	return pg_connection_is_up(session->means.source) &&
	       pg_connection_is_up(session->means.target);
}

/* One step of one entity; true when it changed its state. */
static bool step(struct entity_run *run)
{
	struct session *session = run->session;

	switch (run->state) {
	case ENTITY_PENDING:
		if (run->active > 0 || session->cancelled || !store_is_up(session) ||
		    !parents_have_moved(run))
			return run->state != ENTITY_PENDING;
		schedule_set_state(run, ENTITY_PLANNING, NULL);
		schedule_keep(run);
		entity_run_plan(run);
		return true;
	case ENTITY_MOVING:
		if (!run->planned || run->move_count > 0 || run->active > 0)
			return false;
		complete_or_go_on(run);
		return true;
	case ENTITY_MOVED:
		if (!all_have_reached(session, ENTITY_MOVED))
			return false;
		schedule_set_state(run,
				   has_references_to_fill(run) ? ENTITY_FILLING : ENTITY_FILLED,
				   NULL);
		return true;
	case ENTITY_FILLED:
		if (!all_have_reached(session, ENTITY_FILLED) || !children_have_deleted(run))
			return false;
		schedule_set_state(run, ENTITY_DELETING, NULL);
		return true;
	case ENTITY_DELETING:
		if (run->delete_count > 0 || run->active > 0)
			return false;
		schedule_set_state(run, ENTITY_COMPLETED, NULL);
		return true;
	default:
		return false;
	}
}

void schedule_advance(struct session *session)
{
	bool changed = true;

	if (session->phase == SESSION_ENDING && session->batches_active == 0) {
		session_finish(session);
		return;
	}
	if (session->phase != SESSION_RUNNING || session->hold != HOLD_NONE)
		return;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < session->run_count; i++)
			changed |= step(&session->runs[i]);
	}
	if (all_have_reached(session, ENTITY_COMPLETED))
		session_finish(session);
	lane_pool_wake(session->means.lanes);
}

/* --- planning came back ------------------------------------------------------------------------ */

void session_entity_planned(struct entity_run *run, const struct error *err)
{
	if (entity_run_is_over(run) || run->session->phase != SESSION_RUNNING)
		return;
	if (err != NULL && session_will_reconnect(run->session, err)) {
		run->planning_more = false;
		schedule_set_state(run, ENTITY_PENDING, err->message);
	} else if (err != NULL) {
		schedule_fail_entity(run, err->message);
	} else {
		if (run->state == ENTITY_PLANNING)
			schedule_set_state(run, ENTITY_MOVING, NULL);
		entity_run_plan_more(run);
	}
	schedule_advance(run->session);
}

void schedule_store_ready(struct session *session)
{
	for (size_t i = 0; i < session->run_count; i++)
		if (session->runs[i].unkept && session->runs[i].state == ENTITY_COMPLETED)
			keep_completed(&session->runs[i]);
		else if (session->runs[i].unkept)
			schedule_keep(&session->runs[i]);
	schedule_advance(session);
}

/* --- batches that failed ----------------------------------------------------------------------- */

static int64_t backoff_ms(unsigned attempts)
{
	int64_t wait = BACKOFF_MIN_MS;

	for (unsigned i = 1; i < attempts && wait < BACKOFF_MAX_MS; i++)
		wait *= 2;
	return wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	schedule_advance(arg);
}

static void retry_later(struct entity_run *run, const struct error *err)
{
	int64_t wait = backoff_ms(++run->attempts);
	struct timeval delay = { .tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000 };

	run->not_before_ms = clock_monotonic_ms() + wait;
	snprintf(run->reason, sizeof(run->reason), "%s", err->message);
	event_add(run->session->retry, &delay);
}

/* What a failed errand means for its entity; true when it is to be tried again. */
static bool may_try_again(struct entity_run *run, const struct error *err)
{
	unsigned most = (unsigned)run->session->means.settings->max_retry_attempts;

	switch (err->kind) {
	case ERROR_CONNECTION:
	case ERROR_BUSY:
	case ERROR_ENVIRONMENT:
		return true; /* until it is over, with its reason to be seen */
	case ERROR_TRANSIENT:
	case ERROR_CANCELLED:
		return run->attempts < most;
	default:
		return false;
	}
}

static void errand_failed(struct entity_run *run, const struct error *err)
{
	struct error told = *err;

	if (strcmp(err->sqlstate, STORE_TAKEN_OVER) == 0)
		session_put_down(run->session);
	log_error(may_try_again(run, err) ? LOG_WARNING : LOG_ERR, err);
	if (run->session->phase != SESSION_RUNNING || entity_run_is_over(run))
		return;
	if (may_try_again(run, err)) {
		retry_later(run, err);
		return;
	}
	error_context(&told, "%s", err->phase);
	schedule_fail_entity(run, told.message);
}

/* --- lanes ------------------------------------------------------------------------------------- */

static struct errand *errand_new(struct entity_run *run, struct lane *lane)
{
	struct errand *errand = memory_new(sizeof(*errand));

	errand->run = run;
	errand->lane = lane;
	run->active++;
	run->session->batches_active++;
	lane_take(lane);
	return errand;
}

/* The lane is free again; what comes next is decided. */
static void errand_over(struct errand *errand)
{
	struct session *session = errand->run->session;
	struct lane *lane = errand->lane;

	errand->run->active--;
	session->batches_active--;
	free(errand);
	lane_release(lane);
	session->means.on_change(session->means.arg);
	schedule_advance(session);
}

static void update_rate(struct session *session)
{
	int64_t now = clock_monotonic_ms();
	int64_t done = 0;
	double sample;

	for (size_t i = 0; i < session->run_count; i++)
		done += session->runs[i].moved_here;
	if (session->rate_ms == 0)
		session->rate_ms = session->started_ms;
	if (now - session->rate_ms < 1000)
		return;
	sample = (double)(done - session->rate_rows) * 1000 / (double)(now - session->rate_ms);
	session->rate = session->rate > 0 ? session->rate + RATE_WEIGHT * (sample - session->rate)
					  : sample;
	session->rate_rows = done;
	session->rate_ms = now;
}

static void on_batch_done(void *arg, const struct batch_counts *counts, const struct error *err)
{
	struct errand *errand = arg;
	struct entity_run *run = errand->run;

	if (err != NULL) {
		errand_failed(run, err);
		if (entity_run_is_over(run))
			batch_spec_done(&errand->spec);
		else
			entity_run_put_back(run, &errand->spec);
	} else {
		run->attempts = 0;
		if (!run->paused)
			run->reason[0] = '\0';
		entity_run_count(run, counts);
		update_rate(run->session);
		batch_spec_done(&errand->spec);
		fault_point("batch.counted");
	}
	errand_over(errand);
}

static void start_batch(struct errand *errand)
{
	struct session *session = errand->run->session;

	batch_start(errand->lane, session->binding, errand->run->bound,
		    &(struct batch_place){
			    .session = session->id,
			    .session_number = session->number,
			    .analysis = session->analysis,
			    .epoch = session->means.epoch,
			    .work_memory_kb = session->means.settings->work_memory_kb,
		    },
		    &errand->spec, on_batch_done, errand);
}

static bool offer_batch(struct entity_run *run, struct lane *lane, bool deletes)
{
	struct batch_spec spec;
	struct errand *errand;

	if (!entity_run_take(run, deletes, &spec))
		return false;
	errand = errand_new(run, lane);
	errand->spec = spec;
	if (!deletes)
		entity_run_plan_more(run);
	start_batch(errand);
	return true;
}

/* --- the second pass --------------------------------------------------------------------------- */

static const struct written_column *column_to_fill(struct entity_run *run)
{
	const struct bound_entity *bound = run->bound;

	for (; run->fill_column < bound->written_count;
	     run->fill_column++, run->fill_alternative = 0) {
		const struct written_column *written = &bound->written[run->fill_column];

		if (written->column != NULL && written->column->kind == COLUMN_REFERENCE &&
		    (written->column->deferred || written->column->if_missing == IF_MISSING_NULL) &&
		    run->fill_alternative < written->column->reference_count)
			return written;
	}
	return NULL;
}

static void on_filled(void *arg, const struct pg_answer *answer)
{
	struct errand *errand = arg;
	struct entity_run *run = errand->run;

	fault_point("fill.committed");
	if (answer->error != NULL && answer->error->kind == ERROR_DATA && !run->fill_isolates) {
		run->fill_isolates = true;
	} else if (answer->error != NULL) {
		struct error err = *answer->error;

		snprintf(err.entity, sizeof(err.entity), "%s", name_of(run));
		snprintf(err.phase, sizeof(err.phase), "fill");
		errand_failed(run, &err);
	} else if (run->fill_isolates) {
		run->fill_isolates = false;
	} else if (atoll(PQcmdTuples(answer->results[answer->count - 1])) == 0) {
		run->fill_alternative++;
	}
	errand_over(errand);
}

static bool offer_fill(struct entity_run *run, struct lane *lane)
{
	const struct written_column *written = column_to_fill(run);
	_cleanup_free_ char *sql = NULL;

	if (run->active > 0)
		return false;
	if (written == NULL) {
		schedule_set_state(run, ENTITY_FILLED, NULL);
		schedule_advance(run->session);
		return false;
	}
	sql = entity_sql_fill(run->session->binding, run->bound, written, run->fill_alternative,
			      run->session->means.epoch, run->session->means.settings->batch_size,
			      run->fill_isolates);
	pg_submit(lane_target(lane), sql, 0, NULL, on_filled, errand_new(run, lane));
	fault_point("fill.sent");
	return true;
}

static bool offer(struct entity_run *run, struct lane *lane)
{
	if (run->paused || run->not_before_ms > clock_monotonic_ms())
		return false;
	switch (run->state) {
	case ENTITY_MOVING:
		return offer_batch(run, lane, false);
	case ENTITY_FILLING:
		return offer_fill(run, lane);
	case ENTITY_DELETING:
		return offer_batch(run, lane, true);
	default:
		return false;
	}
}

void session_offer(struct session *session, struct lane *lane)
{
	if (session->hold != HOLD_NONE)
		return;
	if (session->phase == SESSION_DETECTING && session->detection != NULL)
		detection_offer(session->detection, lane);
	if (session->phase != SESSION_RUNNING || session->cancelled)
		return;
	for (size_t i = 0; i < session->run_count; i++)
		if (offer(&session->runs[i], lane))
			return;
}

void schedule_init(struct session *session)
{
	session->retry = event_new(session->means.base, -1, 0, on_retry, session);
}

void schedule_done(struct session *session)
{
	event_free(session->retry);
}
