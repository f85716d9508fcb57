/*
 * Lanes: pairs of connections, one to each side, that carry one piece of work at a time.
 *
 * Everything that moves rows or compares them runs on a lane; several lanes are how work overlaps (while one lane's
 * target writes, another's source reads). The pool knows nothing of the work: when a lane is idle and both its connections
 * are ready, it offers the lane to its owner, who takes it or does not.
 */
#ifndef DAEMON_RUN_LANE_H
#define DAEMON_RUN_LANE_H

#include <event2/event.h>
#include <stdbool.h>

#include "postgres/connection.h"

struct lane;
struct lane_pool;

/* Called from the loop for each lane that is idle and ready; the owner may call lane_take(). */
typedef void lane_on_idle(void *arg, struct lane *lane);

struct lane_pool_settings {
	struct pg_connection_settings source; /* strings borrowed for the pool's life */
	struct pg_connection_settings target;
	lane_on_idle *on_idle;
	void *arg;
};

struct lane_pool *lane_pool_new(struct event_base *base, const struct lane_pool_settings *settings);

/* A pool of one lane over two connections of somebody else's, who outlives it and wakes it when they are ready. The lane reserves
   them while it is taken (postgres/transaction.h). */
struct lane_pool *lane_pool_over(struct event_base *base, struct pg_connection *source,
				 struct pg_connection *target, lane_on_idle *on_idle, void *arg);

/* Has up to `count` lanes: the first at once, more whenever all that are there have been taken. Lanes beyond are closed as they
   fall idle. */
void lane_pool_resize(struct lane_pool *pool, size_t count);

/* There is work for so many, or soon will be: as many as may be are opened now, and not only when others have been taken, since a
   connection takes several round trips to make. */
void lane_pool_expect(struct lane_pool *pool, int64_t count);

/* Are lanes ready only when their connections to the source are, too? They are, at first. */
void lane_pool_needs_source(struct lane_pool *pool, bool needs_source);

/* Makes the connections of idle lanes to the target anew, for this reason. */
void lane_pool_renew(struct lane_pool *pool, const char *reason);

/* Offers every idle lane again, soon: there may be work. */
void lane_pool_wake(struct lane_pool *pool);

size_t lane_pool_size(const struct lane_pool *pool); /* as asked for */
size_t lane_pool_busy(const struct lane_pool *pool);
size_t lane_pool_ready(const struct lane_pool *pool); /* idle or busy, with both connections up */

/* Is there one that waits for its connections? */
bool lane_pool_is_opening(const struct lane_pool *pool);

/* What keeps lanes from being ready, or NULL; borrowed. */
const struct error *lane_pool_trouble(const struct lane_pool *pool);
void lane_pool_free(struct lane_pool *pool);

struct pg_connection *lane_source(const struct lane *lane);
struct pg_connection *lane_target(const struct lane *lane);
void lane_take(struct lane *lane);
void lane_release(struct lane *lane); /* idle again; offered from the loop */

#endif
