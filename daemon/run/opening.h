/*
 * The parts of a session: which entities take part, and what of each. They come from the session's analysis, are weighed by
 * the breakers and kept in the store; a later life finds them there. Used by session.c.
 */
#ifndef DAEMON_RUN_OPENING_H
#define DAEMON_RUN_OPENING_H

#include "run/session.h"

/* Reads the session's analysis, and goes on from there until the session runs or is held. */
void opening_load(struct session *session);

/* Reads the parts of a session that began in an earlier life. */
void opening_read(struct session *session);

/* Something came between: what was not kept is kept, what was not read is read. */
void opening_again(struct session *session);

void opening_forget(struct session *session);

/* For rollback.c, which knows by itself what takes part: adds a part; keeps all of them, and lets the session run. */
struct entity_run *opening_add_run(struct session *session, const struct bound_entity *bound);
void opening_open(struct session *session);

#endif
