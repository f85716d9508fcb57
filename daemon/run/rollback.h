/*
 * Rollback: a session that undoes another, row by row, by its change log.
 *
 * It is a session as any other (kept, planned, paused, resumed, cancelled), but that nothing is detected and the source is not
 * needed; its entities go through the same states, and mean by them
 *
 *   PLANNING   what the session did is collected (migrated.undo_plan). Nothing is touched before all are planned
 *   MOVING     what was deleted is restored, parents first
 *   FILLING    references that may be empty let go of what is to be removed
 *   DELETING   what was inserted is removed, what was changed gets back what it had, children first; what was refused, again
 *
 * Levels are those that the session had. Rows that somebody has edited since, and those that cannot be undone, are left as they
 * are and kept in migrated.rollback_left. From its beginning on cycles stand still, until somebody resumes them.
 */
#ifndef DAEMON_RUN_ROLLBACK_H
#define DAEMON_RUN_ROLLBACK_H

#include "run/session.h"

/* --- for the session --------------------------------------------------------------------------- */

/* Puts it into the store; on_inserted is given its number. */
void rollback_insert(struct session *session, const char *options, pg_on_answer *on_inserted);

/* Reads what takes part, and opens the session. */
void rollback_load(struct session *session);

/* Plans an entity, or reads what is planned of it; session_entity_planned() follows. */
void rollback_plan(struct entity_run *run);

/* As the schedule's: one step of an entity, true when its state has changed; and a lane for it, true when it was taken. */
bool rollback_step(struct entity_run *run);
bool rollback_offer(struct entity_run *run, struct lane *lane);

/* What was collected goes. */
void rollback_forget(struct session *session);

/* --- for those who ask ------------------------------------------------------------------------- */

struct engine;

/* What a rollback would do; rows as of sql_store_rollback_survey, borrowed for the call. Or the error. */
typedef void rollback_on_survey(void *arg, const PGresult *rows, const struct error *err);

struct rollback_request {
	const char *session; /* an id, or its beginning */
	json_t *entities;    /* NULL: all */
	bool force;
	session_on_started *on_started; /* begins it */
	rollback_on_survey *on_survey;	/* or only says what it would do */
	void *arg;
};

/* One of the callbacks is called, once. Strings are copied. */
void engine_rollback(struct engine *engine, const struct rollback_request *request);

#endif
