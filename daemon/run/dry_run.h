/*
 * A dry run: the whole of a session, done for real within one transaction on one connection, which is rolled back.
 *
 *   CONNECTING ──▶ BEGINNING ──▶ PREPARING ──▶ RUNNING ──▶ SHOWING ──▶ ROLLING BACK ──▶ over
 *   connections    transaction   control        session     what came   and nothing
 *   of its own                   schema, id                 of it       was changed
 *                                maps, binding
 *
 * The session is an ordinary one; what it is given makes it dry: its target, and that of its only lane, is one connection, on which a
 * transaction is around all others (postgres/transaction.h). So detection, the order of work, parked rows, the second pass, deletions
 * and what the target refuses are what they will be, and nothing remains of them, not even in the control schema. It waits for
 * nobody: others may wait for what it has locked. Whatever ends the connection ends it, and has changed nothing.
 */
#ifndef DAEMON_RUN_DRY_RUN_H
#define DAEMON_RUN_DRY_RUN_H

#include <jansson.h>

#include "common/error.h"

struct dry_run;
struct engine;
struct request;
struct session;

/* What is asked for, beside the session's own options. */
struct dry_run_question {
	const char *analysis; /* NULL: as migrate does; borrowed */
	json_t *options;      /* of the session; taken over */
	bool rows;	      /* shows rows before and after: */
	json_t *keys; /* these, by entity an array of legacy keys, each an array of strings; else the first few of each kind. NULL: none
			 were named. Taken over */
};

/* Called once, when nothing of it is left in the target. The session (NULL: it never began) stays the engine's; `shown`, borrowed, has
   the members mode, set_aside, remarks, marking and rows of the control protocol's DryRun. With an error when it could not be begun or shown. */
typedef void engine_on_dry_run(void *arg, const struct session *session, const json_t *shown,
			       const struct error *err);

/* Begins one, as engine_migrate() does a session. The handle is set before on_done is called, and good until then. */
void engine_dry_run(struct engine *engine, const struct dry_run_question *question,
		    engine_on_dry_run *on_done, void *arg, struct dry_run **ret_dry_run);

/* Its session, NULL as long as there is none. */
const struct session *dry_run_session(const struct dry_run *dry);

/* Ends it as soon as may be. `forget`: nobody is to be told any more. */
void dry_run_cancel(struct dry_run *dry, bool forget);

/* --- for the engine ------------------------------------------------------------------------------ */

/* Its turn has come: the databases are there, and nothing is under way. */
void dry_run_begin(struct dry_run *dry);

/* It could not begin; frees it. */
void dry_run_refuse(struct dry_run *dry, const struct error *err);

/* Something may be begun again. */
void dry_run_wake(struct dry_run *dry);

/* Ends it here and now, its connections with it, and frees it. */
void dry_run_drop(struct dry_run *dry, const struct error *err);

#endif
