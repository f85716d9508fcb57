/*
 * Validate and ShowValidation: a validation is started and followed from memory; what one has found stands in the store.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "control/handler.h"
#include "sql_store.h"

#define FRAME_MS 500
#define DIFFERENCES_LIMIT 50
#define DIFFERENCES_LIMIT_MAX 10000

/* --- how it stands ------------------------------------------------------------------------------- */

static json_t *time_or_null(int64_t wall_us)
{
	char buffer[CLOCK_RFC3339_SIZE];

	return wall_us > 0 ? json_string(clock_format_rfc3339(buffer, wall_us)) : json_null();
}

static json_t *string_or_null(const char *string)
{
	return string != NULL && string[0] != '\0' ? json_string(string) : json_null();
}

static json_t *describe_check(const struct inspected_entity *entity, size_t place)
{
	const struct inspected_check *check = &entity->checks[place];

	return json_pack("{s:s, s:s, s:s, s:I, s:o, s:I, s:I, s:I, s:o}", "entity", entity->entity,
			 "check", inspection_checks[place], "state",
			 inspected_state_names[check->state], "rows", (json_int_t)check->rows,
			 "total", check->total > 0 ? json_integer(check->total) : json_null(),
			 "waiting", (json_int_t)check->waiting, "differences",
			 (json_int_t)check->differences, "repaired", (json_int_t)check->repaired,
			 "reason", string_or_null(check->reason));
}

static json_t *describe_validation(const struct validation *validation)
{
	json_t *checks = json_array();

	for (size_t i = 0; i < validation->count; i++)
		for (size_t j = 0; j < INSPECTION_CHECKS; j++)
			if (validation->entities[i].checks[j].wanted)
				json_array_append_new(checks,
						      describe_check(&validation->entities[i], j));
	return json_pack("{s:s, s:s, s:o, s:n, s:n, s:o, s:o, s:I, s:b, s:o}", "validation",
			 validation->id, "state", validation->state, "reason",
			 string_or_null(validation->reason), "session", "step", "created",
			 time_or_null(validation->created_us), "finished",
			 time_or_null(validation->finished_us), "differences",
			 (json_int_t)validation_differences(validation), "complete",
			 (int)!validation_is_incomplete(validation), "checks", checks);
}

/* --- Validate -------------------------------------------------------------------------------------- */

struct following {
	struct handlers *handlers;
	struct control_call *call; /* NULL once the peer has gone */
	char id[UUID_TEXT_SIZE];
	struct engine_subscriber *subscriber; /* once it has begun */
	struct event *timer;
	bool armed;
};

static void following_free(struct following *following)
{
	if (following->subscriber != NULL)
		engine_unsubscribe(following->handlers->engine, following->subscriber);
	event_free(following->timer);
	free(following);
}

static void on_gone(void *arg)
{
	struct following *following = arg;

	following->call = NULL;
	if (following->subscriber != NULL)
		following_free(following);
}

/* NULL: another one has taken its place, or the store has another owner. */
static const struct validation *followed(const struct following *following)
{
	const struct validation *validation = validator_current(
		engine_validator(following->handlers->engine));

	return validation != NULL && strcmp(validation->id, following->id) == 0 ? validation : NULL;
}

static bool is_over(const struct following *following)
{
	const struct validation *validation = followed(following);

	return validation == NULL || validation->phase == VALIDATION_ENDED;
}

static void end_call(struct following *following)
{
	const struct validation *validation = followed(following);
	struct control_call *call = following->call;
	struct error err;

	following_free(following);
	if (validation != NULL) {
		control_call_reply(call, json_pack("{s:o}", "validation",
						   describe_validation(validation)));
		return;
	}
	error_set(&err, ERROR_CONNECTION, "another migrated has taken over the target");
	error_hint(&err, "it goes on with the validation");
	handler_fail(call, &err);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct following *following = arg;

	(void)fd;
	(void)what;
	following->armed = false;
	if (is_over(following))
		end_call(following);
	else
		control_call_continue(following->call,
				      json_pack("{s:o}", "validation",
						describe_validation(followed(following))));
}

/* The end is told at once. */
static void on_change(void *arg)
{
	struct following *following = arg;

	if (is_over(following))
		event_active(following->timer, 0, 0);
	else if (!following->armed)
		event_add(following->timer, &(struct timeval){ .tv_usec = FRAME_MS * 1000 });
	following->armed = true;
}

static void on_started(void *arg, const struct validation *validation, const struct error *err)
{
	struct following *following = arg;
	struct control_call *call = following->call;

	if (call == NULL || err != NULL || !control_call_wants_more(call)) {
		following_free(following);
		if (call == NULL)
			return;
		if (err != NULL)
			handler_fail(call, err);
		else
			control_call_reply(call, json_pack("{s:o}", "validation",
							   describe_validation(validation)));
		return;
	}
	snprintf(following->id, sizeof(following->id), "%s", validation->id);
	following->subscriber = engine_subscribe(following->handlers->engine, on_change, following);
	event_active(following->timer, 0, 0);
}

struct validate_parameters {
	json_t *entities;
	json_t *exclude;
	json_t *checks;
	bool repair;
};

static const struct json_field validate_fields[] = {
	{ .key = "entities",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct validate_parameters, entities) },
	{ .key = "exclude",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct validate_parameters, exclude) },
	{ .key = "checks",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct validate_parameters, checks) },
	{ .key = "repair",
	  .type = JSON_FIELD_BOOL,
	  .offset = offsetof(struct validate_parameters, repair) },
	{ .key = NULL },
};

static void validate(struct handlers *handlers, struct control_call *call,
		     const struct validate_parameters *parameters)
{
	struct following *following = memory_new(sizeof(*following));
	json_t *options = json_object();

	*following = (struct following){ .handlers = handlers, .call = call };
	following->timer = event_new(handlers->base, -1, 0, on_timer, following);
	control_call_on_gone(call, on_gone, following);
	if (parameters->entities != NULL)
		json_object_set(options, "entities", parameters->entities);
	if (parameters->exclude != NULL)
		json_object_set(options, "exclude", parameters->exclude);
	if (parameters->checks != NULL)
		json_object_set(options, "checks", parameters->checks);
	if (parameters->repair)
		json_object_set_new(options, "repair", json_true());
	validator_start(engine_validator(handlers->engine), options, on_started, following);
}

void handle_validate(void *arg, struct control_call *call)
{
	struct validate_parameters parameters = { 0 };

	if (handler_decode(call, validate_fields, &parameters) &&
	    handler_names(call, "entities", parameters.entities) &&
	    handler_names(call, "exclude", parameters.exclude) &&
	    handler_names(call, "checks", parameters.checks))
		validate(arg, call, &parameters);
	json_decref(parameters.entities);
	json_decref(parameters.exclude);
	json_decref(parameters.checks);
}

/* --- ShowValidation -------------------------------------------------------------------------------- */

struct show_parameters {
	char *validation;
	char *entity;
	int64_t limit;
};

struct showing {
	struct show_parameters parameters;
	json_t *validation;
};

static const struct json_field show_fields[] = {
	{ .key = "validation",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct show_parameters, validation) },
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct show_parameters, entity) },
	{ .key = "limit",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct show_parameters, limit),
	  .minimum = 1,
	  .maximum = DIFFERENCES_LIMIT_MAX },
	{ .key = NULL },
};

static void showing_free(struct showing *showing)
{
	json_decref(showing->validation);
	free(showing->parameters.validation);
	free(showing->parameters.entity);
	free(showing);
}

static void on_differences(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	struct showing *showing = pending->state;
	const PGresult *result = pg_answer_rows(answer);
	json_t *validation = json_incref(showing->validation);
	json_t *differences = json_array();

	showing_free(showing);
	for (int row = 0; answer->error == NULL && row < PQntuples(result); row++)
		json_array_append_new(differences, json_loads(PQgetvalue(result, row, 1), 0, NULL));
	if (answer->error != NULL) {
		json_decref(differences);
		json_decref(validation);
		pending_call_fail(pending, answer->error);
		return;
	}
	pending_call_reply(
		pending,
		json_pack("{s:o, s:o, s:I}", "validation", validation, "rows", differences, "total",
			  (json_int_t)(PQntuples(result) > 0
					       ? strtoll(PQgetvalue(result, 0, 0), NULL, 10)
					       : 0)));
}

static void no_such_validation(struct pending_call *pending)
{
	struct showing *showing = pending->state;
	struct error err;

	error_set(&err, ERROR_NOT_FOUND, "there is no such validation");
	error_hint(&err, "migratectl validate --show shows the last one");
	if (pending->call != NULL) {
		control_call_error(pending->call, "io.migrated.NoSuchValidation",
				   json_pack("{s:s}", "validation",
					     showing->parameters.validation != NULL
						     ? showing->parameters.validation
						     : ""));
		pending->call = NULL;
	}
	showing_free(showing);
	pending_call_fail(pending, &err);
}

static void on_validation(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	struct showing *showing = pending->state;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_free_ char *limit = text_format("%lld", (long long)showing->parameters.limit);
	/* No control schema, or an older one: there is none. */
	bool none = answer->error != NULL && (strcmp(answer->error->sqlstate, "42P01") == 0 ||
					      strcmp(answer->error->sqlstate, "3F000") == 0);

	if (none || (answer->error == NULL && PQntuples(result) != 1)) {
		no_such_validation(pending);
	} else if (answer->error != NULL) {
		showing_free(showing);
		pending_call_fail(pending, answer->error);
	} else {
		showing->validation = json_loads(PQgetvalue(result, 0, 1), 0, NULL);
		pg_submit(engine_target(pending->handlers->engine),
			  sql_store_validation_differences, 3,
			  (const char *const[]){ PQgetvalue(result, 0, 0),
						 showing->parameters.entity, limit },
			  on_differences, pending);
	}
}

static void show(struct handlers *handlers, struct control_call *call, struct showing *showing)
{
	struct pg_connection *target = engine_target(handlers->engine);
	const char *id = showing->parameters.validation;
	struct pending_call *pending;

	if (!pg_connection_is_up(target)) {
		handler_fail(call, pg_connection_last_error(target));
		showing_free(showing);
		return;
	}
	pending = pending_call_new(handlers, call);
	pending->state = showing;
	if (id != NULL && !uuid_is_prefix(id))
		no_such_validation(pending);
	else
		pg_submit(target, sql_store_validation_show, 1, (const char *const[]){ id },
			  on_validation, pending);
}

void handle_show_validation(void *arg, struct control_call *call)
{
	struct showing *showing = memory_new(sizeof(*showing));

	showing->parameters.limit = DIFFERENCES_LIMIT;
	if (handler_decode(call, show_fields, &showing->parameters))
		show(arg, call, showing);
	else
		showing_free(showing);
}
