/*
 * See recovery.h. What a failure asks for stands in one table; how each of these is done, below it, in the same order.
 */
#include "run/recovery.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/hold.h"
#include "run/plan.h"
#include "run/schedule.h"
#include "run/tally.h"
#include "store/store.h"

#define READ_ONLY "25006"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 30000

/* --- the table ----------------------------------------------------------------------------------- */

/* The first row whose kind is the error's, and whose prefix begins its SQLSTATE. Kinds are what postgres/errors.c makes of
   SQLSTATEs. */
static const struct {
	enum error_kind kind;
	const char *prefix;
	enum recovery_action action;
} table[] = {
	{ ERROR_CONNECTION, "", RECOVERY_RECONNECT },
	{ ERROR_BUSY, "", RECOVERY_BACK_OFF },
	{ ERROR_TRANSIENT, "", RECOVERY_RETRY },
	{ ERROR_INTERNAL, "55006", RECOVERY_RETRY }, /* somebody uses it just now */
	{ ERROR_PROTOCOL, "", RECOVERY_RETRY },	     /* a COPY that brought too little */
	{ ERROR_CANCELLED, "", RECOVERY_HALVE },     /* statement_timeout */
	{ ERROR_ENVIRONMENT, "", RECOVERY_HOLD_SESSION },
	{ ERROR_DENIED, "", RECOVERY_HOLD_SESSION },
	{ ERROR_INTERNAL, "XX", RECOVERY_STOP_SESSION },
	{ ERROR_INTERNAL, STORE_TAKEN_OVER, RECOVERY_PUT_DOWN },
	{ ERROR_INTERNAL, "MG002",
	  RECOVERY_STOP_SESSION }, /* claim_batch(): somebody has ended it */
	{ ERROR_STRUCTURE, "", RECOVERY_STOP_ENTITY },
	{ ERROR_DATA, "",
	  RECOVERY_STOP_ENTITY }, /* of what cannot be set aside: a read of the source */
};

enum recovery_action recovery_action(const struct error *err)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].kind == err->kind &&
		    strncmp(err->sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0)
			return table[i].action;
	return RECOVERY_STOP_ENTITY;
}

/* --- waiting ------------------------------------------------------------------------------------- */

int64_t recovery_backoff_ms(int64_t previous_ms, uint32_t random)
{
	int64_t most = previous_ms < BACKOFF_MIN_MS ? BACKOFF_MIN_MS : previous_ms;
	int64_t pause;

	most *= 3;
	pause = BACKOFF_MIN_MS + (int64_t)random % (most - BACKOFF_MIN_MS + 1);
	return pause < BACKOFF_MAX_MS ? pause : BACKOFF_MAX_MS;
}

static void back_off(struct retry *retry)
{
	uint32_t random;

	evutil_secure_rng_get_bytes(&random, sizeof(random));
	retry->pause_ms = recovery_backoff_ms(retry->pause_ms, random);
	retry->not_before_ms = clock_monotonic_ms() + retry->pause_ms;
}

static void wait_for_probe(const struct session *session, struct retry *retry)
{
	retry->not_before_ms = clock_monotonic_ms() + session->means.settings->probe_every_ms;
}

/* The earliest of two times, of which those that are over do not count. */
static int64_t sooner(int64_t earliest, int64_t at, int64_t now)
{
	if (at <= now)
		return earliest;
	return earliest == 0 || at < earliest ? at : earliest;
}

static int64_t next_try_ms(const struct entity_run *run, int64_t now)
{
	int64_t at = sooner(0, run->retry.not_before_ms, now);

	if (at != 0)
		return at;
	for (size_t i = 0; i < run->move_count; i++)
		at = sooner(at, run->moves[i].retry.not_before_ms, now);
	for (size_t i = 0; i < run->delete_count; i++)
		at = sooner(at, run->deletes[i].retry.not_before_ms, now);
	return at;
}

int64_t recovery_retry_at_us(const struct entity_run *run)
{
	int64_t now = clock_monotonic_ms();
	int64_t at = next_try_ms(run, now);

	if (run->session->hold == HOLD_ENVIRONMENT && run->attempts > 0)
		at = sooner(0, run->session->probe_at_ms, now);
	if (entity_run_is_over(run))
		return 0;
	return at > 0 ? clock_wall_us() + (at - now) * 1000 : 0;
}

void recovery_arm(struct session *session)
{
	int64_t now = clock_monotonic_ms();
	int64_t at = sooner(0, session->probe_at_ms, now);
	struct timeval delay;

	for (size_t i = 0; i < session->run_count; i++)
		if (!entity_run_is_over(&session->runs[i]))
			at = sooner(at, next_try_ms(&session->runs[i], now), now);
	if (at == 0) {
		event_del(session->retry);
		return;
	}
	delay.tv_sec = (at - now) / 1000;
	delay.tv_usec = (at - now) % 1000 * 1000;
	event_add(session->retry, &delay);
}

static void forget_pause(struct retry *retry)
{
	retry->not_before_ms = 0;
	retry->pause_ms = 0;
}

void recovery_database_is_back(struct session *session)
{
	for (size_t i = 0; i < session->run_count; i++) {
		struct entity_run *run = &session->runs[i];

		forget_pause(&run->retry);
		for (size_t j = 0; j < run->move_count; j++)
			forget_pause(&run->moves[j].retry);
		for (size_t j = 0; j < run->delete_count; j++)
			forget_pause(&run->deletes[j].retry);
	}
	session->probe_at_ms = 0;
	session_begin_rates(session);
}

/* --- holding the session ------------------------------------------------------------------------- */

/* In two words first, since there is not always room for the server's own. */
static const struct {
	const char *sqlstate;
	const char *words;
} lacks[] = {
	{ "53100", "disk full" },
	{ "53200", "out of memory" },
	{ READ_ONLY, "read-only" },
	{ "42501", "permission denied" },
};

/* Whose it is, as far as the phase of a batch tells. */
static const char *side_of(const struct error *err)
{
	static const struct {
		const char *phase, *side;
	} sides[] = {
		{ "read", " on source" }, { "stage", " on target" }, { "write", " on target" },
		{ "undo", " on target" }, { "fill", " on target" },
	};

	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++)
		if (strcmp(sides[i].phase, err->phase) == 0)
			return sides[i].side;
	return "";
}

/* "disk full on target: could not extend file ..." */
static void say_what_is_lacking(struct error *err)
{
	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++)
		if (strcmp(lacks[i].sqlstate, err->sqlstate) == 0)
			error_context(err, "%s%s", lacks[i].words, side_of(err));
}

void recovery_hold(struct session *session, const struct error *err)
{
	struct error told = *err;

	say_what_is_lacking(&told);
	session->probing = PROBING_NOTHING;
	session->probe_at_ms = clock_monotonic_ms() + session->means.settings->probe_every_ms;
	session->stale |= strcmp(err->sqlstate, READ_ONLY) == 0;
	session_hold(session, HOLD_ENVIRONMENT, told.message);
	recovery_arm(session);
}

/* A connection keeps the default_transaction_read_only that it was made with. */
bool recovery_renews_connection(struct session *session)
{
	if (!session->stale)
		return false;
	session->stale = false;
	lane_pool_renew(session->means.lanes, "it was read-only");
	pg_connection_reset(session->means.target, "it was read-only");
	return true;
}

void recovery_lane_failed(struct lane *lane, const struct error *err)
{
	if (strcmp(err->sqlstate, READ_ONLY) == 0)
		pg_connection_reset(lane_target(lane), "it was read-only");
}

static void release(struct session *session)
{
	session->probing = PROBING_NOTHING;
	session->probe_at_ms = 0;
	session_release(session, EVENT_SESSION_RECOVERED);
	if (recovery_renews_connection(session))
		return; /* what is unkept is kept when it is back */
	schedule_keep_unkept(session);
}

bool recovery_may_probe(const struct session *session)
{
	return session->hold == HOLD_ENVIRONMENT && session->batches_active == 0 &&
	       session->probing == PROBING_NOTHING && session->probe_at_ms <= clock_monotonic_ms();
}

bool recovery_may_plan(const struct session *session)
{
	return session->hold == HOLD_NONE ||
	       (session->planning_held && recovery_may_probe(session));
}

void recovery_probe(struct session *session, enum probing what)
{
	session->probing = what;
}

bool recovery_may_end_later(struct session *session, const struct error *err)
{
	switch (recovery_action(err)) {
	case RECOVERY_STOP_ENTITY:
	case RECOVERY_STOP_SESSION:
	case RECOVERY_PUT_DOWN:
		return false;
	default:
		session->probe_at_ms = clock_monotonic_ms() +
				       session->means.settings->probe_every_ms;
		recovery_arm(session);
		return true;
	}
}

bool session_will_reconnect(const struct session *session, const struct error *err)
{
	return err->kind == ERROR_CONNECTION || err->kind == ERROR_BUSY ||
	       !session->means.is_ready(session->means.arg);
}

void recovery_session_failed(struct session *session, const struct error *err)
{
	if (session_will_reconnect(session, err))
		return;
	if (recovery_action(err) == RECOVERY_PUT_DOWN)
		session_put_down(session);
	else if (recovery_action(err) == RECOVERY_HOLD_SESSION)
		recovery_hold(session, err);
	else
		session_fail(session, err);
}

/* --- halving ------------------------------------------------------------------------------------- */

static unsigned most_attempts(const struct batch_spec *list, size_t count)
{
	unsigned most = 0;

	for (size_t i = 0; i < count; i++)
		if (list[i].retry.attempts > most)
			most = list[i].retry.attempts;
	return most;
}

/* A dry run waits for nobody, as others may wait for it. */
static bool gives_up(struct session *session, const struct error *err)
{
	struct error told;

	if (!session->means.dry)
		return false;
	told = *err;
	error_context(&told, "a dry run does not wait");
	session_fail(session, &told);
	return true;
}

static bool cannot_wait(struct entity_run *run)
{
	struct error err;

	error_set(&err, ERROR_TRANSIENT, "a row of \"%s\" cannot be got through: %s",
		  run->bound->entity->name, run->reason);
	return gives_up(run->session, &err);
}

/* One row that cannot be got through. When nothing else of the entity can either, all of it waits. */
static void hold_single(struct entity_run *run, struct batch_spec *spec)
{
	if (cannot_wait(run)) {
		batch_spec_done(spec);
		return;
	}
	if (run->fruitless >= spec->retry.attempts)
		wait_for_probe(run->session, &run->retry);
	wait_for_probe(run->session, &spec->retry);
	entity_run_put_back(run, spec);
}

static void on_split(struct entity_run *run, struct batch_spec *spec, enum plan_split outcome,
		     const struct error *err)
{
	switch (outcome) {
	case PLAN_SPLIT_DONE:
		break;
	case PLAN_SPLIT_SINGLE:
		hold_single(run, spec);
		break;
	case PLAN_SPLIT_FAILED:
		back_off(&spec->retry);
		entity_run_put_back(run, spec);
		break;
	case PLAN_SPLIT_LOST:
		if (run->session->phase == SESSION_RUNNING && !entity_run_is_over(run))
			schedule_read_again(run, err);
		break;
	}
	schedule_advance(run->session);
}

static void halve(struct entity_run *run, struct batch_spec *spec)
{
	struct pace_limits limits = entity_run_limits(run);

	pace_halve(spec->kind == BATCH_DELETES ? &run->delete_pace : &run->move_pace, &limits);
	run->alone = true;
	plan_split(run, spec, on_split);
}

/* --- a failure, and a success -------------------------------------------------------------------- */

static const char *name_of(const struct entity_run *run)
{
	return run->bound->entity->name;
}

static unsigned attempts_allowed(const struct entity_run *run)
{
	return (unsigned)run->session->means.settings->max_retry_attempts;
}

/* What stops something is not tried again. */
static bool is_tried_again(enum recovery_action action)
{
	return action != RECOVERY_STOP_ENTITY && action != RECOVERY_STOP_SESSION &&
	       action != RECOVERY_PUT_DOWN;
}

static void log_of(const struct entity_run *run, const struct error *err)
{
	log_error_of(LOG_WARNING,
		     &(struct log_fields){ .session = run->session->id, .entity = name_of(run) },
		     err);
}

static void note(struct entity_run *run, const struct error *err, unsigned attempts)
{
	log_of(run, err);
	if (!run->paused)
		snprintf(run->reason, sizeof(run->reason), "%s", err->message);
	run->fruitless++;
	if (is_tried_again(recovery_action(err))) {
		run->retries++;
		tally_retry(run->session->means.tally);
	}
	if (attempts > run->attempts)
		run->attempts = attempts;
	snprintf(run->last_error, sizeof(run->last_error), "%s", err->message);
	snprintf(run->last_sqlstate, sizeof(run->last_sqlstate), "%s", err->sqlstate);
	run->last_error_us = clock_wall_us();
}

static void stop_entity(struct entity_run *run, const struct error *err)
{
	struct error told = *err;

	if (err->phase[0] != '\0')
		error_context(&told, "%s", err->phase);
	schedule_fail_entity(run, told.message, err);
}

/* Somebody has told us to stop, and the server to end what it was doing. */
static bool is_ours(const struct entity_run *run, const struct error *err)
{
	return err->kind == ERROR_CANCELLED &&
	       (run->paused || run->session->hold != HOLD_NONE || run->session->cancelled);
}

void recovery_batch_failed(struct entity_run *run, struct batch_spec *spec, const struct error *err)
{
	enum recovery_action action = recovery_action(err);

	if (run->session->phase != SESSION_RUNNING || entity_run_is_over(run)) {
		log_of(run, err);
		batch_spec_done(spec);
		return;
	}
	if (is_ours(run, err)) {
		entity_run_put_back(run, spec);
		return;
	}
	if (action != RECOVERY_RECONNECT)
		spec->retry.attempts++;
	note(run, err, spec->retry.attempts);
	if (action == RECOVERY_RETRY && spec->retry.attempts > attempts_allowed(run)) {
		if (gives_up(run->session, err)) {
			batch_spec_done(spec);
			return;
		}
		action = RECOVERY_HALVE;
	}
	switch (action) {
	case RECOVERY_BACK_OFF:
	case RECOVERY_RETRY:
		back_off(&spec->retry);
		entity_run_put_back(run, spec);
		break;
	case RECOVERY_HALVE:
		halve(run, spec);
		break;
	case RECOVERY_HOLD_SESSION:
		run->session->planning_held = false;
		recovery_hold(run->session, err);
		entity_run_put_back(run, spec);
		break;
	case RECOVERY_RECONNECT:
		entity_run_put_back(run, spec);
		break;
	case RECOVERY_STOP_ENTITY:
		batch_spec_done(spec);
		stop_entity(run, err);
		break;
	case RECOVERY_STOP_SESSION:
		batch_spec_done(spec);
		session_fail(run->session, err);
		break;
	case RECOVERY_PUT_DOWN:
		batch_spec_done(spec);
		session_put_down(run->session);
		break;
	}
}

/* What is asked of a database at once is made less, until there is nothing to make less of. */
static void take_less(struct entity_run *run)
{
	struct pace_limits limits = entity_run_limits(run);
	struct pace *pace = run->state == ENTITY_DELETING  ? &run->delete_pace
			    : run->state == ENTITY_FILLING ? &run->fill_pace
							   : &run->move_pace;

	if (pace_size(pace, &limits) == 1 && cannot_wait(run))
		return;
	if (pace_size(pace, &limits) == 1)
		wait_for_probe(run->session, &run->retry);
	else
		back_off(&run->retry);
	pace_halve(pace, &limits);
}

bool recovery_step_failed(struct entity_run *run, const struct error *err)
{
	enum recovery_action action = recovery_action(err);

	if (session_will_reconnect(run->session, err))
		action = RECOVERY_RECONNECT;
	if (run->session->phase != SESSION_RUNNING || entity_run_is_over(run)) {
		log_of(run, err);
		return false;
	}
	if (is_ours(run, err))
		return true;
	if (action != RECOVERY_RECONNECT)
		run->retry.attempts++;
	note(run, err, run->retry.attempts);
	if (action == RECOVERY_RETRY && run->retry.attempts > attempts_allowed(run)) {
		if (gives_up(run->session, err))
			return false;
		action = RECOVERY_HALVE;
	}
	switch (action) {
	case RECOVERY_BACK_OFF:
	case RECOVERY_RETRY:
		back_off(&run->retry);
		return true;
	case RECOVERY_HALVE:
		take_less(run);
		return true;
	case RECOVERY_HOLD_SESSION:
		run->session->planning_held = run->state != ENTITY_FILLING &&
					      !entity_run_is_checked(run);
		recovery_hold(run->session, err);
		return true;
	case RECOVERY_RECONNECT:
		return true;
	case RECOVERY_STOP_ENTITY:
		stop_entity(run, err);
		return false;
	case RECOVERY_STOP_SESSION:
		session_fail(run->session, err);
		return false;
	case RECOVERY_PUT_DOWN:
		session_put_down(run->session);
		return false;
	}
	return false;
}

/* Of what has failed and is not done yet, the most attempts; none: all is well again. */
static void refresh(struct entity_run *run)
{
	unsigned moves = most_attempts(run->moves, run->move_count);
	unsigned deletes = most_attempts(run->deletes, run->delete_count);

	run->attempts = moves > deletes ? moves : deletes;
	if (run->attempts == 0 && !run->paused)
		run->reason[0] = '\0';
}

void recovery_succeeded(struct entity_run *run, unsigned attempts)
{
	run->fruitless = 0;
	run->went_on_ms = clock_monotonic_ms();
	run->went_on_us = clock_wall_us();
	run->alone = false;
	run->retry = (struct retry){ 0 };
	if (run->session->probing == PROBING_BATCH)
		release(run->session);
	if (attempts > 0 || run->attempts == 0)
		refresh(run);
}

void recovery_planned(struct entity_run *run)
{
	bool had_failed = run->retry.attempts > 0;

	if (run->state == ENTITY_PLANNING && run->session->probing == PROBING_PLAN)
		release(run->session);
	run->retry = (struct retry){ 0 };
	run->went_on_ms = clock_monotonic_ms();
	run->went_on_us = clock_wall_us();
	if (had_failed || run->attempts == 0)
		refresh(run);
}
