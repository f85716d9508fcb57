/*
 * A detection from its request to its end, and the choice of its strategy.
 *
 *   known? ──no──▶ count only: the whole entity is to be read
 *     │yes
 *     ├─ a watermark that can be trusted ──▶ the rows that it does not vouch for, compared by hash
 *     ▼
 *   sweep
 */
#include "detect/detect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/hashed.h"
#include "detect/internal.h"
#include "sql_detect.h"

/* --- ends --------------------------------------------------------------------------------------- */

void detect_finish(struct detect_run *run, const struct error *err)
{
	struct error copy = { 0 };
	struct watermark next = watermark_next(&run->kept, run->request.moment, &run->highest);

	if (err != NULL) {
		copy = *err;
		snprintf(copy.entity, sizeof(copy.entity), "%s", run->request.bound->entity->name);
		snprintf(copy.phase, sizeof(copy.phase), "detect");
	}
	watermark_format(run->detected.watermark, &next);
	run->on_done(run->arg, err == NULL ? &run->detected : NULL, err == NULL ? NULL : &copy);
	free(run);
}

static void on_closed(void *arg, const struct pg_answer *answer)
{
	struct detect_run *run = arg;

	(void)answer;
	detect_finish(run, &run->error);
}

void detect_fail(struct detect_run *run, const struct error *err)
{
	run->error = *err;
	if (!run->begun || !pg_connection_is_up(run->request.target))
		detect_finish(run, &run->error);
	else
		pg_continue(run->request.target, run->transaction->undo, on_closed, run);
}

void detect_pump(struct detect_run *run, const char *read, const char *begin, pump_on_done *on_done,
		 void *arg)
{
	run->begun = true;
	run->pump = pump_start(run->request.source, read, run->request.target, begin, on_done, arg);
}

void detect_cancel(struct detect_run *run, struct pg_connection *beside_source,
		   struct pg_connection *beside_target)
{
	if (run->pump != NULL)
		pump_cancel(run->pump, "the detection was cancelled");
	pg_cancel_by(run->request.source, beside_source);
	pg_cancel_by(run->request.target, beside_target);
}

/* --- the choice --------------------------------------------------------------------------------- */

/* For hybrid entities a time must be cheap to look at, by an index (a query has none that we could know of), and certain: without a
   zone it may be that of any clock, and one that is behind UTC would hide rows. Who names the column says that it is all that. */
static bool hybrid_offers_time(const struct bound_entity *bound)
{
	bool named = bound->entity->detect.updated_at != NULL;

	return bound->updated_at != NULL && (bound->updated_at_zoned || named) &&
	       (bound->updated_at_indexed || (bound->entity->source_table == NULL && named));
}

/* Nor does it count when transactions were hidden from us. */
static const struct strategy_kind *hybrid_kind(const struct bound_entity *bound,
					       const struct watermark *kept,
					       const struct moment *moment)
{
	if (hybrid_offers_time(bound) &&
	    (!bound->heap || (kept->sure && watermark_time_misfit(kept, moment) == NULL)))
		return &strategy_timestamp;
	return bound->heap ? &strategy_xmin : NULL;
}

static const struct strategy_kind *wanted_kind(const struct bound_entity *bound,
					       enum detect_depth depth,
					       const struct watermark *kept,
					       const struct moment *moment)
{
	if (depth == DETECT_SWEEP)
		return NULL;
	switch (bound->entity->detect.strategy) {
	case STRATEGY_SWEEP:
		return NULL;
	case STRATEGY_TIMESTAMP:
		return &strategy_timestamp;
	case STRATEGY_ID:
		return &strategy_id;
	case STRATEGY_XMIN:
		return &strategy_xmin;
	case STRATEGY_HYBRID:
		break;
	}
	return depth == DETECT_WATERMARK ? hybrid_kind(bound, kept, moment) : NULL;
}

const struct strategy_kind *strategy_choose(const struct bound_entity *bound,
					    enum detect_depth depth, const struct watermark *kept,
					    const struct moment *moment,
					    const struct highest_id *highest,
					    const char **ret_fallback)
{
	const struct strategy_kind *kind = wanted_kind(bound, depth, kept, moment);

	*ret_fallback = NULL;
	if (kind == NULL)
		return NULL;
	*ret_fallback = watermark_misfit(kept, moment);
	if (*ret_fallback == NULL)
		*ret_fallback = kind->misfit(bound, kept, moment, highest);
	if (*ret_fallback == NULL && kind == &strategy_timestamp && !kept->sure &&
	    bound->entity->detect.strategy == STRATEGY_HYBRID)
		*ret_fallback = "there were sessions whose transactions the role may not see";
	return *ret_fallback == NULL ? kind : NULL;
}

char *detect_reason(const struct bound_entity *bound)
{
	const struct watermark sure = { .present = true, .sure = true, .at_us = 1 };
	const struct moment moment = { .now_us = 1 };
	const struct strategy_kind *kind = wanted_kind(bound, DETECT_WATERMARK, &sure, &moment);
	bool hybrid = bound->entity->detect.strategy == STRATEGY_HYBRID;

	if (kind == NULL && hybrid && bound->entity->source_table == NULL)
		return text_format(
			"%s; a query has no watermark unless detect.updated_at names one",
			sweep_reason(bound));
	if (kind == NULL)
		return text_copy(sweep_reason(bound));
	if (!hybrid)
		return text_copy(kind->looks);
	return text_format("sweep: %s; cycles in between, by %s%s%s: %s", sweep_reason(bound),
			   strategy_names[kind->strategy],
			   kind == &strategy_timestamp ? " of " : "",
			   kind == &strategy_timestamp ? bound->updated_at + strlen("source.") : "",
			   kind->looks);
}

/* --- the detection ------------------------------------------------------------------------------ */

static int64_t estimated_rows(const struct detect_run *run)
{
	const struct entity *entity = run->request.bound->entity;
	int64_t rows = 0;

	if (entity->source_table != NULL)
		rows = catalog_relation(&run->request.binding->source, entity->source_schema,
					entity->source_table)
			       ->estimated_rows;
	return rows > 0 ? rows : 0;
}

/* What an overlap shows again was handled, unless it was written since: where rows say by whom they were written, it is not read. A row
   that was visible at the watermark was so when it was read, and its time is within this overlap only if it was within that one. */
static char *condition_of(const struct detect_run *run, const struct strategy_kind *kind)
{
	_cleanup_free_ char *written = NULL;
	_cleanup_free_ char *condition = NULL;

	if (kind == &strategy_xmin || !run->request.bound->heap ||
	    watermark_xmin_misfit(&run->kept, run->request.moment) != NULL)
		return kind->condition(run->request.bound, &run->kept);
	condition = kind->condition(run->request.bound, &run->kept);
	written = watermark_xmin_condition(&run->kept);
	return text_format("%s AND %s", condition, written);
}

static void look_by(struct detect_run *run, const struct strategy_kind *kind)
{
	_cleanup_free_ char *condition = condition_of(run, kind);
	_cleanup_free_ char *read = hashed_copy(run->request.binding, run->request.bound, NULL,
						condition);

	run->detected.strategy = strategy_names[kind->strategy];
	run->detected.rows = estimated_rows(run);
	rows_compare(run, &(struct rows_comparison){ .read = read,
						     .join = "LEFT",
						     .seen = run->request.bound->seen });
}

static void look(struct detect_run *run)
{
	enum detect_depth depth = run->request.always_compare ? DETECT_SWEEP : run->request.depth;
	const struct strategy_kind *kind = strategy_choose(run->request.bound, depth, &run->kept,
							   run->request.moment, &run->highest,
							   &run->detected.fallback);

	if (kind != NULL)
		look_by(run, kind);
	else
		sweep_start(run);
}

static void on_count(void *arg, const struct pg_answer *answer)
{
	struct detect_run *run = arg;

	if (answer->error != NULL) {
		detect_fail(run, answer->error);
		return;
	}
	run->detected.rows = strtoll(PQgetvalue(pg_answer_rows(answer), 0, 0), NULL, 10);
	run->detected.added = run->detected.rows;
	detect_finish(run, NULL);
}

static void ask_source(struct detect_run *run, const char *template, pg_on_answer *on_answer)
{
	_cleanup_free_ char *sql = rows_fill(run, template, NULL);

	pg_submit(run->request.source, sql, 0, NULL, on_answer, run);
}

/* What is known allows to compare; or everything is to be read anew. */
static void begin(struct detect_run *run)
{
	if (run->detected.whole && !(run->request.always_compare && run->compared))
		ask_source(run, sql_detect_count, on_count);
	else if (run->detected.whole)
		sweep_start(run);
	else
		look(run);
}

static void on_highest_id(void *arg, const struct pg_answer *answer)
{
	struct detect_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		detect_fail(run, answer->error);
		return;
	}
	run->highest.known = !PQgetisnull(result, 0, 0);
	run->highest.id = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	run->highest.at_us = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
	begin(run);
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct detect_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	bool same_mapping;

	if (answer->error != NULL) {
		detect_fail(run, answer->error);
		return;
	}
	run->compared = PQgetvalue(result, 0, 0)[0] == 't';
	same_mapping = strcmp(PQgetvalue(result, 0, 1), run->request.bound->fingerprint) == 0;
	run->detected.whole = !run->compared || !same_mapping;
	watermark_parse(&run->kept, PQgetvalue(result, 0, 2));
	if (run->request.bound->entity->detect.strategy == STRATEGY_ID)
		ask_source(run, sql_detect_highest_id, on_highest_id);
	else
		begin(run);
}

struct detect_run *detect_start(const struct detect_request *request, detect_on_done *on_done,
				void *arg)
{
	struct detect_run *run = memory_new(sizeof(*run));
	_cleanup_free_ char *known = NULL;

	*run = (struct detect_run){
		.request = *request,
		.detected = { .strategy = "sweep" },
		.transaction = pg_transaction_on(request->target),
		.on_done = on_done,
		.arg = arg,
	};
	known = rows_fill(run, sql_detect_known, NULL);
	pg_submit(request->target, known, 0, NULL, on_known, run);
	return run;
}
