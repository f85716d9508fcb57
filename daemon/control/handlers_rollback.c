/*
 * Handlers about rollbacks: Rollback, ListLeft.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/uuid.h"
#include "control/handler.h"
#include "control/question.h"
#include "run/rollback.h"
#include "sql_store.h"

/* --- Rollback ---------------------------------------------------------------------------------- */

struct rollback_parameters {
	char *session;
	json_t *entities;
	bool force;
	bool dry_run;
};

static const struct json_field rollback_fields[] = {
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct rollback_parameters, session),
	  .required = true },
	{ .key = "entities",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct rollback_parameters, entities) },
	{ .key = "force",
	  .type = JSON_FIELD_BOOL,
	  .offset = offsetof(struct rollback_parameters, force) },
	{ .key = "dry_run",
	  .type = JSON_FIELD_BOOL,
	  .offset = offsetof(struct rollback_parameters, dry_run) },
	{ .key = NULL },
};

static void fail(struct pending_call *pending, const struct error *err)
{
	const struct session *running = engine_session(pending->handlers->engine);

	if (err->kind == ERROR_NOT_FOUND && strcmp(err->phase, "rollback") == 0 &&
	    pending->call != NULL) {
		control_call_error(pending->call, "io.migrated.NoSuchSession",
				   json_pack("{s:s}", "session", (const char *)pending->state));
		pending->call = NULL;
	} else if (err->kind == ERROR_BUSY && pending->call != NULL && running != NULL &&
		   running->phase != SESSION_ENDED) {
		control_call_error(pending->call, "io.migrated.AlreadyRunning",
				   json_pack("{s:s}", "session", running->id));
		pending->call = NULL;
	} else if (err->kind == ERROR_USAGE && strcmp(err->phase, "rollback") == 0 &&
		   pending->call != NULL) {
		control_call_error(pending->call, "io.migrated.InvalidState",
				   json_pack("{s:s, s:s, s:s}", "session",
					     (const char *)pending->state, "state", "ended",
					     "message", err->message));
		pending->call = NULL;
	}
	free(pending->state);
	pending_call_fail(pending, err);
}

static void on_started(void *arg, struct session *session, const struct error *err)
{
	struct pending_call *pending = arg;

	if (err != NULL) {
		fail(pending, err);
		return;
	}
	free(pending->state);
	pending_call_reply(pending, json_pack("{s:s, s:[]}", "session", session->id, "entities"));
}

static json_t *entity_of(json_t *entities, const char *name)
{
	json_t *entity = json_array_get(entities, json_array_size(entities) - 1);

	if (entity == NULL ||
	    strcmp(json_string_value(json_object_get(entity, "entity")), name) != 0) {
		entity = json_pack("{s:s, s:i, s:i, s:i, s:[]}", "entity", name, "removed", 0,
				   "updated", 0, "restored", 0, "left");
		json_array_append_new(entities, entity);
	}
	return entity;
}

/* Rows that came and went within the session are nothing to undo. */
static const char *deed_name(const char *deed)
{
	static const struct {
		const char *deed;
		const char *name;
	} names[] = { { "remove", "removed" }, { "amend", "updated" }, { "restore", "restored" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].deed, deed) == 0)
			return names[i].name;
	return NULL;
}

static void add_left(json_t *entity, const char *reason, json_int_t rows)
{
	json_t *left = json_object_get(entity, "left"), *known;
	size_t i;

	json_array_foreach(left, i, known) {
		if (strcmp(json_string_value(json_object_get(known, "reason")), reason) != 0)
			continue;
		rows += json_integer_value(json_object_get(known, "rows"));
		json_object_set_new(known, "rows", json_integer(rows));
		return;
	}
	json_array_append_new(left, json_pack("{s:s, s:I}", "reason", reason, "rows", rows));
}

static void on_survey(void *arg, const PGresult *rows, const struct error *err)
{
	struct pending_call *pending = arg;
	json_t *entities;

	if (err != NULL) {
		fail(pending, err);
		return;
	}
	entities = json_array();
	for (int row = 0; row < PQntuples(rows); row++) {
		json_t *entity = entity_of(entities, PQgetvalue(rows, row, 0));
		const char *name = deed_name(PQgetvalue(rows, row, 1));
		json_int_t count = strtoll(PQgetvalue(rows, row, 3), NULL, 10);

		if (!PQgetisnull(rows, row, 2))
			add_left(entity, PQgetvalue(rows, row, 2), count);
		else if (name != NULL)
			json_object_set_new(entity, name, json_integer(count));
	}
	free(pending->state);
	pending_call_reply(pending, json_pack("{s:n, s:o}", "session", "entities", entities));
}

static void roll_back(struct handlers *handlers, struct control_call *call,
		      const struct rollback_parameters *parameters)
{
	struct pending_call *pending = pending_call_new(handlers, call);

	pending->state = text_copy(parameters->session);
	engine_rollback(handlers->engine,
			&(struct rollback_request){
				.session = parameters->session,
				.entities = parameters->entities,
				.force = parameters->force,
				.on_started = parameters->dry_run ? NULL : on_started,
				.on_survey = parameters->dry_run ? on_survey : NULL,
				.arg = pending,
			});
}

void handle_rollback(void *arg, struct control_call *call)
{
	struct rollback_parameters parameters = { 0 };

	if (handler_decode(call, rollback_fields, &parameters) &&
	    handler_names(call, "entities", parameters.entities) &&
	    question_session_is_good(call, parameters.session))
		roll_back(arg, call, &parameters);
	json_decref(parameters.entities);
	free(parameters.session);
}

/* --- ListLeft ---------------------------------------------------------------------------------- */

struct left_parameters {
	char *session;
	char *entity;
	int64_t limit;
};

static const struct json_field left_fields[] = {
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct left_parameters, session) },
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct left_parameters, entity) },
	{ .key = "limit",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct left_parameters, limit),
	  .minimum = 1,
	  .maximum = QUESTION_LIMIT_MAX },
	{ .key = NULL },
};

/* Of a session that was named and is no rollback, nor was rolled back, nothing can be said. */
static void reply_left(struct pending_call *pending, const PGresult *result)
{
	const struct question *question = pending->state;
	json_t *reply = result != NULL
				? question_json(result)
				: json_pack("{s:n, s:i, s:[]}", "session", "total", 0, "rows");

	if (question->values[0] != NULL && pending->call != NULL &&
	    json_is_null(json_object_get(reply, "session"))) {
		control_call_error(pending->call, "io.migrated.NoSuchSession",
				   json_pack("{s:s}", "session", question->values[0]));
		pending->call = NULL;
	}
	question_reply(pending, reply);
}

static void list_left(struct handlers *handlers, struct control_call *call,
		      const struct left_parameters *parameters)
{
	struct question *question = memory_new(sizeof(*question));

	*question = (struct question){
		.about = ABOUT_ROLLBACKS,
		.template = sql_store_rollback_left,
		.values = { text_copy(parameters->session), text_copy(parameters->entity),
			    question_number(parameters->limit) },
		.value_count = 3,
		.finish = reply_left,
	};
	question_ask(handlers, call, question);
}

void handle_list_left(void *arg, struct control_call *call)
{
	struct left_parameters parameters = { .limit = QUESTION_LIMIT };

	if (handler_decode(call, left_fields, &parameters) &&
	    question_session_is_good(call, parameters.session))
		list_left(arg, call, &parameters);
	free(parameters.session);
	free(parameters.entity);
}
