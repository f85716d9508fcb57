/*
 * See validation_step.h; the checks are led by inspection.c.
 */
#include "run/validation_step.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "common/log.h"
#include "common/text.h"
#include "config/validate.h"
#include "run/inspection.h"
#include "sql_store.h"

struct validation_step {
	struct entity_run *run;
	struct lane *lane;
	enum validate_step which;
	char id[UUID_TEXT_SIZE]; /* of the validation */
	struct inspected_entity entity;
	struct inspection *inspection; /* while it runs */
	validation_step_on_done *on_done;
	void *arg;
};

static const char *name_of(const struct validation_step *step)
{
	return step->run->bound->entity->name;
}

/* What is carried again on request is a few rows; and a dry run leaves nothing behind, not even what was found. */
static bool session_has_steps(const struct session *session)
{
	return !session_is_again(session) && !session_is_rollback(session) && !session->means.dry;
}

bool validation_step_is_wanted(const struct entity_run *run, enum validate_step which)
{
	struct validate_config config = validate_of(run->bound->entity,
						    run->session->means.settings);

	return (config.steps & which) != 0 && session_has_steps(run->session);
}

/* --- the end --------------------------------------------------------------------------------------- */

static void step_free(struct validation_step *step)
{
	step->run->step = NULL;
	inspected_entity_done(&step->entity);
	free(step);
}

static int64_t differences_of(const struct validation_step *step)
{
	int64_t count = 0;

	for (size_t i = 0; i < INSPECTION_CHECKS; i++)
		count += step->entity.checks[i].differences;
	return count;
}

static void finish(struct validation_step *step, bool stops, const struct error *err)
{
	validation_step_on_done *on_done = step->on_done;
	void *arg = step->arg;
	struct error copy;

	if (err != NULL)
		copy = *err;
	step_free(step);
	on_done(arg, stops, err != NULL ? &copy : NULL);
}

/* "counts 3, references 1" */
static void append_differences(struct text *text, const struct validation_step *step)
{
	for (size_t i = 0; i < INSPECTION_CHECKS; i++)
		if (step->entity.checks[i].differences > 0)
			text_appendf(text, "%s%s %" PRId64, text->length > 0 ? ", " : "",
				     inspection_checks[i], step->entity.checks[i].differences);
}

static void log_differences(const struct validation_step *step)
{
	_cleanup_text_ struct text words = TEXT_INIT;
	int64_t count = differences_of(step);

	append_differences(&words, step);
	if (count > 0)
		event_log(EVENT_VALIDATION_DIFFERENCES,
			  &(struct log_fields){ .session = step->run->session->id,
						.entity = name_of(step),
						.phase = "check" },
			  "%s: %" PRId64 " difference%s %s its rows were carried: %s "
			  "(migratectl validate --show %.8s)",
			  name_of(step), count, count == 1 ? "" : "s",
			  validate_step_names[step->which], text_string(&words), step->id);
}

/* What could not be checked is said, unless there has been nothing to check yet. */
static void log_unchecked(const struct validation_step *step)
{
	for (size_t i = 0; i < INSPECTION_CHECKS; i++) {
		const struct inspected_check *check = &step->entity.checks[i];

		if (check->state == INSPECTED_FAILED ||
		    (check->state == INSPECTED_UNCHECKED && step->which == VALIDATE_AFTER))
			log_event(LOG_WARNING,
				  &(struct log_fields){ .session = step->run->session->id,
							.entity = name_of(step) },
				  "%s could not be checked (%s): %s", name_of(step),
				  inspection_checks[i],
				  check->reason != NULL ? check->reason : "no reason is known");
	}
}

static void on_kept(void *arg, const struct pg_answer *answer)
{
	struct validation_step *step = arg;
	const PGresult *result = pg_answer_rows(answer);
	struct entity_run *run = step->run;
	struct validate_config config = validate_of(run->bound->entity,
						    run->session->means.settings);

	if (answer->error != NULL) {
		finish(step, false, answer->error);
		return;
	}
	if (PQntuples(result) == 1) {
		run->differences = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
		run->unchecked = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
	}
	log_differences(step);
	log_unchecked(step);
	finish(step, config.stop && differences_of(step) > 0, NULL);
}

static void on_inspected(void *arg, const struct error *err)
{
	struct validation_step *step = arg;

	step->inspection = NULL;
	if (err != NULL) {
		finish(step, false, err);
		return;
	}
	pg_submit(step->run->session->means.target, sql_store_validation_step_kept, 2,
		  (const char *const[]){ step->run->session->id, name_of(step) }, on_kept, step);
}

/* --- checking -------------------------------------------------------------------------------------- */

/* Does anything stand in the way of the next chunk? */
static bool is_wanted_still(const struct validation_step *step)
{
	const struct session *session = step->run->session;

	bool held = session->hold != HOLD_NONE &&
		    (session->hold != HOLD_ENVIRONMENT || session->probing != PROBING_BATCH);

	return session->phase == SESSION_RUNNING && !session->cancelled && !held &&
	       !step->run->paused && !entity_run_is_over(step->run) &&
	       !session->means.is_stopping(session->means.arg);
}

static void on_progress(void *arg)
{
	struct validation_step *step = arg;
	struct session *session = step->run->session;

	session->means.on_change(session->means.arg);
	if (!is_wanted_still(step))
		inspection_cancel(step->inspection, session->means.source, session->means.target);
}

static void on_validation(void *arg, const struct pg_answer *answer)
{
	struct validation_step *step = arg;
	struct session *session = step->run->session;

	if (answer->error != NULL) {
		finish(step, false, answer->error);
		return;
	}
	snprintf(step->id, sizeof(step->id), "%s", PQgetvalue(pg_answer_rows(answer), 0, 0));
	step->inspection = inspection_start(&(struct inspection_request){
		.base = session->means.base,
		.settings = session->means.settings,
		.binding = session->binding,
		.bound = step->run->bound,
		.lane = step->lane,
		.store = session->means.target,
		.epoch = session->means.epoch,
		.validation = step->id,
		.entity = &step->entity,
		.in_session = step->which == VALIDATE_AFTER,
		.on_progress = on_progress,
		.on_done = on_inspected,
		.arg = step,
	});
}

/* --- the beginning ----------------------------------------------------------------------------------- */

static void want_checks(struct validation_step *step, unsigned checks)
{
	for (size_t i = 0; i < INSPECTION_CHECKS; i++)
		step->entity.checks[i].wanted = (checks & 1U << i) != 0;
}

void validation_step_start(struct entity_run *run, struct lane *lane, enum validate_step which,
			   validation_step_on_done *on_done, void *arg)
{
	struct session *session = run->session;
	struct validation_step *step = memory_new(sizeof(*step));
	struct validate_config config = validate_of(run->bound->entity, session->means.settings);
	json_auto_t *rows = json_array();
	_cleanup_free_ char *dumped = NULL;

	*step = (struct validation_step){ .run = run,
					  .lane = lane,
					  .which = which,
					  .on_done = on_done,
					  .arg = arg };
	run->step = step;
	uuid_make(step->id);
	step->entity.entity = text_copy(name_of(step));
	want_checks(step, config.checks);
	inspected_entity_describe(&step->entity, (size_t)(run - session->runs), rows);
	dumped = json_dumps(rows, JSON_COMPACT);
	pg_submit(session->means.target, sql_store_validation_insert, 5,
		  (const char *const[]){ step->id, "{}", dumped, session->id,
					 validate_step_names[which] },
		  on_validation, step);
}

void validation_steps_drop(struct session *session)
{
	struct error err;

	for (size_t i = 0; i < session->run_count; i++) {
		struct validation_step *step = session->runs[i].step;

		if (step == NULL)
			continue;
		if (step->inspection != NULL)
			inspection_drop(step->inspection);
		session_forget(session, step);
		error_set(&err, ERROR_CANCELLED, "the session goes on elsewhere");
		finish(step, false, &err);
	}
}

void validation_steps_end(struct session *session)
{
	if (!session_has_steps(session))
		return;
	pg_submit(session->means.target, sql_store_validation_steps_end, 1,
		  (const char *const[]){ session->id }, NULL, NULL);
}
