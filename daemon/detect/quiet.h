/*
 * The quiet look of a cycle: may anything have changed, over all entities at once and without a session?
 *
 * A constant number of round trips, whatever the number of entities: the moment on the source and, at the same time, what is kept on
 * the target; then, only if any transaction was over since, one query on the source that asks for all entities, and one update on
 * the target that moves the watermarks of the quiet ones on. "May have changed" may be true although nothing has; it is false
 * only when the entity's watermark, read now, would find nothing. Deletions are no watermark's business: when a sweep is due there
 * is no need to look.
 */
#ifndef DAEMON_DETECT_QUIET_H
#define DAEMON_DETECT_QUIET_H

#include "catalog/binding.h"

/* What was seen, borrowed for the callback. */
struct quiet_answer {
	const char *
		held; /* why there are to be no cycles; NULL: they may go on. Nothing further was asked when not */
	bool sweep_is_due;	      /* nothing further was asked */
	const bool *may_have_changed; /* as many as the set has entities, in its order */
};

/* `answer` is NULL when there is an error: then nothing is known, and nothing was moved on. */
typedef void quiet_on_done(void *arg, const struct quiet_answer *answer, const struct error *err);

struct quiet_request {
	const struct binding *binding; /* must outlive the look */
	struct pg_connection *source;
	struct pg_connection *target;
	int64_t sweep_after_ms; /* a hybrid entity that was last swept so long ago is due; 0: none is */
	quiet_on_done *on_done;
	void *arg;
};

/* Looks, and calls on_done exactly once, from the loop (also with ERROR_CANCELLED from within pg_connection_close()). Queries wait
   their turn on both connections, which must not be in a transaction. An entity that is not usable has not changed: a session
   could do nothing for it. */
void quiet_look(const struct quiet_request *request);

#endif
