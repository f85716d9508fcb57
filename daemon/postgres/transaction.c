/*
 * See transaction.h. How a query is put between savepoints is query.c's business.
 */
#include "postgres/transaction.h"

#include <assert.h>
#include <stdlib.h>

#include "common/text.h"
#include "postgres/internal.h"

const struct pg_transaction pg_transaction_alone = {
	.begin = "BEGIN ISOLATION LEVEL READ COMMITTED;",
	.end = "COMMIT;",
	.undo = "ROLLBACK;",
};

static const struct pg_transaction within_another = {
	.begin = "SAVEPOINT work;",
	.end = "RELEASE SAVEPOINT work;",
	.undo = "ROLLBACK TO SAVEPOINT work;\nRELEASE SAVEPOINT work;",
	.within = true,
};

const struct pg_transaction *pg_transaction_on(const struct pg_connection *connection)
{
	return pg_host(connection)->within ? &within_another : &pg_transaction_alone;
}

char *pg_transaction_empty(const struct pg_transaction *transaction, const char *table)
{
	return transaction->within ? text_format("TRUNCATE %s;\n", table) : text_copy("");
}

void pg_begin_around(struct pg_connection *connection, const char *begin, pg_on_answer *on_answer,
		     void *arg)
{
	assert(pg_connection_is_idle(connection));
	pg_continue(connection, begin, on_answer, arg);
	connection->within = true;
}

/* --- in turns --------------------------------------------------------------------------------- */

bool pg_connection_is_idle(const struct pg_connection *connection)
{
	const struct pg_connection *host = pg_host(connection);

	return host->state == PG_READY && !host->driver && !host->reserved &&
	       pg_queue_is_empty(host);
}

void pg_reserve(struct pg_connection *connection)
{
	connection->reserved = true;
}

void pg_unreserve(struct pg_connection *connection)
{
	connection->reserved = false;
	pg_queue_admit(connection);
}

struct pg_connection *pg_guest_new(struct pg_connection *host)
{
	struct pg_connection *guest = memory_new(sizeof *guest);

	guest->host = host;
	return guest;
}
