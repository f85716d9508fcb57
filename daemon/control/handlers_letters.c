/*
 * Handlers about rows that were set aside: ListDeadLetters. The store's queries answer in JSON as the interface has it
 * (store/letter.sql), so nothing of them is taken apart here.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/uuid.h"
#include "control/handler.h"
#include "sql_store.h"

#define LETTERS_LIMIT 50
#define LETTERS_LIMIT_MAX 1000

/* --- asking the store ---------------------------------------------------------------------------- */

/* A question to the store, once it is known that there is a control schema. */
struct question {
	char *sql;
	char *values[5];
	size_t value_count;
	const char *nothing; /* the answer without one */
};

static void question_free(struct question *question)
{
	for (size_t i = 0; i < question->value_count; i++)
		free(question->values[i]);
	free(question->sql);
	free(question);
}

static void reply_json(struct pending_call *pending, const char *json)
{
	json_t *reply = json_loads(json, 0, NULL);
	struct error err;

	if (reply != NULL) {
		pending_call_reply(pending, reply);
		return;
	}
	error_set(&err, ERROR_INTERNAL, "the store's answer is not JSON");
	pending_call_fail(pending, &err);
}

static void on_answered(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;

	if (answer->error != NULL)
		pending_call_fail(pending, answer->error);
	else
		reply_json(pending, PQgetvalue(pg_answer_rows(answer), 0, 0));
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	struct question *question = pending->state;

	if (answer->error != NULL)
		pending_call_fail(pending, answer->error);
	else if (PQgetvalue(pg_answer_rows(answer), 0, 0)[0] != 't')
		reply_json(pending, question->nothing);
	else
		pg_submit(engine_target(pending->handlers->engine), question->sql,
			  question->value_count, (const char *const *)question->values, on_answered,
			  pending);
	question_free(question);
}

/* Takes the question over, and answers the call with what the store says to it. */
static void ask(struct handlers *handlers, struct control_call *call, struct question *question)
{
	struct pg_connection *target = engine_target(handlers->engine);
	struct pending_call *pending;

	if (!pg_connection_is_up(target)) {
		struct error err = *pg_connection_last_error(target);

		if (err.kind == ERROR_NONE)
			error_set(&err, ERROR_CONNECTION, "not connected yet");
		error_context(&err, "the target, where rows that were set aside are kept, cannot "
				    "be reached");
		err.kind = ERROR_CONNECTION;
		handler_fail(call, &err);
		question_free(question);
		return;
	}
	pending = pending_call_new(handlers, call);
	pending->state = question;
	pg_submit(target, sql_store_asides_known, 0, NULL, on_known, pending);
}

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
	  .maximum = LETTERS_LIMIT_MAX },
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

static char *letters_sql(const char *template)
{
	struct text text = TEXT_INIT;

	text_fill(&text, template,
		  (const struct text_hole[]){ { "asked", sql_store_letters_asked },
					      { "letter", sql_store_letter_json },
					      { NULL, NULL } });
	return text_steal(&text);
}

static void list_letters(struct handlers *handlers, struct control_call *call,
			 const struct letters_parameters *parameters)
{
	struct question *question = memory_new(sizeof(*question));

	*question = (struct question){
		.sql = letters_sql(sql_store_letters_list),
		.values = { text_copy(parameters->entity), text_copy(parameters->session),
			    text_copy(parameters->sqlstate),
			    text_copy(parameters->state == LETTER_ANY
					      ? NULL
					      : letter_states[parameters->state]),
			    text_format("%lld", (long long)parameters->limit) },
		.value_count = 5,
		.nothing = "{\"total\":0,\"letters\":[],\"counts\":[]}",
	};
	ask(handlers, call, question);
}

void handle_list_dead_letters(void *arg, struct control_call *call)
{
	struct letters_parameters parameters = { .limit = LETTERS_LIMIT };

	if (handler_decode(call, letters_fields, &parameters) &&
	    session_is_good(call, parameters.session))
		list_letters(arg, call, &parameters);
	letters_parameters_done(&parameters);
}
