/*
 * Questions to the store about rows that were set aside, which it answers in JSON as the interface has it. They are asked over the
 * engine's connection, whoever owns the control schema.
 */
#ifndef DAEMON_CONTROL_QUESTION_H
#define DAEMON_CONTROL_QUESTION_H

#include <libpq-fe.h>

#include "control/handler.h"

/* How many rows are shown. */
#define QUESTION_LIMIT 50
#define QUESTION_LIMIT_MAX 1000

/* Asked once it is known that there is a control schema. Made with memory_new(); the values are its own. */
struct question {
	const char *template; /* with the holes asked, letter, queued of letter.sql */
	char *values[5];
	size_t value_count;
	const char
		*nothing; /* the answer without a control schema; NULL: `finish` gets no result */
	/* Replies, or fails; the pending call's state is the question until then. */
	void (*finish)(struct pending_call *pending, const PGresult *result);
};

/* Takes the question over; the call is answered. */
void question_ask(struct handlers *handlers, struct control_call *call, struct question *question);

/* Ends of `finish`. The reply is taken over; NULL: it was no JSON. */
void question_reply(struct pending_call *pending, json_t *parameters);
void question_fail(struct pending_call *pending, const struct error *err);
/* With what the store has answered, as it is. */
void question_answer(struct pending_call *pending, const PGresult *result);

/* What the store has answered; the caller owns it. */
json_t *question_json(const PGresult *result);

/* A number as a value; the caller frees. */
char *question_number(int64_t number);

#endif
