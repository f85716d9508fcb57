/*
 * Handlers about rows that could not be carried over: ListDeadLetters, ShowDeadLetter, RetryDeadLetters, DiscardDeadLetters.
 * The store's queries answer in JSON as the interface has it (store/letter.sql), so little of them is taken apart here.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/uuid.h"
#include "control/advice.h"
#include "control/handler.h"
#include "control/question.h"
#include "sql_store.h"

/* --- ListDeadLetters ------------------------------------------------------------------------------ */

enum letter_state { LETTER_OPEN, LETTER_RESOLVED, LETTER_DISCARDED, LETTER_ANY };

static const char *const letter_states[] = { "open", "resolved", "discarded", "all", NULL };

struct letters_parameters {
	char *entity;
	char *session;
	char *sqlstate;
	enum letter_state state;
	int64_t limit;
};

static const struct json_field letters_fields[] = {
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct letters_parameters, entity) },
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct letters_parameters, session) },
	{ .key = "sqlstate",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct letters_parameters, sqlstate) },
	{ .key = "state",
	  .type = JSON_FIELD_CHOICE,
	  .offset = offsetof(struct letters_parameters, state),
	  .choices = letter_states },
	{ .key = "limit",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct letters_parameters, limit),
	  .minimum = 1,
	  .maximum = QUESTION_LIMIT_MAX },
	{ .key = NULL },
};

static void letters_parameters_done(struct letters_parameters *parameters)
{
	free(parameters->entity);
	free(parameters->session);
	free(parameters->sqlstate);
}

/* An entity that is not in the configuration any more may still have letters; so its name is not looked for there. */
static bool session_is_good(struct control_call *call, const char *session)
{
	if (session == NULL || uuid_is_prefix(session))
		return true;
	control_call_error(call, "io.migrated.NoSuchSession",
			   json_pack("{s:s}", "session", session));
	return false;
}

static void list_letters(struct handlers *handlers, struct control_call *call,
			 const struct letters_parameters *parameters)
{
	struct question *question = memory_new(sizeof(*question));

	*question = (struct question){
		.template = sql_store_letters_list,
		.values = { text_copy(parameters->entity), text_copy(parameters->session),
			    text_copy(parameters->sqlstate),
			    text_copy(parameters->state == LETTER_ANY
					      ? NULL
					      : letter_states[parameters->state]),
			    question_number(parameters->limit) },
		.value_count = 5,
		.nothing = "{\"total\":0,\"letters\":[],\"counts\":[]}",
		.finish = question_answer,
	};
	question_ask(handlers, call, question);
}

void handle_list_dead_letters(void *arg, struct control_call *call)
{
	struct letters_parameters parameters = { .limit = QUESTION_LIMIT };

	if (handler_decode(call, letters_fields, &parameters) &&
	    session_is_good(call, parameters.session))
		list_letters(arg, call, &parameters);
	letters_parameters_done(&parameters);
}

/* --- ShowDeadLetter ------------------------------------------------------------------------------- */

static void no_such_letter(struct pending_call *pending, const char *id)
{
	struct error err = { .kind = ERROR_NOT_FOUND };

	if (pending->call != NULL)
		control_call_error(pending->call, "io.migrated.NoSuchDeadLetter",
				   json_pack("{s:I}", "id", (json_int_t)strtoll(id, NULL, 10)));
	pending->call = NULL;
	question_fail(pending, &err);
}

static json_t *row_sql(const char *id, const json_t *kept)
{
	_cleanup_free_ char *sql =
		text_format("SELECT jsonb_pretty(row) FROM migrated.dead_letter WHERE id = %s", id);

	return json_is_true(kept) ? json_string(sql) : json_null();
}

static void reply_shown(struct pending_call *pending, const PGresult *result)
{
	const struct question *question = pending->state;
	const char *id = question->values[0];
	const json_t *letter;
	json_t *shown;

	if (result == NULL || PQntuples(result) == 0) {
		no_such_letter(pending, id);
		return;
	}
	shown = question_json(result);
	letter = json_object_get(shown, "letter");
	json_object_set_new(shown, "row_sql", row_sql(id, json_object_get(shown, "kept")));
	json_object_del(shown, "kept");
	if (letter != NULL)
		json_object_set_new(
			shown, "advice",
			json_string(advice_for(json_string_value(json_object_get(letter, "phase")),
					       json_string_value(
						       json_object_get(letter, "sqlstate")))));
	question_reply(pending, shown);
}

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

void handle_show_dead_letter(void *arg, struct control_call *call)
{
	struct show_parameters parameters = { 0 };
	struct question *question;

	if (!handler_decode(call, show_fields, &parameters))
		return;
	question = memory_new(sizeof(*question));
	*question = (struct question){
		.template = sql_store_letter_show,
		.values = { question_number(parameters.id) },
		.value_count = 1,
		.finish = reply_shown,
	};
	question_ask(arg, call, question);
}

/* --- RetryDeadLetters, DiscardDeadLetters --------------------------------------------------------- */

struct decision_parameters {
	json_t *ids;
	char *entity;
	char *session;
	char *sqlstate;
	bool all;
};

static const struct json_field decision_fields[] = {
	{ .key = "ids",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct decision_parameters, ids) },
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct decision_parameters, entity) },
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct decision_parameters, session) },
	{ .key = "sqlstate",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct decision_parameters, sqlstate) },
	{ .key = "all",
	  .type = JSON_FIELD_BOOL,
	  .offset = offsetof(struct decision_parameters, all) },
	{ .key = NULL },
};

/* Ids are numbers, and something is named: that nothing is said must not mean everything. */
static bool decision_is_good(struct control_call *call,
			     const struct decision_parameters *parameters)
{
	size_t i;
	json_t *id;

	json_array_foreach(parameters->ids, i, id)
		if (!json_is_integer(id) || json_integer_value(id) < 1) {
			control_call_invalid(call, "ids");
			return false;
		}
	if (json_array_size(parameters->ids) > 0 || parameters->entity != NULL ||
	    parameters->session != NULL || parameters->sqlstate != NULL || parameters->all)
		return session_is_good(call, parameters->session);
	control_call_invalid(call, "all");
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
	json_array_foreach(ids, i, id)
		text_appendf(&text, "%s%" PRId64, i > 0 ? "," : "{",
			     (int64_t)json_integer_value(id));
	text_append(&text, "}");
	return text_steal(&text);
}

/* How many rows it is about, or that one of those that were named is not there. */
static json_t *decided(struct pending_call *pending, const PGresult *result)
{
	json_t *parameters = json_loads(PQgetvalue(result, 0, 1), 0, NULL);

	if (PQgetisnull(result, 0, 2))
		return parameters;
	json_decref(parameters);
	if (pending->call != NULL)
		control_call_error(pending->call, "io.migrated.NoSuchDeadLetter",
				   json_pack("{s:I}", "id",
					     (json_int_t)strtoll(PQgetvalue(result, 0, 2), NULL,
								 10)));
	pending->call = NULL;
	return json_object();
}

static void on_discarded(void *arg, const struct again_outcome *outcome, const struct error *err)
{
	struct pending_call *pending = arg;

	if (err != NULL)
		pending_call_fail(pending, err);
	else
		pending_call_reply(pending, decided(pending, outcome->answer));
}

static void on_retried(void *arg, const struct again_outcome *outcome, const struct error *err)
{
	struct pending_call *pending = arg;
	json_t *parameters;

	if (err != NULL) {
		pending_call_fail(pending, err);
		return;
	}
	parameters = decided(pending, outcome->answer);
	json_object_set_new(parameters, "session",
			    outcome->session != NULL ? json_string(outcome->session->id)
						     : json_null());
	json_object_set_new(parameters, "begun", json_boolean(outcome->begun));
	json_object_set(parameters, "later", outcome->later);
	pending_call_reply(pending, parameters);
}

static void decide(struct handlers *handlers, struct control_call *call,
		   const struct decision_parameters *parameters, const char *what,
		   engine_on_again *on_done)
{
	_cleanup_free_ char *ids = id_array(parameters->ids);
	_cleanup_free_ char *who = question_number(control_call_uid(call));
	_cleanup_text_ struct text sql = TEXT_INIT;

	text_fill(&sql, sql_store_letters_decided,
		  (const struct text_hole[]){ { "decided", what }, { NULL, NULL } });
	engine_again(handlers->engine,
		     &(struct again_question){
			     .sql = text_string(&sql),
			     .value_count = 5,
			     .values = (const char *const[]){ ids, parameters->entity,
							      parameters->session,
							      parameters->sqlstate, who },
			     .only_ask = on_done == on_discarded,
		     },
		     on_done, pending_call_new(handlers, call));
}

static void handle_decision(struct handlers *handlers, struct control_call *call, const char *what,
			    engine_on_again *on_done)
{
	struct decision_parameters parameters = { 0 };

	if (handler_decode(call, decision_fields, &parameters) &&
	    decision_is_good(call, &parameters))
		decide(handlers, call, &parameters, what, on_done);
	json_decref(parameters.ids);
	free(parameters.entity);
	free(parameters.session);
	free(parameters.sqlstate);
}

void handle_retry_dead_letters(void *arg, struct control_call *call)
{
	handle_decision(arg, call, sql_store_letters_retry, on_retried);
}

void handle_discard_dead_letters(void *arg, struct control_call *call)
{
	handle_decision(arg, call, sql_store_letters_discard, on_discarded);
}
