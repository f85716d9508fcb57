/*
 * The quiet look of a cycle: may anything have changed, over all entities at once and without a session?
 *
 * A constant number of round trips, whatever the number of entities: the moment on the source, what is kept on the target, one query
 * on the source that asks for all entities, one update on the target that moves the watermarks of the quiet ones on. "May have
 * changed" may be true although nothing has; it is false only when the entity's watermark, read now, would find nothing.
 * Deletions are no watermark's business: cycles that sweep do not need to look.
 */
#ifndef DAEMON_DETECT_QUIET_H
#define DAEMON_DETECT_QUIET_H

#include "catalog/binding.h"

/* `may_have_changed` has as many members as the set has entities, in its order; it is borrowed for the callback and NULL when
   there is an error: then nothing is known, and nothing was moved on. */
typedef void quiet_on_done(void *arg, const bool *may_have_changed, const struct error *err);

/* Looks, and calls on_done exactly once, from the loop (also with ERROR_CANCELLED from within pg_connection_close()). Queries wait
   their turn on both connections, which must not be in a transaction. The binding must outlive the look. An entity that is not
   usable has not changed: a session could do nothing for it. */
void quiet_look(const struct binding *binding, struct pg_connection *source,
		struct pg_connection *target, quiet_on_done *on_done, void *arg);

#endif
