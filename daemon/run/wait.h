/*
 * Why nobody can say how long a session, or an entity's part of it, will still take: what it waits for, or does instead of carrying
 * rows. It is what people are shown in place of an ETA; the type Wait of io.migrated.varlink.
 */
#ifndef DAEMON_RUN_WAIT_H
#define DAEMON_RUN_WAIT_H

#include <jansson.h>

#include "run/session.h"

/* Rows are due, and none has come for so long, and for several times as long as usual. */
#define WAIT_STALLED_AFTER_MS 10000

/* NULL: it goes on, or is over; the caller owns it. */
json_t *wait_of_session(const struct session *session);
json_t *wait_of_entity(const struct entity_run *run);

/* What it does now: pending, checking, planning, moving, moved, filling, filled, deleting, over. */
const char *wait_stage(const struct entity_run *run);

#endif
