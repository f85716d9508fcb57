/*
 * Handlers about rows that could not be carried over: ListDeadLetters, ShowDeadLetter, RetryDeadLetters, DiscardDeadLetters.
 * The store's queries answer in JSON as the interface has it (store/letter.sql), so little of them is taken apart here.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "control/advice.h"
#include "control/handler.h"
#include "control/question.h"
#include "sql_store.h"

#define NO_SUCH_LETTER "io.migrated.NoSuchDeadLetter"

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
	    question_session_is_good(call, parameters.session))
		list_letters(arg, call, &parameters);
	letters_parameters_done(&parameters);
}

/* --- ShowDeadLetter ------------------------------------------------------------------------------- */

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
		question_no_such(pending, NO_SUCH_LETTER, id);
		question_reply(pending, json_object());
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

void handle_show_dead_letter(void *arg, struct control_call *call)
{
	struct question *question;
	int64_t id;

	if (!question_id(call, &id))
		return;
	question = memory_new(sizeof(*question));
	*question = (struct question){
		.template = sql_store_letter_show,
		.values = { question_number(id) },
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
	if (!question_ids_are_good(call, parameters->ids))
		return false;
	if (json_array_size(parameters->ids) > 0 || parameters->entity != NULL ||
	    parameters->session != NULL || parameters->sqlstate != NULL || parameters->all)
		return question_session_is_good(call, parameters->session);
	control_call_invalid(call, "all");
	return false;
}

/* How many rows it is about, or that one of those that were named is not there. */
static json_t *decided(struct pending_call *pending, const PGresult *result)
{
	json_t *parameters = json_loads(PQgetvalue(result, 0, 1), 0, NULL);

	if (PQgetisnull(result, 0, 2))
		return parameters;
	json_decref(parameters);
	question_no_such(pending, NO_SUCH_LETTER, PQgetvalue(result, 0, 2));
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
	question_add_outcome(parameters, outcome);
	pending_call_reply(pending, parameters);
}

static void decide(struct handlers *handlers, struct control_call *call,
		   const struct decision_parameters *parameters, const char *what,
		   engine_on_again *on_done)
{
	_cleanup_free_ char *ids = question_ids(parameters->ids);
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
