/*
 * What the engine has done in this life of the daemon, counted where it happens: for whoever measures (monitor/). Nothing is
 * decided by it, and none of it is kept.
 */
#ifndef DAEMON_RUN_TALLY_H
#define DAEMON_RUN_TALLY_H

#include "run/batch.h"
#include "run/cycle.h"

#define TALLY_BOUNDS_MAX 16

/* How often something took how long. */
struct tally_times {
	const double *bounds; /* seconds, ascending, TALLY_BOUNDS_MAX at most; 0 ends them */
	uint64_t within[TALLY_BOUNDS_MAX]; /* at most its bound, and more than the one before */
	uint64_t count;			   /* all, longer ones too */
	double sum_s;
};

struct tally_entity {
	char *name;
	struct batch_counts counts;
};

enum tally_session { TALLY_COMPLETED, TALLY_FAILED, TALLY_CANCELLED, TALLY_SESSION_COUNT };

/* As migrated.session.state has them. */
extern const char *const tally_session_names[TALLY_SESSION_COUNT];

struct tally {
	struct tally_entity
		*entities; /* those that a batch has written; the others have done nothing */
	size_t entity_count;
	struct tally_times batch_times; /* of batches that were done */
	uint64_t batches_failed;	/* attempts, whatever became of the batch */
	uint64_t retries;		/* of batches and of other steps of an entity */
	uint64_t sessions[TALLY_SESSION_COUNT];
	uint64_t cycles[CYCLE_RESULT_COUNT];
	struct tally_times cycle_times; /* of those that began */
	int64_t last_success_us; /* a session that carries changes, or a quiet cycle; 0: none yet */
	int64_t source_links;	 /* how often connections that are no more were made */
	int64_t target_links;
	uint64_t
		decided; /* grows when a session or a validation has ended, or people have decided about rows that were set aside */
};

void tally_init(struct tally *tally);
void tally_done(struct tally *tally);

/* NULL, as of a dry run, counts nothing. */
void tally_batch(struct tally *tally, const char *entity, const struct batch_result *result);
void tally_batch_failed(struct tally *tally);
void tally_retry(struct tally *tally);

struct session;
void tally_session(struct tally *tally, const struct session *session);

/* A cycle that was skipped took no time. */
void tally_cycle(struct tally *tally, enum cycle_result result, int64_t elapsed_ms);

/* What has been counted of an entity; NULL: nothing. */
const struct tally_entity *tally_find(const struct tally *tally, const char *entity);

#endif
