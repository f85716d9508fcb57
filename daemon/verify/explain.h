/*
 * Explaining one row: where it is on both sides, whether they are equal, and why not; what was done to it, what it waits for, and what waits
 * for it.
 *
 * What the batch would make of the row is asked with the batch's own read and resolve, so that the answer is never another than a
 * session's. Each side is read in one snapshot, the target's taken first, and nothing is written but a temporary table; so what
 * happens meanwhile makes a row look at worst as if it was still waiting. A side that cannot be reached, or asked, is said to be
 * unknown, with the reason; what the other side knows is told all the same.
 */
#ifndef DAEMON_VERIFY_EXPLAIN_H
#define DAEMON_VERIFY_EXPLAIN_H

#include <jansson.h>
#include <stdint.h>

#include "catalog/binding.h"
#include "postgres/connection.h"

struct explain_request {
	const struct binding *binding; /* NULL: a database cannot be reached, so there is none */
	const struct entity *entity;
	const char *key; /* as people write it (store_key_split()) */
	bool by_target;	 /* it is the target's */
	bool values;	 /* show the row's values, and those it had */
	/* READY, and the request's own until it is done; NULL: cannot be reached, and why. */
	struct pg_connection *source;
	struct pg_connection *target;
	const char *source_trouble;
	const char *target_trouble;
	int64_t work_memory_kb;
};

/* `explanation` is the reply of io.migrated.Explain, and the callee's to free; NULL with an error (ERROR_USAGE: no such key can be). */
typedef void explain_on_done(void *arg, json_t *explanation, const struct error *err);

struct explain_run;

/* The request is copied; what it points to must stay until on_done, which is called once: by explain_start(), when there is nobody to be
   asked, or from the loop. Then the run is gone, and no transaction is left open. */
struct explain_run *explain_new(const struct explain_request *request, explain_on_done *on_done,
				void *arg);
void explain_start(struct explain_run *run);

/* Ends it: whatever runs is cancelled over connections that are not the run's own. on_done follows; a request that a query
   has overtaken is lost, so repeat it until then. */
void explain_cancel(struct explain_run *run, struct pg_connection *beside_source,
		    struct pg_connection *beside_target);

/* The state that follows from what was found, an explanation without "state": see io.migrated.Explain. */
const char *explain_state(const json_t *explanation);

#endif
