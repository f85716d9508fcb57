/*
 * Throttling: while a query of the administrator's says more than it may (replication lag, load), no batch and no detection
 * of an entity is begun; what is under way ends.
 *
 * The query is asked on the engine's connection to the target, read-only, as one statement, and within a time of its own,
 * every throttle.every as long as there is work. No number is no permission.
 */
#ifndef DAEMON_RUN_THROTTLE_H
#define DAEMON_RUN_THROTTLE_H

#include <event2/event.h>
#include <stdbool.h>

#include "config/settings.h"
#include "postgres/connection.h"

struct throttle;

struct throttle_means {
	const struct settings *settings;
	struct pg_connection *target;
	bool (*is_wanted)(void *arg); /* is there work that it could hold up? */
	void (*on_change)(void *arg); /* it is throttled, or no longer, or for another reason */
	void (*on_free)(void *arg);   /* work may be begun again */
	void *arg;
};

struct throttle *throttle_new(struct event_base *base, const struct throttle_means *means);
void throttle_free(
	struct throttle *throttle); /* before the connection is closed; NULL is allowed */

/* May work be begun now? If not, on_free is called when it may. */
bool throttle_may_begin(struct throttle *throttle);

/* The query, its limit or its interval is another: it is asked at once. */
void throttle_settings_changed(struct throttle *throttle);

/* Why it may not, for people; NULL: it may. */
const char *throttle_reason(const struct throttle *throttle);

#endif
