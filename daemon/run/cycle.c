/*
 * The machine of cycle.h. Intervals are by the monotonic clock, so that a wall clock that is set neither hastens nor delays them;
 * the window is by the wall clock, which is looked at again every minute.
 */
#include "run/cycle.h"

#include <event2/util.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "config/time_window.h"
#include "detect/quiet.h"
#include "run/engine_internal.h"
#include "run/images.h"
#include "sql_store.h"

/* How soon a cycle begins that is overdue, or was skipped. */
#define SOON_MS 1000

/* The longest that is slept without a look at the wall clock. */
#define LOOK_AT_CLOCK_MS 60000

/* Catalogs are read again after so long, even if nothing has changed. */
#define REBIND_MS (15 * 60 * INT64_C(1000))

/* A sweep that was not completed for all entities is tried again after this part of its interval. */
#define SWEEP_AGAIN_PART 10

enum phase { PHASE_WAITING, PHASE_LOOKING, PHASE_STARTING, PHASE_MIGRATING };

struct cycle_driver {
	struct engine *engine;
	const struct settings *settings;
	struct time_window window;
	struct event *timer;
	struct cycles cycles;

	enum phase phase;
	bool asking; /* a look has yet to be answered, though its cycle may have been put down */
	struct cycle current; /* while it is not waiting */
	int64_t started_ms;   /* monotonic, as all below */
	int64_t due_ms;
	int64_t swept_ms; /* when a cycle swept last; 0: none of this life */
	bool asked_last;  /* the store was asked for the last session */

	struct binding *binding; /* kept from cycle to cycle */
	int64_t bound_ms;
	bool fresh; /* it was made in this cycle */
};

static void migrate(struct cycle_driver *driver, bool sweep);
static void read_catalogs(struct cycle_driver *driver);

const char *cycle_result_name(enum cycle_result result)
{
	static const char *const names[] = {
		[CYCLE_QUIET] = "quiet",
		[CYCLE_MIGRATED] = "migrated",
		[CYCLE_FAILED] = "failed",
		[CYCLE_SKIPPED] = "skipped",
	};

	return names[result];
}

/* --- when -------------------------------------------------------------------------------------- */

static int64_t window_opens_us(const struct cycle_driver *driver, int64_t from_us)
{
	return driver->settings->schedule_window[0] != '\0'
		       ? time_window_next_us(&driver->window, from_us)
		       : from_us;
}

/* Sleeps until it is due, or until the clock is to be looked at again. */
static void sleep_on(struct cycle_driver *driver)
{
	int64_t left = driver->due_ms - clock_monotonic_ms();
	int64_t now_us = clock_wall_us();

	left = left > 0 ? left : 0;
	driver->cycles.next_us = window_opens_us(driver, now_us + left * 1000);
	left = (driver->cycles.next_us - now_us) / 1000;
	if (left > LOOK_AT_CLOCK_MS)
		left = LOOK_AT_CLOCK_MS;
	event_add(driver->timer,
		  &(struct timeval){ .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 });
}

static void due_in(struct cycle_driver *driver, int64_t ms)
{
	driver->due_ms = clock_monotonic_ms() + ms;
	sleep_on(driver);
}

static int64_t jitter_ms(const struct cycle_driver *driver)
{
	uint64_t random;

	evutil_secure_rng_get_bytes(&random, sizeof(random));
	return (int64_t)(random % ((uint64_t)driver->settings->schedule_jitter_ms + 1));
}

static int64_t soon_ms(const struct cycle_driver *driver)
{
	return driver->settings->schedule_every_ms < SOON_MS ? driver->settings->schedule_every_ms
							     : SOON_MS;
}

/* An interval after this one began; one that took longer is followed soon. */
static void schedule_next(struct cycle_driver *driver)
{
	int64_t left = driver->started_ms + driver->settings->schedule_every_ms +
		       jitter_ms(driver) - clock_monotonic_ms();
	int64_t soon = soon_ms(driver);

	due_in(driver, left > soon ? left : soon);
}

/* --- what they came to ------------------------------------------------------------------------- */

static void remember(struct cycle_driver *driver, const struct cycle *cycle)
{
	struct cycles *cycles = &driver->cycles;
	size_t kept = cycles->count < CYCLES_KEPT ? cycles->count : CYCLES_KEPT - 1;

	memmove(&cycles->last[1], &cycles->last[0], kept * sizeof(*cycle));
	cycles->last[0] = *cycle;
	cycles->count = kept + 1;
	engine_changed(driver->engine);
}

/* The same reason again makes no further entry. */
static void skip(struct cycle_driver *driver, const char *reason)
{
	struct cycle *last = &driver->cycles.last[0];
	struct cycle skipped = { .started_us = clock_wall_us(), .result = CYCLE_SKIPPED };

	tally_cycle(&driver->engine->tally, CYCLE_SKIPPED, 0);
	if (driver->cycles.count > 0 && last->result == CYCLE_SKIPPED &&
	    strcmp(last->reason, reason) == 0) {
		last->elapsed_ms = (skipped.started_us - last->started_us) / 1000;
		return;
	}
	log_info("no cycle now: %s", reason);
	snprintf(skipped.reason, sizeof(skipped.reason), "%s", reason);
	remember(driver, &skipped);
}

/* That its session has failed is the session's to say. */
static void tell(const struct cycle *cycle)
{
	const struct log_fields fields = { .session = cycle->session };

	if (cycle->result == CYCLE_FAILED && cycle->session[0] == '\0')
		event_log(EVENT_CYCLE_FAILED, NULL, "cycle failed after %" PRId64 " ms: %s",
			  cycle->elapsed_ms, cycle->reason);
	else
		log_event(LOG_DEBUG, &fields, "cycle %s after %" PRId64 " ms%s%s",
			  cycle_result_name(cycle->result), cycle->elapsed_ms,
			  cycle->reason[0] != '\0' ? ": " : "", cycle->reason);
}

static void finish(struct cycle_driver *driver, enum cycle_result result, const char *reason)
{
	struct cycle *cycle = &driver->current;

	driver->phase = PHASE_WAITING;
	cycle->result = result;
	cycle->elapsed_ms = clock_monotonic_ms() - driver->started_ms;
	snprintf(cycle->reason, sizeof(cycle->reason), "%s", reason != NULL ? reason : "");
	tell(cycle);
	if (result == CYCLE_QUIET)
		driver->cycles.in_step_us = cycle->started_us;
	tally_cycle(&driver->engine->tally, result, cycle->elapsed_ms);
	remember(driver, cycle);
	schedule_next(driver);
	if (result == CYCLE_QUIET)
		images_expire(driver->engine);
}

/* The look is over, so whoever has been asking meanwhile goes on, and goes before. False: somebody has. */
static bool end_look(struct cycle_driver *driver)
{
	driver->phase = PHASE_STARTING;
	if (!request_go_on(driver->engine))
		return true;
	driver->phase = PHASE_WAITING;
	due_in(driver, soon_ms(driver));
	return false;
}

/* --- looking ----------------------------------------------------------------------------------- */

static void forget_binding(struct cycle_driver *driver)
{
	binding_free(driver->binding);
	driver->binding = NULL;
}

static bool anything(const bool *may_have_changed, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (may_have_changed[i])
			return true;
	return false;
}

/* A connection that is lost ends the cycle; anything else may be the mapping's, which is read anew, or a session's to say. */
static void look_failed(struct cycle_driver *driver, const struct error *err)
{
	bool fresh = driver->fresh;

	forget_binding(driver);
	if (engine_down(driver->engine) != NULL || err->kind == ERROR_CONNECTION) {
		cycle_put_down(driver, err->message);
		return;
	}
	log_error(LOG_DEBUG, err);
	if (!fresh)
		read_catalogs(driver);
	else if (end_look(driver))
		migrate(driver, false);
}

/* After a rollback a cycle would bring everything again. */
static void hold_back(struct cycle_driver *driver, const char *why)
{
	if (!end_look(driver))
		return;
	driver->phase = PHASE_WAITING;
	skip(driver, why);
	due_in(driver, soon_ms(driver));
}

static void on_looked(void *arg, const struct quiet_answer *answer, const struct error *err)
{
	struct cycle_driver *driver = arg;

	fault_point("cycle.looked");
	driver->asking = false;
	if (driver->phase != PHASE_LOOKING)
		return; /* it was put down */
	if (err != NULL) {
		look_failed(driver, err);
	} else if (answer->held != NULL) {
		hold_back(driver, answer->held);
	} else if (answer->sweep_is_due ||
		   anything(answer->may_have_changed, driver->binding->set->count)) {
		if (end_look(driver))
			migrate(driver, answer->sweep_is_due);
	} else {
		end_look(driver);
		finish(driver, CYCLE_QUIET, NULL);
	}
}

/* How long ago a sweep must have been for another to be due; 0: none is. */
static int64_t sweep_after_ms(const struct cycle_driver *driver)
{
	int64_t every = driver->settings->schedule_sweep_every_ms;
	int64_t since_ms = clock_monotonic_ms() - driver->swept_ms;

	return driver->swept_ms > 0 && since_ms < every / SWEEP_AGAIN_PART ? 0 : every;
}

static void look(struct cycle_driver *driver)
{
	fault_point("cycle.begun");
	driver->asking = true;
	quiet_look(&(struct quiet_request){ .binding = driver->binding,
					    .source = driver->engine->source,
					    .target = driver->engine->target,
					    .sweep_after_ms = sweep_after_ms(driver),
					    .on_done = on_looked,
					    .arg = driver });
}

static void on_bound(void *arg, struct binding *binding, const struct error *err)
{
	struct cycle_driver *driver = arg;

	if (driver->phase != PHASE_LOOKING) {
		binding_free(binding);
		return;
	}
	if (err != NULL) {
		look_failed(driver, err);
		return;
	}
	driver->binding = binding;
	driver->bound_ms = clock_monotonic_ms();
	look(driver);
}

/* If nothing can be made of the catalogs it is a session's to say: so it is asked first whether there may be one. */
static void on_held(void *arg, const struct pg_answer *answer)
{
	struct cycle_driver *driver = arg;
	struct engine *engine = driver->engine;
	const PGresult *held = pg_answer_rows(answer);

	if (driver->phase != PHASE_LOOKING)
		return; /* it was put down */
	if (answer->error != NULL)
		look_failed(driver, answer->error);
	else if (PQntuples(held) > 0 && !PQgetisnull(held, 0, 0))
		hold_back(driver, PQgetvalue(held, 0, 0));
	else
		binding_make(&engine->config->entities, engine->source, engine->target, on_bound,
			     driver);
}

static void read_catalogs(struct cycle_driver *driver)
{
	forget_binding(driver);
	driver->fresh = true;
	pg_submit(driver->engine->target, sql_store_cycles_held, 0, NULL, on_held, driver);
}

/* --- a session --------------------------------------------------------------------------------- */

static void on_started(void *arg, struct session *session, const struct error *err)
{
	struct cycle_driver *driver = arg;

	if (driver->phase != PHASE_STARTING)
		return;
	if (err != NULL) {
		finish(driver, CYCLE_FAILED, err->message);
		if (err->kind == ERROR_CONNECTION)
			due_in(driver, soon_ms(driver));
		return;
	}
	driver->phase = PHASE_MIGRATING;
	snprintf(driver->current.session, sizeof(driver->current.session), "%s", session->id);
	due_in(driver, driver->settings->schedule_every_ms);
}

/* The catalogs are read for the session, and may be others after it. */
static void migrate(struct cycle_driver *driver, bool sweep)
{
	json_t *options = json_pack("{s:b, s:b, s:s}", "cycle", 1, "fresh", 1, "strategy",
				    sweep ? "sweep" : "watermark");

	forget_binding(driver);
	driver->phase = PHASE_STARTING;
	driver->current.sweep = sweep;
	if (sweep)
		driver->swept_ms = clock_monotonic_ms();
	engine_migrate(driver->engine, options, NULL, on_started, driver);
}

static int64_t changed_rows(const struct session *session)
{
	int64_t changed = 0;

	for (size_t i = 0; i < session->run_count; i++) {
		const struct entity_run *run = &session->runs[i];

		changed += run->whole ? run->counts.inserted + run->counts.updated +
						run->counts.deleted
				      : run->total;
	}
	return changed;
}

/* Did it look at everything itself? Then the target is in step with the moment it began. */
static bool looked_at_all(const struct session *session)
{
	const json_t *options = session->options;

	return strcmp(session->final_state, "completed") == 0 &&
	       (json_is_true(json_object_get(options, "fresh")) ||
		json_is_true(json_object_get(options, "full"))) &&
	       json_array_size(json_object_get(options, "entities")) == 0 &&
	       json_array_size(json_object_get(options, "exclude")) == 0;
}

void cycle_session_over(struct cycle_driver *driver, const struct session *session)
{
	bool completed = strcmp(session->final_state, "completed") == 0;

	if (looked_at_all(session) && session->created_us > driver->cycles.in_step_us)
		driver->cycles.in_step_us = session->created_us;
	if (driver->phase != PHASE_MIGRATING || strcmp(driver->current.session, session->id) != 0)
		return;
	driver->current.changed = changed_rows(session);
	finish(driver, completed ? CYCLE_MIGRATED : CYCLE_FAILED,
	       completed		    ? NULL
	       : session->reason[0] != '\0' ? session->reason
					    : session->final_state);
}

void cycle_put_down(struct cycle_driver *driver, const char *reason)
{
	if (driver->phase == PHASE_WAITING || (driver->phase == PHASE_LOOKING && !end_look(driver)))
		return;
	finish(driver, CYCLE_FAILED, reason);
	due_in(driver, soon_ms(driver));
}

/* --- may it begin? ----------------------------------------------------------------------------- */

enum verdict { GO, WAIT, SKIP };

/* What the engine's states mean for a cycle that is due. */
static enum verdict may_begin(const struct cycle_driver *driver, const char **ret_state,
			      const char **ret_reason)
{
	static const struct {
		const char *state;
		enum verdict verdict;
	} verdicts[] = {
		{ "idle", GO },	      { "detecting", WAIT },   { "running", WAIT },
		{ "stopping", WAIT }, { "starting", WAIT },    { "paused", SKIP },
		{ "standby", SKIP },  { "unavailable", SKIP },
	};
	const struct error *err;
	const struct session *session = engine_session(driver->engine);

	*ret_state = engine_state(driver->engine, &err);
	*ret_reason = err != NULL && err->kind != ERROR_NONE ? err->message
		      : session != NULL			     ? session->reason
							     : "";
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (strcmp(verdicts[i].state, *ret_state) == 0)
			return verdicts[i].verdict;
	return WAIT;
}

static void begin(struct cycle_driver *driver)
{
	int64_t now = clock_monotonic_ms();

	driver->current = (struct cycle){ .started_us = clock_wall_us() };
	driver->started_ms = now;
	driver->cycles.next_us = 0;
	driver->fresh = false;
	if (owner_epoch(driver->engine->owner) == 0) { /* no control schema yet */
		migrate(driver, false);
		return;
	}
	driver->phase = PHASE_LOOKING;
	if (driver->binding == NULL || driver->started_ms - driver->bound_ms >= REBIND_MS)
		read_catalogs(driver);
	else
		look(driver);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct cycle_driver *driver = arg;
	const char *state, *reason;
	enum verdict verdict;

	(void)fd;
	(void)what;
	if (clock_monotonic_ms() < driver->due_ms ||
	    window_opens_us(driver, clock_wall_us()) > clock_wall_us()) {
		sleep_on(driver);
		return;
	}
	verdict = may_begin(driver, &state, &reason);
	if (verdict == SKIP) {
		_cleanup_free_ char *why = text_format("%s%s%s", state,
						       reason[0] != '\0' ? ": " : "", reason);

		skip(driver, why);
	}
	if (verdict == GO && driver->phase == PHASE_WAITING && !driver->asking &&
	    !driver->engine->held_back)
		begin(driver);
	else
		due_in(driver, soon_ms(driver));
}

/* --- the first --------------------------------------------------------------------------------- */

static void on_last_session(void *arg, const struct pg_answer *answer)
{
	struct cycle_driver *driver = arg;
	const PGresult *result = pg_answer_rows(answer);
	int64_t left;

	if (answer->error != NULL) {
		driver->asked_last = false;
		return;
	}
	if (PQgetisnull(result, 0, 0) || driver->phase != PHASE_WAITING)
		return;
	left = driver->settings->schedule_every_ms - strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	if (left < soon_ms(driver))
		left = soon_ms(driver);
	if (clock_monotonic_ms() + left < driver->due_ms)
		due_in(driver, left);
}

void cycle_engine_ready(struct cycle_driver *driver)
{
	if (driver->settings->schedule_every_ms == 0 || driver->asked_last ||
	    owner_epoch(driver->engine->owner) == 0)
		return;
	driver->asked_last = true;
	pg_submit(driver->engine->target, sql_store_last_session_age, 0, NULL, on_last_session,
		  driver);
}

/* --- life -------------------------------------------------------------------------------------- */

struct cycle_driver *cycle_driver_new(struct event_base *base, struct engine *engine)
{
	struct cycle_driver *driver = memory_new(sizeof(*driver));
	const struct settings *settings = &engine->config->settings;
	struct error err;

	driver->engine = engine;
	driver->settings = settings;
	driver->timer = event_new(base, -1, 0, on_timer, driver);
	if (!time_window_parse(settings->schedule_window, settings->schedule_time_zone,
			       &driver->window, &err))
		log_error(LOG_ERR, &err); /* not with settings that were checked */
	return driver;
}

void cycle_driver_start(struct cycle_driver *driver)
{
	if (driver->settings->schedule_every_ms > 0)
		due_in(driver, driver->settings->schedule_every_ms);
}

void cycle_driver_stop(struct cycle_driver *driver)
{
	driver->phase = PHASE_WAITING;
	event_del(driver->timer);
}

void cycle_driver_free(struct cycle_driver *driver)
{
	if (driver == NULL)
		return;
	event_free(driver->timer);
	binding_free(driver->binding);
	free(driver);
}

const struct cycles *cycle_driver_cycles(const struct cycle_driver *driver)
{
	return &driver->cycles;
}

bool cycle_is_looking(const struct cycle_driver *driver)
{
	return driver->phase == PHASE_LOOKING;
}

bool cycle_is_waiting(const struct cycle_driver *driver)
{
	return driver->phase == PHASE_WAITING;
}

void cycle_driver_recall(struct cycle_driver *driver, const struct cycles *cycles)
{
	driver->cycles = *cycles;
	driver->cycles.next_us = 0; /* until the clock is started */
}
