/*
 * Asks the store, first whether it has a control schema at all; see question.h.
 */
#include "control/question.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/text.h"
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
			  { NULL, NULL } });
	return text_steal(&text);
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	struct question *question = pending->state;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_free_ char *sql = NULL;

	if (answer->error != NULL) {
		question_fail(pending, answer->error);
	} else if (PQgetvalue(result, 0, 0)[0] == 't') {
		sql = fill(question->template, PQgetvalue(result, 0, 1)[0] == 't');
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
