/*
 * Handlers that look at the daemon from memory, and at the history of sessions: Status, Watch, List, Plan.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "control/frame.h"
#include "control/handler.h"
#include "sql_store.h"

#define WATCH_INTERVAL_MS 500
#define WATCH_INTERVAL_MIN_MS 50
#define WATCH_INTERVAL_MAX_MS 60000
#define LIST_LIMIT 20
#define LIST_LIMIT_MAX 1000

/* --- Status ------------------------------------------------------------------------------------ */

void handle_status(void *arg, struct control_call *call)
{
	static const struct json_field none[] = { { .key = NULL } };

	if (handler_decode(call, none, NULL))
		control_call_reply(call, frame_describe(arg));
}

/* --- Watch ------------------------------------------------------------------------------------- */

struct watch {
	struct handlers *handlers;
	struct control_call *call;
	struct engine_subscriber *subscriber;
	struct event *timer;
	char session
		[UUID_TEXT_SIZE]; /* the one that is watched; "" before there is one, with follow */
	bool follow;
	int64_t interval_ms;
	bool armed;
};

static void watch_free(struct watch *watch)
{
	engine_unsubscribe(watch->handlers->engine, watch->subscriber);
	event_free(watch->timer);
	free(watch);
}

static void on_watcher_gone(void *arg)
{
	watch_free(arg);
}

static bool is_over(const struct watch *watch, const struct session *session)
{
	if (watch->follow)
		return false;
	return session == NULL || session->phase == SESSION_ENDED ||
	       strcmp(session->id, watch->session) != 0;
}

static void arm_watch(struct watch *watch)
{
	struct timeval delay = { .tv_sec = watch->interval_ms / 1000,
				 .tv_usec = watch->interval_ms % 1000 * 1000 };

	if (!watch->armed)
		event_add(watch->timer, &delay);
	watch->armed = true;
}

/* A frame; the last one ends the call. While a session goes, frames come even when nothing happens: time passes. */
static void on_watch_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	const struct session *session = engine_session(watch->handlers->engine);
	struct control_call *call = watch->call;

	(void)fd;
	(void)what;
	watch->armed = false;
	if (is_over(watch, session)) {
		const struct handlers *handlers = watch->handlers;

		watch_free(watch);
		control_call_reply(call, frame_describe(handlers));
		return;
	}
	control_call_continue(call, frame_describe(watch->handlers));
	if (session != NULL && session->phase != SESSION_ENDED)
		arm_watch(watch);
}

/* The end of a session is told at once. */
static void on_watched_change(void *arg)
{
	struct watch *watch = arg;
	const struct session *session = engine_session(watch->handlers->engine);

	if (is_over(watch, session))
		event_active(watch->timer, 0, 0);
	else
		arm_watch(watch);
}

struct watch_parameters {
	char *session;
	bool follow;
	int64_t interval_ms;
};

static const struct json_field watch_fields[] = {
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct watch_parameters, session) },
	{ .key = "follow",
	  .type = JSON_FIELD_BOOL,
	  .offset = offsetof(struct watch_parameters, follow) },
	{ .key = "interval_ms",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct watch_parameters, interval_ms),
	  .minimum = WATCH_INTERVAL_MIN_MS,
	  .maximum = WATCH_INTERVAL_MAX_MS },
	{ .key = NULL },
};

static void start_watch(struct handlers *handlers, struct control_call *call,
			const struct session *session, const struct watch_parameters *parameters)
{
	struct watch *watch = memory_new(sizeof(*watch));

	watch->handlers = handlers;
	watch->call = call;
	watch->follow = parameters->follow;
	watch->interval_ms = parameters->interval_ms;
	if (session != NULL)
		snprintf(watch->session, sizeof(watch->session), "%s", session->id);
	watch->timer = event_new(handlers->base, -1, 0, on_watch_timer, watch);
	watch->subscriber = engine_subscribe(handlers->engine, on_watched_change, watch);
	control_call_on_gone(call, on_watcher_gone, watch);
	event_active(watch->timer, 0, 0);
}

void handle_watch(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	const struct session *session = engine_session(handlers->engine);
	struct watch_parameters parameters = { .interval_ms = WATCH_INTERVAL_MS };
	_cleanup_free_ char *asked = NULL;

	if (!handler_decode(call, watch_fields, &parameters)) {
		free(parameters.session);
		return;
	}
	asked = parameters.session;
	if (asked != NULL && (session == NULL || strncmp(session->id, asked, strlen(asked)) != 0)) {
		control_call_error(call, "io.migrated.NoSuchSession",
				   json_pack("{s:s}", "session", asked));
		return;
	}
	if (!control_call_wants_more(call) || (session == NULL && !parameters.follow))
		control_call_reply(call, frame_describe(handlers));
	else
		start_watch(handlers, call, session, &parameters);
}

/* --- List -------------------------------------------------------------------------------------- */

static json_t *time_or_null(int64_t wall_us)
{
	char buffer[CLOCK_RFC3339_SIZE];

	return wall_us > 0 ? json_string(clock_format_rfc3339(buffer, wall_us)) : json_null();
}

static json_t *text_or_null(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? json_null()
						: json_string(PQgetvalue(result, row, column));
}

static json_t *time_value(const PGresult *result, int row, int column)
{
	return time_or_null(strtoll(PQgetvalue(result, row, column), NULL, 10));
}

static json_t *listed_session(const PGresult *result, int row)
{
	int64_t total = strtoll(PQgetvalue(result, row, 8), NULL, 10);
	int64_t done = strtoll(PQgetvalue(result, row, 9), NULL, 10);
	int64_t failed = strtoll(PQgetvalue(result, row, 10), NULL, 10);
	int64_t elapsed = strtoll(PQgetvalue(result, row, 12), NULL, 10);
	bool completed = strcmp(PQgetvalue(result, row, 3), "completed") == 0;

	if (completed || done > total)
		total = done;
	return json_pack(
		"{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
		"s:I, s:I, s:f, s:o, s:o, s:n, s:n, s:n}",
		"session", PQgetvalue(result, row, 0), "analysis", text_or_null(result, row, 1),
		"mode", PQgetvalue(result, row, 2), "state", PQgetvalue(result, row, 3), "hold",
		text_or_null(result, row, 13), "reason", text_or_null(result, row, 4), "created",
		time_value(result, row, 5), "started", time_value(result, row, 6), "finished",
		time_value(result, row, 7), "elapsed_ms", (json_int_t)elapsed, "total",
		(json_int_t)total, "done", (json_int_t)done, "failed", (json_int_t)failed, "parked",
		(json_int_t)strtoll(PQgetvalue(result, row, 11), NULL, 10), "warned",
		(json_int_t)strtoll(PQgetvalue(result, row, 14), NULL, 10), "overwritten",
		(json_int_t)strtoll(PQgetvalue(result, row, 15), NULL, 10), "kept",
		(json_int_t)strtoll(PQgetvalue(result, row, 16), NULL, 10), "held",
		(json_int_t)strtoll(PQgetvalue(result, row, 17), NULL, 10), "differences",
		(json_int_t)strtoll(PQgetvalue(result, row, 18), NULL, 10), "unchecked",
		(json_int_t)strtoll(PQgetvalue(result, row, 19), NULL, 10), "percent",
		total > 0   ? (double)(done * 1000 / total) / 10
		: completed ? 100.0
			    : 0.0,
		"success_rate",
		done > 0 ? json_real((double)((done - failed) * 1000 / done) / 10) : json_null(),
		"rows_per_second",
		elapsed > 0 && done > 0
			? json_real((double)(done * 10000 / (elapsed > 0 ? elapsed : 1)) / 10)
			: json_null(),
		"eta_ms", "phase", "wait");
}

/* Of the session under way memory knows more than the store, which may not take anything just now. */
static json_t *known_session(const struct pending_call *pending, const PGresult *result, int row)
{
	const struct session *session = engine_session(pending->handlers->engine);
	bool is_it = session != NULL && session->phase != SESSION_ENDED &&
		     strcmp(session->id, PQgetvalue(result, row, 0)) == 0;

	return is_it ? session_describe(session) : listed_session(result, row);
}

static void on_listed(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	const PGresult *result = pg_answer_rows(answer);
	json_t *sessions;

	/* No control schema: nothing was ever run. */
	if (answer->error != NULL && strcmp(answer->error->sqlstate, "42P01") != 0 &&
	    strcmp(answer->error->sqlstate, "3F000") != 0) {
		pending_call_fail(pending, answer->error);
		return;
	}
	sessions = json_array();
	for (int row = 0; answer->error == NULL && row < PQntuples(result); row++)
		json_array_append_new(sessions, known_session(pending, result, row));
	pending_call_reply(pending, json_pack("{s:o}", "sessions", sessions));
}

struct list_parameters {
	int64_t limit;
};

static const struct json_field list_fields[] = {
	{ .key = "limit",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct list_parameters, limit),
	  .minimum = 1,
	  .maximum = LIST_LIMIT_MAX },
	{ .key = NULL },
};

void handle_list(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	struct pg_connection *target = engine_target(handlers->engine);
	struct list_parameters parameters = { .limit = LIST_LIMIT };
	_cleanup_free_ char *limit = NULL;

	if (!handler_decode(call, list_fields, &parameters))
		return;
	if (!pg_connection_is_up(target)) {
		handler_fail(call, pg_connection_last_error(target));
		return;
	}
	limit = text_format("%lld", (long long)parameters.limit);
	pg_submit(target, sql_store_session_list, 1, (const char *const[]){ limit }, on_listed,
		  pending_call_new(handlers, call));
}
