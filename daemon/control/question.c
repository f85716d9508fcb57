/*
 * Asks the store, first whether it has a control schema at all; see question.h.
 */
#include "control/question.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/text.h"
#include "common/uuid.h"
#include "sql_store.h"

static void question_free(struct question *question)
{
	for (size_t i = 0; i < question->value_count; i++)
		free(question->values[i]);
	free(question);
}

void question_fail(struct pending_call *pending, const struct error *err)
{
	question_free(pending->state);
	pending_call_fail(pending, err);
}

void question_reply(struct pending_call *pending, json_t *parameters)
{
	struct error err;

	if (parameters == NULL) {
		error_set(&err, ERROR_INTERNAL, "the store's answer is not JSON");
		question_fail(pending, &err);
		return;
	}
	question_free(pending->state);
	pending_call_reply(pending, parameters);
}

json_t *question_json(const PGresult *result)
{
	return json_loads(PQgetvalue(result, 0, 0), 0, NULL);
}

void question_answer(struct pending_call *pending, const PGresult *result)
{
	question_reply(pending, question_json(result));
}

static void on_answered(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	const struct question *question = pending->state;

	if (answer->error != NULL)
		question_fail(pending, answer->error);
	else
		question->finish(pending, pg_answer_rows(answer));
}

/* A control schema that an older daemon has made does not know of rows that are to be carried again. */
static char *fill(const char *template, bool knows_again)
{
	struct text text = TEXT_INIT;

	text_fill(&text, template,
		  (const struct text_hole[]){
			  { "asked", sql_store_letters_asked },
			  { "letter", sql_store_letter_json },
			  { "queued", knows_again ? sql_store_letter_queued : "false" },
			  { "conflict", sql_store_conflict_json },
			  { NULL, NULL } });
	return text_steal(&text);
}

#define KNOWS_AGAIN 1 /* the column of `asides_known` */

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	struct question *question = pending->state;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_free_ char *sql = NULL;

	if (answer->error != NULL) {
		question_fail(pending, answer->error);
	} else if (PQgetvalue(result, 0, question->about)[0] == 't') {
		sql = fill(question->template, PQgetvalue(result, 0, KNOWS_AGAIN)[0] == 't');
		pg_submit(engine_target(pending->handlers->engine), sql, question->value_count,
			  (const char *const *)question->values, on_answered, pending);
	} else if (question->nothing != NULL) {
		question_reply(pending, json_loads(question->nothing, 0, NULL));
	} else {
		question->finish(pending, NULL);
	}
}

void question_ask(struct handlers *handlers, struct control_call *call, struct question *question)
{
	struct pg_connection *target = engine_target(handlers->engine);
	struct pending_call *pending = pending_call_new(handlers, call);
	struct error err;

	pending->state = question;
	if (pg_connection_is_up(target)) {
		pg_submit(target, sql_store_asides_known, 0, NULL, on_known, pending);
		return;
	}
	err = *pg_connection_last_error(target);
	if (err.kind == ERROR_NONE)
		error_set(&err, ERROR_CONNECTION, "not connected yet");
	error_context(&err, "the target, where rows that were set aside are kept, cannot be "
			    "reached");
	err.kind = ERROR_CONNECTION;
	question_fail(pending, &err);
}

char *question_number(int64_t number)
{
	return text_format("%" PRId64, number);
}

/* --- parameters ---------------------------------------------------------------------------------- */

bool question_id(struct control_call *call, int64_t *ret_id)
{
	static const struct json_field fields[] = {
		{ .key = "id",
		  .type = JSON_FIELD_INTEGER,
		  .offset = 0,
		  .required = true,
		  .minimum = 1,
		  .maximum = INT64_MAX },
		{ .key = NULL },
	};

	return handler_decode(call, fields, ret_id);
}

bool question_session_is_good(struct control_call *call, const char *session)
{
	if (session == NULL || uuid_is_prefix(session))
		return true;
	control_call_error(call, "io.migrated.NoSuchSession",
			   json_pack("{s:s}", "session", session));
	return false;
}

bool question_ids_are_good(struct control_call *call, const json_t *ids)
{
	size_t i;
	json_t *id;

	json_array_foreach(ids, i, id)
		if (!json_is_integer(id) || json_integer_value(id) < 1) {
			control_call_invalid(call, "ids");
			return false;
		}
	return true;
}

char *question_ids(const json_t *ids)
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

/* --- replies -------------------------------------------------------------------------------------- */

void question_no_such(struct pending_call *pending, const char *error, const char *id)
{
	if (pending->call != NULL)
		control_call_error(pending->call, error,
				   json_pack("{s:I}", "id", (json_int_t)strtoll(id, NULL, 10)));
	pending->call = NULL;
}

void question_add_outcome(json_t *parameters, const struct again_outcome *outcome)
{
	json_object_set_new(parameters, "session",
			    outcome->session != NULL ? json_string(outcome->session->id)
						     : json_null());
	json_object_set_new(parameters, "begun", json_boolean(outcome->begun));
	json_object_set(parameters, "later", outcome->later);
}
