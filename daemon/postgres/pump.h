/*
 * The pump: what COPY … TO STDOUT sends on one connection goes, unparsed, into COPY … FROM STDIN on
 * another.
 *
 * It holds at most a bounded buffer: when the receiving side is slow the sending side is not read.
 * The end of the data is only what the sender's CommandComplete says, and the number of rows sent
 * must be the number received; anything else is an error, and the receiving COPY is failed on
 * purpose so that nothing of it remains.
 */
#ifndef DAEMON_POSTGRES_PUMP_H
#define DAEMON_POSTGRES_PUMP_H

#include "postgres/connection.h"

struct pump;

struct pump_result {
	int64_t rows;
	int64_t bytes;
	/* Which side the error came from; neither when the counts differ or it was cancelled. */
	bool source_failed;
	bool target_failed;
	const struct error *error; /* NULL: every row arrived */
};

typedef void pump_on_done(void *arg, const struct pump_result *result);

/*
 * Starts both statements and calls on_done exactly once, when both connections are done with them
 * (READY, or lost). `source_sql` is one COPY … TO STDOUT; `target_sql` may be several statements of
 * which the last is a COPY … FROM STDIN in the same format. Both connections must be READY and
 * their queues empty.
 *
 * When the source fails, the target's COPY is failed, and its connection stays. When the target
 * fails, what the source still sends is read and thrown away if that is soon done (64 MiB or 2 s);
 * else the source's connection is reset, with its transaction and snapshot.
 *
 * Deadlines are the caller's: see pump_idle_ms(), and pg_connection_reset() for the side that
 * hangs. Closing both connections ends the pump: on_done is called before the second
 * pg_connection_close() returns.
 *
 * The pump frees itself after on_done; until then the handle may be used.
 */
struct pump *pump_start(struct pg_connection *source, const char *source_sql,
			struct pg_connection *target, const char *target_sql, pump_on_done *on_done,
			void *arg);

/* Ends it as if the source had failed, with ERROR_CANCELLED and this reason; on_done follows
   from the loop. */
void pump_cancel(struct pump *pump, const char *reason);

/* The bytes handed on so far, and the time since that last moved. */
int64_t pump_bytes(const struct pump *pump);
int64_t pump_idle_ms(const struct pump *pump);

#endif
