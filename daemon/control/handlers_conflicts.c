/*
 * Handlers about rows that had been edited in the target: ListConflicts, ShowConflict, ResolveConflicts. The store's queries answer
 * in JSON as the interface has it (store/conflict.sql).
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "control/handler.h"
#include "control/question.h"
#include "sql_store.h"

#define NO_SUCH_CONFLICT "io.migrated.NoSuchConflict"

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
	  .maximum = QUESTION_LIMIT_MAX },
	{ .key = NULL },
};

static void list_conflicts(struct handlers *handlers, struct control_call *call,
			   const struct list_parameters *parameters)
{
	struct question *question = memory_new(sizeof(*question));

	*question = (struct question){
		.about = ABOUT_CONFLICTS,
		.template = sql_store_conflicts_list,
		.values = { text_copy(parameters->entity), text_copy(parameters->session),
			    text_copy(parameters->state == ANY
					      ? NULL
					      : conflict_states[parameters->state]),
			    question_number(parameters->limit) },
		.value_count = 4,
		.finish = question_answer,
		.nothing = "{\"total\":0,\"conflicts\":[],\"held\":0,\"overwritten\":0,"
			   "\"kept\":0,\"resolved\":0}",
	};
	question_ask(handlers, call, question);
}

void handle_list_conflicts(void *arg, struct control_call *call)
{
	struct list_parameters parameters = { .limit = QUESTION_LIMIT };

	if (handler_decode(call, list_fields, &parameters) &&
	    question_session_is_good(call, parameters.session))
		list_conflicts(arg, call, &parameters);
	free(parameters.entity);
	free(parameters.session);
}

/* --- ShowConflict --------------------------------------------------------------------------------- */

static void reply_shown(struct pending_call *pending, const PGresult *result)
{
	const struct question *question = pending->state;

	if (result != NULL && PQntuples(result) > 0) {
		question_answer(pending, result);
		return;
	}
	question_no_such(pending, NO_SUCH_CONFLICT, question->values[0]);
	question_reply(pending, json_object());
}

void handle_show_conflict(void *arg, struct control_call *call)
{
	struct question *question;
	int64_t id;

	if (!question_id(call, &id))
		return;
	question = memory_new(sizeof(*question));
	*question = (struct question){ .about = ABOUT_CONFLICTS,
				       .template = sql_store_conflict_show,
				       .values = { question_number(id) },
				       .value_count = 1,
				       .finish = reply_shown };
	question_ask(arg, call, question);
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
	if (!question_ids_are_good(call, parameters->ids))
		return false;
	if (json_array_size(parameters->ids) > 0 || parameters->entity != NULL)
		return true;
	control_call_invalid(call, "ids");
	return false;
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
		question_no_such(pending, NO_SUCH_CONFLICT, PQgetvalue(outcome->answer, 0, 2));
		pending_call_reply(pending, json_object());
		return;
	}
	parameters = json_loads(PQgetvalue(outcome->answer, 0, 1), 0, NULL);
	question_add_outcome(parameters, outcome);
	pending_call_reply(pending, parameters);
}

static void resolve(struct handlers *handlers, struct control_call *call,
		    const struct resolve_parameters *parameters)
{
	_cleanup_free_ char *ids = question_ids(parameters->ids);
	_cleanup_free_ char *who = question_number(control_call_uid(call));

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
