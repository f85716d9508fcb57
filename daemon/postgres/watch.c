/*
 * Watches a link that is BUSY, once in a while, for two kinds of trouble that no event tells of.
 *
 * A peer that is dead: what was sent is not acknowledged. The kernel would go on sending it for a
 * quarter of an hour; tcp_user_timeout would end it sooner, but with it a peer that does
 * acknowledge and merely has not read for so long (tcp(7)). So the socket is asked (TCP_INFO).
 *
 * A peer that acknowledges and stalls: it is the server's turn to send or to read, and nothing
 * moves. It may well be at work, sorting for minutes before the first row, or waiting for a lock,
 * and its own statement_timeout and lock_timeout decide about that. So a second connection asks it
 * what that backend is doing, before the link is given up.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/event.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "postgres/internal.h"
#include "sql_postgres.h"

#define TICK_MOST_MS INT64_C(1000)
#define TICK_LEAST_MS INT64_C(20)

/* --- the tick ---------------------------------------------------------------------------------- */

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t tick_ms(const struct pg_connection_settings *settings)
{
	int64_t ms = TICK_MOST_MS;

	if (settings->peer_timeout_ms > 0)
		ms = smaller(ms, settings->peer_timeout_ms / 8);
	if (settings->stall_timeout_ms > 0)
		ms = smaller(ms, settings->stall_timeout_ms / 8);
	return ms > TICK_LEAST_MS ? ms : TICK_LEAST_MS;
}

static void arm(struct pg_connection *connection)
{
	int64_t ms = tick_ms(&connection->settings);
	struct timeval delay = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(connection->tick, &delay);
}

/* The timer is left to run out when a query was quick: most are. */
void pg_watch_begin(struct pg_connection *connection)
{
	const struct pg_connection_settings *settings = &connection->settings;
	int64_t now = clock_monotonic_ms();

	connection->acknowledged_ms = now;
	connection->moved_ms = now;
	connection->stall_reason = NULL;
	if (connection->state == PG_SETTING_UP ||
	    (!connection->owes_acknowledgements && settings->stall_timeout_ms == 0))
		return;
	if (!event_pending(connection->tick, EV_TIMEOUT, NULL))
		arm(connection);
}

void pg_watch_moved(struct pg_connection *connection)
{
	connection->moved_ms = clock_monotonic_ms();
	connection->stall_reason = NULL;
}

/* --- a dead peer ------------------------------------------------------------------------------- */

/* Counts from when it was last seen to owe us nothing, or from its last acknowledgement, so it
   errs by a tick at most. */
static bool is_dead(struct pg_connection *connection, int64_t now)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof info;
	int64_t heard;

	if (!connection->owes_acknowledgements ||
	    getsockopt(PQsocket(connection->link), IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
		return false; /* a Unix socket, for one */
	heard = info.tcpi_unacked > 0 || info.tcpi_probes > 0 ? now - info.tcpi_last_ack_recv : now;
	if (heard > connection->acknowledged_ms)
		connection->acknowledged_ms = heard;
	return now - connection->acknowledged_ms >= connection->settings.peer_timeout_ms;
}

static void lose_dead(struct pg_connection *connection, int64_t now)
{
	struct error err;
	char elapsed[32];

	error_set(&err, ERROR_CONNECTION,
		  "connection to the %s lost: it has acknowledged nothing for %s",
		  connection->settings.name,
		  clock_format_elapsed(elapsed, now - connection->acknowledged_ms));
	pg_lose(connection, &err);
}

/* --- a peer that stalls: what its backend is doing --------------------------------------------- */

/* Somebody who asks on behalf of a connection; outlives it if need be. */
struct inquiry {
	struct pg_connection *victim; /* NULL: gone */
	struct pg_connection *side;
	char *conninfo;
	int64_t moved_ms; /* the victim's, when it was asked */
};

static void inquiry_end(struct inquiry *inquiry)
{
	if (inquiry->victim)
		inquiry->victim->inquiry = NULL;
	inquiry->victim = NULL;
	pg_connection_close(inquiry->side);
	free(inquiry->conninfo);
	free(inquiry);
}

static bool equals(const PGresult *rows, int column, const char *value)
{
	return strcmp(PQgetvalue(rows, 0, column), value) == 0;
}

static bool is_overdue(const struct pg_connection_settings *settings, const PGresult *rows)
{
	int64_t elapsed = strtoll(PQgetvalue(rows, 0, 3), NULL, 10);

	return settings->statement_timeout_ms > 0 &&
	       elapsed > 2 * settings->statement_timeout_ms + settings->stall_timeout_ms;
}

/* Why the link is to be given up if still nothing moves; NULL: the backend is at work. A server
   that does not track activities says nothing against it. */
static const char *judge(const struct pg_connection *victim, const PGresult *rows)
{
	if (PQntuples(rows) == 0)
		return "its backend is gone";
	if (equals(rows, 2, "ClientRead") ||
	    strncmp(PQgetvalue(rows, 0, 0), "idle", strlen("idle")) == 0)
		return "the server waits for us, and nothing gets through";
	if (equals(rows, 2, "ClientWrite"))
		return "the server sends, and nothing gets through";
	if (is_overdue(&victim->settings, rows))
		return "the server should have ended the statement long ago";
	return NULL;
}

/* One that is refused for want of a connection, or of the right password, is an answer. */
static const char *judge_silence(const struct error *err)
{
	if (err->kind == ERROR_CONNECTION)
		return "the server answers a second connection neither";
	return NULL;
}

static void on_activity(void *arg, const struct pg_answer *answer)
{
	struct inquiry *inquiry = arg;
	struct pg_connection *victim = inquiry->victim;
	const char *reason;

	if (!victim)
		return; /* it is inquiry_end() that has closed the side connection */
	reason = answer->error ? judge_silence(answer->error)
			       : judge(victim, pg_answer_rows(answer));
	victim->asked_ms = clock_monotonic_ms();
	if (victim->moved_ms == inquiry->moved_ms) {
		victim->stall_reason = reason;
		if (!reason && !answer->error)
			log_event(LOG_INFO, &(struct log_fields){ .database = pg_database(victim) },
				  "%s: nothing has moved for a while, but backend %d is at work",
				  victim->settings.name, victim->backend.pid);
	}
	inquiry_end(inquiry);
}

static void on_side_state(void *arg, struct pg_connection *side, enum pg_state state,
			  const struct error *err)
{
	(void)arg;
	(void)side;
	(void)state;
	(void)err;
}

static bool is_plain(const char *word)
{
	return word && word[0] != '\0' && !strpbrk(word, "'\\ ");
}

/* Of several hosts, the one that the victim is connected to. Later keywords win. */
static char *conninfo_of(const struct pg_connection *victim)
{
	const char *conninfo = victim->settings.conninfo;
	const char *host = PQhost(victim->link);
	const char *address = PQhostaddr(victim->link);
	const char *port = PQport(victim->link);

	if (strstr(conninfo, "://") || !is_plain(host) || !is_plain(address) || !is_plain(port))
		return text_copy(conninfo);
	return text_format("%s host=%s hostaddr=%s port=%s", conninfo, host, address, port);
}

static void ask(struct pg_connection *victim)
{
	struct inquiry *inquiry = memory_new(sizeof *inquiry);
	struct pg_connection_settings settings = victim->settings;
	_cleanup_free_ char *pid = text_format("%d", victim->backend.pid);
	_cleanup_free_ char *start = text_format("%lld", (long long)victim->backend.start_us);
	_cleanup_text_ struct text sql = TEXT_INIT;

	*inquiry = (struct inquiry){ .victim = victim,
				     .conninfo = conninfo_of(victim),
				     .moved_ms = victim->moved_ms };
	settings.conninfo = inquiry->conninfo;
	settings.setup_sql = NULL;
	settings.reconnect = false;
	settings.stall_timeout_ms = 0;
	victim->inquiry = inquiry;
	inquiry->side = pg_connection_new(victim->base, &settings, on_side_state, NULL);
	text_fill(&sql, sql_postgres_activity,
		  (const struct text_hole[]){ { "pid", pid }, { "start", start }, { NULL, NULL } });
	pg_submit(inquiry->side, text_string(&sql), 0, NULL, on_activity, inquiry);
	pg_connection_open(inquiry->side);
}

/* --- a peer that stalls ------------------------------------------------------------------------ */

/* Is it the server's turn, to read or to send? */
static bool awaits_server(const struct pg_connection *connection)
{
	const struct pg_driver *driver = connection->driver;

	if (connection->watched & EV_WRITE)
		return true;
	return (connection->watched & EV_READ) && driver &&
	       (!driver->awaits || driver->awaits(connection->driver_arg));
}

static void give_up(struct pg_connection *connection, int64_t now)
{
	_cleanup_free_ char *reason = NULL;
	char elapsed[32];

	reason = text_format("nothing has moved for %s; %s",
			     clock_format_elapsed(elapsed, now - connection->moved_ms),
			     connection->stall_reason);
	event_log(EVENT_LINK_STALLED, &(struct log_fields){ .database = pg_database(connection) },
		  "connection to the %s: %s", connection->settings.name, reason);
	pg_connection_reset(connection, reason);
}

/* A verdict is carried out a tick after it was reached: the answer may have been on its way. */
static bool look_for_stall(struct pg_connection *connection, int64_t now)
{
	int64_t limit = connection->settings.stall_timeout_ms;

	if (limit == 0 || connection->backend.pid == 0)
		return false;
	if (!awaits_server(connection)) {
		pg_watch_moved(connection);
		return false;
	}
	if (connection->stall_reason) {
		give_up(connection, now);
		return true;
	}
	if (!connection->inquiry && now - connection->moved_ms >= limit &&
	    now - connection->asked_ms >= limit)
		ask(connection);
	return false;
}

void pg_watch_tick(struct pg_connection *connection)
{
	int64_t now = clock_monotonic_ms();

	if (is_dead(connection, now)) {
		lose_dead(connection, now);
		return;
	}
	if (!look_for_stall(connection, now))
		arm(connection);
}

void pg_watch_end(struct pg_connection *connection)
{
	event_del(connection->tick);
	if (connection->inquiry)
		inquiry_end(connection->inquiry);
	connection->asked_ms = 0;
	connection->stall_reason = NULL;
}
