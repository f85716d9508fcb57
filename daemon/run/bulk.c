/*
 * See bulk.h. Callbacks record what happened and go on; in the order of life.
 */
#include "run/bulk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bulk_sql.h"
#include "base/fault.h"
#include "common/log.h"
#include "common/text.h"
#include "run/session.h"
#include "sql_store.h"

struct step {
	struct entity_run *run;
	struct lane *lane;
	bulk_on_done *on_done;
	void *arg;
};

static void put_back_others(struct step *step);
static void look_for_own(struct step *step);

static const char *name_of(const struct entity_run *run)
{
	return run->bound->entity->name;
}

static void say(const struct entity_run *run, int priority, const char *what)
{
	log_event(priority,
		  &(struct log_fields){ .session = run->session->id, .entity = name_of(run) },
		  "%s: %s", name_of(run), what);
}

static void finish(struct step *step, const struct error *failure)
{
	bulk_on_done *on_done = step->on_done;
	void *arg = step->arg;
	struct error copy;

	if (failure != NULL)
		copy = *failure;
	free(step);
	on_done(arg, failure != NULL ? &copy : NULL);
}

static struct step *step_new(struct entity_run *run, struct lane *lane, bulk_on_done *on_done,
			     void *arg)
{
	struct step *step = memory_new(sizeof(*step));

	*step = (struct step){ .run = run, .lane = lane, .on_done = on_done, .arg = arg };
	return step;
}

/* Rows of an entity that was never carried are many enough, and nothing is known to speak against it. */
static bool may_set_aside(const struct entity_run *run)
{
	int64_t least = run->session->means.settings->bulk_rows;

	return run->whole && least > 0 && run->total >= least &&
	       bulk_refusal(run->session->binding, run->bound) == NULL;
}

bool bulk_is_wanted(const struct entity_run *run)
{
	const struct session *session = run->session;

	if (run->bulk_settled || session->means.dry || session_is_rollback(session))
		return false;
	return run->aside > 0 || (may_set_aside(run) && !session_is_again(session));
}

/* --- putting back --------------------------------------------------------------------------------- */

static void submit_put_back(struct step *step, bool but_own, pg_on_answer *on_answer)
{
	const struct entity_run *run = step->run;
	const struct settings *settings = run->session->means.settings;
	_cleanup_free_ char *sql = bulk_sql_put_back(&(struct bulk_back){
		.life = run->session->id,
		.entity = name_of(run),
		.but_session = but_own ? run->session->id : NULL,
		.but_fingerprint = but_own ? run->bound->fingerprint : NULL,
		.epoch = run->session->means.epoch,
		.lock_timeout_ms = settings->lock_timeout_ms,
		.memory_kb = settings->rebuild_memory_kb,
		.workers = settings->rebuild_workers,
	});

	pg_submit(lane_target(step->lane), sql, 0, NULL, on_answer, step);
	fault_point("bulk.sent");
}

/* What one of them has come to. */
static void say_put_back(const struct entity_run *run, const PGresult *result)
{
	const char *kind = PQgetvalue(result, 0, BULK_BACK_KIND);
	const char *name = PQgetvalue(result, 0, BULK_BACK_NAME);
	_cleanup_free_ char *text = NULL;

	if (!PQgetisnull(result, 0, BULK_BACK_PROBLEM)) {
		text = text_format("%s %s: %s", kind, name,
				   PQgetvalue(result, 0, BULK_BACK_PROBLEM));
		say(run, LOG_ERR, text);
		return;
	}
	text = text_format("%s %s is %s", kind, name,
			   strcmp(kind, "validation") == 0   ? "done"
			   : strcmp(kind, "statistics") == 0 ? "made"
							     : "put back");
	say(run, LOG_INFO, text);
}

static void on_put_back(void *arg, const struct pg_answer *answer)
{
	struct step *step = arg;
	struct entity_run *run = step->run;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		finish(step, answer->error);
		return;
	}
	fault_point("bulk.put_back");
	if (PQntuples(result) == 0) {
		run->aside = 0;
	} else if (PQgetisnull(result, 0, BULK_BACK_KIND)) {
		run->rebuilding_most = run->active > 1 ? run->active - 1 : 1;
	} else {
		run->aside = strtoll(PQgetvalue(result, 0, BULK_BACK_REMAINING), NULL, 10);
		say_put_back(run, result);
	}
	if (run->aside == 0)
		run->session->means.on_aside(run->session->means.arg);
	finish(step, NULL);
}

void bulk_put_back(struct entity_run *run, struct lane *lane, bulk_on_done *on_done, void *arg)
{
	submit_put_back(step_new(run, lane, on_done, arg), false, on_put_back);
}

/* --- setting aside ---------------------------------------------------------------------------------- */

static void on_set_aside(void *arg, const struct pg_answer *answer)
{
	struct step *step = arg;
	struct entity_run *run = step->run;
	const PGresult *result = pg_answer_rows(answer);
	int indexes = 0, foreign_keys = 0;
	_cleanup_free_ char *text = NULL;

	if (answer->error != NULL) {
		finish(step, answer->error);
		return;
	}
	fault_point("bulk.set_aside");
	for (int row = 0; row < PQntuples(result); row++) {
		const char *kind = PQgetvalue(result, row, 0);
		_cleanup_free_ char *kept = text_format("bulk mode leaves %s %s as it is: %s", kind,
							PQgetvalue(result, row, 1),
							PQgetvalue(result, row, 2));

		if (!PQgetisnull(result, row, 2))
			say(run, LOG_INFO, kept);
		else if (strcmp(kind, "index") == 0)
			indexes++;
		else
			foreign_keys++;
	}
	text = text_format("set aside until its rows are there: %d index%s, %d foreign key%s",
			   indexes, indexes == 1 ? "" : "es", foreign_keys,
			   foreign_keys == 1 ? "" : "s");
	if (indexes + foreign_keys > 0) {
		say(run, LOG_NOTICE, text);
		run->session->means.on_aside(run->session->means.arg);
		run->aside = indexes + foreign_keys;
		run->rebuilding_most = indexes > 1 ? (size_t)indexes : 1;
	}
	finish(step, NULL);
}

static bool has_candidate(const PGresult *candidates)
{
	for (int row = 0; row < PQntuples(candidates); row++)
		if (strcmp(PQgetvalue(candidates, row, BULK_KIND), "table") != 0 &&
		    PQgetisnull(candidates, row, BULK_KEPT))
			return true;
	return false;
}

static void on_candidates(void *arg, const struct pg_answer *answer)
{
	struct step *step = arg;
	const struct session *session = step->run->session;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_free_ char *sql = NULL;

	if (answer->error != NULL || !has_candidate(result)) {
		finish(step, answer->error);
		return;
	}
	fault_point("bulk.asked");
	sql = bulk_sql_set_aside(step->run->bound,
				 &(struct batch_place){ .session = session->id,
							.epoch = session->means.epoch },
				 result);
	pg_submit(lane_target(step->lane), sql, 0, NULL, on_set_aside, step);
}

static void on_own(void *arg, const struct pg_answer *answer)
{
	struct step *step = arg;
	struct entity_run *run = step->run;
	_cleanup_free_ char *sql = NULL;

	if (answer->error != NULL) {
		finish(step, answer->error);
		return;
	}
	run->aside = strtoll(PQgetvalue(pg_answer_rows(answer), 0, 0), NULL, 10);
	run->rebuilding_most = (size_t)strtoll(PQgetvalue(pg_answer_rows(answer), 0, 1), NULL, 10);
	if (run->rebuilding_most == 0)
		run->rebuilding_most = 1;
	if (run->aside > 0 || !may_set_aside(run) || session_is_again(run->session)) {
		finish(step, NULL);
		return;
	}
	sql = bulk_sql_candidates(run->session->binding, &run->bound, 1);
	pg_submit(lane_target(step->lane), sql, 0, NULL, on_candidates, step);
}

/* What this session has set aside itself stays so: it goes on where an earlier life was. */
static void look_for_own(struct step *step)
{
	pg_submit(lane_target(step->lane), sql_store_set_aside_of, 1,
		  (const char *const[]){ name_of(step->run) }, on_own, step);
}

static void on_others(void *arg, const struct pg_answer *answer)
{
	struct step *step = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		finish(step, answer->error);
		return;
	}
	if (PQntuples(result) == 0) {
		look_for_own(step);
		return;
	}
	if (PQgetisnull(result, 0, BULK_BACK_KIND)) {
		struct error err;

		error_set(&err, ERROR_TRANSIENT, "what bulk mode had set aside is being put back");
		finish(step, &err);
		return;
	}
	say_put_back(step->run, result);
	put_back_others(step);
}

static void put_back_others(struct step *step)
{
	submit_put_back(step, true, on_others);
}

void bulk_begin(struct entity_run *run, struct lane *lane, bulk_on_done *on_done, void *arg)
{
	struct step *step = step_new(run, lane, on_done, arg);

	if (run->aside > 0)
		put_back_others(step);
	else
		look_for_own(step);
}
