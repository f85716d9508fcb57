/*
 * What the files of this room share: a detection under way, what a strategy is, and the comparison of rows by hash.
 */
#ifndef DAEMON_DETECT_INTERNAL_H
#define DAEMON_DETECT_INTERNAL_H

#include "common/text.h"
#include "detect/detect.h"
#include "postgres/pump.h"
#include "postgres/transaction.h"

/* One detection under way. */
struct detect_run {
	struct detect_request request;
	struct detected detected;
	struct watermark kept;			  /* what was seen and applied before */
	struct highest_id highest;		  /* of an entity whose strategy is `id` */
	bool compared;				  /* there are rows to compare with */
	const struct pg_transaction *transaction; /* how one is said on the target */
	bool begun;				  /* one is open there */
	struct pump *pump;			  /* while rows are shipped */
	struct comparison *comparison;		  /* of rows, once that has begun */
	struct error error;
	detect_on_done *on_done;
	void *arg;
};

/* Ends it; with an error after what the target has begun is rolled back. */
void detect_finish(struct detect_run *run, const struct error *err);
void detect_fail(struct detect_run *run, const struct error *err);

/* Ships and compares as pump_start() does; the run knows its pump meanwhile, so that it can be cancelled. */
void detect_pump(struct detect_run *run, const char *read, const char *begin, pump_on_done *on_done,
		 void *arg);

/* --- strategies that look only at what a watermark cannot vouch for ----------------------------------- */

struct strategy_kind {
	enum strategy strategy;
	const char *looks; /* what it does, and what it does not see: for `migratectl plan` */
	/* Why the kept watermark cannot be used for this entity now; NULL when it can. */
	const char *(*misfit)(const struct bound_entity *bound, const struct watermark *kept,
			      const struct moment *moment, const struct highest_id *highest);
	/* A condition over the row `source` that names at least the rows that the watermark does not vouch for; caller frees. */
	char *(*condition)(const struct bound_entity *bound, const struct watermark *kept);
};

extern const struct strategy_kind strategy_timestamp;
extern const struct strategy_kind strategy_id;
extern const struct strategy_kind strategy_xmin;

/* The strategy to look at an entity with at this depth; NULL: the sweep, `ret_fallback` saying why when another was asked for. */
const struct strategy_kind *strategy_choose(const struct bound_entity *bound,
					    enum detect_depth depth, const struct watermark *kept,
					    const struct moment *moment,
					    const struct highest_id *highest,
					    const char **ret_fallback);

/* --- comparing rows ---------------------------------------------------------------------------- */

/* Fills a template's holes with what is known of the entity, and with `more` (ends with a NULL name; may be NULL). */
char *rows_fill(const struct detect_run *run, const char *template, const struct text_hole *more);

/* What rows are compared, and with what. */
struct rows_comparison {
	const char *read; /* COPY of key and hashes from the source */
	const char *
		join; /* "FULL": what was seen and is not read is gone; "LEFT": that says nothing */
	const char *seen;    /* what was seen: the relation that they are compared with */
	const char *first;   /* what the target does while the source reads; NULL: nothing */
	bool in_transaction; /* the target's is open already */
	bool further;	     /* these rows are added to those that were shipped before */
	bool all;	     /* every row of the source is read */
	/* NULL, or called when they have been shipped, or could not be; nothing is compared, and the run not finished, until rows_go_on(). */
	void (*on_shipped)(void *arg, const struct error *err);
	void *arg;
};

/* Ships the rows, compares them with what was seen, keeps the keys of those that differ, and finishes the run. */
void rows_compare(struct detect_run *run, const struct rows_comparison *comparison);

/* After on_shipped(): compares them; or does not. */
void rows_go_on(struct detect_run *run);
void rows_forget(struct detect_run *run);

/* --- the sweep ---------------------------------------------------------------------------------- */

void sweep_start(struct detect_run *run);
const char *sweep_reason(const struct bound_entity *bound);

#endif
