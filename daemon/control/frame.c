/*
 * See frame.h. The session and its entities are described where they are at home (run/progress.c).
 */
#include "control/frame.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "control/handler.h"

/* --- the daemon ----------------------------------------------------------------------------------- */

static json_int_t resident_kb(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return (json_int_t)pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static json_t *time_or_null(int64_t wall_us)
{
	char buffer[CLOCK_RFC3339_SIZE];

	return wall_us > 0 ? json_string(clock_format_rfc3339(buffer, wall_us)) : json_null();
}

static json_t *string_or_null(const char *string)
{
	return string != NULL && string[0] != '\0' ? json_string(string) : json_null();
}

static json_t *describe_connection(const struct pg_connection *connection)
{
	enum pg_state state = pg_connection_state(connection);
	const struct error *err = pg_connection_last_error(connection);
	bool up = pg_connection_is_up(connection);
	int version = pg_connection_server_version(connection);

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", pg_connection_name(connection),
			 "state", pg_state_name(state), "server_version",
			 version > 0 ? json_integer(version) : json_null(), "away",
			 time_or_null(pg_connection_away_us(connection)), "error",
			 !up && err != NULL && err->kind != ERROR_NONE ? json_string(err->message)
								       : json_null(),
			 "since", time_or_null(pg_connection_since_us(connection)));
}

/* None of ours while another daemon has the control schema. */
static json_t *next_cycle_or_null(const struct engine *engine)
{
	return engine_standby(engine) == NULL ? time_or_null(engine_next_cycle_us(engine))
					      : json_null();
}

static json_t *describe_cycle(const struct cycle *cycle)
{
	return json_pack("{s:o, s:I, s:s, s:b, s:I, s:o, s:o}", "started",
			 time_or_null(cycle->started_us), "elapsed_ms",
			 (json_int_t)cycle->elapsed_ms, "result", cycle_result_name(cycle->result),
			 "sweep", (int)cycle->sweep, "changed", (json_int_t)cycle->changed,
			 "session", string_or_null(cycle->session), "reason",
			 string_or_null(cycle->reason));
}

/* How old what the target has may be. */
static json_t *lag_or_null(const struct cycles *cycles)
{
	int64_t lag_us = clock_wall_us() - cycles->in_step_us;

	return cycles->in_step_us > 0 ? json_integer(lag_us > 0 ? lag_us / 1000 : 0) : json_null();
}

static json_t *describe_cycles(const struct engine *engine)
{
	const struct settings *settings = &engine_config(engine)->settings;
	const struct cycles *cycles = engine_cycles(engine);
	bool windowed = settings->schedule_window[0] != '\0';
	json_t *last = json_array();

	for (size_t i = 0; i < cycles->count; i++)
		json_array_append_new(last, describe_cycle(&cycles->last[i]));
	return json_pack("{s:I, s:o, s:o, s:I, s:o, s:o, s:o}", "every_ms",
			 (json_int_t)settings->schedule_every_ms, "window",
			 string_or_null(settings->schedule_window), "time_zone",
			 windowed ? string_or_null(settings->schedule_time_zone) : json_null(),
			 "sweep_every_ms", (json_int_t)settings->schedule_sweep_every_ms, "next",
			 next_cycle_or_null(engine), "lag_ms", lag_or_null(cycles), "last", last);
}

/* --- the validation under way, or the last one ---------------------------------------------------- */

static bool is_being_looked_at(const struct inspected_entity *entity)
{
	for (size_t i = 0; i < INSPECTION_CHECKS; i++)
		if (entity->checks[i].state == INSPECTED_RUNNING)
			return true;
	return false;
}

struct looked_at {
	int64_t rows, total;
	int64_t checks, over;
	bool total_known;
	const char *entity; /* NULL: none just now */
};

static struct looked_at looked_at_of(const struct validation *validation)
{
	struct looked_at sum = { .total_known = true };

	for (size_t i = 0; i < validation->count; i++) {
		const struct inspected_entity *entity = &validation->entities[i];

		if (is_being_looked_at(entity))
			sum.entity = entity->entity;
		for (size_t j = 0; j < INSPECTION_CHECKS; j++) {
			const struct inspected_check *check = &entity->checks[j];
			bool over = check->state >= INSPECTED_DONE;

			if (!check->wanted)
				continue;
			sum.checks++;
			sum.over += over;
			sum.rows += check->rows;
			sum.total += over || check->rows > check->total ? check->rows
									: check->total;
			sum.total_known &= over || check->total > 0;
		}
	}
	return sum;
}

static json_t *validation_or_null(const struct validation *validation)
{
	struct looked_at sum;

	if (validation == NULL)
		return json_null();
	sum = looked_at_of(validation);
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:b, s:o, s:I, s:I, s:I, s:o, s:I, s:b}",
			 "validation", validation->id, "state", validation->state, "reason",
			 string_or_null(validation->reason), "created",
			 time_or_null(validation->created_us), "finished",
			 time_or_null(validation->finished_us), "repair",
			 (int)json_is_true(json_object_get(validation->options, "repair")),
			 "entity", string_or_null(sum.entity), "checks", (json_int_t)sum.checks,
			 "checks_over", (json_int_t)sum.over, "rows", (json_int_t)sum.rows, "total",
			 sum.total_known ? json_integer(sum.total) : json_null(), "differences",
			 (json_int_t)validation_differences(validation), "complete",
			 (int)!validation_is_incomplete(validation));
}

/* --- all of it ------------------------------------------------------------------------------------- */

json_t *frame_describe(const struct handlers *handlers)
{
	const struct engine *engine = handlers->engine;
	const struct session *session = engine_session(engine);
	const struct error *reason;
	const char *state = engine_state(engine, &reason);
	json_t *frame = json_pack(
		"{s:s, s:i, s:o, s:s, s:o, s:I, s:o, s:[o, o], s:o, s:o, s:o, s:o, s:o}",
		"daemon_version", MIGRATED_VERSION, "pid", (int)getpid(), "started",
		time_or_null(handlers->started_us), "state", state, "reason",
		reason != NULL && reason->kind != ERROR_NONE ? json_string(reason->message)
							     : json_null(),
		"resident_kb", resident_kb(), "next_cycle", next_cycle_or_null(engine),
		"connections", describe_connection(engine_source(engine)),
		describe_connection(engine_target(engine)), "session",
		session != NULL ? session_describe(session) : json_null(), "entities",
		session != NULL ? session_describe_entities(session) : json_array(), "standby",
		string_or_null(engine_standby(engine)), "throttled",
		string_or_null(engine_throttled(engine)), "cycles", describe_cycles(engine));

	json_object_set_new(frame, "validation",
			    validation_or_null(validator_current(engine_validator(engine))));
	json_object_set_new(frame, "set_aside", engine_set_aside(engine));
	return frame;
}
