/*
 * Detection: which keys of an entity are new, modified or gone.
 *
 * However a change is noticed, the result is the same: rows of migrated.change for an analysis. A strategy is one file; today
 * there is the sweep, a full comparison by hash, which misses nothing and needs nothing of the source but to read it.
 */
#ifndef DAEMON_DETECT_DETECT_H
#define DAEMON_DETECT_DETECT_H

#include "catalog/binding.h"

/* What was found of one entity. */
struct detected {
	const char *strategy; /* "sweep" */
	bool whole; /* never migrated, or with another mapping: every row is to be read; no keys are kept */
	int64_t added;
	int64_t modified;
	int64_t deleted;
	int64_t rows; /* in the source */
};

typedef void detect_on_done(void *arg, const struct detected *detected, const struct error *err);

struct detect_request {
	const struct binding *binding;
	const struct bound_entity *bound;
	struct pg_connection *source; /* both READY, and the request's own until it is done */
	struct pg_connection *target;
	const char *analysis; /* UUID; borrowed until done */
	bool always_compare; /* compare even when the mapping changed: a full session needs the deletions */
	int64_t work_memory_kb;
};

/* Detects one entity's changes and keeps their keys. Calls on_done once; no transaction is left open. */
void detect_start(const struct detect_request *request, detect_on_done *on_done, void *arg);

/* Why this entity is detected as it is, for `migratectl plan`. */
const char *detect_reason(const struct bound_entity *bound);

#endif
