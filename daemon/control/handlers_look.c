/*
 * Handlers that look at the daemon from memory, and at the history of sessions: Status, List.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "control/frame.h"
#include "control/handler.h"
#include "sql_store.h"

#define LIST_LIMIT 20
#define LIST_LIMIT_MAX 1000

/* --- Status ------------------------------------------------------------------------------------ */

void handle_status(void *arg, struct control_call *call)
{
	static const struct json_field none[] = { { .key = NULL } };

	if (handler_decode(call, none, NULL))
		control_call_reply(call, frame_describe(arg));
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

/* As the store has them; a session under way that is pending or paused in memory only is listed all the same. */
enum list_state {
	LIST_ANY,
	LIST_PENDING,
	LIST_RUNNING,
	LIST_PAUSED,
	LIST_COMPLETED,
	LIST_FAILED,
	LIST_CANCELLED,
};

static const char *const list_states[] = { "all",	"pending", "running",	"paused",
					   "completed", "failed",  "cancelled", NULL };

struct list_parameters {
	int64_t limit;
	enum list_state state;
};

static const struct json_field list_fields[] = {
	{ .key = "limit",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct list_parameters, limit),
	  .minimum = 1,
	  .maximum = LIST_LIMIT_MAX },
	{ .key = "state",
	  .type = JSON_FIELD_CHOICE,
	  .offset = offsetof(struct list_parameters, state),
	  .choices = list_states },
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
	pg_submit(target, sql_store_session_list, 2,
		  (const char *const[]){ limit, parameters.state == LIST_ANY
							? NULL
							: list_states[parameters.state] },
		  on_listed, pending_call_new(handlers, call));
}
