/*
 * How a transaction is said: as one of its own, or within another that is open and stays open.
 *
 * Whoever writes several queries that are one transaction takes these words, and pg_continue() for
 * what comes after the first; it then works on either kind of connection. What is one query alone
 * (pg_submit()) is a transaction of its own in any case: on a connection that is within another, it
 * is put between savepoints.
 *
 * Several owners may use one such connection in turns. One of them reserves it for the length of a
 * transaction; the others have guests: connections of theirs, as far as they can see, whose queries
 * wait meanwhile.
 */
#ifndef DAEMON_POSTGRES_TRANSACTION_H
#define DAEMON_POSTGRES_TRANSACTION_H

#include "postgres/connection.h"

struct pg_transaction {
	const char *begin; /* each ends with a semicolon */
	const char *end;
	const char *undo;
	bool within; /* another: what the server does at a transaction's end is not done */
};

extern const struct pg_transaction pg_transaction_alone;

/* The words for this connection. */
const struct pg_transaction *pg_transaction_on(const struct pg_connection *connection);

/* What a temporary table that is ON COMMIT DELETE ROWS needs in the beginning: nothing, or to be emptied. Caller frees. */
char *pg_transaction_empty(const struct pg_transaction *transaction, const char *table);

/* Begins, on a READY connection with nothing submitted, the transaction that all others are within from now on, until
   the link is lost. `begin` (may be several statements) is submitted; on_answer says whether it has begun. */
void pg_begin_around(struct pg_connection *connection, const char *begin, pg_on_answer *on_answer,
		     void *arg);

/* As pg_submit(), but within the transaction that the caller has begun and not ended. */
void pg_continue(struct pg_connection *connection, const char *sql, pg_on_answer *on_answer,
		 void *arg);

/* For the length of a transaction the connection is the caller's: what guests submit waits. It must be idle. On a
   connection without guests neither does anything that matters. */
void pg_reserve(struct pg_connection *connection);
void pg_unreserve(struct pg_connection *connection);

/* Nothing runs on it and nothing waits to. */
bool pg_connection_is_idle(const struct pg_connection *connection);

/* A guest on `host`, which must outlive it: everything that is asked of it, its host answers. It is no side of a pump.
   pg_connection_close() ends the guest alone. */
struct pg_connection *pg_guest_new(struct pg_connection *host);

#endif
