/*
 * Why a session stands still, and how it goes on.
 *
 * A held session begins nothing: no detection of an entity, no batch, no step of an entity to its next state. What is
 * under way ends. A hold stands in the store (migrated.session.hold) and survives a restart, but for one of the
 * environment, which is tried again at once; what the store could not be told is told to it as soon as it can be.
 *
 * One hold at a time: what a person must lift stays until it is lifted, and what else is wrong is seen again then.
 */
#ifndef DAEMON_RUN_HOLD_H
#define DAEMON_RUN_HOLD_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/event.h"

enum hold_kind {
	HOLD_NONE,
	HOLD_OPERATOR,	  /* somebody paused it */
	HOLD_BREAKER,	  /* a breaker wants an approval; see breaker.h */
	HOLD_TIMEOUT,	  /* migration_timeout is over */
	HOLD_ENVIRONMENT, /* disk full, read-only, …: goes on by itself */
};

struct session;

/* "operator", "breaker", "timeout", "environment", as the control protocol and the store have it; NULL for HOLD_NONE. */
const char *hold_name(enum hold_kind kind);

/* Holds the session from now on. HOLD_ENVIRONMENT never takes the place of another hold; repeated, it changes the reason.
   Nothing happens to a session that is cancelled, ending or over. */
void session_hold(struct session *session, enum hold_kind kind, const char *reason);

/* Lifts whatever holds it, approves what a breaker asked for, and lets it go on: resumed by a person (EVENT_SESSION_RESUMED), or by
   itself (EVENT_SESSION_RECOVERED). */
void session_release(struct session *session, enum event_kind how);

/* --- for session.c ------------------------------------------------------------------------------- */

void hold_init(struct session *session);
void hold_done(struct session *session);

/* The session has begun to live; its time runs, unless it is held. */
void hold_begin(struct session *session);

/* Its time runs no more. */
void hold_end(struct session *session);

/* What an earlier life kept: columns from hold on of sql_store_session_unfinished. */
void hold_restore(struct session *session, const PGresult *row);

/* Keeps in the store what holds the session and what was asked of it; kept again until it stands there. */
void hold_keep(struct session *session);

/* The store can be reached again. */
void hold_store_ready(struct session *session);

#endif
