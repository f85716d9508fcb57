/*
 * A session as people see it: the types Session and EntityProgress of io.migrated.varlink, from memory alone.
 */
#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "run/recovery.h"
#include "run/session.h"
#include "run/wait.h"

void session_begin_rates(struct session *session)
{
	int64_t now = clock_monotonic_ms();

	rate_begin(&session->rate, now);
	for (size_t i = 0; i < session->run_count; i++) {
		struct entity_run *run = &session->runs[i];

		run->rate = (struct rate){ 0 };
		if (run->went_on_ms > 0)
			run->went_on_ms = now;
	}
}

const char *session_mode(const struct session *session)
{
	return session->means.dry ? "dry run" : session->mode;
}

const char *session_state(const struct session *session)
{
	if (session->phase == SESSION_ENDED)
		return session->final_state;
	if (session->cancelled)
		return "cancelling"; /* until what is under way has finished */
	if (session->final_state[0] != '\0')
		return "running";
	if (session->hold != HOLD_NONE)
		return "paused";
	return session->phase >= SESSION_OPENING ? "running" : "pending";
}

int64_t session_elapsed_ms(const struct session *session)
{
	if (session->finished_us > 0 && session->started_us > 0)
		return (session->finished_us - session->started_us) / 1000;
	if (session->started_ms == 0)
		return 0;
	return session->elapsed_before_ms + clock_monotonic_ms() - session->started_ms;
}

static json_t *time_or_null(int64_t wall_us)
{
	char buffer[CLOCK_RFC3339_SIZE];

	return wall_us > 0 ? json_string(clock_format_rfc3339(buffer, wall_us)) : json_null();
}

static json_t *string_or_null(const char *string)
{
	return string[0] != '\0' ? json_string(string) : json_null();
}

static int64_t done_of(const struct entity_run *run)
{
	return batch_counts_total(&run->counts);
}

/* What was counted when it was detected may have grown since. */
static int64_t total_of(const struct entity_run *run)
{
	int64_t done = done_of(run);

	if (run->state == ENTITY_COMPLETED || done > run->total)
		return done;
	return run->total;
}

static json_t *rate_or_null(double rate)
{
	return rate > 0 ? json_real(round(rate * 10) / 10) : json_null();
}

/* Only where it means something: rows come steadily, some are left, and nothing is in the way. */
static json_t *eta_or_null(int64_t left, const struct rate *rate, const json_t *wait)
{
	int64_t now = clock_monotonic_ms();

	return left > 0 && json_is_null(wait) && rate_foretells(rate, now)
		       ? json_integer(
				 (json_int_t)((double)left * 1000 / rate_per_second(rate, now)))
		       : json_null();
}

/* Rounded down, and 100 only of what is complete: while it goes on, there may be more than was counted. */
static double percent_of(int64_t done, int64_t total, bool complete)
{
	double percent;

	if (complete || total == 0)
		return complete ? 100 : 0;
	percent = floor((double)done * 1000 / (double)total) / 10;
	return percent < 99.9 ? percent : 99.9;
}

static double run_rate(const struct entity_run *run)
{
	int64_t elapsed = run->finished_ms - run->started_ms;

	if (!entity_run_is_over(run))
		return rate_per_second(&run->rate, clock_monotonic_ms());
	return (double)run->moved_here * 1000 / (double)(elapsed > 0 ? elapsed : 1);
}

static void set_checked(json_t *described, int64_t differences, int64_t unchecked)
{
	json_object_set_new(described, "differences", json_integer((json_int_t)differences));
	json_object_set_new(described, "unchecked", json_integer((json_int_t)unchecked));
}

/* What one asks of an entity that does not go as it should. */
static void set_details(json_t *described, const struct entity_run *run)
{
	json_object_set_new(described, "stage", json_string(wait_stage(run)));
	json_object_set_new(described, "batches", json_integer((json_int_t)run->active));
	json_object_set_new(described, "went_on", time_or_null(run->went_on_us));
	json_object_set_new(described, "retries", json_integer((json_int_t)run->retries));
	json_object_set_new(described, "last_error", string_or_null(run->last_error));
	json_object_set_new(described, "last_sqlstate", string_or_null(run->last_sqlstate));
	json_object_set_new(described, "last_error_at", time_or_null(run->last_error_us));
}

static json_t *describe_entity(const struct entity_run *run)
{
	int64_t total = total_of(run), done = done_of(run);
	struct pace_limits limits = entity_run_limits(run);
	json_t *wait = wait_of_entity(run);
	json_t *described = json_pack(
		"{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:i, "
		"s:o, s:I}",
		"entity", run->bound->entity->name, "level", (json_int_t)run->level, "status",
		entity_run_status(run), "total", (json_int_t)total, "done", (json_int_t)done,
		"inserted", (json_int_t)run->counts.inserted, "updated",
		(json_int_t)run->counts.updated, "deleted", (json_int_t)run->counts.deleted,
		"unchanged", (json_int_t)run->counts.unchanged, "failed",
		(json_int_t)run->counts.failed, "parked", (json_int_t)run->counts.parked, "warned",
		(json_int_t)run->counts.warned, "overwritten", (json_int_t)run->counts.overwritten,
		"kept", (json_int_t)run->counts.kept, "held", (json_int_t)run->counts.held,
		"rows_per_second", run->started_ms > 0 ? rate_or_null(run_rate(run)) : json_null(),
		"eta_ms", eta_or_null(total - done, &run->rate, wait), "reason",
		string_or_null(run->reason), "attempts",
		entity_run_is_over(run) ? 0 : (int)run->attempts, "retry_at",
		time_or_null(recovery_retry_at_us(run)), "batch_size",
		(json_int_t)pace_size(entity_run_pace(run), &limits));

	set_checked(described, run->differences, run->unchecked);
	json_object_set_new(described, "wait", wait);
	json_object_set_new(described, "percent",
			    json_real(percent_of(done, total, run->state == ENTITY_COMPLETED)));
	set_details(described, run);
	return described;
}

json_t *session_describe_entities(const struct session *session)
{
	json_t *array = json_array();

	for (size_t i = 0; i < session->run_count; i++)
		json_array_append_new(array, describe_entity(&session->runs[i]));
	return array;
}

/* Why it stands still. */
static json_t *hold_or_null(const struct session *session)
{
	const char *name = hold_name(session->hold);

	return name != NULL ? json_string(name) : json_null();
}

static bool is_complete(const struct session *session)
{
	return session->phase == SESSION_ENDED && strcmp(session->final_state, "completed") == 0;
}

static const char *phase_of(const struct session *session)
{
	static const char *const names[] = {
		[SESSION_PREPARING] = "preparing", [SESSION_DETECTING] = "detecting",
		[SESSION_OPENING] = "preparing",   [SESSION_RUNNING] = "running",
		[SESSION_ENDING] = "ending",	   [SESSION_ENDED] = "over",
	};

	return names[session->phase];
}

double session_progress(const struct session *session)
{
	int64_t total = 0, done = 0;

	for (size_t i = 0; i < session->run_count; i++) {
		total += total_of(&session->runs[i]);
		done += done_of(&session->runs[i]);
	}
	return percent_of(done, total, is_complete(session)) / 100;
}

/* A session that has no connection to run on says what it is refused. */
static const char *reason_of(const struct session *session)
{
	const struct error *trouble = NULL;

	if (session->reason[0] == '\0' && session->phase <= SESSION_RUNNING &&
	    lane_pool_size(session->means.lanes) > 0 && lane_pool_ready(session->means.lanes) == 0)
		trouble = lane_pool_trouble(session->means.lanes);
	return trouble != NULL ? trouble->message : session->reason;
}

json_t *session_describe(const struct session *session)
{
	int64_t total = 0, done = 0, failed = 0, parked = 0, warned = 0;
	int64_t overwritten = 0, kept = 0, held = 0, differences = 0, unchecked = 0;
	json_t *described;
	json_t *wait = wait_of_session(session);
	bool going = strcmp(session_state(session), "running") == 0;

	for (size_t i = 0; i < session->run_count; i++) {
		total += total_of(&session->runs[i]);
		done += done_of(&session->runs[i]);
		failed += session->runs[i].counts.failed;
		parked += session->runs[i].counts.parked;
		warned += session->runs[i].counts.warned;
		overwritten += session->runs[i].counts.overwritten;
		kept += session->runs[i].counts.kept;
		held += session->runs[i].counts.held;
		differences += session->runs[i].differences;
		unchecked += session->runs[i].unchecked;
	}
	described = json_pack(
		"{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o, "
		"s:o}",
		"session", session->id, "analysis", string_or_null(session->analysis), "mode",
		session_mode(session), "state", session_state(session), "hold",
		hold_or_null(session), "reason", string_or_null(reason_of(session)), "created",
		time_or_null(session->created_us), "started", time_or_null(session->started_us),
		"finished", time_or_null(session->finished_us), "elapsed_ms",
		(json_int_t)session_elapsed_ms(session), "total", (json_int_t)total, "done",
		(json_int_t)done, "failed", (json_int_t)failed, "parked", (json_int_t)parked,
		"warned", (json_int_t)warned, "overwritten", (json_int_t)overwritten, "kept",
		(json_int_t)kept, "held", (json_int_t)held, "percent",
		percent_of(done, total, is_complete(session)), "success_rate",
		done > 0 ? json_real(floor((double)(done - failed) * 1000 / (double)done) / 10)
			 : json_null(),
		"rows_per_second",
		going ? rate_or_null(rate_per_second(&session->rate, clock_monotonic_ms()))
		      : json_null(),
		"eta_ms", eta_or_null(total - done, &session->rate, wait));
	json_object_set_new(described, "phase", json_string(phase_of(session)));
	json_object_set_new(described, "wait", wait);
	set_checked(described, differences, unchecked);
	return described;
}
