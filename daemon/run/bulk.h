/*
 * Bulk mode in an entity's part of a session: what its table can do without is set aside before its first row, and put back after
 * its last (apply/bulk.sql says what that is).
 *
 * What is set aside stands in migrated.set_aside, dropped and recorded in one transaction, made and removed from there in another. So a
 * session that a later life resumes goes on in bulk mode; what anybody else has left there (a session that was cancelled, a mapping that
 * has changed since) is put back before the entity's rows are carried, and by restore.h when no session is under way.
 */
#ifndef DAEMON_RUN_BULK_H
#define DAEMON_RUN_BULK_H

#include "run/entity_run.h"
#include "run/lane.h"

/* Is there anything to be done before its first row? */
bool bulk_is_wanted(const struct entity_run *run);

/* Told once; the lane is the caller's again. `failure` may be NULL. */
typedef void bulk_on_done(void *arg, const struct error *failure);

/* Before the first row: puts back what others have left, and sets aside what can be. run->aside is then how many things are. */
void bulk_begin(struct entity_run *run, struct lane *lane, bulk_on_done *on_done, void *arg);

/* After the last row: puts one thing back. Several lanes may do so at once, as many as run->rebuilding_most says; when run->aside is 0, all of
   them stand again. */
void bulk_put_back(struct entity_run *run, struct lane *lane, bulk_on_done *on_done, void *arg);

#endif
