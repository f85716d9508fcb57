/*
 * See which_session.h. What is found replaces the parameter, so that handlers see whole ids. Nobody waits for a store that does not
 * answer: the handler is entered then as if nothing had been asked, since a session must be stoppable whatever becomes of the target.
 */
#include "control/which_session.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/uuid.h"
#include "control/handler.h"
#include "sql_store.h"

#define PATIENCE_S 2
#define SHOWN "5" /* of those that begin alike */

/* What the method is about, when no session begins like that. */
enum unknown {
	UNKNOWN_PASSES,	  /* its handler says what there is to say */
	UNKNOWN_IS_ERROR, /* it would list nothing, as if there were nothing */
};

static const struct by_session {
	const char *method;
	enum unknown unknown;
	bool under_way; /* it is about the session under way, or the last one, alone */
} by_session[] = {
	{ "io.migrated.Watch", UNKNOWN_PASSES, true },
	{ "io.migrated.Pause", UNKNOWN_PASSES, true },
	{ "io.migrated.Resume", UNKNOWN_PASSES, true },
	{ "io.migrated.Cancel", UNKNOWN_PASSES, true },
	{ "io.migrated.Report", UNKNOWN_PASSES, false },
	{ "io.migrated.Rollback", UNKNOWN_PASSES, false },
	{ "io.migrated.ListLeft", UNKNOWN_PASSES, false },
	{ "io.migrated.Logs", UNKNOWN_PASSES, false },
	{ "io.migrated.Audit", UNKNOWN_PASSES, false },
	{ "io.migrated.ListDeadLetters", UNKNOWN_IS_ERROR, false },
	{ "io.migrated.RetryDeadLetters", UNKNOWN_IS_ERROR, false },
	{ "io.migrated.DiscardDeadLetters", UNKNOWN_IS_ERROR, false },
	{ "io.migrated.ListConflicts", UNKNOWN_IS_ERROR, false },
};

/* The call that waits for the store. It lives until that has answered, whatever becomes of the call. */
struct inquiry {
	struct handlers *handlers;
	const struct by_session *by_session;
	const struct control_handler *handler;
	struct control_call *call; /* NULL: it is gone, or its handler was entered */
	struct event *patience;
	char asked[UUID_TEXT_SIZE];
};

static void enter(struct inquiry *inquiry)
{
	struct control_call *call = inquiry->call;

	inquiry->call = NULL;
	control_call_on_gone(call, NULL, NULL);
	control_call_enter(call, inquiry->handler, inquiry->handlers);
}

static void refuse(struct inquiry *inquiry, const char *error, json_t *parameters)
{
	struct control_call *call = inquiry->call;

	inquiry->call = NULL;
	control_call_error(call, error, parameters);
}

/* --- what was found ---------------------------------------------------------------------------- */

enum { SESSION, MODE, STATE, CREATED };

static void refuse_ambiguous(struct inquiry *inquiry, const PGresult *found)
{
	json_t *candidates = json_array();

	for (int row = 0; row < PQntuples(found); row++)
		json_array_append_new(candidates,
				      json_pack("{s:s, s:s, s:s, s:s}", "session",
						PQgetvalue(found, row, SESSION), "mode",
						PQgetvalue(found, row, MODE), "state",
						PQgetvalue(found, row, STATE), "created",
						PQgetvalue(found, row, CREATED)));
	refuse(inquiry, "io.migrated.AmbiguousSession",
	       json_pack("{s:s, s:o}", "session", inquiry->asked, "candidates", candidates));
}

static bool is_in_memory(const struct inquiry *inquiry, const char *id)
{
	const struct session *session = engine_session(inquiry->handlers->engine);

	return session != NULL && strcmp(session->id, id) == 0;
}

static void take_the_one(struct inquiry *inquiry, const PGresult *found)
{
	const char *id = PQgetvalue(found, 0, SESSION);
	const char *state = PQgetvalue(found, 0, STATE);
	_cleanup_free_ char *message = NULL;

	if (!inquiry->by_session->under_way || is_in_memory(inquiry, id)) {
		json_object_set_new(control_call_parameters(inquiry->call), "session",
				    json_string(id));
		enter(inquiry);
		return;
	}
	message = text_format("session %.8s is not under way: it is %s", id, state);
	refuse(inquiry, "io.migrated.InvalidState",
	       json_pack("{s:s, s:s, s:s}", "session", id, "state", state, "message", message));
}

static void judge(struct inquiry *inquiry, const PGresult *found)
{
	if (PQntuples(found) > 1)
		refuse_ambiguous(inquiry, found);
	else if (PQntuples(found) == 1)
		take_the_one(inquiry, found);
	else if (inquiry->by_session->unknown == UNKNOWN_IS_ERROR)
		refuse(inquiry, "io.migrated.NoSuchSession",
		       json_pack("{s:s}", "session", inquiry->asked));
	else
		enter(inquiry);
}

/* Without a control schema there is nothing to be mistaken for. */
static void on_answer(void *arg, const struct pg_answer *answer)
{
	struct inquiry *inquiry = arg;

	if (inquiry->call != NULL && answer->error == NULL)
		judge(inquiry, pg_answer_rows(answer));
	else if (inquiry->call != NULL)
		enter(inquiry);
	event_free(inquiry->patience);
	free(inquiry);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	struct inquiry *inquiry = arg;

	(void)fd;
	(void)what;
	if (inquiry->call != NULL)
		enter(inquiry);
}

static void on_gone(void *arg)
{
	struct inquiry *inquiry = arg;

	inquiry->call = NULL;
}

/* --- asking ------------------------------------------------------------------------------------ */

static const struct by_session *row_of(const char *method)
{
	for (size_t i = 0; i < sizeof(by_session) / sizeof(by_session[0]); i++)
		if (strcmp(by_session[i].method, method) == 0)
			return &by_session[i];
	return NULL;
}

static bool begins_with(const char *id, const char *asked)
{
	return strncmp(id, asked, strlen(asked)) == 0;
}

/* It is a whole id that needs no search, or that of a validation, which is ended like a session. */
static bool is_clear(const struct handlers *handlers, const struct by_session *row,
		     const char *asked)
{
	const struct session *session = engine_session(handlers->engine);
	const struct validation *validation = validator_current(engine_validator(handlers->engine));

	if (uuid_is_valid(asked) &&
	    (!row->under_way || (session != NULL && strcmp(session->id, asked) == 0)))
		return true;
	return row->under_way && validation != NULL && begins_with(validation->id, asked);
}

bool which_session(void *arg, struct control_call *call, const struct control_handler *handler)
{
	struct handlers *handlers = arg;
	struct pg_connection *store = engine_target(handlers->engine);
	const struct by_session *row = row_of(handler->method);
	const char *asked = json_string_value(
		json_object_get(control_call_parameters(call), "session"));
	struct inquiry *inquiry;

	if (row == NULL || asked == NULL || !uuid_is_prefix(asked) ||
	    is_clear(handlers, row, asked) || !pg_connection_is_up(store))
		return false;
	inquiry = memory_new(sizeof(*inquiry));
	*inquiry = (struct inquiry){ .handlers = handlers,
				     .by_session = row,
				     .handler = handler,
				     .call = call };
	memcpy(inquiry->asked, asked, strlen(asked));
	inquiry->patience = evtimer_new(handlers->base, on_patience, inquiry);
	event_add(inquiry->patience, &(struct timeval){ .tv_sec = PATIENCE_S });
	control_call_on_gone(call, on_gone, inquiry);
	control_call_defer(call);
	pg_submit(store, sql_store_session_which, 2, (const char *const[]){ inquiry->asked, SHOWN },
		  on_answer, inquiry);
	return true;
}
