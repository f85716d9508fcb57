/*
 * The pool of lanes; see lane.h. Connections reconnect by themselves, so a lane that lost one is merely not ready until
 * it has both again; the work that was on it has had its error by then.
 */
#include "run/lane.h"

#include <stdlib.h>

#include "common/text.h"
#include "postgres/transaction.h"

struct lane {
	struct lane_pool *pool;
	struct pg_connection *source;
	struct pg_connection *target;
	bool busy;
	bool borrowed; /* its connections are not its own */
};

struct lane_pool {
	struct lane_pool_settings settings;
	struct event_base *base;
	struct event *wake;
	bool without_source;
	struct lane **lanes;
	size_t count;
	size_t wanted;
};

static bool is_ready(const struct lane *lane)
{
	return (lane->pool->without_source || pg_connection_is_idle(lane->source)) &&
	       pg_connection_is_idle(lane->target);
}

static void close_lane(struct lane *lane)
{
	if (!lane->borrowed) {
		pg_connection_close(lane->source);
		pg_connection_close(lane->target);
	}
	free(lane);
}

/* Idle lanes beyond what is wanted go; the order of the others stays. */
static void drop_surplus(struct lane_pool *pool)
{
	for (size_t i = pool->count; i-- > 0 && pool->count > pool->wanted;) {
		struct lane *lane = pool->lanes[i];

		if (lane->busy)
			continue;
		for (size_t j = i + 1; j < pool->count; j++)
			pool->lanes[j - 1] = pool->lanes[j];
		pool->count--;
		close_lane(lane);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct lane_pool *pool = arg;

	(void)fd;
	(void)what;
	drop_surplus(pool);
	for (size_t i = 0; i < pool->count; i++)
		if (!pool->lanes[i]->busy && is_ready(pool->lanes[i]))
			pool->settings.on_idle(pool->settings.arg, pool->lanes[i]);
}

void lane_pool_wake(struct lane_pool *pool)
{
	/* Not event_active(): what it wakes may wake again, and timers and sockets come first. */
	event_add(pool->wake, &(struct timeval){ 0 });
}

static void on_state(void *arg, struct pg_connection *connection, enum pg_state state,
		     const struct error *err)
{
	struct lane *lane = arg;

	(void)connection;
	(void)err;
	if (state == PG_READY && !lane->busy)
		lane_pool_wake(lane->pool);
}

struct lane_pool *lane_pool_new(struct event_base *base, const struct lane_pool_settings *settings)
{
	struct lane_pool *pool = memory_new(sizeof(*pool));

	pool->settings = *settings;
	pool->settings.source.comes_and_goes = true;
	pool->settings.target.comes_and_goes = true;
	pool->base = base;
	pool->wake = event_new(base, -1, 0, on_wake, pool);
	return pool;
}

static struct lane *append_lane(struct lane_pool *pool)
{
	struct lane *lane = memory_new(sizeof(*lane));

	lane->pool = pool;
	pool->lanes = memory_grow(pool->lanes, pool->count + 1, sizeof(struct lane *));
	pool->lanes[pool->count++] = lane;
	return lane;
}

struct lane_pool *lane_pool_over(struct event_base *base, struct pg_connection *source,
				 struct pg_connection *target, lane_on_idle *on_idle, void *arg)
{
	struct lane_pool *pool = memory_new(sizeof(*pool));
	struct lane *lane = append_lane(pool);

	pool->settings.on_idle = on_idle;
	pool->settings.arg = arg;
	pool->base = base;
	pool->wake = event_new(base, -1, 0, on_wake, pool);
	pool->wanted = 1;
	lane->source = source;
	lane->target = target;
	lane->borrowed = true;
	return pool;
}

static void add_lane(struct lane_pool *pool)
{
	struct lane *lane = append_lane(pool);

	lane->source = pg_connection_new(pool->base, &pool->settings.source, on_state, lane);
	lane->target = pg_connection_new(pool->base, &pool->settings.target, on_state, lane);
	pg_connection_open(lane->source);
	pg_connection_open(lane->target);
}

/* Twice as many as there are, since all of them have work; most sessions of a day have less than there may be lanes. */
static void open_more(struct lane_pool *pool)
{
	size_t count = pool->count == 0 ? 1 : 2 * pool->count;

	while (pool->count < count && pool->count < pool->wanted)
		add_lane(pool);
}

void lane_pool_expect(struct lane_pool *pool, int64_t count)
{
	while (pool->count < pool->wanted && (int64_t)pool->count < count)
		add_lane(pool);
}

void lane_pool_resize(struct lane_pool *pool, size_t count)
{
	pool->wanted = count;
	if (lane_pool_busy(pool) == pool->count)
		open_more(pool);
	lane_pool_wake(pool);
}

void lane_pool_renew(struct lane_pool *pool, const char *reason)
{
	for (size_t i = 0; i < pool->count; i++)
		if (!pool->lanes[i]->busy && pg_connection_is_up(pool->lanes[i]->target))
			pg_connection_reset(pool->lanes[i]->target, reason);
}

size_t lane_pool_size(const struct lane_pool *pool)
{
	return pool->wanted;
}

size_t lane_pool_busy(const struct lane_pool *pool)
{
	size_t busy = 0;

	for (size_t i = 0; i < pool->count; i++)
		busy += pool->lanes[i]->busy;
	return busy;
}

size_t lane_pool_ready(const struct lane_pool *pool)
{
	size_t ready = 0;

	for (size_t i = 0; i < pool->count; i++)
		ready += pool->lanes[i]->busy || is_ready(pool->lanes[i]);
	return ready;
}

bool lane_pool_is_opening(const struct lane_pool *pool)
{
	return lane_pool_ready(pool) < pool->count;
}

void lane_pool_needs_source(struct lane_pool *pool, bool needs_source)
{
	pool->without_source = !needs_source;
	lane_pool_wake(pool);
}

static const struct error *trouble_of(const struct pg_connection *connection)
{
	const struct error *err = pg_connection_last_error(connection);

	if (pg_connection_is_up(connection) || err == NULL || err->kind == ERROR_NONE)
		return NULL;
	return err;
}

const struct error *lane_pool_trouble(const struct lane_pool *pool)
{
	for (size_t i = 0; i < pool->count; i++) {
		const struct error *err = trouble_of(pool->lanes[i]->source);

		if (err == NULL)
			err = trouble_of(pool->lanes[i]->target);
		if (err != NULL)
			return err;
	}
	return NULL;
}

void lane_pool_free(struct lane_pool *pool)
{
	if (pool == NULL)
		return;
	for (size_t i = 0; i < pool->count; i++)
		close_lane(pool->lanes[i]);
	free(pool->lanes);
	event_free(pool->wake);
	free(pool);
}

struct pg_connection *lane_source(const struct lane *lane)
{
	return lane->source;
}

struct pg_connection *lane_target(const struct lane *lane)
{
	return lane->target;
}

void lane_take(struct lane *lane)
{
	lane->busy = true;
	pg_reserve(lane->source);
	pg_reserve(lane->target);
	if (lane_pool_busy(lane->pool) == lane->pool->count)
		open_more(lane->pool);
}

void lane_release(struct lane *lane)
{
	lane->busy = false;
	pg_unreserve(lane->source);
	pg_unreserve(lane->target);
	lane_pool_wake(lane->pool);
}
