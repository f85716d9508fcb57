/*
 * Feeding systemd's watchdog, as long as the daemon is healthy.
 *
 * Healthy means: the event loop turns, so that the watchdog is fed at all; and an engine that claims to work has something under way that
 * can bring it on, or says why not. What may bring it on is an answer of a database (whose own watch gives it up, postgres/watch.c), a
 * connection being made, or a timer; what says why not is a hold, a throttle, an outage, a pause between attempts. If for a whole
 * interval of the watchdog there is none of that, a wakeup was lost: that is logged, and systemd is asked to start the daemon again, which
 * goes on with the session.
 */
#ifndef DAEMON_HEALTH_H
#define DAEMON_HEALTH_H

#include <event2/event.h>

#include "run/engine.h"

struct health;

/* The engine is borrowed. Without a watchdog (WatchdogSec=) it is only logged that something is wrong. */
struct health *health_new(struct event_base *base, const struct engine *engine);
void health_free(struct health *health);

#endif
