/*
 * Questions to the store about rows that were set aside, which it answers in JSON as the interface has it. They are asked over the
 * engine's connection, whoever owns the control schema.
 */
#ifndef DAEMON_CONTROL_QUESTION_H
#define DAEMON_CONTROL_QUESTION_H

#include <libpq-fe.h>

#include "control/handler.h"
#include "run/again.h"

/* How many rows are shown. */
#define QUESTION_LIMIT 50
#define QUESTION_LIMIT_MAX 1000

/* What a question is about, which a control schema that an older daemon has made may not have: the column of `asides_known` that
   says so. */
enum question_about { ABOUT_ASIDES = 0, ABOUT_CONFLICTS = 2, ABOUT_ROLLBACKS = 3 };

/* Asked once it is known that there is what it is about. Made with memory_new(); the values are its own. */
struct question {
	enum question_about about;
	const char
		*template; /* with the holes asked, letter, queued of letter.sql, conflict of conflict.sql */
	char *values[5];
	size_t value_count;
	const char *nothing; /* the answer where it is not; NULL: `finish` gets no result */
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

/* Parameters that several methods have. False when the call has been answered, since what it says is not good. An entity that is not
   in the configuration any more may still have rows set aside, so its name is not looked for there. */
bool question_id(struct control_call *call, int64_t *ret_id);
bool question_session_is_good(struct control_call *call, const char *session);
bool question_ids_are_good(struct control_call *call, const json_t *ids);

/* An array of ids as a value, NULL when none were named; the caller frees. */
char *question_ids(const json_t *ids);

/* Answers the call with `error` ("io.migrated.NoSuchConflict") about an id; the pending call goes on without it. */
void question_no_such(struct pending_call *pending, const char *error, const char *id);

/* Which session carries what was asked for: "session", "begun" and "later" of the reply. */
void question_add_outcome(json_t *parameters, const struct again_outcome *outcome);

#endif
