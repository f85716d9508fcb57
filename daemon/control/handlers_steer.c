/*
 * Handlers that steer: Migrate, Detect, Pause, Resume, Cancel.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "control/handler.h"
#include "sql_store.h"

/* Assumed for an entity that has never been measured. */
#define ROWS_PER_SECOND 20000.0

bool handler_strategy(struct control_call *call, const char *strategy)
{
	bool good = strategy == NULL || strcmp(strategy, "sweep") == 0 ||
		    strcmp(strategy, "watermark") == 0;

	if (!good)
		control_call_invalid(call, "strategy");
	return good;
}

json_t *handler_session_options(const struct control_call *call)
{
	static const char *const names[] = { "entities", "exclude",  "full",
					     "strategy", "parallel", "batch_size" };
	json_t *options = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = json_object_get(control_call_parameters(call), names[i]);

		if (value != NULL && !json_is_null(value) && !json_is_false(value))
			json_object_set(options, names[i], value);
	}
	return options;
}

/* --- Detect ------------------------------------------------------------------------------------ */

struct detect_parameters {
	json_t *entities;
	json_t *exclude;
	char *strategy; /* NULL, "sweep", "watermark" */
};

static const struct json_field detect_fields[] = {
	{ .key = "entities",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct detect_parameters, entities) },
	{ .key = "exclude",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct detect_parameters, exclude) },
	{ .key = "strategy",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct detect_parameters, strategy) },
	{ .key = NULL },
};

struct sums {
	int64_t added;
	int64_t modified;
	int64_t deleted;
	int64_t rows;
	int64_t estimate_ms;
};

static double change_percent(int64_t changes, int64_t rows)
{
	if (changes == 0)
		return 0;
	return rows > 0 ? round((double)changes * 10000 / (double)rows) / 100 : 100;
}

static int64_t estimate_ms(const struct detected *detected, double rate)
{
	int64_t rows = detected->whole ? detected->rows
				       : detected->added + detected->modified + detected->deleted;

	return (int64_t)((double)rows * 1000 / (rate > 0 ? rate : ROWS_PER_SECOND));
}

static json_t *describe_detected(const struct detection_entity *entity, double rate,
				 struct sums *sums)
{
	const struct detected *detected = &entity->detected;
	bool failed = entity->error.kind != ERROR_NONE;
	int64_t estimate = failed ? 0 : estimate_ms(detected, rate);

	sums->added += detected->added;
	sums->modified += detected->modified;
	sums->deleted += detected->deleted;
	sums->rows += detected->rows;
	sums->estimate_ms += estimate;
	return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:f, s:I, s:o, s:o}", "entity",
			 entity->bound->entity->name, "strategy",
			 detected->strategy != NULL ? detected->strategy : "sweep", "whole",
			 (int)detected->whole, "new", (json_int_t)detected->added, "modified",
			 (json_int_t)detected->modified, "deleted", (json_int_t)detected->deleted,
			 "rows", (json_int_t)detected->rows, "change_percent",
			 change_percent(detected->added + detected->modified + detected->deleted,
					detected->rows),
			 "estimate_ms", (json_int_t)estimate, "reason",
			 detected->fallback != NULL ? json_string(detected->fallback) : json_null(),
			 "error", failed ? json_string(entity->error.message) : json_null());
}

static void on_detected(void *arg, const struct detection *detection, const double *rates,
			const struct error *err)
{
	struct pending_call *pending = arg;
	const struct detection_entity *entities;
	struct sums sums = { 0 };
	json_t *array;
	size_t count;

	if (err != NULL) {
		pending_call_fail(pending, err);
		return;
	}
	entities = detection_entities(detection, &count);
	array = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, describe_detected(&entities[i], rates[i], &sums));
	pending_call_reply(
		pending,
		json_pack("{s:{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:f, s:I}}", "analysis",
			  "analysis", detection_analysis(detection), "created",
			  json_string(detection_created(detection)), "entities", array, "new",
			  (json_int_t)sums.added, "modified", (json_int_t)sums.modified, "deleted",
			  (json_int_t)sums.deleted, "rows", (json_int_t)sums.rows, "change_percent",
			  change_percent(sums.added + sums.modified + sums.deleted, sums.rows),
			  "estimate_ms", (json_int_t)sums.estimate_ms));
}

void handle_detect(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	struct detect_parameters parameters = { 0 };

	if (handler_decode(call, detect_fields, &parameters) &&
	    handler_names(call, "entities", parameters.entities) &&
	    handler_names(call, "exclude", parameters.exclude) &&
	    handler_strategy(call, parameters.strategy))
		engine_detect(handlers->engine, handler_session_options(call), on_detected,
			      pending_call_new(handlers, call));
	json_decref(parameters.entities);
	json_decref(parameters.exclude);
	free(parameters.strategy);
}

/* --- Migrate ----------------------------------------------------------------------------------- */

struct migrate_parameters {
	char *analysis;
	bool full;
	json_t *entities;
	json_t *exclude;
	int64_t batch_size;
	int64_t parallel;
	char *strategy;
};

static const struct json_field migrate_fields[] = {
	{ .key = "analysis",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct migrate_parameters, analysis) },
	{ .key = "full",
	  .type = JSON_FIELD_BOOL,
	  .offset = offsetof(struct migrate_parameters, full) },
	{ .key = "entities",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct migrate_parameters, entities) },
	{ .key = "exclude",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct migrate_parameters, exclude) },
	{ .key = "batch_size",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct migrate_parameters, batch_size),
	  .minimum = 1,
	  .maximum = 1000000 },
	{ .key = "parallel",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct migrate_parameters, parallel),
	  .minimum = 1,
	  .maximum = 1000 },
	{ .key = "strategy",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct migrate_parameters, strategy) },
	{ .key = NULL },
};

void handler_fail_to_begin(struct handlers *handlers, struct control_call *call,
			   const char *analysis, const struct error *err)
{
	const struct session *running = engine_session(handlers->engine);

	if (err->kind == ERROR_BUSY && running != NULL && running->phase != SESSION_ENDED)
		control_call_error(call, "io.migrated.AlreadyRunning",
				   json_pack("{s:s}", "session", running->id));
	else if (err->kind == ERROR_NOT_FOUND && strcmp(err->phase, "analysis") == 0)
		control_call_error(call, "io.migrated.NoSuchAnalysis",
				   json_pack("{s:s}", "analysis", analysis));
	else
		handler_fail(call, err);
}

static void on_started(void *arg, struct session *session, const struct error *err)
{
	struct pending_call *pending = arg;
	_cleanup_free_ char *analysis = pending->state;

	if (err == NULL) {
		pending_call_reply(pending, json_pack("{s:s}", "session", session->id));
		return;
	}
	if (pending->call != NULL)
		handler_fail_to_begin(pending->handlers, pending->call, analysis, err);
	pending->call = NULL;
	pending_call_fail(pending, err);
}

static void migrate(struct handlers *handlers, struct control_call *call,
		    const struct migrate_parameters *parameters)
{
	struct pending_call *pending;

	if (parameters->analysis != NULL && !uuid_is_prefix(parameters->analysis)) {
		control_call_error(call, "io.migrated.NoSuchAnalysis",
				   json_pack("{s:s}", "analysis", parameters->analysis));
		return;
	}
	pending = pending_call_new(handlers, call);
	pending->state = text_copy(parameters->analysis);
	engine_migrate(handlers->engine, handler_session_options(call), parameters->analysis,
		       on_started, pending);
}

void handle_migrate(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	struct migrate_parameters parameters = { 0 };

	if (handler_decode(call, migrate_fields, &parameters) &&
	    handler_names(call, "entities", parameters.entities) &&
	    handler_names(call, "exclude", parameters.exclude) &&
	    handler_strategy(call, parameters.strategy))
		migrate(handlers, call, &parameters);
	json_decref(parameters.entities);
	json_decref(parameters.exclude);
	free(parameters.analysis);
	free(parameters.strategy);
}

/* --- Pause, Resume, Cancel ----------------------------------------------------------------------- */

struct steer_parameters {
	char *session;
	char *entity;
};

static const struct json_field steer_fields[] = {
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct steer_parameters, session) },
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct steer_parameters, entity) },
	{ .key = NULL },
};

typedef bool steer(struct session *session, const char *entity, struct error *err);

static void steer_session(struct handlers *handlers, struct control_call *call,
			  const struct steer_parameters *parameters, steer *steer_it)
{
	struct session *session = engine_session(handlers->engine);
	const char *asked = parameters->session;
	struct error err;

	if (!engine_may_steer(handlers->engine, &err))
		handler_fail(call, &err);
	else if (session == NULL ||
		 (asked != NULL && strncmp(session->id, asked, strlen(asked)) != 0)) {
		control_call_error(call, "io.migrated.NoSuchSession",
				   json_pack("{s:s}", "session", asked != NULL ? asked : ""));
	} else if (steer_it(session, parameters->entity, &err)) {
		control_call_reply(call, json_pack("{s:s, s:s}", "session", session->id, "state",
						   session_state(session)));
	} else if (err.kind == ERROR_USAGE) {
		control_call_error(call, "io.migrated.InvalidState",
				   json_pack("{s:s, s:s, s:s}", "session", session->id, "state",
					     session_state(session), "message", err.message));
	} else {
		handler_fail(call, &err);
	}
}

static void handle_steer(void *arg, struct control_call *call, steer *steer_it)
{
	struct steer_parameters parameters = { 0 };

	if (handler_decode(call, steer_fields, &parameters))
		steer_session(arg, call, &parameters, steer_it);
	free(parameters.session);
	free(parameters.entity);
}

void handle_pause(void *arg, struct control_call *call)
{
	handle_steer(arg, call, session_pause);
}

/* --- Resume: also cycles, which stand still after a rollback ------------------------------------- */

static void on_cycles_released(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	const struct session *session = engine_session(pending->handlers->engine);
	_cleanup_free_ struct steer_parameters *parameters = pending->state;
	struct control_call *call = pending->call;
	bool released = answer->error == NULL && PQgetvalue(pg_answer_rows(answer), 0, 0)[0] != '0';

	pending->call = NULL;
	if (call != NULL && released)
		control_call_reply(call, json_pack("{s:s, s:s}", "session",
						   session != NULL ? session->id : "-", "state",
						   "cycles go on"));
	else if (call != NULL)
		steer_session(pending->handlers, call, parameters, session_continue);
	if (released)
		log_notice("cycles go on");
	pending_call_fail(pending, &(struct error){ 0 });
	free(parameters->session);
	free(parameters->entity);
}

/* Nothing is under way that could be resumed: then cycles are, if they stand still. */
static void resume(struct handlers *handlers, struct control_call *call,
		   struct steer_parameters *parameters)
{
	struct engine *engine = handlers->engine;
	const struct session *session = engine_session(engine);
	struct pending_call *pending;
	struct error err;

	if ((session != NULL && session->phase != SESSION_ENDED) || parameters->entity != NULL ||
	    !engine_may_steer(engine, &err) || !pg_connection_is_up(engine_target(engine))) {
		steer_session(handlers, call, parameters, session_continue);
		return;
	}
	pending = pending_call_new(handlers, call);
	pending->state = memory_new(sizeof(*parameters));
	*(struct steer_parameters *)pending->state = *parameters;
	*parameters = (struct steer_parameters){ 0 };
	pg_submit(engine_target(engine), sql_store_cycles_release, 0, NULL, on_cycles_released,
		  pending);
}

void handle_resume(void *arg, struct control_call *call)
{
	struct steer_parameters parameters = { 0 };

	if (handler_decode(call, steer_fields, &parameters))
		resume(arg, call, &parameters);
	free(parameters.session);
	free(parameters.entity);
}

/* A validation is ended by its id; or without, where no session is under way. True: it was one, and the call is answered. */
static bool cancel_validation(struct handlers *handlers, struct control_call *call,
			      const char *asked)
{
	struct validator *validator = engine_validator(handlers->engine);
	const struct session *session = engine_session(handlers->engine);
	struct error err;

	if (asked == NULL && session != NULL && session->phase != SESSION_ENDED)
		return false;
	if (!validator_cancel(validator, asked, &err))
		return false;
	control_call_reply(call, json_pack("{s:s, s:s}", "session",
					   validator_current(validator)->id, "state", "cancelled"));
	return true;
}

void handle_cancel(void *arg, struct control_call *call)
{
	const json_t *parameters = control_call_parameters(call);
	const char *asked = json_string_value(json_object_get(parameters, "session"));

	if (json_object_get(parameters, "entity") != NULL || !cancel_validation(arg, call, asked))
		handle_steer(arg, call, session_cancel);
}
