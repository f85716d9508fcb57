/*
 * See validation.h. Callbacks record what happened and go on; the order of the functions below is the order of life. What may be lost with
 * a connection is asked again when both databases are back: the lane is given up, and offered again then.
 */
#include "run/validation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/repair_sql.h"
#include "base/event.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/engine_internal.h"
#include "run/repair.h"
#include "sql_store.h"
#include "store/store.h"

/* While it is cancelled: how often the servers are asked to end what they run for it. */
#define CANCEL_AGAIN_MS 200
/* How long it rests when a value on the target is too high. */
#define THROTTLED_MS 1000
/* How often it is asked whether what is to be repaired has been carried, and after how many answers nobody is going to carry it. */
#define REPAIR_LOOK_MS 250
#define REPAIR_PATIENCE 8

struct validator {
	struct engine *engine;
	struct lane_pool *lanes; /* one, while a validation is under way */
	struct lane *lane;	 /* taken; NULL: it is waited for */
	struct binding *binding; /* while the lane is taken */
	struct inspection *inspection;
	struct validation *validation; /* under way, or the last of this life */
	bool looked; /* the store was asked for one that an earlier life has left */
	bool asking; /* the store is being asked for it, or told of its end */
	bool cancelled;
	struct event *cancel; /* asks the servers again */
	struct event *repair; /* looks whether what is to be repaired has been carried */
	unsigned idle_looks;  /* in a row, while nothing is under way that could carry it */
	bool looking_again;   /* repair_look_start() */
	validation_on_started *on_started;
	void *on_started_arg;
};

static void go_on(struct validator *validator);
static void end(struct validator *validator, const char *state, const char *reason);
static struct lane_pool *make_lanes(struct validator *validator);

/* --- looks ------------------------------------------------------------------------------------------- */

const struct validation *validator_current(const struct validator *validator)
{
	return validator->validation;
}

bool validator_is_busy(const struct validator *validator)
{
	return validator->validation != NULL && validator->validation->phase != VALIDATION_ENDED;
}

static bool is_ready(const struct validator *validator)
{
	struct error err;

	return !validator->engine->stopping && engine_down(validator->engine) == NULL &&
	       engine_owns(validator->engine, &err);
}

static void changed(struct validator *validator)
{
	engine_changed(validator->engine);
}

/* --- life -------------------------------------------------------------------------------------------- */

/* What is running on the lane is answered with an error while its connections are closed, and may need the binding for that. */
static void forget(struct validator *validator)
{
	if (validator->inspection != NULL)
		inspection_drop(validator->inspection);
	validator->inspection = NULL;
	validator->lane = NULL;
	validator->asking = false;
	validator->cancelled = false;
	event_del(validator->cancel);
	event_del(validator->repair);
	pg_forget(validator->engine->target, validator);
	lane_pool_free(validator->lanes);
	validator->lanes = NULL;
	binding_free(validator->binding);
	validator->binding = NULL;
}

void validator_put_down(struct validator *validator)
{
	struct error err;

	if (validator_is_busy(validator) && validator->on_started != NULL) {
		error_set(&err, ERROR_CONNECTION, "another migrated has taken over the target");
		validator->on_started(validator->on_started_arg, NULL, &err);
		validator->on_started = NULL;
	}
	forget(validator);
	validator->lanes = make_lanes(validator);
	if (validator_is_busy(validator)) {
		validation_free(validator->validation);
		validator->validation = NULL;
	}
	validator->looked = false;
}

/* --- the end ------------------------------------------------------------------------------------------- */

static void leave_lane(struct validator *validator)
{
	struct lane *lane = validator->lane;

	binding_free(validator->binding);
	validator->binding = NULL;
	validator->lane = NULL;
	if (lane != NULL)
		lane_release(lane);
}

static void log_end(const struct validation *validation)
{
	int64_t differences = validation_differences(validation);

	if (strcmp(validation->state, "completed") != 0)
		event_log(EVENT_VALIDATION_FAILED, NULL, "validation %s: %s%s%s", validation->id,
			  validation->state, validation->reason[0] != '\0' ? ": " : "",
			  validation->reason);
	else if (differences > 0)
		event_log(EVENT_VALIDATION_DIFFERENCES, NULL,
			  "validation %s found %lld differences; migratectl validate --show %.8s "
			  "lists them",
			  validation->id, (long long)differences, validation->id);
	else
		log_info("validation %s found no differences%s", validation->id,
			 validation_is_incomplete(validation) ? "; not all could be checked" : "");
}

static void on_ended(void *arg, const struct pg_answer *answer)
{
	struct validator *validator = arg;
	struct validation *validation = validator->validation;

	validator->asking = false;
	if (answer->error != NULL && answer->error->kind == ERROR_CONNECTION)
		return; /* told again when the store is back */
	validator->engine->tally.decided++;
	validation->phase = VALIDATION_ENDED;
	validation->finished_us = clock_wall_us();
	for (size_t i = 0; i < validation->count; i++)
		for (size_t j = 0; j < INSPECTION_CHECKS; j++)
			if (validation->entities[i].checks[j].state < INSPECTED_DONE)
				validation->entities[i].checks[j].state = INSPECTED_UNCHECKED;
	log_end(validation);
	lane_pool_resize(validator->lanes, 0);
	changed(validator);
}

static void keep_end(struct validator *validator)
{
	const struct validation *validation = validator->validation;

	validator->asking = true;
	pg_submit(validator->engine->target, sql_store_validation_end, 3,
		  (const char *const[]){ validation->id, validation->state,
					 validation->reason[0] != '\0' ? validation->reason
								       : NULL },
		  on_ended, validator);
}

static void end(struct validator *validator, const char *state, const char *reason)
{
	struct validation *validation = validator->validation;

	event_del(validator->cancel);
	event_del(validator->repair);
	validator->cancelled = false;
	leave_lane(validator);
	validation->phase = VALIDATION_ENDING;
	validation->state = state;
	snprintf(validation->reason, sizeof(validation->reason), "%s",
		 reason != NULL ? reason : "");
	keep_end(validator);
	changed(validator);
}

/* --- entities ------------------------------------------------------------------------------------------ */

static int64_t rest_ms(void *arg, int64_t took_ms)
{
	const struct validator *validator = arg;

	if (engine_throttled(validator->engine) != NULL && took_ms < THROTTLED_MS)
		return THROTTLED_MS;
	return engine_is_busy(validator->engine) ? took_ms : 0;
}

static void on_progress(void *arg)
{
	changed(arg);
}

/* It cannot go on as it is: the connections come back, or nobody could. */
static void interrupted(struct validator *validator, const struct error *err)
{
	if (validator->cancelled)
		end(validator, "cancelled", "somebody cancelled it");
	else if (err->kind == ERROR_CONNECTION || err->kind == ERROR_CANCELLED)
		leave_lane(validator); /* offered again when the databases are back */
	else if (strcmp(err->sqlstate, STORE_TAKEN_OVER) == 0)
		engine_put_down(validator->engine);
	else
		end(validator, "failed", err->message);
}

static void on_inspected(void *arg, const struct error *err)
{
	struct validator *validator = arg;

	validator->inspection = NULL;
	if (err != NULL || validator->cancelled) {
		interrupted(validator, err);
		return;
	}
	validator->validation->current++;
	changed(validator);
	go_on(validator);
}

static void inspect(struct validator *validator)
{
	struct engine *engine = validator->engine;
	struct validation *validation = validator->validation;
	struct inspected_entity *entity = &validation->entities[validation->current];

	validator->inspection = inspection_start(&(struct inspection_request){
		.base = engine->base,
		.settings = &engine->config->settings,
		.binding = validator->binding,
		.bound = binding_find(validator->binding, entity->entity),
		.lane = validator->lane,
		.store = engine->target,
		.epoch = owner_epoch(engine->owner),
		.validation = validation->id,
		.entity = entity,
		.rest_ms = rest_ms,
		.on_progress = on_progress,
		.on_done = on_inspected,
		.arg = validator,
	});
}

/* --- repairing ----------------------------------------------------------------------------------------- */

static void look_again(struct validator *validator)
{
	event_del(validator->repair);
	validator->validation->phase = VALIDATION_LOOKING_AGAIN;
	lane_pool_wake(validator->lanes);
	changed(validator);
}

static void look_later(struct validator *validator)
{
	event_add(validator->repair, &(struct timeval){ .tv_usec = REPAIR_LOOK_MS * 1000 });
}

static void on_left(void *arg, const struct pg_answer *answer)
{
	struct validator *validator = arg;
	int64_t left;

	if (answer->error != NULL) {
		look_later(validator);
		return;
	}
	left = strtoll(PQgetvalue(pg_answer_rows(answer), 0, 0), NULL, 10);
	validator->idle_looks = engine_is_busy(validator->engine) ? 0 : validator->idle_looks + 1;
	if (left == 0 || validator->idle_looks > REPAIR_PATIENCE)
		look_again(validator);
	else
		look_later(validator);
}

static void on_repair_timer(evutil_socket_t fd, short what, void *arg)
{
	struct validator *validator = arg;
	_cleanup_free_ char *sql = NULL;

	(void)fd;
	(void)what;
	if (!validator_is_busy(validator) || validator->validation->phase != VALIDATION_REPAIRING)
		return;
	sql = repair_sql_left(validator->validation->id);
	pg_submit(validator->engine->target, sql, 0, NULL, on_left, validator);
}

/* Whoever carries them, it is seen in the store when they have been. */
static void on_asked(void *arg, const struct again_outcome *outcome, const struct error *err)
{
	struct engine *engine = arg;
	struct validator *validator = engine->validator;

	(void)outcome;
	if (!validator_is_busy(validator) || validator->validation->phase != VALIDATION_REPAIRING)
		return;
	if (err != NULL)
		end(validator, "failed", err->message);
	else
		look_later(validator);
}

static void begin_repair(struct validator *validator)
{
	_cleanup_free_ char *sql = repair_sql_ask(validator->binding, validator->validation->id);

	validator->validation->phase = VALIDATION_REPAIRING;
	validator->idle_looks = 0;
	leave_lane(validator);
	changed(validator);
	engine_again(validator->engine, &(struct again_question){ .sql = sql }, on_asked,
		     validator->engine);
}

static void on_repaired_read(void *arg, const struct pg_answer *answer)
{
	struct validator *validator = arg;

	if (answer->error != NULL) {
		interrupted(validator, answer->error);
		return;
	}
	validation_read(validator->validation, pg_answer_rows(answer));
	end(validator, "completed", NULL);
}

static void on_looked_again(void *arg, const struct error *err)
{
	struct validator *validator = arg;

	validator->looking_again = false;
	if (err != NULL || validator->cancelled)
		interrupted(validator, err);
	else
		pg_submit(validator->engine->target, sql_store_validation_checks, 1,
			  (const char *const[]){ validator->validation->id }, on_repaired_read,
			  validator);
}

static void start_looking_again(struct validator *validator)
{
	validator->looking_again = true;
	repair_look_start(&(struct repair_look_request){
		.binding = validator->binding,
		.lane = validator->lane,
		.epoch = owner_epoch(validator->engine->owner),
		.validation = validator->validation->id,
		.on_done = on_looked_again,
		.arg = validator,
	});
}

static void go_on(struct validator *validator)
{
	struct validation *validation = validator->validation;
	bool repairs = json_is_true(json_object_get(validation->options, "repair"));

	if (validator->cancelled)
		end(validator, "cancelled", "somebody cancelled it");
	else if (validation->phase == VALIDATION_LOOKING_AGAIN)
		start_looking_again(validator);
	else if (validation->current < validation->count)
		inspect(validator);
	else if (repairs && validation_differences(validation) > 0)
		begin_repair(validator);
	else
		end(validator, "completed", NULL);
}

/* --- a lane ------------------------------------------------------------------------------------------- */

static void on_maps_checked(void *arg, const struct error *err)
{
	struct validator *validator = arg;

	if (err != NULL)
		interrupted(validator, err);
	else
		go_on(validator);
}

static void on_bound(void *arg, struct binding *binding, const struct error *err)
{
	struct validator *validator = arg;

	validator->binding = binding;
	if (err != NULL)
		interrupted(validator, err);
	else
		store_check_id_maps(lane_target(validator->lane), binding, on_maps_checked,
				    validator);
}

static void on_idle(void *arg, struct lane *lane)
{
	struct validator *validator = arg;
	const struct validation *validation = validator->validation;

	if (!validator_is_busy(validator) || validation->phase == VALIDATION_STARTING ||
	    validation->phase == VALIDATION_ENDING || validation->phase == VALIDATION_REPAIRING ||
	    validator->lane != NULL || !is_ready(validator))
		return;
	lane_take(lane);
	validator->lane = lane;
	binding_make(&validator->engine->config->entities, lane_source(lane), lane_target(lane),
		     on_bound, validator);
}

static struct lane_pool *make_lanes(struct validator *validator)
{
	const struct connect_settings *settings = validator->engine->settings;

	return lane_pool_new(validator->engine->base, &(struct lane_pool_settings){
							      .source = *connect_source(settings),
							      .target = *connect_target(settings),
							      .on_idle = on_idle,
							      .arg = validator,
						      });
}

/* --- the beginning -------------------------------------------------------------------------------------- */

static void tell_started(struct validator *validator, const struct error *err)
{
	validation_on_started *on_started = validator->on_started;

	validator->on_started = NULL;
	if (on_started != NULL)
		on_started(validator->on_started_arg, err == NULL ? validator->validation : NULL,
			   err);
	if (err == NULL)
		return;
	validation_free(validator->validation);
	validator->validation = NULL;
}

static void on_inserted(void *arg, const struct pg_answer *answer)
{
	struct validator *validator = arg;
	struct validation *validation = validator->validation;

	if (answer->error != NULL) {
		/* The answer may be all that was lost: then it stands in the store, and goes on. */
		validator->looked = false;
		tell_started(validator, answer->error);
		return;
	}
	validation->created_us = strtoll(PQgetvalue(pg_answer_rows(answer), 0, 1), NULL, 10);
	validation->phase = VALIDATION_CHECKING;
	log_info("validation %s begins", validation->id);
	tell_started(validator, NULL);
	lane_pool_resize(validator->lanes, 1);
	changed(validator);
}

static void on_prepared(void *arg, const struct error *err)
{
	struct validator *validator = arg;
	struct validation *validation = validator->validation;
	json_auto_t *rows = json_array();
	_cleanup_free_ char *options = NULL, *checks = NULL;

	if (err != NULL) {
		tell_started(validator, err);
		return;
	}
	for (size_t i = 0; i < validation->count; i++)
		inspected_entity_describe(&validation->entities[i], i, rows);
	options = json_dumps(validation->options, JSON_COMPACT);
	checks = json_dumps(rows, JSON_COMPACT);
	pg_submit(validator->engine->target, sql_store_validations_expire, 0, NULL, NULL, NULL);
	pg_submit(validator->engine->target, sql_store_validation_insert, 5,
		  (const char *const[]){ validation->id, options, checks, NULL, NULL }, on_inserted,
		  validator);
}

void validator_start(struct validator *validator, json_t *options,
		     validation_on_started *on_started, void *arg)
{
	struct validation *validation;
	struct error err = { 0 };

	if (validator_is_busy(validator)) {
		json_decref(options);
		error_set(&err, ERROR_BUSY, "validation %.8s is under way",
			  validator->validation->id);
		error_hint(&err, "migratectl cancel %.8s ends it", validator->validation->id);
		on_started(arg, NULL, &err);
		return;
	}
	validation = validation_new(&validator->engine->config->entities, options, &err);
	if (validation == NULL) {
		on_started(arg, NULL, &err);
		return;
	}
	uuid_make(validation->id);
	validation_free(validator->validation);
	validator->validation = validation;
	validator->on_started = on_started;
	validator->on_started_arg = arg;
	request_prepare(validator->engine, on_prepared, validator);
}

/* --- one that an earlier life has left -------------------------------------------------------------------- */

static void on_checks(void *arg, const struct pg_answer *answer)
{
	struct validator *validator = arg;
	struct validation *validation = validator->validation;

	validator->asking = false;
	if (answer->error != NULL) {
		validation_free(validation);
		validator->validation = NULL;
		validator->looked = false;
		return;
	}
	validation_read(validation, pg_answer_rows(answer));
	validation->phase = VALIDATION_CHECKING;
	log_info("validation %s goes on", validation->id);
	lane_pool_resize(validator->lanes, 1);
	changed(validator);
}

static void on_unfinished(void *arg, const struct pg_answer *answer)
{
	struct validator *validator = arg;
	const PGresult *result = pg_answer_rows(answer);
	struct validation *validation;
	struct error err = { 0 };

	validator->asking = false;
	if (answer->error != NULL || PQntuples(result) == 0 || validator_is_busy(validator))
		return;
	validation = validation_new(&validator->engine->config->entities,
				    json_loads(PQgetvalue(result, 0, 1), 0, NULL), &err);
	if (validation == NULL) {
		log_error(LOG_WARNING, &err);
		return;
	}
	snprintf(validation->id, sizeof(validation->id), "%s", PQgetvalue(result, 0, 0));
	validation->created_us = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
	validation_free(validator->validation);
	validator->validation = validation;
	validator->asking = true;
	pg_submit(validator->engine->target, sql_store_validation_checks, 1,
		  (const char *const[]){ validation->id }, on_checks, validator);
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct validator *validator = arg;

	validator->asking = false;
	if (answer->error != NULL || PQgetvalue(pg_answer_rows(answer), 0, 0)[0] != 't')
		return;
	validator->asking = true;
	pg_submit(validator->engine->target, sql_store_validation_unfinished, 0, NULL,
		  on_unfinished, validator);
}

void validator_ready(struct validator *validator)
{
	if (validator->asking)
		return;
	if (!validator_is_busy(validator) && !validator->looked) {
		validator->looked = true;
		validator->asking = true;
		pg_submit(validator->engine->target, sql_store_validations_known, 0, NULL, on_known,
			  validator);
	} else if (validator_is_busy(validator) &&
		   validator->validation->phase == VALIDATION_ENDING) {
		keep_end(validator);
	} else if (validator_is_busy(validator)) {
		lane_pool_wake(validator->lanes);
	}
}

/* --- cancelling --------------------------------------------------------------------------------------------- */

static void on_cancel(evutil_socket_t fd, short what, void *arg)
{
	struct validator *validator = arg;

	(void)fd;
	(void)what;
	if (!validator->cancelled)
		return;
	event_add(validator->cancel, &(struct timeval){ .tv_usec = CANCEL_AGAIN_MS * 1000 });
	if (validator->inspection != NULL)
		inspection_cancel(validator->inspection, validator->engine->source,
				  validator->engine->target);
	else if (validator->looking_again)
		return; /* soon done */
	else if (validator->lane == NULL && validator->validation->phase != VALIDATION_STARTING)
		end(validator, "cancelled", "somebody cancelled it");
}

bool validator_cancel(struct validator *validator, const char *id, struct error *err)
{
	const struct validation *validation = validator->validation;

	if (!validator_is_busy(validator) ||
	    (id != NULL && strncmp(validation->id, id, strlen(id)) != 0))
		return error_set(err, ERROR_NOT_FOUND, "no such validation is under way");
	if (validation->phase >= VALIDATION_ENDING)
		return true;
	validator->cancelled = true;
	event_active(validator->cancel, 0, 0);
	return true;
}

struct validator *validator_new(struct engine *engine)
{
	struct validator *validator = memory_new(sizeof(*validator));

	*validator = (struct validator){ .engine = engine };
	validator->cancel = event_new(engine->base, -1, 0, on_cancel, validator);
	validator->repair = event_new(engine->base, -1, 0, on_repair_timer, validator);
	validator->lanes = make_lanes(validator);
	return validator;
}

void validator_free(struct validator *validator)
{
	if (validator == NULL)
		return;
	validator->on_started = NULL;
	forget(validator);
	validation_free(validator->validation);
	event_free(validator->cancel);
	event_free(validator->repair);
	free(validator);
}
