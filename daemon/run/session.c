/*
 * The life of a session; see session.h. Told in the order in which it happens. How it is shown stands in progress.c.
 */
#include "run/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/recovery.h"
#include "run/schedule.h"
#include "run/selection.h"
#include "run/steer.h"
#include "sql_store.h"

static void detect(struct session *session);
static void open_runs(struct session *session);
static void detect_or_load(struct session *session);
static void end(struct session *session);

static void log_session(const struct session *session, int priority, const char *what)
{
	log_event(priority, &(struct log_fields){ .session = session->id }, "session %s (%s): %s",
		  session->id, session->mode, what);
}

static void set_phase(struct session *session, enum session_phase phase)
{
	session->phase = phase;
	session->means.on_change(session->means.arg);
}

/* Ends it before its time. Batches under way are let finish. */
void session_fail(struct session *session, const struct error *err)
{
	log_error(LOG_ERR, err);
	session->failure = *err;
	snprintf(session->reason, sizeof(session->reason), "%s", err->message);
	end(session);
}

/* The store could not be asked. */
static bool store_failed(struct session *session, const struct error *err)
{
	if (err != NULL)
		recovery_session_failed(session, err);
	return err != NULL;
}

/* Answers that are still on their way find nobody. Not once the connections are closed: then none is on its way. */
static void forget(struct session *session, const void *arg)
{
	if (session->abandoned)
		return;
	pg_forget(session->means.source, arg);
	pg_forget(session->means.target, arg);
}

/* --- opening: the session's rows in the store ---------------------------------------------------- */

static void on_opened(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;

	session->opening--;
	fault_point("session.opened");
	if (session->phase != SESSION_OPENING)
		return;
	session->opening_failed |= store_failed(session, answer->error);
	if (session->opening_failed || session->opening > 0)
		return;
	session->started_us = clock_wall_us();
	session->started_ms = clock_monotonic_ms();
	log_session(session, LOG_NOTICE, "started");
	set_phase(session, SESSION_RUNNING);
	schedule_store_ready(session);
}

static void keep_run(struct session *session, const struct entity_run *run)
{
	_cleanup_free_ char *level = text_format("%zu", run->bound->entity->level);
	_cleanup_free_ char *total = text_format("%" PRId64, run->total);

	session->opening++;
	pg_submit(session->means.target, sql_store_session_entity_insert, 7,
		  (const char *const[]){ session->id, run->bound->entity->name, level,
					 run->whole ? "t" : "f", total, schedule_kept_state(run),
					 run->reason[0] != '\0' ? run->reason : NULL },
		  on_opened, session);
}

static void open_runs(struct session *session)
{
	set_phase(session, SESSION_OPENING);
	session->opening_failed = false;
	for (size_t i = 0; i < session->run_count; i++)
		keep_run(session, &session->runs[i]);
	session->opening++;
	pg_submit(session->means.target, sql_store_session_open, 3,
		  (const char *const[]){ session->id, session->analysis, session->mode }, on_opened,
		  session);
}

/* --- which entities take part -------------------------------------------------------------------- */

static struct entity_run *add_run(struct session *session, const struct bound_entity *bound)
{
	struct entity_run *run = &session->runs[session->run_count++];

	*run = (struct entity_run){
		.session = session,
		.bound = bound,
	};
	return run;
}

static bool *selected(const struct session *session, struct error *err)
{
	return selection_make(session->means.set, json_object_get(session->options, "entities"),
			      json_object_get(session->options, "exclude"), err);
}

static bool is_full(const struct session *session)
{
	return json_is_true(json_object_get(session->options, "full"));
}

static void choose_mode(struct session *session)
{
	bool whole = session->run_count > 0;

	for (size_t i = 0; i < session->run_count; i++)
		whole &= session->runs[i].whole;
	snprintf(session->mode, sizeof(session->mode), "%s",
		 is_full(session) ? "full"
		 : whole	  ? "initial"
				  : "differential");
}

/* --- the analysis ------------------------------------------------------------------------------ */

static int row_of_entity(const PGresult *result, const char *entity)
{
	for (int row = 0; row < PQntuples(result); row++)
		if (strcmp(PQgetvalue(result, row, 0), entity) == 0)
			return row;
	return -1;
}

static int64_t number(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static void add_runs_of_analysis(struct session *session, const PGresult *result,
				 const bool *wanted)
{
	for (size_t i = 0; i < session->means.set->count; i++) {
		const struct bound_entity *bound = &session->binding->entities[i];
		int row = row_of_entity(result, bound->entity->name);
		struct entity_run *run;

		const char *undetected = json_string_value(
			json_object_get(session->undetected, bound->entity->name));

		if (!wanted[i] || (row < 0 && bound->usable && undetected == NULL))
			continue;
		run = add_run(session, bound);
		steer_begin(run);
		if (row < 0 || !bound->usable) {
			run->state = ENTITY_FAILED;
			snprintf(run->reason, sizeof(run->reason), "%s",
				 undetected != NULL && bound->usable
					 ? undetected
					 : binding_refusal(session->binding, bound));
			continue;
		}
		run->whole = is_full(session) || PQgetvalue(result, row, 1)[0] == 't';
		run->total = run->whole ? number(result, row, 5)
					: number(result, row, 2) + number(result, row, 3) +
						  number(result, row, 4);
	}
}

/* An analysis taken by default must speak of everything that is to be migrated. */
static bool covers(const struct session *session, const PGresult *result, const bool *wanted)
{
	for (size_t i = 0; i < session->means.set->count; i++)
		if (wanted[i] && session->binding->entities[i].usable &&
		    row_of_entity(result, session->means.set->entities[i].name) < 0)
			return false;
	return true;
}

/* Read again, an analysis begins anew. */
static void forget_runs(struct session *session)
{
	for (size_t i = 0; i < session->run_count; i++) {
		forget(session, &session->runs[i]);
		entity_run_done(&session->runs[i]);
	}
	session->run_count = 0;
}

static void on_analysis(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_free_ bool *wanted = NULL;
	struct error err;

	session->asking = false;
	if (session->phase != SESSION_DETECTING || store_failed(session, answer->error) ||
	    session->hold != HOLD_NONE)
		return; /* session_proceed() comes back, if anybody */
	wanted = selected(session, &err);
	if (wanted == NULL) {
		session_fail(session, &err);
		return;
	}
	if (session->analysis_by_default && !covers(session, result, wanted)) {
		session->analysis[0] = '\0';
		detect(session);
		return;
	}
	session->analysis_settled = json_object_size(session->undetected) == 0;
	forget_runs(session);
	add_runs_of_analysis(session, result, wanted);
	choose_mode(session);
	open_runs(session);
}

static void load_analysis(struct session *session)
{
	session->asking = true;
	set_phase(session, SESSION_DETECTING);
	pg_submit(session->means.target, sql_store_analysis_entities, 1,
		  (const char *const[]){ session->analysis }, on_analysis, session);
}

/* What could not be looked at is not passed over: those entities fail, with the reason. False: a connection was lost, and all
   of it is to be done again. */
static bool note_undetected(struct session *session, const struct detection *detection)
{
	size_t count;
	const struct detection_entity *entities = detection_entities(detection, &count);

	json_decref(session->undetected);
	session->undetected = json_object();
	for (size_t i = 0; i < count; i++) {
		const struct error *err = &entities[i].error;

		if (session_will_reconnect(session, err))
			return false;
		if (err->kind == ERROR_ENVIRONMENT) {
			recovery_hold(session, err);
			return false;
		}
		if (err->kind != ERROR_NONE)
			json_object_set_new(session->undetected, entities[i].bound->entity->name,
					    json_string(err->message));
	}
	return true;
}

static void on_detected(void *arg, struct detection *detection, const struct error *err)
{
	struct session *session = arg;

	session->detection = NULL;
	if (err == NULL && note_undetected(session, detection)) {
		snprintf(session->analysis, sizeof(session->analysis), "%s",
			 detection_analysis(detection));
		session->analysis_by_default = false;
		session->analysis_settled = json_object_size(session->undetected) == 0;
	}
	detection_free(detection);
	if (session->cancelled)
		end(session);
	else if (store_failed(session, err))
		return;
	else if (session->hold != HOLD_NONE)
		hold_keep(session); /* with its analysis; session_proceed() comes back */
	else if (session->analysis[0] != '\0' || pg_connection_is_up(session->means.target))
		detect_or_load(session); /* else session_store_ready() comes back */
}

static void detect(struct session *session)
{
	struct error err;
	_cleanup_free_ bool *wanted = selected(session, &err);

	if (wanted == NULL) {
		session_fail(session, &err);
		return;
	}
	set_phase(session, SESSION_DETECTING);
	session->detection = detection_new(
		&(struct detection_request){
			.base = session->means.base,
			.binding = session->binding,
			.selected = wanted,
			.lanes = session->means.lanes,
			.source = session->means.source,
			.store = session->means.target,
			.depth = detection_depth(
				json_string_value(json_object_get(session->options, "strategy"))),
			.always_compare = is_full(session),
			.work_memory_kb = session->means.settings->work_memory_kb,
		},
		on_detected, session);
}

static void detect_or_load(struct session *session)
{
	if (session->analysis[0] != '\0')
		load_analysis(session);
	else
		detect(session);
}

/* --- the request: refused, or a row of the store --------------------------------------------------- */

static void start_told(struct session *session, const struct error *err)
{
	session_on_started *on_started = session->on_started;

	session->on_started = NULL;
	if (on_started != NULL)
		on_started(session->on_started_arg, session, err);
}

/* It stands in the store, and so does what was asked of it meanwhile. */
static void begin(struct session *session)
{
	hold_begin(session);
	if (session->hold != HOLD_NONE || session->cancelled || session->steered != NULL)
		hold_keep(session);
	set_phase(session, SESSION_DETECTING);
	session_proceed(session);
}

static void on_inserted(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;

	if (answer->error != NULL) {
		start_told(session, answer->error);
		return;
	}
	session->number = atoi(PQgetvalue(pg_answer_rows(answer), 0, 0));
	fault_point("session.inserted");
	start_told(session, NULL);
	begin(session);
}

static void insert_session(struct session *session)
{
	_cleanup_free_ char *options = json_dumps(session->options, JSON_COMPACT);

	/* An analysis that was asked for is the session's from the start; another may turn out not to do. */
	pg_submit(session->means.target, sql_store_session_insert, 4,
		  (const char *const[]){
			  session->id, is_full(session) ? "full" : "differential", options,
			  session->analysis_by_default || session->analysis[0] == '\0'
				  ? NULL
				  : session->analysis },
		  on_inserted, session);
}

static void on_analysis_found(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;
	const PGresult *result = pg_answer_rows(answer);
	struct error err;

	if (answer->error != NULL) {
		start_told(session, answer->error);
		return;
	}
	if (session->analysis_by_default || PQntuples(result) == 1) {
		if (PQntuples(result) > 0)
			snprintf(session->analysis, sizeof(session->analysis), "%s",
				 PQgetvalue(result, 0, 0));
		/* Kept, so that a later life that finds the session not begun takes the same. */
		if (!session->analysis_by_default)
			json_object_set_new(session->options, "analysis",
					    json_string(session->analysis));
		insert_session(session);
		return;
	}
	error_set(&err, PQntuples(result) == 0 ? ERROR_NOT_FOUND : ERROR_USAGE,
		  PQntuples(result) == 0 ? "there is no analysis %s"
					 : "more than one analysis begins with %s",
		  session->analysis);
	snprintf(err.phase, sizeof(err.phase), "analysis");
	error_hint(&err, "migratectl detect makes a new one");
	start_told(session, &err);
}

static void find_analysis(struct session *session, const char *analysis)
{
	if (analysis != NULL) {
		snprintf(session->analysis, sizeof(session->analysis), "%s", analysis);
		pg_submit(session->means.target, sql_store_analysis_find, 1,
			  (const char *const[]){ analysis }, on_analysis_found, session);
	} else if (is_full(session) || json_is_true(json_object_get(session->options, "fresh"))) {
		insert_session(session);
	} else {
		session->analysis_by_default = true;
		pg_submit(session->means.target, sql_store_analysis_last, 0, NULL,
			  on_analysis_found, session);
	}
}

static struct session *session_alloc(const struct session_means *means, struct binding *binding,
				     json_t *options)
{
	struct session *session = memory_new(sizeof(*session));

	session->means = *means;
	session->binding = binding;
	session->options = options;
	session->runs = memory_new((means->set->count + 1) * sizeof(*session->runs));
	schedule_init(session);
	hold_init(session);
	return session;
}

struct session *session_new(const struct session_means *means, struct binding *binding,
			    json_t *options, const char *analysis, session_on_started *on_started,
			    void *arg)
{
	struct session *session = session_alloc(means, binding, options);

	session->on_started = on_started;
	session->on_started_arg = arg;
	uuid_make(session->id);
	snprintf(session->mode, sizeof(session->mode), "%s",
		 is_full(session) ? "full" : "differential");
	session->created_us = clock_wall_us();
	find_analysis(session, analysis);
	return session;
}

/* --- a session of an earlier life ---------------------------------------------------------------- */

static void resume_run(struct entity_run *run, const PGresult *result, int row)
{
	const char *state = PQgetvalue(result, row, 2);

	run->whole = PQgetvalue(result, row, 1)[0] == 't';
	run->total = number(result, row, 4);
	run->counted = PQgetvalue(result, row, 5)[0] == 't';
	run->counts = (struct batch_counts){
		.inserted = number(result, row, 6),
		.updated = number(result, row, 7),
		.unchanged = number(result, row, 8),
		.deleted = number(result, row, 9),
		.failed = number(result, row, 10),
		.parked = number(result, row, 11),
	};
	snprintf(run->reason, sizeof(run->reason), "%s", PQgetvalue(result, row, 3));
	if (strcmp(state, "completed") == 0)
		run->state = ENTITY_COMPLETED;
	else if (strcmp(state, "failed") == 0)
		run->state = ENTITY_FAILED;
	else if (strcmp(state, "cancelled") == 0)
		run->state = ENTITY_CANCELLED;
	else
		run->paused = strcmp(state, "paused") == 0;
}

static void on_resumed(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (session->phase != SESSION_OPENING || store_failed(session, answer->error))
		return;
	for (size_t i = 0; i < session->means.set->count; i++) {
		const struct bound_entity *bound = &session->binding->entities[i];
		int row = row_of_entity(result, bound->entity->name);

		if (row >= 0)
			resume_run(add_run(session, bound), result, row);
	}
	for (size_t i = 0; i < session->run_count; i++)
		if (!session->runs[i].bound->usable && !entity_run_is_over(&session->runs[i]))
			schedule_fail_entity(&session->runs[i],
					     binding_refusal(session->binding,
							     session->runs[i].bound));
	session->started_ms = clock_monotonic_ms();
	log_session(session, LOG_NOTICE, session->hold != HOLD_NONE ? "found, paused" : "resumed");
	set_phase(session, SESSION_RUNNING);
	session_proceed(session);
}

static void load_runs(struct session *session)
{
	set_phase(session, SESSION_OPENING);
	pg_submit(session->means.target, sql_store_session_entities, 1,
		  (const char *const[]){ session->id }, on_resumed, session);
}

struct session *session_resume_from(const struct session_means *means, struct binding *binding,
				    const PGresult *row)
{
	json_t *options = json_loads(PQgetvalue(row, 0, 5), 0, NULL);
	struct session *session = session_alloc(means, binding,
						options != NULL ? options : json_object());

	snprintf(session->id, sizeof(session->id), "%s", PQgetvalue(row, 0, 0));
	session->number = atoi(PQgetvalue(row, 0, 1));
	snprintf(session->analysis, sizeof(session->analysis), "%s", PQgetvalue(row, 0, 2));
	snprintf(session->mode, sizeof(session->mode), "%s", PQgetvalue(row, 0, 3));
	snprintf(session->reason, sizeof(session->reason), "%s", PQgetvalue(row, 0, 8));
	session->created_us = strtoll(PQgetvalue(row, 0, 6), NULL, 10);
	session->started_us = strtoll(PQgetvalue(row, 0, 7), NULL, 10);
	session->resumed = true;
	hold_restore(session, row);
	session->analysis_by_default = session->analysis[0] != '\0' &&
				       json_object_get(session->options, "analysis") == NULL;
	if (session->analysis[0] == '\0' && json_object_get(session->options, "analysis") != NULL)
		snprintf(session->analysis, sizeof(session->analysis), "%s",
			 json_string_value(json_object_get(session->options, "analysis")));
	if (session->started_us > 0)
		session->elapsed_before_ms = (clock_wall_us() - session->started_us) / 1000;
	hold_begin(session);
	if (session->started_us > 0) {
		load_runs(session);
		return session;
	}
	log_session(session, LOG_NOTICE, session->hold != HOLD_NONE ? "found, paused" : "resumed");
	set_phase(session, SESSION_DETECTING);
	session_proceed(session);
	return session;
}

/* --- the end ----------------------------------------------------------------------------------- */

static void choose_final_state(struct session *session)
{
	size_t failed = 0;

	for (size_t i = 0; i < session->run_count; i++)
		failed += session->runs[i].state == ENTITY_FAILED;
	if (session->cancelled) {
		snprintf(session->final_state, sizeof(session->final_state), "cancelled");
	} else if (session->failure.kind != ERROR_NONE || failed > 0) {
		snprintf(session->final_state, sizeof(session->final_state), "failed");
		if (session->failure.kind == ERROR_NONE)
			snprintf(session->reason, sizeof(session->reason),
				 failed == 1 ? "1 entity failed" : "%zu entities failed", failed);
	} else {
		snprintf(session->final_state, sizeof(session->final_state), "completed");
		session->reason[0] = '\0';
	}
}

static void on_end_kept(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;

	if (session->phase == SESSION_ENDED ||
	    (answer->error != NULL && session_will_reconnect(session, answer->error)))
		return; /* kept already; or session_store_ready() keeps it again */
	fault_point("session.ended");
	if (answer->error != NULL) {
		log_error(LOG_ERR, answer->error);
		if (recovery_may_end_later(session, answer->error))
			return;
	}
	session->finished_us = clock_wall_us();
	log_session(session, session->failure.kind == ERROR_NONE ? LOG_NOTICE : LOG_ERR,
		    session->final_state);
	set_phase(session, SESSION_ENDED);
	session->means.on_end(session->means.arg, session);
}

static void end(struct session *session)
{
	choose_final_state(session);
	session->hold = HOLD_NONE;
	hold_end(session);
	set_phase(session, SESSION_ENDING);
	if (session->batches_active > 0)
		return; /* schedule_advance() comes back */
	fault_point("session.ending");
	pg_submit(session->means.target, sql_store_session_end, 3,
		  (const char *const[]){ session->id, session->final_state,
					 session->reason[0] != '\0' ? session->reason : NULL },
		  on_end_kept, session);
}

void session_finish(struct session *session)
{
	end(session);
}

/* --- going on ------------------------------------------------------------------------------------- */

/* Also when it was cancelled in an earlier life: its parts are read first then, so that their end is kept. */
static void end_cancelled(struct session *session)
{
	bool unread = session->phase == SESSION_OPENING && session->run_count == 0;

	steer_cancel_runs(session);
	if (session->phase != SESSION_PREPARING && session->detection == NULL && !unread)
		end(session); /* else who answers comes back */
}

void session_proceed(struct session *session)
{
	if (session->cancelled && session->phase < SESSION_ENDING) {
		end_cancelled(session);
		return;
	}
	if (session->hold != HOLD_NONE)
		return;
	if (session->phase == SESSION_RUNNING)
		schedule_advance(session);
	else if (session->phase == SESSION_DETECTING && session->detection != NULL)
		lane_pool_wake(session->means.lanes);
	else if (session->phase == SESSION_DETECTING && !session->asking)
		detect_or_load(session);
}

/* --- the connection to the store came back --------------------------------------------------------- */

void session_store_ready(struct session *session)
{
	hold_store_ready(session);
	switch (session->phase) {
	case SESSION_PREPARING:
		break; /* the request is answered with the error */
	case SESSION_DETECTING:
		session_proceed(session);
		break;
	case SESSION_OPENING:
		if (session->opening > 0)
			break;
		if (session->run_count > 0)
			open_runs(session);
		else if (session->started_us > 0)
			load_runs(session);
		else
			detect_or_load(session);
		break;
	case SESSION_RUNNING:
		schedule_store_ready(session);
		break;
	case SESSION_ENDING:
		end(session);
		break;
	case SESSION_ENDED:
		break;
	}
}

void session_abandon(struct session *session)
{
	session->phase = SESSION_ENDED;
	session->abandoned = true;
}

void session_put_down(struct session *session)
{
	if (session->phase == SESSION_ENDED)
		return;
	log_session(session, LOG_WARNING, "left to the daemon that has taken over");
	session->phase = SESSION_ENDED;
	session->means.on_taken_over(session->means.arg);
}

void session_free(struct session *session)
{
	if (session == NULL)
		return;
	forget(session, session);
	detection_free(session->detection);
	schedule_done(session);
	hold_done(session);
	forget_runs(session);
	free(session->runs);
	binding_free(session->binding);
	json_decref(session->options);
	json_decref(session->undetected);
	free(session);
}
