/*
 * The connection machine: how a link is made, lost and made again.
 *
 * What a new one is told is left to setup.c, how a busy one is watched to watch.c, and what is said
 * on it to its driver (internal.h): query.c or pump.c.
 */
#include "postgres/connection.h"

#include <assert.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "base/deferred.h"
#include "base/event.h"
#include "common/clock.h"
#include "common/text.h"
#include "postgres/errors.h"
#include "postgres/internal.h"

#define REPEAT_LOG_MS INT64_C(60000)

/* --- states ----------------------------------------------------------------------------------- */

#define TO(state) (1u << (state))
#define TO_LOST (TO(PG_WAITING) | TO(PG_DOWN) | TO(PG_CLOSED))

static const struct {
	const char *name;
	unsigned successors;
} states[] = {
	[PG_DOWN] = { "down", TO(PG_CONNECTING) | TO(PG_CLOSED) },
	[PG_WAITING] = { "waiting", TO(PG_CONNECTING) | TO(PG_CLOSED) },
	[PG_CONNECTING] = { "connecting", TO(PG_SETTING_UP) | TO_LOST },
	[PG_SETTING_UP] = { "setting up", TO(PG_READY) | TO_LOST },
	[PG_READY] = { "ready", TO(PG_BUSY) | TO_LOST },
	[PG_BUSY] = { "busy", TO(PG_READY) | TO_LOST },
	[PG_CLOSED] = { "closed", 0 },
};

const char *pg_state_name(enum pg_state state)
{
	return states[state].name;
}

static bool was_up(enum pg_state state)
{
	return state == PG_READY || state == PG_BUSY;
}

/* Those that have a name of their own are to the target. */
const char *pg_database(const struct pg_connection *connection)
{
	return strcmp(connection->settings.name, "source") == 0 ? "source" : "target";
}

static struct log_fields fields_of(const struct pg_connection *connection)
{
	return (struct log_fields){ .database = pg_database(connection) };
}

/* The first failure of a row is told at once, the others once a minute. */
static void log_failure(struct pg_connection *connection, const struct error *err)
{
	struct pg_failures *failures = &connection->failures;
	const struct log_fields fields = fields_of(connection);
	enum event_kind kind = err->kind == ERROR_DENIED ? EVENT_DATABASE_DENIED
							 : EVENT_DATABASE_LOST;
	int64_t now = clock_monotonic_ms();
	char elapsed[32];

	if (failures->count++ == 0) {
		failures->first_ms = failures->logged_ms = now;
		event_log_error(kind, &fields, err);
	} else if (now - failures->logged_ms >= REPEAT_LOG_MS) {
		struct error again = *err;

		failures->logged_ms = now;
		error_context(&again, "%lld attempts in %s", (long long)failures->count,
			      clock_format_elapsed(elapsed, now - failures->first_ms));
		event_log_error(kind, &fields, &again);
	}
}

static void log_ready(struct pg_connection *connection)
{
	const struct log_fields fields = fields_of(connection);
	const char *name = connection->settings.name;
	int version = PQserverVersion(connection->link);
	char elapsed[32];

	if (connection->failures.count > 0)
		event_log(EVENT_DATABASE_BACK, &fields,
			  "%s: connected again after %lld failed attempts in %s", name,
			  (long long)connection->failures.count,
			  clock_format_elapsed(elapsed, clock_monotonic_ms() -
								connection->failures.first_ms));
	else
		log_event(connection->settings.comes_and_goes ? LOG_DEBUG : LOG_INFO, &fields,
			  "%s: connected to PostgreSQL %d.%d", name, version / 10000,
			  version % 10000);
	connection->failures = (struct pg_failures){ 0 };
}

static void log_change(struct pg_connection *connection, enum pg_state before,
		       const struct error *err)
{
	const struct log_fields fields = fields_of(connection);
	enum pg_state state = connection->state;

	if (err && state != PG_CLOSED && was_up(before))
		log_error_of(LOG_INFO, &fields, err);
	else if (err && state != PG_CLOSED)
		log_failure(connection, err);
	else if (state == PG_READY && before == PG_SETTING_UP)
		log_ready(connection);
	else
		log_debug("%s: %s, was %s", connection->settings.name, pg_state_name(state),
			  pg_state_name(before));
}

static void add_timer(struct event *timer, int64_t ms)
{
	struct timeval delay = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(timer, &delay);
}

/* The delay counts from the attempt's beginning: one that took long (nobody said no) has waited
   enough. */
static int64_t rest_of_delay(const struct pg_connection *connection)
{
	int64_t passed = clock_monotonic_ms() - connection->attempt_ms;
	int64_t rest = connection->delay_ms - passed;
	int64_t least = connection->settings.backoff_min_ms;

	return rest > least ? rest : least;
}

static void arm_timer(struct pg_connection *connection)
{
	switch (connection->state) {
	case PG_CONNECTING:
		add_timer(connection->timer, connection->settings.connect_timeout_ms);
		break;
	case PG_SETTING_UP: /* within the deadline of connecting */
		break;
	case PG_WAITING:
		add_timer(connection->timer, rest_of_delay(connection));
		break;
	case PG_DOWN:
	case PG_READY:
	case PG_BUSY:
	case PG_CLOSED:
		event_del(connection->timer);
		break;
	}
}

void pg_set_state(struct pg_connection *connection, enum pg_state state, const struct error *err)
{
	enum pg_state before = connection->state;

	assert(states[before].successors & TO(state));
	connection->state = state;
	if (!((before == PG_READY && state == PG_BUSY) || (before == PG_BUSY && state == PG_READY)))
		connection->since_us = clock_wall_us();
	if (was_up(state) != was_up(before))
		connection->away_us = was_up(state) ? 0 : clock_wall_us();
	if (err)
		connection->last_error = *err;
	else if (state == PG_READY && before == PG_SETTING_UP)
		error_clear(&connection->last_error);
	if (state == PG_READY && before == PG_SETTING_UP) {
		connection->ready_ms = clock_monotonic_ms();
		connection->times_made++;
	}
	log_change(connection, before, err);
	arm_timer(connection);
	if (state == PG_READY && !pg_queue_is_empty(connection))
		event_active(connection->kick, EV_TIMEOUT, 0);
	if (state != PG_CLOSED)
		connection->on_state(connection->arg, connection, state, err);
}

/* --- drivers ---------------------------------------------------------------------------------- */

void pg_hold(struct pg_connection *connection, const struct pg_driver *driver, void *arg)
{
	assert(!connection->driver);
	connection->driver = driver;
	connection->driver_arg = arg;
	pg_watch_begin(connection);
	if (connection->state == PG_READY)
		pg_set_state(connection, PG_BUSY, NULL);
}

void pg_release(struct pg_connection *connection)
{
	connection->driver = NULL;
	if (connection->state != PG_BUSY)
		return;
	if (pg_queue_is_empty(connection))
		pg_set_state(connection, PG_READY, NULL);
	else
		event_active(connection->kick, EV_TIMEOUT, 0);
}

/* --- losing it -------------------------------------------------------------------------------- */

/* The longest delay after this failure. A server that has no connection left is not helped by
   being asked every few seconds; one that is starting up (57P03) says itself when it is ready. */
static int64_t longest_delay(const struct pg_connection *connection, const struct error *err)
{
	if (strcmp(err->sqlstate, "53300") == 0)
		return connection->settings.crowded_max_ms;
	return connection->settings.backoff_max_ms;
}

/* Decorrelated jitter: min(cap, random(base, 3 * previous)). From "Exponential Backoff And
   Jitter", AWS Architecture Blog, 2015. A connection that held longer than the last delay begins
   anew. Who is denied waits until people have done something about it. */
static int64_t next_delay(const struct pg_connection *connection, const struct error *err)
{
	int64_t least = connection->settings.backoff_min_ms;
	int64_t most = longest_delay(connection, err);
	int64_t previous = connection->delay_ms;
	uint32_t random;
	int64_t span, delay;

	if (err->kind == ERROR_DENIED)
		return connection->settings.denied_every_ms;
	if (connection->ready_ms > 0 && clock_monotonic_ms() - connection->ready_ms > previous)
		previous = least;
	if (previous < least)
		previous = least;
	evutil_secure_rng_get_bytes(&random, sizeof random);
	span = previous * 3 - least + 1;
	delay = least + (int64_t)random % (span > 0 ? span : 1);
	return delay < most ? delay : most;
}

void pg_lose(struct pg_connection *connection, const struct error *err)
{
	struct error why = *err;
	const struct pg_driver *driver = connection->driver;
	void *driver_arg = connection->driver_arg;

	pg_remember_backend(connection);
	pg_link_drop(connection);
	connection->within = false;
	if (was_up(connection->state))
		connection->attempt_ms = clock_monotonic_ms();
	connection->delay_ms = next_delay(connection, &why);
	connection->ready_ms = 0;
	pg_queue_fail(connection, &why);
	pg_set_state(connection, connection->settings.reconnect ? PG_WAITING : PG_DOWN, &why);
	if (driver && driver->on_lost)
		driver->on_lost(driver_arg, &why);
	pg_queue_answer(connection);
}

/* What the server said last may not be parsed yet: during a COPY libpq leaves errors alone. */
static void hear_last_words(struct pg_connection *connection)
{
	PGresult *result;

	for (int i = 0; i < 10 && (result = PQgetResult(connection->link)); i++) {
		pg_note_fatal(connection, result);
		PQclear(result);
	}
}

static void lose_dead_link(struct pg_connection *connection)
{
	struct error err;

	hear_last_words(connection);
	if (connection->parting.kind != ERROR_NONE)
		err = connection->parting;
	else
		pg_error_from_link(&err, PQerrorMessage(connection->link));
	error_context(&err, "connection to the %s lost", connection->settings.name);
	pg_lose(connection, &err);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;

	(void)fd;
	(void)what;
	if (connection->link_is_dead)
		lose_dead_link(connection);
	else
		pg_queue_advance(connection);
}

/* --- connecting ------------------------------------------------------------------------------- */

static void fail_to_connect(struct pg_connection *connection)
{
	struct error err;

	pg_error_from_connecting(&err, PQerrorMessage(connection->link));
	if (PQconnectionNeedsPassword(connection->link))
		err.kind = ERROR_DENIED;
	error_context(&err, "cannot connect to the %s", connection->settings.name);
	pg_lose(connection, &err);
}

void pg_setup_done(struct pg_connection *connection, const struct error *err)
{
	struct error told;

	if (!err) {
		pg_set_state(connection, PG_READY, NULL);
		return;
	}
	told = *err;
	error_context(&told, "cannot set up the connection to the %s", connection->settings.name);
	pg_lose(connection, &told);
}

static void set_up(struct pg_connection *connection)
{
	PQsetErrorVerbosity(connection->link, PQERRORS_DEFAULT);
	PQsetnonblocking(connection->link,
			 1); /* fails only when there is output, which there is not */
	pg_read_resume(connection);
	pg_set_state(connection, PG_SETTING_UP, NULL);
	if (connection->state == PG_SETTING_UP)
		pg_setup_start(connection);
}

static void on_connecting(evutil_socket_t fd, short what, void *arg);

/* The socket may be another after every poll (the next host, the next attempt), so the event is
   made anew. */
static void watch_connecting(struct pg_connection *connection, short events)
{
	event_assign(connection->io_event, connection->base, PQsocket(connection->link), events,
		     on_connecting, connection);
	event_add(connection->io_event, NULL);
}

static void go_on_connecting(struct pg_connection *connection, PostgresPollingStatusType wanted)
{
	switch (wanted) {
	case PGRES_POLLING_READING:
		watch_connecting(connection, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		watch_connecting(connection, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		set_up(connection);
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
		fail_to_connect(connection);
		break;
	}
}

static void on_connecting(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;

	(void)fd;
	(void)what;
	go_on_connecting(connection, PQconnectPoll(connection->link));
}

static void start_connecting(struct pg_connection *connection)
{
	struct error err;

	connection->attempt_ms = clock_monotonic_ms();
	pg_set_state(connection, PG_CONNECTING, NULL);
	if (connection->state != PG_CONNECTING)
		return;
	if (!pg_link_start(connection, &err)) {
		pg_lose(connection, &err);
		return;
	}
	if (PQstatus(connection->link) == CONNECTION_BAD)
		fail_to_connect(connection);
	else
		go_on_connecting(connection, PGRES_POLLING_WRITING);
}

static void give_up_connecting(struct pg_connection *connection)
{
	struct error err;

	error_set(&err, ERROR_CONNECTION, "cannot connect to the %s: no answer within %lld ms (%s)",
		  connection->settings.name, (long long)connection->settings.connect_timeout_ms,
		  pg_state_name(connection->state));
	pg_lose(connection, &err);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;

	(void)fd;
	(void)what;
	switch (connection->state) {
	case PG_DOWN:
	case PG_WAITING:
		start_connecting(connection);
		break;
	case PG_CONNECTING:
	case PG_SETTING_UP:
		give_up_connecting(connection);
		break;
	case PG_READY:
	case PG_BUSY:
	case PG_CLOSED:
		break;
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;

	(void)fd;
	(void)what;
	if (connection->state == PG_SETTING_UP)
		pg_setup_tick(connection);
	else if (connection->state == PG_BUSY && !connection->link_is_dead)
		pg_watch_tick(connection);
}

/* --- life ------------------------------------------------------------------------------------- */

static int64_t or_default(int64_t ms, int64_t default_ms)
{
	return ms > 0 ? ms : default_ms;
}

static void complete_settings(struct pg_connection_settings *settings)
{
	settings->connect_timeout_ms = or_default(settings->connect_timeout_ms, 10000);
	settings->backoff_min_ms = or_default(settings->backoff_min_ms, 100);
	settings->backoff_max_ms = or_default(settings->backoff_max_ms, 30000);
	settings->crowded_max_ms = or_default(settings->crowded_max_ms, 30000);
	settings->denied_every_ms = or_default(settings->denied_every_ms, 60000);
}

struct pg_connection *pg_connection_new(struct event_base *base,
					const struct pg_connection_settings *settings,
					pg_on_state *on_state, void *arg)
{
	struct pg_connection *connection = memory_new(sizeof *connection);

	connection->base = base;
	connection->settings = *settings;
	complete_settings(&connection->settings);
	connection->on_state = on_state;
	connection->arg = arg;
	connection->state = PG_DOWN;
	connection->away_us = clock_wall_us();
	connection->io_event = event_new(base, -1, 0, NULL, NULL); /* assigned with every socket */
	connection->timer = evtimer_new(base, on_timer, connection);
	connection->kick = evtimer_new(base, on_kick, connection);
	connection->tick = evtimer_new(base, on_tick, connection);
	TAILQ_INIT(&connection->sent);
	TAILQ_INIT(&connection->queue);
	TAILQ_INIT(&connection->deferred);
	TAILQ_INIT(&connection->finished);
	return connection;
}

void pg_connection_open(struct pg_connection *connection)
{
	if (connection->state == PG_DOWN || connection->state == PG_WAITING)
		event_active(connection->timer, EV_TIMEOUT, 0);
}

static void release_connection(void *object)
{
	struct pg_connection *connection = object;

	pg_queue_done(connection);
	event_free(connection->io_event);
	event_free(connection->timer);
	event_free(connection->kick);
	event_free(connection->tick);
	free(connection);
}

void pg_connection_close(struct pg_connection *connection)
{
	const struct pg_driver *driver;
	struct error err;
	void *driver_arg;

	if (connection && connection->host) {
		deferred_free(connection->host->base, free, connection);
		return;
	}
	if (!connection || connection->state == PG_CLOSED)
		return;
	driver = connection->driver;
	driver_arg = connection->driver_arg;
	error_set(&err, ERROR_CANCELLED, "the connection to the %s was closed",
		  connection->settings.name);
	pg_link_drop(connection);
	event_del(connection->kick);
	pg_queue_fail(connection, &err);
	pg_set_state(connection, PG_CLOSED, &err);
	if (driver && driver->on_lost)
		driver->on_lost(driver_arg, &err);
	pg_queue_answer(connection);
	deferred_free(connection->base, release_connection, connection);
}

void pg_connection_reset(struct pg_connection *of, const char *reason)
{
	struct pg_connection *connection = pg_host(of);
	struct error err;
	bool up = was_up(connection->state);

	if (connection->state == PG_CLOSED)
		return;
	error_set(&err, ERROR_CONNECTION, "connection to the %s given up: %s",
		  connection->settings.name, reason);
	if (connection->state == PG_DOWN || connection->state == PG_WAITING) {
		pg_queue_fail(connection, &err);
		pg_queue_answer(connection);
		return;
	}
	pg_lose(connection, &err);
	if (up && connection->state == PG_WAITING)
		pg_connection_open(connection); /* it was us, not the server: nothing to wait for */
}

/* --- questions -------------------------------------------------------------------------------- */

enum pg_state pg_connection_state(const struct pg_connection *connection)
{
	return pg_host(connection)->state;
}

bool pg_connection_is_up(const struct pg_connection *connection)
{
	return was_up(pg_host(connection)->state);
}

int pg_connection_server_version(const struct pg_connection *connection)
{
	const PGconn *link = pg_host(connection)->link;

	return link ? PQserverVersion(link) : 0;
}

int64_t pg_connection_since_us(const struct pg_connection *connection)
{
	return pg_host(connection)->since_us;
}

int64_t pg_connection_away_us(const struct pg_connection *connection)
{
	return pg_host(connection)->away_us;
}

int64_t pg_connection_times_made(const struct pg_connection *connection)
{
	return pg_host(connection)->times_made;
}

int64_t pg_connection_round_trip_ms(const struct pg_connection *connection)
{
	return pg_host(connection)->round_trip_ms;
}

int pg_connection_backend_pid(const struct pg_connection *connection)
{
	const PGconn *link = pg_host(connection)->link;

	return link ? PQbackendPID(link) : 0;
}

const struct error *pg_connection_last_error(const struct pg_connection *connection)
{
	return &pg_host(connection)->last_error;
}

const char *pg_connection_name(const struct pg_connection *connection)
{
	return pg_host(connection)->settings.name;
}

PGTransactionStatusType pg_connection_transaction(const struct pg_connection *connection)
{
	const PGconn *link = pg_host(connection)->link;

	return link ? PQtransactionStatus(link) : PQTRANS_UNKNOWN;
}
