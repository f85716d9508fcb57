/*
 * See hold.h. The time that counts against migration_timeout is kept here, because it stops when the session does.
 */
#include "run/hold.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/breaker.h"
#include "sql_store.h"

/* What the store refused to keep (a full disk, a read-only target) is told to it again after this long. */
#define KEEP_AGAIN_S 5

static const char *const names[] = {
	[HOLD_NONE] = NULL,	    [HOLD_OPERATOR] = "operator",	[HOLD_BREAKER] = "breaker",
	[HOLD_TIMEOUT] = "timeout", [HOLD_ENVIRONMENT] = "environment",
};

const char *hold_name(enum hold_kind kind)
{
	return names[kind];
}

static enum hold_kind kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0)
			return (enum hold_kind)i;
	return HOLD_NONE;
}

/* --- time ---------------------------------------------------------------------------------------- */

static int64_t active_ms(const struct session *session)
{
	int64_t since = session->active_since_ms;

	return session->active_ms + (since > 0 ? clock_monotonic_ms() - since : 0);
}

static void arm_timeout(struct session *session)
{
	int64_t limit = session->means.settings->migration_timeout_ms;
	int64_t left = limit - active_ms(session);
	struct timeval delay = { 0 };

	event_del(session->timeout);
	if (limit == 0 || session->active_since_ms == 0)
		return;
	if (left > 0)
		delay = (struct timeval){ .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };
	event_add(session->timeout, &delay);
}

static void start_time(struct session *session)
{
	session->active_since_ms = clock_monotonic_ms();
	arm_timeout(session);
}

static void stop_time(struct session *session)
{
	session->active_ms = active_ms(session);
	session->active_since_ms = 0;
	arm_timeout(session);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	session_hold(
		arg, HOLD_TIMEOUT,
		"it took longer than migration_timeout; migratectl resume gives it as long again");
}

/* --- what the store knows ------------------------------------------------------------------------ */

static void on_kept(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;

	if (answer->error == NULL)
		return;
	session->unkept = true;
	if (session_will_reconnect(session, answer->error))
		return; /* hold_store_ready() */
	log_error_of(LOG_WARNING, &(struct log_fields){ .session = session->id }, answer->error);
	event_add(session->keep_again, &(struct timeval){ .tv_sec = KEEP_AGAIN_S });
}

static char *dump(const json_t *object)
{
	return object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
}

void hold_keep(struct session *session)
{
	_cleanup_free_ char *active = text_format("%" PRId64, active_ms(session));
	_cleanup_free_ char *steered = dump(session->steered);
	_cleanup_free_ char *breach = dump(session->breach);
	_cleanup_free_ char *approved = dump(session->approved);

	session->means.on_change(session->means.arg);
	if (session->number == 0) /* not in the store yet; kept when it is */
		return;
	session->unkept = false;
	pg_submit(session->means.target, sql_store_session_keep, 9,
		  (const char *const[]){ session->id, hold_name(session->hold),
					 session->reason[0] != '\0' ? session->reason : NULL,
					 session->cancelled ? "t" : "f", steered, breach, approved,
					 active,
					 session->analysis_settled ? session->analysis : NULL },
		  on_kept, session);
}

void hold_store_ready(struct session *session)
{
	if (session->unkept && session->phase < SESSION_ENDING)
		hold_keep(session);
}

static void on_keep_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	hold_store_ready(arg);
}

static json_t *object_of(const PGresult *row, int column)
{
	json_t *object = json_loads(PQgetvalue(row, 0, column), 0, NULL);

	return object != NULL || PQgetisnull(row, 0, column) ? object : json_object();
}

void hold_restore(struct session *session, const PGresult *row)
{
	session->hold = kind_of(PQgetvalue(row, 0, 9));
	session->cancelled = PQgetvalue(row, 0, 10)[0] == 't';
	session->steered = object_of(row, 11);
	session->breach = object_of(row, 12);
	session->approved = object_of(row, 13);
	session->active_ms = strtoll(PQgetvalue(row, 0, 14), NULL, 10);
	if (session->hold != HOLD_ENVIRONMENT)
		return;
	session->hold = HOLD_NONE;
	session->reason[0] = '\0';
	session->unkept = true;
}

/* --- holding and letting go ------------------------------------------------------------------------ */

static void tell_hold(const struct session *session)
{
	static const enum event_kind kinds[] = {
		[HOLD_OPERATOR] = EVENT_SESSION_PAUSED_BY_OPERATOR,
		[HOLD_BREAKER] = EVENT_SESSION_PAUSED_BY_BREAKER,
		[HOLD_TIMEOUT] = EVENT_SESSION_PAUSED_BY_TIMEOUT,
		[HOLD_ENVIRONMENT] = EVENT_SESSION_PAUSED_BY_ENVIRONMENT,
	};

	event_log(kinds[session->hold], &(struct log_fields){ .session = session->id },
		  "session %s paused: %s", session->id, session->reason);
}

static bool may_take_the_place(enum hold_kind kind, enum hold_kind present)
{
	return present == HOLD_NONE || present == HOLD_ENVIRONMENT || kind == present;
}

/* A dry run keeps locks, so it does not wait: what a person would have to approve is said, and done; the rest ends it. */
static void hold_dry(struct session *session, enum hold_kind kind, const char *reason)
{
	struct error err;

	if (kind == HOLD_BREAKER) {
		if (session->remarks == NULL)
			session->remarks = json_array();
		json_array_append_new(session->remarks, json_string(reason));
		breaker_approve(session);
		return;
	}
	error_set(&err, ERROR_ENVIRONMENT, "%s", reason);
	error_context(&err, "a dry run does not wait");
	session_fail(session, &err);
}

void session_hold(struct session *session, enum hold_kind kind, const char *reason)
{
	if (session->means.dry && !session->cancelled && session->phase < SESSION_ENDING) {
		hold_dry(session, kind, reason);
		return;
	}
	if (session->cancelled || session->phase >= SESSION_ENDING ||
	    !may_take_the_place(kind, session->hold) ||
	    (session->hold == kind && strcmp(session->reason, reason) == 0))
		return;
	if (session->hold == HOLD_NONE)
		stop_time(session);
	session->hold = kind;
	snprintf(session->reason, sizeof(session->reason), "%s", reason);
	tell_hold(session);
	hold_keep(session);
}

void session_release(struct session *session, enum event_kind how)
{
	if (session->hold == HOLD_NONE)
		return;
	if (session->hold == HOLD_TIMEOUT)
		session->active_ms = 0;
	if (session->hold == HOLD_BREAKER)
		breaker_approve(session);
	event_log(how, &(struct log_fields){ .session = session->id },
		  how == EVENT_SESSION_RECOVERED ? "session %s goes on by itself"
						 : "session %s goes on",
		  session->id);
	session->hold = HOLD_NONE;
	session->reason[0] = '\0';
	start_time(session);
	session_begin_rates(session);
	hold_keep(session);
	session_proceed(session);
}

/* --- life ------------------------------------------------------------------------------------------ */

void hold_init(struct session *session)
{
	session->timeout = event_new(session->means.base, -1, 0, on_timeout, session);
	session->keep_again = event_new(session->means.base, -1, 0, on_keep_again, session);
}

void hold_begin(struct session *session)
{
	if (session->hold == HOLD_NONE)
		start_time(session);
	hold_store_ready(session);
}

void hold_end(struct session *session)
{
	event_del(session->timeout);
	event_del(session->keep_again);
}

void hold_done(struct session *session)
{
	event_free(session->timeout);
	event_free(session->keep_again);
	json_decref(session->steered);
	json_decref(session->breach);
	json_decref(session->approved);
}
