/*
 * See observe.h. One at a time, in the order they came; those who wait while a database cannot be reached are told so.
 */
#include "run/observe.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/text.h"
#include "store/store.h"

/* How long someone who observes waits for a connection that does not come. */
#define PATIENCE_MS 3000
#define LOOK_MS 250

/* Somebody who waits for the observing lane, or has it. */
struct observation {
	struct observatory *observatory;
	observe_on_ready *on_ready;
	void *arg;
	int64_t since_ms;
	struct lane *lane;
	struct observation *next;
};

struct observatory {
	struct event_base *base;
	const struct entity_set *set;
	struct lane_pool *lanes;     /* one */
	struct observation *waiting; /* the first first */
	struct binding *binding;     /* of the observation under way */
	struct event *patience;
	bool held;
};

static struct observation *take_first(struct observatory *observatory)
{
	struct observation *first = observatory->waiting;

	if (first != NULL)
		observatory->waiting = first->next;
	return first;
}

static void tell_ready(struct observation *observation, const struct error *err)
{
	struct lane *lane = observation->lane;
	struct binding *binding = observation->observatory->binding;

	if (err != NULL) {
		binding_free(binding);
		observation->observatory->binding = binding = NULL;
	}
	observation->on_ready(observation->arg, err == NULL ? lane : NULL, binding, err);
	free(observation);
	if (err != NULL)
		lane_release(lane);
}

static void on_checked(void *arg, const struct error *err)
{
	tell_ready(arg, err);
}

static void on_bound(void *arg, struct binding *binding, const struct error *err)
{
	struct observation *observation = arg;

	observation->observatory->binding = binding;
	if (err != NULL)
		tell_ready(observation, err);
	else
		store_check_id_maps(lane_target(observation->lane), binding, on_checked,
				    observation);
}

static void on_idle(void *arg, struct lane *lane)
{
	struct observatory *observatory = arg;
	struct observation *observation = observatory->held ? NULL : take_first(observatory);

	if (observation == NULL)
		return;
	lane_take(lane);
	observation->lane = lane;
	binding_make(observatory->set, lane_source(lane), lane_target(lane), on_bound, observation);
}

static void watch_patience(struct observatory *observatory)
{
	struct timeval soon = { .tv_sec = 0, .tv_usec = LOOK_MS * 1000 };

	if (observatory->waiting != NULL)
		event_add(observatory->patience, &soon);
}

static void give_up(struct observatory *observatory, struct observation *observation)
{
	const struct error *trouble = lane_pool_trouble(observatory->lanes);
	struct error err;

	if (trouble != NULL)
		err = *trouble;
	else
		error_set(&err, ERROR_CONNECTION, "a database does not answer");
	err.kind = ERROR_CONNECTION;
	observation->on_ready(observation->arg, NULL, NULL, &err);
	free(observation);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	struct observatory *observatory = arg;
	int64_t now = clock_monotonic_ms();

	(void)fd;
	(void)what;
	while (observatory->waiting != NULL && lane_pool_ready(observatory->lanes) == 0 &&
	       now - observatory->waiting->since_ms > PATIENCE_MS)
		give_up(observatory, take_first(observatory));
	watch_patience(observatory);
}

void observe(struct observatory *observatory, observe_on_ready *on_ready, void *arg)
{
	struct observation *observation = memory_new(sizeof(*observation));
	struct observation **last = &observatory->waiting;

	*observation = (struct observation){ .observatory = observatory,
					     .on_ready = on_ready,
					     .arg = arg,
					     .since_ms = clock_monotonic_ms() };
	while (*last != NULL)
		last = &(*last)->next;
	*last = observation;
	lane_pool_resize(observatory->lanes, 1);
	watch_patience(observatory);
}

void observe_done(struct observatory *observatory, struct lane *lane)
{
	binding_free(observatory->binding);
	observatory->binding = NULL;
	lane_release(lane);
}

static struct lane_pool *make_lane(struct observatory *observatory, struct event_base *base,
				   const struct connect_settings *settings)
{
	return lane_pool_new(base, &(struct lane_pool_settings){
					   .source = *connect_source(settings),
					   .target = *connect_target(settings),
					   .on_idle = on_idle,
					   .arg = observatory,
				   });
}

struct observatory *observatory_new(struct event_base *base, const struct entity_set *set,
				    const struct connect_settings *settings)
{
	struct observatory *observatory = memory_new(sizeof(*observatory));

	observatory->base = base;
	observatory->set = set;
	observatory->patience = event_new(base, -1, 0, on_patience, observatory);
	observatory->lanes = make_lane(observatory, base, settings);
	return observatory;
}

void observatory_renew(struct observatory *observatory, const struct entity_set *set,
		       const struct connect_settings *settings)
{
	lane_pool_free(observatory->lanes);
	observatory->set = set;
	observatory->lanes = make_lane(observatory, observatory->base, settings);
	observatory->held = false;
	if (observatory->waiting != NULL)
		lane_pool_resize(observatory->lanes, 1);
}

bool observatory_is_busy(const struct observatory *observatory)
{
	return lane_pool_busy(observatory->lanes) > 0;
}

void observatory_hold(struct observatory *observatory, bool hold)
{
	observatory->held = hold;
	if (!hold)
		lane_pool_wake(observatory->lanes);
}

void observatory_free(struct observatory *observatory)
{
	lane_pool_free(observatory->lanes);
	binding_free(observatory->binding);
	for (struct observation *waiting; (waiting = take_first(observatory)) != NULL;)
		free(waiting);
	event_free(observatory->patience);
	free(observatory);
}
