/*
 * A step of a session: an entity is checked before its rows are carried, or when all of them have been.
 *
 * The steps of a session are two validations (migrated.validation), which all its entities share. Where each check stands is in the store, so
 * that whoever interrupts a step (a pause, a lost connection, the end of the daemon) finds it where it was.
 */
#ifndef DAEMON_RUN_VALIDATION_STEP_H
#define DAEMON_RUN_VALIDATION_STEP_H

#include "run/session.h"

struct validation_step;

/* Is there such a step in this entity's part? */
bool validation_step_is_wanted(const struct entity_run *run, enum validate_step which);

/* It is over: what it found stands in the run, and `stops` says that the entity goes no further for it. With an error it is not over:
   ERROR_CANCELLED, and it was interrupted by what was asked of the session. */
typedef void validation_step_on_done(void *arg, bool stops, const struct error *err);

/* Checks on a lane, which is the step's own until on_done. One at a time of each entity. */
void validation_step_start(struct entity_run *run, struct lane *lane, enum validate_step which,
			   validation_step_on_done *on_done, void *arg);

/* All steps of a session that is put down are forgotten, before its lanes are closed. */
void validation_steps_drop(struct session *session);

/* Nothing of them goes on any more. */
void validation_steps_end(struct session *session);

#endif
