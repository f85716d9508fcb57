/*
 * The account: where every row of an entity's source is, by key and hash. Each is in exactly one class, so that their sum is what the
 * source holds.
 *
 * Both sides are read in one snapshot each, the target's taken first: what a session does meanwhile can make a row look as if it was
 * still waiting, never as if it was done or lost. Nothing is written but a temporary table in the target, which is gone afterwards.
 */
#ifndef DAEMON_VERIFY_ACCOUNT_H
#define DAEMON_VERIFY_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog/binding.h"
#include "postgres/connection.h"

enum account_mapping {
	ACCOUNT_NEVER,	 /* never migrated: nothing to compare with, all rows wait */
	ACCOUNT_CHANGED, /* the mapping has changed since: all that is not set aside waits */
	ACCOUNT_SAME,
};

struct account {
	int64_t source; /* rows of the relation, those that are filtered out too */

	/* The classes. */
	int64_t filtered; /* not for migration: `where` does not hold */
	int64_t equal; /* in the id map with the hash that they have now, and their target rows are there */
	int64_t lost;	      /* the same, but their target rows are not there */
	int64_t waiting;      /* new, or changed since they were handled */
	int64_t parked;	      /* wait for their parents */
	int64_t dead_letters; /* open ones, until they have been tried again */
	int64_t discarded;    /* dead letters that nobody wants tried again, until they change */
	int64_t kept; /* their target rows were edited, and what stands there was decided for */
	int64_t held; /* conflicts that somebody has to decide */

	/* Beside the sum. */
	int64_t in_change_set; /* of those that wait: the session under way, or the next one, knows them already */
	int64_t gone;	   /* handled, and not in the source any more; the next sweep finds them */
	int64_t deferred;  /* references that are NULL until their parents are there */
	int64_t undeleted; /* deletions that the target refused */
	int64_t duplicates; /* source rows whose legacy key another one has, too; one of each key is not counted */
	int64_t keyless; /* source rows without a legacy key */

	enum account_mapping mapping;
};

/* The word for it in replies: "never", "changed", "same". */
const char *account_mapping_name(enum account_mapping mapping);

/* The sum is the source's rows, and no row is where it cannot stay: lost, or without a key of its own. */
bool account_is_balanced(const struct account *account);

typedef void account_on_done(void *arg, const struct account *account, const struct error *err);

struct account_request {
	const struct binding *binding;
	const struct bound_entity *bound;
	struct pg_connection *source; /* both READY, and the request's own until it is done */
	struct pg_connection *target;
	int64_t work_memory_kb;
};

struct account_run;

/* Accounts for one entity. Calls on_done once, from the loop, with an account or an error (ERROR_STRUCTURE for an entity that does not
   fit the databases); no transaction is left open. */
struct account_run *account_start(const struct account_request *request, account_on_done *on_done,
				  void *arg);

/* Asks both servers to end what they are running for it, over connections that are not the run's own. on_done follows, with
   ERROR_CANCELLED unless it was quicker; a request that a query has overtaken is lost, so repeat it until then. */
void account_cancel(struct account_run *run, struct pg_connection *beside_source,
		    struct pg_connection *beside_target);

#endif
