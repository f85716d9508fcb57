/*
 * What was asked of a session, carried over to the parts it is about. The asking itself (session_pause() and its like)
 * stands in session.h. Used by session.c.
 */
#ifndef DAEMON_RUN_STEER_H
#define DAEMON_RUN_STEER_H

#include "run/session.h"

/* Does to a part that has just been made what was asked of it before. */
void steer_begin(struct entity_run *run);

/* The session was cancelled: so is every part that is not over. */
void steer_cancel_runs(struct session *session);

#endif
