/*
 * Report: what a session has done, from the control schema alone; verify/report.h makes it.
 */
#include <stdlib.h>

#include "control/handler.h"
#include "control/question.h"
#include "verify/report.h"

static void fail(struct pending_call *pending, const char *session, const struct error *err)
{
	if (pending->call == NULL || session == NULL || err->kind != ERROR_NOT_FOUND) {
		pending_call_fail(pending, err);
		return;
	}
	control_call_error(pending->call, "io.migrated.NoSuchSession",
			   json_pack("{s:s}", "session", session));
	pending->call = NULL;
	pending_call_fail(pending, err);
}

static void on_made(void *arg, json_t *report, const struct error *err)
{
	struct pending_call *pending = arg;
	char *session = pending->state;

	if (err == NULL)
		pending_call_reply(pending, report);
	else
		fail(pending, session, err);
	free(session);
}

void handle_report(void *arg, struct control_call *call)
{
	static const struct json_field fields[] = {
		{ .key = "session", .type = JSON_FIELD_STRING, .offset = 0 },
		{ .key = NULL },
	};
	struct handlers *handlers = arg;
	struct pg_connection *store = engine_target(handlers->engine);
	struct pending_call *pending;
	char *session = NULL;

	if (!handler_decode(call, fields, &session) || !question_session_is_good(call, session)) {
		free(session);
		return;
	}
	if (!pg_connection_is_up(store)) {
		handler_fail(call, pg_connection_last_error(store));
		free(session);
		return;
	}
	pending = pending_call_new(handlers, call);
	pending->state = session;
	report_start(store, session, on_made, pending);
}
