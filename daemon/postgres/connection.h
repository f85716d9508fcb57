/*
 * One connection to PostgreSQL as a state machine on the event loop, with a queue of queries.
 *
 * A query is submitted at any time and answered exactly once: with its results, or with an error.
 * When the connection is lost, or an attempt to make it fails, every query that was submitted gets
 * that error; nothing is repeated here, since only the caller knows what may be. on_state is told
 * first, the queries are answered then, and what is submitted meanwhile waits for the next link.
 * No callback is called from within pg_submit(). Reconnecting is the connection's own business
 * (backoff with decorrelated jitter); what it means for the work is not: on_state tells the owner.
 *
 * The backend of a link that was lost may live on, with its locks, in the middle of a COMMIT. So
 * before it is READY the next link ends it and waits a moment until it is gone; if it stays (it is
 * frozen, or we may not), that is logged, and whoever needs its locks waits for them.
 *
 *   DOWN ──▶ CONNECTING ──▶ SETTING_UP ──▶ READY ⇄ BUSY
 *    ▲            │              │           │       │
 *    └────────────┴──────────────┴───────────┴───────┘  lost; unless closed, WAITING until the
 *                                                       backoff is over
 *
 * Only asynchronous libpq is used. Host names are looked up by libpq itself.
 */
#ifndef DAEMON_POSTGRES_CONNECTION_H
#define DAEMON_POSTGRES_CONNECTION_H

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

enum pg_state { PG_DOWN, PG_WAITING, PG_CONNECTING, PG_SETTING_UP, PG_READY, PG_BUSY, PG_CLOSED };

const char *pg_state_name(enum pg_state state);

struct pg_connection;

/* Called on every change of state, after it; `err` says why when the connection was lost or
   could not be made. It may submit queries and may call pg_connection_close(), but the
   connection is freed later, by the loop. */
typedef void pg_on_state(void *arg, struct pg_connection *connection, enum pg_state state,
			 const struct error *err);

struct pg_connection_settings {
	const char *name; /* "source", "target": for messages; borrowed for the connection's life */
	const char *conninfo; /* borrowed for the connection's life; never logged */
	/* A file whose first line is the password, whatever the conninfo says; read for each attempt,
	   so that the password is in memory for as long as libpq needs it. NULL: none; borrowed. */
	const char *password_file;
	const char *application_name;
	/* Run, as one simple query, on every new connection before READY; may be NULL; borrowed. */
	const char *setup_sql;
	int64_t connect_timeout_ms; /* for the link and its setup; 0: 10000 */
	int64_t backoff_min_ms;	    /* 0: 100 */
	int64_t backoff_max_ms;	    /* 0: 30000 */
	int64_t crowded_max_ms;	    /* the same when the server has no connection left; 0: 30000 */
	int64_t denied_every_ms;    /* between attempts that are denied (28xxx); 0: 60000 */
	bool reconnect;		    /* by itself, until closed */
	bool comes_and_goes;	    /* one of many: that it was made is worth a debug line only */
	/* Not READY while a backend of a lost link lives: for whoever reads what that may yet
	   change. */
	bool outlives_predecessors;

	/* A peer that acknowledges nothing for so long is dead, whether something was sent to it
	   or its answer is awaited; 0: what the system says, some minutes to hours. What the
	   conninfo says of keepalives and tcp_user_timeout wins. */
	int64_t peer_timeout_ms;
	/* Nothing moves for so long on a link that waits for its server: another connection asks
	   the server what the backend is doing, and asks again after as long. A backend that works
	   or waits for a lock is let be; one that is gone, that waits for us, or whose server
	   answers nobody is given up, and its query is answered with ERROR_CONNECTION. 0: never. */
	int64_t stall_timeout_ms;
	/* The server's own, by which it would have ended a statement; a backend that claims to work
	   for twice as long and stall_timeout is given up too. 0: it may work for any time. */
	int64_t statement_timeout_ms;
};

/* How keepalives are derived from peer_timeout: seconds before the first, between them, and how
   many; for the server's side of a connection too. */
int64_t pg_keepalive_idle_s(int64_t peer_timeout_ms);
int64_t pg_keepalive_interval_s(int64_t peer_timeout_ms);
int64_t pg_keepalive_count(int64_t peer_timeout_ms);

struct pg_connection *pg_connection_new(struct event_base *base,
					const struct pg_connection_settings *settings,
					pg_on_state *on_state, void *arg);

void pg_connection_open(struct pg_connection *connection);

/* Ends the connection. Queries not yet answered are answered with ERROR_CANCELLED before this
   returns; on_state is not called any more. The memory goes when the loop is out of this
   connection's callbacks. NULL is allowed. */
void pg_connection_close(struct pg_connection *connection);

/* Throws the present link away (an answer that is overdue, a transaction in an unknown state)
   and, when `reconnect` is set, makes a new one. Queries not yet answered get ERROR_CONNECTION
   with this reason. */
void pg_connection_reset(struct pg_connection *connection, const char *reason);

enum pg_state pg_connection_state(const struct pg_connection *connection);
/* READY or BUSY. */
bool pg_connection_is_up(const struct pg_connection *connection);
int pg_connection_server_version(const struct pg_connection *connection); /* 150018; 0 while down */
/* Since when it has been in its state, READY and BUSY being one; microseconds since the epoch. */
int64_t pg_connection_since_us(const struct pg_connection *connection);
/* Since when there has been no connection, whatever was tried since; 0: there is one. */
int64_t pg_connection_away_us(const struct pg_connection *connection);
/* How often it has become READY since it was made. */
int64_t pg_connection_times_made(const struct pg_connection *connection);
/* How long its setup took to be answered, which is hardly any work: the way there and back. */
int64_t pg_connection_round_trip_ms(const struct pg_connection *connection);
int pg_connection_backend_pid(const struct pg_connection *connection);
const struct error *pg_connection_last_error(const struct pg_connection *connection);
const char *pg_connection_name(const struct pg_connection *connection);

/* In a transaction block or a failed one? (PQtransactionStatus) */
PGTransactionStatusType pg_connection_transaction(const struct pg_connection *connection);

/* What a query was answered with. Results are borrowed for the callback. */
struct pg_answer {
	PGresult *const *results; /* one for each statement that completed, in order */
	size_t count;
	const struct error *error; /* NULL when every statement succeeded */
};

/* The last result that has columns (zero rows are rows), or NULL. */
const PGresult *pg_answer_rows(const struct pg_answer *answer);

typedef void pg_on_answer(void *arg, const struct pg_answer *answer);

/*
 * Submits a query. With no values it goes as a simple query, so it may hold several statements;
 * with values as one parameterised statement, each value text (NULL for SQL NULL), its type
 * inferred by the server. `sql` and the values are copied. May be called in any state but CLOSED;
 * queries wait until the connection is READY.
 *
 * What was submitted before the first of it could be sent goes in one round trip, where each is a single statement: they are
 * carried out in order, each in a transaction of its own, whatever became of those before it.
 */
void pg_submit(struct pg_connection *connection, const char *sql, size_t value_count,
	       const char *const *values, pg_on_answer *on_answer, void *arg);

/* As pg_submit, but only prepares the statement and answers with one result, its description
   (PQnfields, PQftype, PQfname, PQnparams, PQparamtype), which pg_answer_rows() returns too. */
void pg_describe(struct pg_connection *connection, const char *sql, pg_on_answer *on_answer,
		 void *arg);

/*
 * Asks the server to cancel what `victim` is running, by a query on `side`, another connection to
 * the same server. The victim's query is answered as usual, with ERROR_CANCELLED (57014) unless it
 * was quicker. Does nothing when the victim is not BUSY, and nothing happens when the request
 * overtakes the query: repeat it until the answer is there. PQcancel() is not used, because it
 * blocks.
 */
void pg_cancel_by(struct pg_connection *victim, struct pg_connection *side);

/* Forgets the callback of every unanswered query submitted with this arg; they still run. For
   owners that go away. */
void pg_forget(struct pg_connection *connection, const void *arg);

/* Quotes for SQL text sent on any connection, as PQescapeIdentifier() and PQescapeLiteral() do:
   the client's encoding is UTF8 on all of them. The caller frees. NULL when the string is not
   valid UTF-8. */
char *pg_quote_identifier(const char *name);
char *pg_quote_literal(const char *value);

/* Fills an error from a failed result: kind by SQLSTATE class (see errors.h), message without
   values. */
void pg_error_from_result(struct error *err, const PGresult *result);

#endif
