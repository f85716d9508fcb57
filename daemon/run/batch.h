/*
 * One batch: one transaction on the target, carried out on a lane.
 *
 *   (keys of the change set) → source rows pumped into the stage → resolved, written, checkpointed, committed
 *   of a rollback: undone, checkpointed, committed, in one round trip
 *
 * Two round trips on the target, three when the rows are named by keys. A batch whose rows hold a bad one is written again
 * in halves on the server; a batch that was done already (its COMMIT's answer was lost) reports what it did then.
 */
#ifndef DAEMON_RUN_BATCH_H
#define DAEMON_RUN_BATCH_H

#include "apply/entity_sql.h"
#include "apply/read_sql.h"
#include "run/lane.h"

enum batch_kind {
	BATCH_RANGE,
	BATCH_KEYS,
	BATCH_DELETES,
	/* Of a rollback, in the order in which they are done; see rollback.h. */
	BATCH_RESTORE,
	BATCH_LOOSEN,
	BATCH_UNDO,
	BATCH_RETRY,
};

/* As migrated.batch has it. */
const char *batch_kind_name(enum batch_kind kind);
enum batch_kind batch_kind_of(const char *name);
bool batch_kind_undoes(enum batch_kind kind);

/* How often something has failed, and when it may be tried again. */
struct retry {
	unsigned attempts;
	int64_t not_before_ms; /* monotonic; 0: at once */
	int64_t pause_ms;      /* the last one, which the next grows from */
};

/* A row of migrated.batch that is to be done. */
struct batch_spec {
	int number;
	enum batch_kind kind;
	char **low; /* range: parts of the key, NULL: unbounded; else one string, the first ordinal */
	char **high;
	size_t parts;
	struct retry retry;
};

void batch_spec_done(struct batch_spec *spec);

struct batch_counts {
	int64_t inserted;
	int64_t updated;
	int64_t unchanged;
	int64_t deleted;
	int64_t failed;
	int64_t parked;
	int64_t warned; /* carried, and counted above, although they break a rule */
	/* Edited in the target, and counted above. */
	int64_t overwritten;
	int64_t kept;
	int64_t held;
};

/* Rows that were dealt with, in whatever way. */
int64_t batch_counts_total(const struct batch_counts *counts);
void batch_counts_add(struct batch_counts *counts, const struct batch_counts *further);

/* What a batch has done, and what it took. */
struct batch_result {
	struct batch_counts counts;
	const char *
		warnings; /* JSON: how many rows break each rule; NULL: none does; borrowed for the call */
	int64_t rows; /* shipped */
	int64_t bytes;
	int64_t elapsed_ms;
	int64_t on_the_way_ms; /* of it: what is the distance's, however many rows there are */
	bool loaded;	       /* as rows of which nothing was carried */
	bool refused;	       /* as it was tried first, and written another way */
};

/* err is NULL when the batch is done. The lane is still the caller's, with no transaction open. */
typedef void batch_on_done(void *arg, const struct batch_result *result, const struct error *err);

/* `first`: most likely nothing of its rows has been carried yet, which makes it cheaper. `place` is copied; its transaction is the lane's, its
   low and high are filled in from the spec. The spec, the binding and the bound entity must outlive the batch. */
void batch_start(struct lane *lane, const struct binding *binding, const struct bound_entity *bound,
		 const struct batch_place *place, const struct batch_spec *spec, bool first,
		 batch_on_done *on_done, void *arg);

#endif
