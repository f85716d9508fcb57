/*
 * Detection: which keys of an entity are new, modified or gone.
 *
 * However a change is noticed, the result is the same: rows of migrated.change for an analysis. The sweep compares every row by
 * hash; it misses nothing and needs nothing of the source but to read it. The other strategies read only what their
 * watermark cannot vouch for, and compare that by hash; they see no deletions. detect.c chooses.
 */
#ifndef DAEMON_DETECT_DETECT_H
#define DAEMON_DETECT_DETECT_H

#include "catalog/binding.h"
#include "detect/moment.h"
#include "detect/watermark.h"

/* How deep to look; it steers hybrid entities, and DETECT_SWEEP all of them. */
enum detect_depth {
	DETECT_AS_CONFIGURED, /* hybrid entities are swept, the others do what they say */
	DETECT_SWEEP,
	DETECT_WATERMARK, /* hybrid entities are looked at by the best watermark that their table offers */
};

/* What was found of one entity. */
struct detected {
	const char *strategy; /* "sweep", "timestamp", "id", "xmin" */
	const char *
		fallback; /* why it was swept although a watermark was asked for; NULL when it was not */
	bool whole; /* never migrated, or with another mapping: every row is to be read; no keys are kept */
	int64_t added;
	int64_t modified;
	int64_t deleted;
	int64_t rows;			/* in the source; about, when not all were read */
	char watermark[WATERMARK_SIZE]; /* JSON; the entity's when all of this is applied */
};

typedef void detect_on_done(void *arg, const struct detected *detected, const struct error *err);

struct detect_request {
	const struct binding *binding;
	const struct bound_entity *bound;
	struct pg_connection *source; /* both READY, and the request's own until it is done */
	struct pg_connection *target;
	const struct moment *moment; /* observed before; borrowed until done */
	enum detect_depth depth;
	const char *analysis; /* UUID; borrowed until done */
	bool always_compare; /* compare even when the mapping changed: a full session needs the deletions */
	int64_t work_memory_kb;
};

struct detect_run;

/* Detects one entity's changes and keeps their keys. Calls on_done once, from the loop; no transaction is left open. */
struct detect_run *detect_start(const struct detect_request *request, detect_on_done *on_done,
				void *arg);

/* Asks both servers to end what they are running for it, over connections that are not the run's own. on_done follows, with
   ERROR_CANCELLED unless it was quicker; a request that a query has overtaken is lost, so repeat it until then. */
void detect_cancel(struct detect_run *run, struct pg_connection *beside_source,
		   struct pg_connection *beside_target);

/* How this entity is looked at, and why, and what that may miss, for `migratectl plan`; caller frees. */
char *detect_reason(const struct bound_entity *bound);

#endif
