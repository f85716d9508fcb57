/*
 * Observing: a pair of connections for those who only look (analyze, check, plan), apart from the lanes that a session uses.
 */
#ifndef DAEMON_RUN_OBSERVE_H
#define DAEMON_RUN_OBSERVE_H

#include <event2/event.h>

#include "catalog/binding.h"
#include "run/connect.h"
#include "run/lane.h"

struct observatory;

/* The settings' strings and the set are borrowed. */
struct observatory *observatory_new(struct event_base *base, const struct entity_set *set,
				    const struct connect_settings *settings);
/* The same for another set and settings, while nobody has the lane; those who wait go on waiting. */
void observatory_renew(struct observatory *observatory, const struct entity_set *set,
		       const struct connect_settings *settings);

/* Has somebody the lane? Nobody gets it while it is held. */
bool observatory_is_busy(const struct observatory *observatory);
void observatory_hold(struct observatory *observatory, bool hold);
void observatory_free(struct observatory *observatory);

/* Gives the lane, with a fresh binding, when it is free; or an error. Who gets it ends with observe_done(). */
typedef void observe_on_ready(void *arg, struct lane *lane, const struct binding *binding,
			      const struct error *err);
void observe(struct observatory *observatory, observe_on_ready *on_ready, void *arg);
void observe_done(struct observatory *observatory, struct lane *lane);

#endif
