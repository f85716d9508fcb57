/*
 * Explain: one row of an entity, over the observing lane. When a database cannot be reached there is no lane, and the other one is asked
 * over the engine's connection. The row's values are for those who may operate. Somebody who does not wait for the answer any more ends it.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "control/advice.h"
#include "control/handler.h"
#include "run/observe.h"
#include "verify/explain.h"

/* While it is being cancelled: how often the servers are asked. What they do not end, statement_timeout does. */
#define CANCEL_AGAIN_MS 200

struct explaining {
	struct handlers *handlers;
	struct control_call *call; /* NULL once the peer has gone */
	char *entity;
	char *key;
	bool by_target;
	bool values;
	struct lane *lane; /* NULL: while it is waited for, or a database cannot be reached */
	struct explain_run *run;
	struct event *cancel; /* asks the servers again */
};

static void explaining_free(struct explaining *explaining)
{
	if (explaining->lane != NULL)
		observe_done(engine_observatory(explaining->handlers->engine), explaining->lane);
	event_free(explaining->cancel);
	free(explaining->entity);
	free(explaining->key);
	free(explaining);
}

/* --- nobody waits any more ----------------------------------------------------------------------- */

static void on_cancel(evutil_socket_t fd, short what, void *arg)
{
	struct explaining *explaining = arg;
	struct engine *engine = explaining->handlers->engine;

	(void)fd;
	(void)what;
	if (explaining->run == NULL || explaining->lane == NULL)
		return;
	event_add(explaining->cancel, &(struct timeval){ .tv_usec = CANCEL_AGAIN_MS * 1000 });
	explain_cancel(explaining->run, engine_source(engine), engine_target(engine));
}

static void on_peer_gone(void *arg)
{
	struct explaining *explaining = arg;

	explaining->call = NULL;
	if (explaining->run != NULL)
		event_active(explaining->cancel, 0, 0);
}

/* --- the row ------------------------------------------------------------------------------------- */

static void add_advice(json_t *explanation)
{
	const json_t *letter = json_object_get(explanation, "letter");
	const char *state = json_string_value(json_object_get(letter, "state"));

	json_object_set_new(explanation, "advice",
			    state != NULL && strcmp(state, "open") == 0
				    ? json_string(advice_for(
					      json_string_value(json_object_get(letter, "phase")),
					      json_string_value(
						      json_object_get(letter, "sqlstate"))))
				    : json_null());
}

static void on_explained(void *arg, json_t *explanation, const struct error *err)
{
	struct explaining *explaining = arg;

	explaining->run = NULL;
	explaining->handlers->explaining--;
	if (explaining->call == NULL)
		json_decref(explanation);
	else if (err != NULL)
		handler_fail(explaining->call, err);
	else {
		add_advice(explanation);
		control_call_reply(explaining->call, explanation);
	}
	explaining_free(explaining);
}

/* Looked up when it is used: while a lane was waited for, the configuration may have been read again. */
static const struct entity *entity_asked_for(struct handlers *handlers, struct control_call *call,
					     const char *name)
{
	const struct entity *entity = entity_find(&engine_config(handlers->engine)->entities, name);
	struct error err;

	if (entity != NULL)
		return entity;
	error_set(&err, ERROR_NOT_FOUND, "there is no entity \"%s\"", name);
	snprintf(err.entity, sizeof(err.entity), "%s", name);
	error_hint(&err, "migratectl plan lists the entities");
	handler_fail(call, &err);
	return NULL;
}

/* The connection, if it is up; else why it is not. */
static struct pg_connection *reached(struct pg_connection *connection, const char **ret_trouble)
{
	const struct error *err = pg_connection_last_error(connection);

	if (pg_connection_is_up(connection))
		return connection;
	*ret_trouble = err->kind != ERROR_NONE ? err->message : "not connected yet";
	return NULL;
}

/* False when there is no such entity, which was answered. */
static bool start(struct explaining *explaining, const struct binding *binding)
{
	struct engine *engine = explaining->handlers->engine;
	struct explain_request request = {
		.binding = binding,
		.entity = entity_asked_for(explaining->handlers, explaining->call,
					   explaining->entity),
		.key = explaining->key,
		.by_target = explaining->by_target,
		.values = explaining->values,
	};

	if (request.entity == NULL)
		return false;
	if (explaining->lane != NULL) {
		request.source = lane_source(explaining->lane);
		request.target = lane_target(explaining->lane);
	} else {
		request.source = reached(engine_source(engine), &request.source_trouble);
		request.target = reached(engine_target(engine), &request.target_trouble);
	}
	explaining->run = explain_new(&request, on_explained, explaining);
	explaining->handlers->explaining++;
	explain_start(explaining->run);
	return true;
}

/* Neither database can be reached: there is nothing to be told. */
static bool is_hopeless(const struct explaining *explaining)
{
	const struct engine *engine = explaining->handlers->engine;

	return !pg_connection_is_up(engine_source(engine)) &&
	       !pg_connection_is_up(engine_target(engine));
}

static void on_lane(void *arg, struct lane *lane, const struct binding *binding,
		    const struct error *err)
{
	struct explaining *explaining = arg;

	explaining->lane = lane;
	if (explaining->call != NULL && err != NULL &&
	    (err->kind != ERROR_CONNECTION || is_hopeless(explaining)))
		handler_fail(explaining->call, err);
	else if (explaining->call != NULL && start(explaining, binding))
		return;
	explaining_free(explaining);
}

/* --- the call ------------------------------------------------------------------------------------ */

struct explain_parameters {
	char *entity;
	char *key;
	bool target;
	bool values;
};

static const struct json_field explain_fields[] = {
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct explain_parameters, entity),
	  .required = true },
	{ .key = "key",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct explain_parameters, key),
	  .required = true },
	{ .key = "target",
	  .type = JSON_FIELD_BOOL,
	  .offset = offsetof(struct explain_parameters, target) },
	{ .key = "values",
	  .type = JSON_FIELD_BOOL,
	  .offset = offsetof(struct explain_parameters, values) },
	{ .key = NULL },
};

static void explain(struct handlers *handlers, struct control_call *call,
		    const struct explain_parameters *parameters)
{
	struct explaining *explaining;

	if (entity_asked_for(handlers, call, parameters->entity) == NULL)
		return;
	explaining = memory_new(sizeof(*explaining));
	*explaining = (struct explaining){ .handlers = handlers,
					   .call = call,
					   .entity = text_copy(parameters->entity),
					   .key = text_copy(parameters->key),
					   .by_target = parameters->target,
					   .values = parameters->values };
	explaining->cancel = event_new(handlers->base, -1, 0, on_cancel, explaining);
	control_call_on_gone(call, on_peer_gone, explaining);
	observe(engine_observatory(handlers->engine), on_lane, explaining);
}

void handle_explain(void *arg, struct control_call *call)
{
	struct explain_parameters parameters = { 0 };

	if (handler_decode(call, explain_fields, &parameters) &&
	    (!parameters.values || control_call_may(call, ACCESS_OPERATE)))
		explain(arg, call, &parameters);
	free(parameters.entity);
	free(parameters.key);
}
