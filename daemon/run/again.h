/*
 * Rows that are to be carried again whatever detection says (migrated.again): asking for them, and the session that carries
 * nothing else.
 *
 *   asked for ──▶ nothing under way: a session is begun for them, without detection
 *             ──▶ a session is under way: it takes them, if it has not counted their entity's changes yet
 *             ──▶ else the next session or cycle, or one that is begun for them when this one is over
 *
 * They stand in the store, so they outlive the daemon; a daemon that starts and finds some begins a session for them. Entities that
 * were never migrated with the present mapping are left out: their next session reads all of them anyway.
 */
#ifndef DAEMON_RUN_AGAIN_H
#define DAEMON_RUN_AGAIN_H

#include <jansson.h>

#include "common/error.h"
#include "postgres/connection.h"

struct engine;
struct request;
struct session;

/* A statement on the store, run when its control schema is known to be of this version. It answers with one row: how many rows were
   asked for by it (0: nothing is begun), and whatever else the caller wants to know. */
struct again_question {
	const char *sql; /* NULL: the rows stand in migrated.again already */
	size_t value_count;
	const char *const *values;
	bool only_ask; /* a decision that needs no session */
};

struct again_outcome {
	const PGresult *answer;	       /* to the question; NULL without one */
	const struct session *session; /* that takes rows; NULL: none does now */
	bool begun;		       /* it was begun for them */
	json_t *later; /* [{entity, rows, reason}]: what it does not take, and why; borrowed */
};

typedef void engine_on_again(void *arg, const struct again_outcome *outcome,
			     const struct error *err);

/* Strings are copied; on_done is called once. It is refused (err) when nothing may be written here; then nothing was asked for. An
   error after that leaves what was asked for where it is. */
void engine_again(struct engine *engine, const struct again_question *question,
		  engine_on_again *on_done, void *arg);

/* --- for the engine ---------------------------------------------------------------------------- */

/* Of the daemon's start: are there any left from an earlier life? */
void again_look_for_left(struct engine *engine);

/* What is under way is over: what it has not taken is begun now. */
void again_go_on(struct engine *engine);

/* --- for request.c ------------------------------------------------------------------------------ */

struct again;

void again_free(struct again *again);
bool again_only_asks(const struct again *again);

/* Asks; then decides whether a session is to be begun. */
void again_ask(struct request *request);

/* A session was begun for it (err NULL), or could not be. */
void again_begun(struct again *again, const struct session *session, const struct error *err);

#endif
