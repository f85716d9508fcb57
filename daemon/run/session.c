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
#include "run/opening.h"
#include "run/record.h"
#include "run/recovery.h"
#include "run/rollback.h"
#include "run/schedule.h"
#include "run/selection.h"
#include "run/steer.h"
#include "run/validation_step.h"
#include "sql_store.h"

static void detect_or_load(struct session *session);
static void end(struct session *session);

void session_log(const struct session *session, int priority, const char *what)
{
	log_event(priority, &(struct log_fields){ .session = session->id }, "session %s (%s): %s",
		  session->id, session_mode(session), what);
}

/* A dry run is its operator's alone: nobody else is to be told by an event. */
void session_tell(const struct session *session, enum event_kind kind, const char *what)
{
	const struct log_fields fields = { .session = session->id };

	if (session->means.dry)
		log_event(event_describe(kind)->priority, &fields, "session %s (%s): %s",
			  session->id, session_mode(session), what);
	else
		event_log(kind, &fields, "session %s (%s): %s", session->id, session_mode(session),
			  what);
}

void session_set_phase(struct session *session, enum session_phase phase)
{
	session->phase = phase;
	session->means.on_change(session->means.arg);
}

static void tell_failure(const struct session *session, const struct error *err)
{
	const struct log_fields fields = { .session = session->id };
	struct error told = *err;

	error_context(&told, "session %s (%s): failed", session->id, session_mode(session));
	if (session->means.dry)
		log_error_of(LOG_ERR, &fields, &told);
	else
		event_log_error(EVENT_SESSION_FAILED, &fields, &told);
}

void session_fail(struct session *session, const struct error *err)
{
	tell_failure(session, err);
	session->failure = *err;
	snprintf(session->reason, sizeof(session->reason), "%s", err->message);
	end(session);
}

bool session_store_failed(struct session *session, const struct error *err)
{
	if (err != NULL)
		recovery_session_failed(session, err);
	return err != NULL;
}

/* --- detection ------------------------------------------------------------------------------------ */

bool *session_selection(const struct session *session, struct error *err)
{
	return selection_make(session->means.set, json_object_get(session->options, "entities"),
			      json_object_get(session->options, "exclude"), err);
}

bool session_is_full(const struct session *session)
{
	return json_is_true(json_object_get(session->options, "full"));
}

bool session_is_again(const struct session *session)
{
	return json_is_true(json_object_get(session->options, "again"));
}

bool session_is_rollback(const struct session *session)
{
	return json_object_get(session->options, "rollback") != NULL;
}

/* Before it is known what there is to do. */
static const char *asked_mode(const struct session *session)
{
	return session_is_rollback(session) ? "rollback"
	       : session_is_full(session)   ? "full"
	       : session_is_again(session)  ? "again"
					    : "differential";
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
	if (session->phase >= SESSION_ENDING)
		return; /* it has failed meanwhile */
	if (session->cancelled)
		end(session);
	else if (session_store_failed(session, err))
		return;
	else if (session->hold != HOLD_NONE)
		hold_keep(session); /* with its analysis; session_proceed() comes back */
	else if (session->analysis[0] != '\0' || pg_connection_is_up(session->means.target))
		detect_or_load(session); /* else session_store_ready() comes back */
}

static void detect(struct session *session)
{
	struct error err;
	_cleanup_free_ bool *wanted = session_selection(session, &err);

	if (wanted == NULL) {
		session_fail(session, &err);
		return;
	}
	/* Only the source's identity is looked at, for the breakers. */
	for (size_t i = 0; session_is_again(session) && i < session->means.set->count; i++)
		wanted[i] = false;
	session_set_phase(session, SESSION_DETECTING);
	session->detection = detection_new(
		&(struct detection_request){
			.base = session->means.base,
			.binding = session->binding,
			.selected = wanted,
			.lanes = session->means.lanes,
			.source = session->means.source,
			.store = session->means.target,
			.source_beside = session->means.source_beside,
			.target_beside = session->means.target_beside,
			.depth = detection_depth(
				json_string_value(json_object_get(session->options, "strategy"))),
			.always_compare = session_is_full(session),
			.work_memory_kb = session->means.settings->work_memory_kb,
		},
		on_detected, session);
}

static void detect_or_load(struct session *session)
{
	if (session->analysis[0] != '\0' || session_is_rollback(session))
		opening_load(session);
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
	session_set_phase(session, SESSION_DETECTING);
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
	record_circumstances(session);
	start_told(session, NULL);
	begin(session);
}

static void insert_session(struct session *session)
{
	_cleanup_free_ char *options = json_dumps(session->options, JSON_COMPACT);

	if (session_is_rollback(session)) {
		rollback_insert(session, options, on_inserted);
		return;
	}
	/* An analysis that was asked for is the session's from the start; another may turn out not to do. */
	pg_submit(session->means.target, sql_store_session_insert, 4,
		  (const char *const[]){ session->id, asked_mode(session), options,
					 session->analysis_by_default ||
							 session->analysis[0] == '\0'
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
	} else if (session_is_full(session) || session_is_again(session) ||
		   session_is_rollback(session) ||
		   json_is_true(json_object_get(session->options, "fresh"))) {
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
	snprintf(session->mode, sizeof(session->mode), "%s", asked_mode(session));
	session->created_us = clock_wall_us();
	find_analysis(session, analysis);
	return session;
}

/* --- a session of an earlier life ---------------------------------------------------------------- */

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
	record_circumstances(session);
	if (session->started_us > 0) {
		opening_read(session);
		return session;
	}
	session_tell(session, EVENT_SESSION_TAKEN_UP,
		     session->hold != HOLD_NONE ? "found, paused" : "resumed");
	session_set_phase(session, SESSION_DETECTING);
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

/* What a completed session leaves for people to look at; "" if nothing. */
static void append_findings(const struct session *session, struct text *text)
{
	int64_t failed = 0, parked = 0, held = 0, differences = 0;

	for (size_t i = 0; i < session->run_count; i++) {
		const struct entity_run *run = &session->runs[i];

		failed += run->counts.failed;
		parked += run->counts.parked;
		held += run->counts.held;
		differences += run->differences;
	}
	if (failed > 0)
		text_appendf(text, ", %" PRId64 " set aside (migratectl dead-letters)", failed);
	if (parked > 0)
		text_appendf(text, ", %" PRId64 " parked (migratectl parked)", parked);
	if (held > 0)
		text_appendf(text, ", %" PRId64 " held (migratectl conflicts)", held);
	if (differences > 0)
		text_appendf(text, ", %" PRId64 " differences (migratectl validate --show)",
			     differences);
}

static void tell_end(const struct session *session)
{
	_cleanup_text_ struct text what = TEXT_INIT;

	text_append(&what, session->final_state);
	if (session->failure.kind != ERROR_NONE && !session->cancelled) {
		session_log(session, LOG_INFO, session->final_state); /* session_fail() has told */
	} else if (session->cancelled || strcmp(session->final_state, "failed") == 0) {
		text_appendf(&what, ": %s", session->reason);
		session_tell(session,
			     session->cancelled ? EVENT_SESSION_CANCELLED : EVENT_SESSION_FAILED,
			     text_string(&what));
	} else {
		size_t length = what.length;

		append_findings(session, &what);
		session_tell(session,
			     what.length > length ? EVENT_SESSION_COMPLETED_WITH_FINDINGS
						  : EVENT_SESSION_COMPLETED,
			     text_string(&what));
	}
}

static void over(struct session *session)
{
	session->finished_us = clock_wall_us();
	tell_end(session);
	session_set_phase(session, SESSION_ENDED);
	session->means.on_end(session->means.arg, session);
}

static void on_end_kept(void *arg, const struct pg_answer *answer)
{
	struct session *session = arg;

	if (session->phase == SESSION_ENDED ||
	    (answer->error != NULL && session_will_reconnect(session, answer->error)))
		return; /* kept already; or session_store_ready() keeps it again */
	fault_point("session.ended");
	if (answer->error != NULL) {
		log_error_of(LOG_ERR, &(struct log_fields){ .session = session->id },
			     answer->error);
		if (recovery_may_end_later(session, answer->error))
			return;
	}
	over(session);
}

static void end(struct session *session)
{
	if (session->phase == SESSION_ENDED)
		return;
	choose_final_state(session);
	session->hold = HOLD_NONE;
	hold_end(session);
	session_set_phase(session, SESSION_ENDING);
	if (session->batches_active > 0)
		return; /* schedule_advance() comes back */
	if (session->means.dry) {
		over(session);
		return;
	}
	fault_point("session.ending");
	validation_steps_end(session);
	if (session_is_rollback(session))
		rollback_forget(session);
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
	if (session->detection != NULL)
		detection_cancel(session->detection);
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
	else if (session->phase == SESSION_OPENING)
		opening_again(session);
}

/* --- the connection to the store came back --------------------------------------------------------- */

void session_store_ready(struct session *session)
{
	if (session->phase < SESSION_RUNNING && session->hold == HOLD_ENVIRONMENT)
		session_release(
			session,
			EVENT_SESSION_RECOVERED); /* what was in its way may have gone with the connection */
	hold_store_ready(session);
	switch (session->phase) {
	case SESSION_PREPARING:
		break; /* the request is answered with the error */
	case SESSION_DETECTING:
	case SESSION_OPENING:
		session_proceed(session);
		break;
	case SESSION_RUNNING:
		schedule_store_ready(session);
		break;
	case SESSION_ENDING:
		schedule_keep_unkept(session);
		end(session);
		break;
	case SESSION_ENDED:
		break;
	}
}

void session_abandon(struct session *session)
{
	session->phase = SESSION_ENDED;
	validation_steps_drop(session);
	session->abandoned = true;
}

void session_lose(struct session *session, const struct error *err)
{
	if (session->phase == SESSION_ENDED)
		return;
	detection_free(session->detection);
	session->detection = NULL;
	session_fail(session, err);
}

void session_put_down(struct session *session)
{
	if (session->phase == SESSION_ENDED)
		return;
	session_log(session, LOG_WARNING, "left to the daemon that has taken over");
	hold_end(session);
	session->phase = SESSION_ENDED;
	validation_steps_drop(session);
	session->means.on_taken_over(session->means.arg);
}

/* Answers that are still on their way find nobody. Not once the connections are closed: then none is on its way. */
void session_forget(struct session *session, const void *arg)
{
	if (session->abandoned)
		return;
	pg_forget(session->means.source, arg);
	pg_forget(session->means.target, arg);
}

void session_let_go(struct session *session)
{
	session_forget(session, session);
	detection_free(session->detection);
	session->detection = NULL;
}

void session_take_up(struct session *session, struct pg_connection *source,
		     struct pg_connection *target, struct lane_pool *lanes)
{
	session->means.source = session->means.source_beside = source;
	session->means.target = session->means.target_beside = target;
	session->means.lanes = lanes;
}

void session_free(struct session *session)
{
	if (session == NULL)
		return;
	session_forget(session, session);
	detection_free(session->detection);
	schedule_done(session);
	hold_done(session);
	opening_forget(session);
	free(session->runs);
	binding_free(session->binding);
	json_decref(session->options);
	json_decref(session->undetected);
	json_decref(session->letter_kinds);
	json_decref(session->remarks);
	free(session);
}
