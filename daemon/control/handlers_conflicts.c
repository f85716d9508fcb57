/*
 * Handlers about rows that had been edited in the target: ListConflicts, ShowConflict, ResolveConflicts. The store's queries answer
 * in JSON as the interface has it (store/conflict.sql).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/uuid.h"
#include "control/handler.h"
#include "sql_store.h"

#define CONFLICTS_LIMIT 50
#define CONFLICTS_LIMIT_MAX 1000
#define MOST_VALUES 4

/* --- asking the store ---------------------------------------------------------------------------- */

/* What is asked once it is known that the control schema has conflicts. */
struct question {
	const char *template;
	char *values[MOST_VALUES];
	size_t value_count;
	const char *nothing; /* the answer where it has not; NULL: there is no such conflict */
	void (*finish)(struct pending_call *pending, const PGresult *result);
};

static void question_free(struct question *question)
{
	for (size_t i = 0; i < question->value_count; i++)
		free(question->values[i]);
	free(question);
}

static char *fill(const char *template)
{
	struct text text = TEXT_INIT;

	text_fill(&text, template,
		  (const struct text_hole[]){ { "conflict", sql_store_conflict_json },
					      { NULL, NULL } });
	return text_steal(&text);
}

static void no_such_conflict(struct pending_call *pending, const char *id)
{
	struct error err = { .kind = ERROR_NOT_FOUND };

	if (pending->call != NULL)
		control_call_error(pending->call, "io.migrated.NoSuchConflict",
				   json_pack("{s:I}", "id", (json_int_t)strtoll(id, NULL, 10)));
	pending->call = NULL;
	pending_call_fail(pending, &err);
}

static void reply_as_it_is(struct pending_call *pending, const PGresult *result)
{
	const struct question *question = pending->state;

	if (PQntuples(result) > 0)
		pending_call_reply(pending, json_loads(PQgetvalue(result, 0, 0), 0, NULL));
	else
		no_such_conflict(pending, question->values[0]);
}

static void reply_nothing(struct pending_call *pending)
{
	const struct question *question = pending->state;

	if (question->nothing != NULL)
		pending_call_reply(pending, json_loads(question->nothing, 0, NULL));
	else
		no_such_conflict(pending, question->values[0]);
}

static void fail(struct pending_call *pending, const struct error *err)
{
	question_free(pending->state);
	pending_call_fail(pending, err);
}

static void on_answered(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	struct question *question = pending->state;

	if (answer->error != NULL) {
		fail(pending, answer->error);
		return;
	}
	question->finish(pending, pg_answer_rows(answer));
	question_free(question);
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	struct question *question = pending->state;
	_cleanup_free_ char *sql = fill(question->template);

	if (answer->error != NULL) {
		fail(pending, answer->error);
	} else if (PQgetvalue(pg_answer_rows(answer), 0, 0)[0] != 't') {
		reply_nothing(pending);
		question_free(question);
	} else {
		pg_submit(engine_target(pending->handlers->engine), sql, question->value_count,
			  (const char *const *)question->values, on_answered, pending);
	}
}

/* Takes the question over. */
static void ask(struct handlers *handlers, struct control_call *call, struct question *question)
{
	struct pg_connection *target = engine_target(handlers->engine);
	struct pending_call *pending = pending_call_new(handlers, call);
	struct error err;

	pending->state = question;
	if (pg_connection_is_up(target)) {
		pg_submit(target, sql_store_conflicts_known, 0, NULL, on_known, pending);
		return;
	}
	err = *pg_connection_last_error(target);
	if (err.kind == ERROR_NONE)
		error_set(&err, ERROR_CONNECTION, "not connected yet");
	error_context(&err, "the target, where conflicts are kept, cannot be reached");
	err.kind = ERROR_CONNECTION;
	fail(pending, &err);
}

static char *number_text(int64_t number)
{
	return text_format("%" PRId64, number);
}

/* --- ListConflicts -------------------------------------------------------------------------------- */

enum conflict_state { HELD, OVERWRITTEN, KEPT, RESOLVED, ANY };

static const char *const conflict_states[] = { "held",	   "overwritten", "kept",
					       "resolved", "all",	  NULL };

struct list_parameters {
	char *entity;
	char *session;
	enum conflict_state state;
	int64_t limit;
};

static const struct json_field list_fields[] = {
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct list_parameters, entity) },
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct list_parameters, session) },
	{ .key = "state",
	  .type = JSON_FIELD_CHOICE,
	  .offset = offsetof(struct list_parameters, state),
	  .choices = conflict_states },
	{ .key = "limit",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct list_parameters, limit),
	  .minimum = 1,
	  .maximum = CONFLICTS_LIMIT_MAX },
	{ .key = NULL },
};

static bool session_is_good(struct control_call *call, const char *session)
{
	if (session == NULL || uuid_is_prefix(session))
		return true;
	control_call_error(call, "io.migrated.NoSuchSession",
			   json_pack("{s:s}", "session", session));
	return false;
}

static void list_conflicts(struct handlers *handlers, struct control_call *call,
			   const struct list_parameters *parameters)
{
	struct question *question = memory_new(sizeof(*question));

	*question = (struct question){
		.template = sql_store_conflicts_list,
		.values = { text_copy(parameters->entity), text_copy(parameters->session),
			    text_copy(parameters->state == ANY
					      ? NULL
					      : conflict_states[parameters->state]),
			    number_text(parameters->limit) },
		.value_count = 4,
		.finish = reply_as_it_is,
		.nothing = "{\"total\":0,\"conflicts\":[],\"held\":0,\"overwritten\":0,"
			   "\"kept\":0,\"resolved\":0}",
	};
	ask(handlers, call, question);
}

void handle_list_conflicts(void *arg, struct control_call *call)
{
	struct list_parameters parameters = { .limit = CONFLICTS_LIMIT };

	if (handler_decode(call, list_fields, &parameters) &&
	    session_is_good(call, parameters.session))
		list_conflicts(arg, call, &parameters);
	free(parameters.entity);
	free(parameters.session);
}

/* --- ShowConflict --------------------------------------------------------------------------------- */

struct show_parameters {
	int64_t id;
};

static const struct json_field show_fields[] = {
	{ .key = "id",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct show_parameters, id),
	  .required = true,
	  .minimum = 1,
	  .maximum = INT64_MAX },
	{ .key = NULL },
};

void handle_show_conflict(void *arg, struct control_call *call)
{
	struct show_parameters parameters = { 0 };
	struct question *question;

	if (!handler_decode(call, show_fields, &parameters))
		return;
	question = memory_new(sizeof(*question));
	*question = (struct question){ .template = sql_store_conflict_show,
				       .values = { number_text(parameters.id) },
				       .value_count = 1,
				       .finish = reply_as_it_is };
	ask(arg, call, question);
}

/* --- ResolveConflicts ------------------------------------------------------------------------------ */

enum resolution { RESOLVE_SOURCE, RESOLVE_TARGET };

static const char *const resolutions[] = { "source", "target", NULL };

struct resolve_parameters {
	json_t *ids;
	char *entity;
	enum resolution resolution;
};

static const struct json_field resolve_fields[] = {
	{ .key = "ids",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct resolve_parameters, ids) },
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct resolve_parameters, entity) },
	{ .key = "resolution",
	  .type = JSON_FIELD_CHOICE,
	  .offset = offsetof(struct resolve_parameters, resolution),
	  .required = true,
	  .choices = resolutions },
	{ .key = NULL },
};

/* Ids are numbers, and something is named: that nothing is said must not mean everything. */
static bool resolve_is_good(struct control_call *call, const struct resolve_parameters *parameters)
{
	size_t i;
	json_t *id;

	json_array_foreach(parameters->ids, i, id) {
		if (json_is_integer(id) && json_integer_value(id) > 0)
			continue;
		control_call_invalid(call, "ids");
		return false;
	}
	if (json_array_size(parameters->ids) > 0 || parameters->entity != NULL)
		return true;
	control_call_invalid(call, "ids");
	return false;
}

/* NULL: none were named. */
static char *id_array(const json_t *ids)
{
	struct text text = TEXT_INIT;
	size_t i;
	json_t *id;

	if (json_array_size(ids) == 0)
		return NULL;
	text_append(&text, "{");
	json_array_foreach(ids, i, id) {
		text_appendf(&text, "%s%" PRId64, i > 0 ? "," : "",
			     (int64_t)json_integer_value(id));
	}
	text_append(&text, "}");
	return text_steal(&text);
}

static void on_resolved(void *arg, const struct again_outcome *outcome, const struct error *err)
{
	struct pending_call *pending = arg;
	json_t *parameters;

	if (err != NULL) {
		pending_call_fail(pending, err);
		return;
	}
	if (!PQgetisnull(outcome->answer, 0, 2)) {
		no_such_conflict(pending, PQgetvalue(outcome->answer, 0, 2));
		return;
	}
	parameters = json_loads(PQgetvalue(outcome->answer, 0, 1), 0, NULL);
	json_object_set_new(parameters, "session",
			    outcome->session != NULL ? json_string(outcome->session->id)
						     : json_null());
	json_object_set_new(parameters, "begun", json_boolean(outcome->begun));
	json_object_set(parameters, "later", outcome->later);
	pending_call_reply(pending, parameters);
}

static void resolve(struct handlers *handlers, struct control_call *call,
		    const struct resolve_parameters *parameters)
{
	_cleanup_free_ char *ids = id_array(parameters->ids);
	_cleanup_free_ char *who = number_text(control_call_uid(call));

	engine_again(handlers->engine,
		     &(struct again_question){
			     .sql = sql_store_conflicts_resolve,
			     .value_count = 4,
			     .values = (const char *const[]){ ids, parameters->entity,
							      resolutions[parameters->resolution],
							      who },
			     .only_ask = parameters->resolution == RESOLVE_TARGET,
		     },
		     on_resolved, pending_call_new(handlers, call));
}

void handle_resolve_conflicts(void *arg, struct control_call *call)
{
	struct resolve_parameters parameters = { 0 };

	if (handler_decode(call, resolve_fields, &parameters) && resolve_is_good(call, &parameters))
		resolve(arg, call, &parameters);
	json_decref(parameters.ids);
	free(parameters.entity);
}
