/*
 * A moment of the source, observed before anything is read of it: what every watermark is made of.
 *
 * A row's time is that at which its transaction began (or what the application's clock said), and it is seen when the transaction
 * commits; ids and transaction numbers are likewise given out before they are seen. So the moment asks which transactions are still
 * under way, and only what is older than all of them counts as seen. Read afterwards, a snapshot shows everything that
 * was over at the moment.
 */
#ifndef DAEMON_DETECT_MOMENT_H
#define DAEMON_DETECT_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "postgres/connection.h"

#define SOURCE_IDENTITY_SIZE 64

struct moment {
	char identity
		[SOURCE_IDENTITY_SIZE]; /* system identifier and OID of the database: "7301…/16384" */
	int64_t timeline;  /* another one after a promotion or a restore to an earlier point */
	bool standby;	   /* does not see the transactions of its primary */
	bool unseen;	   /* there were sessions whose transactions our role may not see */
	bool prepared;	   /* there were prepared transactions, which do not say when they began */
	int64_t now_us;	   /* by the source's clock; microseconds since the epoch */
	int64_t oldest_us; /* when the oldest transaction under way began; now_us without one */
	int64_t xmin;	   /* every transaction below it was over */
	int64_t xmax;	   /* no transaction from it on was over */
};

typedef void moment_on_done(void *arg, const struct moment *moment, const struct error *err);

/* Observes; the connection must not be in a transaction. Calls on_done once. */
void moment_observe(struct pg_connection *source, moment_on_done *on_done, void *arg);

#endif
