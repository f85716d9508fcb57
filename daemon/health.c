/*
 * See health.h. The engine is looked at four times an interval; it must look stuck each time, and without anything having happened
 * between them.
 */
#include "health.h"

#include <stdlib.h>

#include "base/event.h"
#include "base/notify.h"
#include "common/clock.h"
#include "common/text.h"

#define LOOKS 4 /* an interval */
#define INTERVAL_MS 60000

struct health {
	const struct engine *engine;
	struct event *look;
	int64_t interval_ms;
	int64_t stuck_since_ms; /* 0: it is not */
	uint64_t offers;	/* of lanes, when it was looked at last */
	bool told;
};

static bool is_stuck(struct health *health)
{
	uint64_t offers = engine_offers(health->engine);
	bool quiet = offers == health->offers;

	health->offers = offers;
	return quiet && engine_is_stuck(health->engine);
}

static void tell(struct health *health, int64_t stuck_ms)
{
	const struct session *session = engine_session(health->engine);
	char elapsed[32];

	health->told = true;
	event_log(EVENT_WATCHDOG_UNHEALTHY,
		  &(struct log_fields){ .session = session != NULL ? session->id : NULL },
		  "work is under way, but for %s nothing has happened and nothing is waited for%s",
		  clock_format_elapsed(elapsed, stuck_ms),
		  notify_watchdog_ms() > 0 ? ": the daemon is started again" : "");
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct health *health = arg;
	int64_t now = clock_monotonic_ms();

	(void)fd;
	(void)what;
	if (!is_stuck(health))
		health->stuck_since_ms = 0;
	else if (health->stuck_since_ms == 0)
		health->stuck_since_ms = now;
	if (health->stuck_since_ms == 0 || now - health->stuck_since_ms < health->interval_ms) {
		health->told = false;
		notify_watchdog_feed();
		return;
	}
	if (!health->told)
		tell(health, now - health->stuck_since_ms);
	notify_watchdog_trigger();
}

struct health *health_new(struct event_base *base, const struct engine *engine)
{
	struct health *health = memory_new(sizeof(*health));
	int64_t asked = notify_watchdog_ms();
	int64_t every_ms;

	health->engine = engine;
	health->interval_ms = asked > 0 ? asked : INTERVAL_MS;
	every_ms = health->interval_ms / LOOKS + 1;
	health->look = event_new(base, -1, EV_PERSIST, on_look, health);
	event_add(health->look, &(struct timeval){ .tv_sec = every_ms / 1000,
						   .tv_usec = every_ms % 1000 * 1000 });
	return health;
}

void health_free(struct health *health)
{
	if (health == NULL)
		return;
	event_free(health->look);
	free(health);
}
