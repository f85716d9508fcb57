/*
 * The scheduling of a session's entities over the lanes; see schedule.h.
 */
#include "run/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/fill_sql.h"
#include "base/event.h"
#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/breaker.h"
#include "run/bulk.h"
#include "run/letters.h"
#include "run/plan.h"
#include "run/recovery.h"
#include "run/rollback.h"
#include "run/tally.h"
#include "run/validation_step.h"

/* What is under way on one lane. */
struct errand {
	struct entity_run *run;
	struct lane *lane;
	struct batch_spec spec; /* batches only */
	int64_t started_ms;
};

static const char *name_of(const struct entity_run *run)
{
	return run->bound->entity->name;
}

/* --- from state to state ----------------------------------------------------------------------- */

static bool parents_have_moved(struct entity_run *run)
{
	struct session *session = run->session;

	for (size_t i = 0; i < session->run_count; i++) {
		struct entity_run *parent = &session->runs[i];

		if (parent == run || !bound_depends_on(run->bound, parent->bound))
			continue;
		if (parent->state == ENTITY_FAILED || parent->state == ENTITY_CANCELLED) {
			_cleanup_free_ char *reason = text_format("it refers to \"%s\", which %s",
								  name_of(parent),
								  parent->state == ENTITY_FAILED
									  ? "failed"
									  : "was cancelled");

			if (parent->state == ENTITY_FAILED)
				schedule_fail_with_parent(run, reason);
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
	for (size_t i = 0; i < run->bound->written_count; i++)
		if (bound_is_deferrable(&run->bound->written[i]))
			return true;
	return false;
}

bool schedule_all_have_reached(const struct session *session, enum entity_state state)
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
		if (&session->runs[i] != run && session->runs[i].state < ENTITY_CHECKING_AFTER &&
		    bound_depends_on(session->runs[i].bound, run->bound))
			return false;
	return true;
}

/* All of its batches are done. */
static void complete(struct entity_run *run)
{
	schedule_set_state(run,
			   validation_step_is_wanted(run, VALIDATE_AFTER) ? ENTITY_CHECKING_AFTER
									  : ENTITY_COMPLETED,
			   NULL);
}

static void complete_or_go_on(struct entity_run *run)
{
	if (run->delete_count == 0 && run->deletes_planned && !has_references_to_fill(run))
		complete(run);
	else
		schedule_set_state(run, ENTITY_MOVED, NULL);
}

/* May it ask the databases for anything? Held up, a session only tries, now and then, whether it may go on. */
bool schedule_may_plan(struct entity_run *run)
{
	struct session *session = run->session;

	if (run->active > 0 || run->planning_more || session->cancelled || entity_run_waits(run) ||
	    !session->means.is_ready(session->means.arg))
		return false;
	if (session->hold == HOLD_NONE)
		return true;
	return recovery_may_plan(session) && !recovery_renews_connection(session);
}

/* Lanes for them are opened while they are planned. */
static void expect_batches(const struct entity_run *run)
{
	struct pace_limits limits = entity_run_limits(run);
	int64_t size = pace_size(&run->move_pace, &limits);

	if (!run->bound->kin && !run->goes_alone && !session_is_rollback(run->session))
		lane_pool_expect(run->session->means.lanes, (run->total + size - 1) / size);
}

void schedule_plan(struct entity_run *run)
{
	if (run->session->hold != HOLD_NONE)
		recovery_probe(run->session, PROBING_PLAN);
	schedule_set_state(run, ENTITY_PLANNING, NULL);
	expect_batches(run);
	schedule_keep(run);
	plan_begin(run);
}

static void say_rebuilding(struct entity_run *run)
{
	if (!run->paused)
		snprintf(run->reason, sizeof(run->reason),
			 "its indexes and foreign keys are put back: %" PRId64 " left", run->aside);
}

static void begin_rebuilding(struct entity_run *run)
{
	schedule_set_state(run, ENTITY_REBUILDING, NULL);
	say_rebuilding(run);
	log_event(LOG_NOTICE,
		  &(struct log_fields){ .session = run->session->id, .entity = name_of(run) },
		  "%s: its rows are there, what was set aside of its table is put back",
		  name_of(run));
}

/* One step of one entity; true when it changed its state. */
static bool step(struct entity_run *run)
{
	struct session *session = run->session;

	switch (run->state) {
	case ENTITY_PENDING:
		if (!run->checked_before && validation_step_is_wanted(run, VALIDATE_BEFORE)) {
			schedule_set_state(run, ENTITY_CHECKING_BEFORE, NULL);
			schedule_keep(run);
			return true;
		}
		if (!schedule_may_plan(run) || !parents_have_moved(run))
			return run->state != ENTITY_PENDING;
		schedule_plan(run);
		return true;
	case ENTITY_MOVING:
		plan_more(run);
		if (!run->moves_planned || run->move_count > 0 || run->active > 0)
			return false;
		if (plan_follow(run))
			return false;
		if (run->aside > 0 && !session->means.dry) {
			begin_rebuilding(run);
			return true;
		}
		complete_or_go_on(run);
		return true;
	case ENTITY_REBUILDING:
		if (run->aside > 0 || run->active > 0)
			return false;
		complete_or_go_on(run);
		return true;
	case ENTITY_MOVED:
		if (!schedule_all_have_reached(session, ENTITY_MOVED))
			return false;
		schedule_set_state(run,
				   has_references_to_fill(run) ? ENTITY_FILLING : ENTITY_FILLED,
				   NULL);
		return true;
	case ENTITY_FILLED:
		if (!schedule_all_have_reached(session, ENTITY_FILLED) ||
		    !children_have_deleted(run))
			return false;
		schedule_set_state(run, ENTITY_DELETING, NULL);
		return true;
	case ENTITY_DELETING:
		plan_more(run);
		if (!run->deletes_planned || run->delete_count > 0 || run->active > 0)
			return false;
		if (plan_release(run))
			return false;
		complete(run);
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
	if (session->phase != SESSION_RUNNING)
		return;
	if (session->hold == HOLD_NONE || session->hold == HOLD_ENVIRONMENT)
		breaker_watch(session);
	if (session->hold != HOLD_NONE && !recovery_may_probe(session)) {
		recovery_arm(session);
		return;
	}
	while (changed) {
		changed = false;
		for (size_t i = 0; i < session->run_count; i++)
			changed |= session_is_rollback(session) ? rollback_step(&session->runs[i])
								: step(&session->runs[i]);
	}
	if (schedule_all_have_reached(session, ENTITY_COMPLETED))
		session_finish(session);
	recovery_arm(session);
	lane_pool_wake(session->means.lanes);
}

/* --- planning came back ------------------------------------------------------------------------ */

void schedule_read_again(struct entity_run *run, const struct error *err)
{
	schedule_set_state(run, ENTITY_PENDING, err->message);
}

void session_entity_planned(struct entity_run *run, const struct error *err)
{
	if (entity_run_is_over(run) || run->session->phase != SESSION_RUNNING)
		return;
	if (err == NULL) {
		recovery_planned(run);
		if (run->state == ENTITY_PLANNING)
			schedule_set_state(run,
					   bulk_is_wanted(run) ? ENTITY_SETTING_ASIDE
							       : ENTITY_MOVING,
					   NULL);
		plan_more(run);
	} else if (recovery_step_failed(run, err)) {
		schedule_read_again(run, err);
	}
	schedule_advance(run->session);
}

void schedule_store_ready(struct session *session)
{
	schedule_keep_unkept(session);
	recovery_database_is_back(session);
	schedule_advance(session);
}

/* --- lanes ------------------------------------------------------------------------------------- */

static struct errand *errand_new(struct entity_run *run, struct lane *lane)
{
	struct errand *errand = memory_new(sizeof(*errand));

	errand->run = run;
	errand->lane = lane;
	errand->started_ms = clock_monotonic_ms();
	if (run->active == 0)
		run->busy_ms = errand->started_ms;
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

/* {"has_office": 3} as "has_office 3". */
static char *warnings_in_words(const char *warnings)
{
	json_auto_t *rules = json_loads(warnings, 0, NULL);
	struct text text = TEXT_INIT;
	const char *rule;
	json_t *rows;

	json_object_foreach(rules, rule, rows) {
		text_separate(&text, ", ");
		text_appendf(&text, "%s %" JSON_INTEGER_FORMAT, rule, json_integer_value(rows));
	}
	return text_steal(&text);
}

static void log_warnings(const struct entity_run *run, const struct batch_result *result)
{
	_cleanup_free_ char *words = NULL;

	if (result->warnings == NULL)
		return;
	words = warnings_in_words(result->warnings);
	event_log(EVENT_RULE_BROKEN,
		  &(struct log_fields){ .session = run->session->id, .entity = name_of(run) },
		  "%s: %" PRId64 " row%s carried although %s a rule: %s", name_of(run),
		  result->counts.warned, result->counts.warned == 1 ? " was" : "s were",
		  result->counts.warned == 1 ? "it breaks" : "they break", words);
}

static void batch_succeeded(struct entity_run *run, const struct batch_spec *spec,
			    const struct batch_result *result)
{
	struct pace_limits limits = entity_run_limits(run);
	int64_t rows = batch_counts_total(&result->counts);
	struct pace *pace = spec->kind == BATCH_DELETES ? &run->delete_pace : &run->move_pace;

	if (result->rows > 0 || spec->kind == BATCH_DELETES)
		pace_measured(pace, &limits, rows > result->rows ? rows : result->rows,
			      result->bytes, result->elapsed_ms - result->on_the_way_ms);
	run->refused += result->refused;
	run->loaded += result->loaded && !result->refused;
	entity_run_count(run, &result->counts);
	tally_batch(run->session->means.tally, name_of(run), result);
	if (result->counts.failed > 0)
		letters_tell(run, spec->number);
	log_warnings(run, result);
	recovery_succeeded(run, spec->retry.attempts);
	if (entity_run_is_over(run))
		schedule_keep(
			run); /* it was under way when its entity ended: what was counted then is counted again */
}

static void on_batch_done(void *arg, const struct batch_result *result, const struct error *err)
{
	struct errand *errand = arg;

	if (err != NULL) {
		tally_batch_failed(errand->run->session->means.tally);
		recovery_lane_failed(errand->lane, err);
		recovery_batch_failed(errand->run, &errand->spec, err);
	} else {
		batch_succeeded(errand->run, &errand->spec, result);
		batch_spec_done(&errand->spec);
		fault_point("batch.counted");
	}
	errand_over(errand);
}

static struct batch_place place_of(const struct session *session)
{
	return (struct batch_place){
		.session = session->id,
		.session_number = session->number,
		.analysis = session->analysis,
		.before_images = session->means.settings->before_images,
		.epoch = session->means.epoch,
		.work_memory_kb = session->means.settings->work_memory_kb,
	};
}

static void start_batch(struct errand *errand)
{
	struct session *session = errand->run->session;
	struct batch_place place = place_of(session);

	batch_start(errand->lane, session->binding, errand->run->bound, &place, &errand->spec,
		    entity_run_is_first(errand->run), on_batch_done, errand);
}

void schedule_give(struct entity_run *run, struct lane *lane, const struct batch_spec *spec)
{
	struct errand *errand = errand_new(run, lane);

	errand->spec = *spec;
	plan_more(run);
	start_batch(errand);
}

static bool offer_batch(struct entity_run *run, struct lane *lane, bool deletes)
{
	struct batch_spec spec;

	if (!entity_run_take(run, deletes, &spec))
		return false;
	schedule_give(run, lane, &spec);
	return true;
}

/* --- the second pass --------------------------------------------------------------------------- */

static const struct written_column *column_to_fill(struct entity_run *run)
{
	const struct bound_entity *bound = run->bound;

	for (; run->fill_column < bound->written_count;
	     run->fill_column++, run->fill_alternative = 0) {
		const struct written_column *written = &bound->written[run->fill_column];

		if (bound_is_deferrable(written) &&
		    run->fill_alternative < written->column->reference_count)
			return written;
	}
	return NULL;
}

static void step_failed(struct errand *errand, const struct error *failure, const char *phase)
{
	struct entity_run *run = errand->run;
	struct error err = *failure;

	snprintf(err.entity, sizeof(err.entity), "%s", name_of(run));
	snprintf(err.phase, sizeof(err.phase), "%s", phase);
	recovery_lane_failed(errand->lane, &err);
	recovery_step_failed(run, &err);
}

static void filled(struct errand *errand, int64_t rows)
{
	struct entity_run *run = errand->run;
	struct pace_limits limits = entity_run_limits(run);

	recovery_succeeded(run, run->retry.attempts);
	if (run->fill_isolates) {
		run->fill_isolates = false;
		return;
	}
	pace_measured(&run->fill_pace, &limits, rows, 0, clock_monotonic_ms() - errand->started_ms);
	if (rows == 0)
		run->fill_alternative++;
}

static void on_filled(void *arg, const struct pg_answer *answer)
{
	struct errand *errand = arg;
	struct entity_run *run = errand->run;

	fault_point("fill.committed");
	if (answer->error != NULL && answer->error->kind == ERROR_DATA && !run->fill_isolates)
		run->fill_isolates = true;
	else if (answer->error != NULL)
		step_failed(errand, answer->error, "fill");
	else
		filled(errand, atoll(PQcmdTuples(answer->results[answer->count - 1])));
	errand_over(errand);
}

static bool offer_fill(struct entity_run *run, struct lane *lane)
{
	const struct written_column *written = column_to_fill(run);
	struct pace_limits limits = entity_run_limits(run);
	struct batch_place place = place_of(run->session);
	_cleanup_free_ char *sql = NULL;

	if (run->active > 0)
		return false;
	if (written == NULL) {
		schedule_set_state(run, ENTITY_FILLED, NULL);
		schedule_advance(run->session);
		return false;
	}
	sql = fill_sql(run->session->binding, run->bound, written, run->fill_alternative, &place,
		       pace_size(&run->fill_pace, &limits), run->fill_isolates);
	pg_submit(lane_target(lane), sql, 0, NULL, on_filled, errand_new(run, lane));
	fault_point("fill.sent");
	return true;
}

/* --- bulk mode ------------------------------------------------------------------------------------ */

static void on_set_aside(void *arg, const struct error *failure)
{
	struct errand *errand = arg;
	struct entity_run *run = errand->run;

	if (failure != NULL) {
		step_failed(errand, failure, "set aside");
	} else if (run->state == ENTITY_SETTING_ASIDE) {
		recovery_succeeded(run, run->retry.attempts);
		run->bulk_settled = true;
		schedule_set_state(run, ENTITY_MOVING, NULL);
	}
	errand_over(errand);
}

static void on_put_back(void *arg, const struct error *failure)
{
	struct errand *errand = arg;
	struct entity_run *run = errand->run;

	if (failure != NULL) {
		step_failed(errand, failure, "rebuild");
	} else if (run->state == ENTITY_REBUILDING) {
		recovery_succeeded(run, run->retry.attempts);
		say_rebuilding(run);
	}
	errand_over(errand);
}

static bool offer_setting_aside(struct entity_run *run, struct lane *lane)
{
	if (run->active > 0)
		return false;
	bulk_begin(run, lane, on_set_aside, errand_new(run, lane));
	return true;
}

static bool offer_rebuilding(struct entity_run *run, struct lane *lane)
{
	if (run->aside == 0 || run->active >= run->rebuilding_most)
		return false;
	bulk_put_back(run, lane, on_put_back, errand_new(run, lane));
	return true;
}

/* --- checks before and after -------------------------------------------------------------------- */

/* Its references lead to what these have yet to bring or to take away. */
static bool parents_have_batches(const struct entity_run *run)
{
	const struct session *session = run->session;

	for (size_t i = 0; i < session->run_count; i++)
		if (session->runs[i].state < ENTITY_CHECKING_AFTER &&
		    entity_refers_to(run->bound->entity, session->runs[i].bound->entity))
			return true;
	return false;
}

static void checked(struct entity_run *run, bool stops)
{
	bool before = run->state == ENTITY_CHECKING_BEFORE;

	recovery_succeeded(run, run->retry.attempts);
	run->checked_before |= before;
	if (stops)
		schedule_fail_entity(run,
				     before ? "it differed before its rows were carried "
					      "(validate_stop)"
					    : "it differs after its rows were carried "
					      "(validate_stop)",
				     NULL);
	else
		schedule_set_state(run, before ? ENTITY_PENDING : ENTITY_COMPLETED, NULL);
}

static void on_checked(void *arg, bool stops, const struct error *failure)
{
	struct errand *errand = arg;
	struct entity_run *run = errand->run;

	if (failure != NULL && failure->kind != ERROR_CANCELLED)
		step_failed(errand, failure, "check");
	else if (failure == NULL && entity_run_is_checked(run))
		checked(run, stops);
	errand_over(errand);
}

static bool offer_check(struct entity_run *run, struct lane *lane)
{
	bool before = run->state == ENTITY_CHECKING_BEFORE;

	if (run->active > 0 || (!before && parents_have_batches(run)))
		return false;
	validation_step_start(run, lane, before ? VALIDATE_BEFORE : VALIDATE_AFTER, on_checked,
			      errand_new(run, lane));
	return true;
}

/* --- which of them ------------------------------------------------------------------------------ */

/* Rows whose parents come with other rows of the same entity come one batch after the other, and so do rows go that refer to
   each other. */
static bool goes_alone(const struct entity_run *run)
{
	const struct entity *entity = run->bound->entity;

	return run->alone || run->bound->kin || run->goes_alone ||
	       (run->state == ENTITY_DELETING && entity_refers_to(entity, entity));
}

static bool offer(struct entity_run *run, struct lane *lane)
{
	if (run->paused || entity_run_waits(run) || (goes_alone(run) && run->active > 0))
		return false;
	if (session_is_rollback(run->session))
		return rollback_offer(run, lane);
	switch (run->state) {
	case ENTITY_CHECKING_BEFORE:
	case ENTITY_CHECKING_AFTER:
		return offer_check(run, lane);
	case ENTITY_SETTING_ASIDE:
		return offer_setting_aside(run, lane);
	case ENTITY_MOVING:
		return offer_batch(run, lane, false);
	case ENTITY_REBUILDING:
		return offer_rebuilding(run, lane);
	case ENTITY_FILLING:
		return offer_fill(run, lane);
	case ENTITY_DELETING:
		return offer_batch(run, lane, true);
	default:
		return false;
	}
}

static size_t entities_active(const struct session *session)
{
	size_t count = 0;

	for (size_t i = 0; i < session->run_count; i++)
		count += session->runs[i].active > 0;
	return count;
}

/* Gives the lane to the first entity that has something to do. A further one only begins while fewer than
   max_concurrent_entities have batches under way. */
static bool offer_to_any(struct session *session, struct lane *lane)
{
	int64_t most = session->means.settings->max_concurrent_entities;
	bool may_begin = (int64_t)entities_active(session) < most;

	for (size_t i = 0; i < session->run_count; i++)
		if ((may_begin || session->runs[i].active > 0) && offer(&session->runs[i], lane))
			return true;
	return false;
}

void session_offer(struct session *session, struct lane *lane)
{
	bool held = session->hold != HOLD_NONE;

	if (!held && session->phase == SESSION_DETECTING && session->detection != NULL)
		detection_offer(session->detection, lane);
	if (session->phase != SESSION_RUNNING || session->cancelled)
		return;
	if (held && !recovery_may_probe(session))
		return;
	if (offer_to_any(session, lane) && held)
		recovery_probe(session, PROBING_BATCH);
}

/* A pause is over. Before it runs, and at its end, the session has but one thing to try again: where it stands. */
static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;

	(void)fd;
	(void)what;
	if (session->phase == SESSION_RUNNING) {
		schedule_advance(session);
		return;
	}
	if (recovery_renews_connection(session))
		return; /* session_store_ready() follows */
	session_store_ready(session);
}

void schedule_init(struct session *session)
{
	session->retry = event_new(session->means.base, -1, 0, on_retry, session);
}

void schedule_done(struct session *session)
{
	event_free(session->retry);
}
