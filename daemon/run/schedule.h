/*
 * What a running session does next: which entity's batch a lane is given, and how entities go from state to state.
 *
 * All entities carry their rows in dependency order; then references that had to wait are filled in; then what is gone is
 * marked or deleted, children first. Used by session.c.
 */
#ifndef DAEMON_RUN_SCHEDULE_H
#define DAEMON_RUN_SCHEDULE_H

#include "run/session.h"

void schedule_init(struct session *session);
void schedule_done(struct session *session);

/* Moves every entity as far as it can go, ends the session when all are over, and wakes the lanes. */
void schedule_advance(struct session *session);

/* Entities whose planning or keeping a lost connection interrupted go on. */
void schedule_store_ready(struct session *session);

/* Are all entities in this state, or beyond it? */
bool schedule_all_have_reached(const struct session *session, enum entity_state state);

/* The one place where an entity changes its state; that it is over is kept. `reason` may be NULL. */
void schedule_set_state(struct entity_run *run, enum entity_state state, const char *reason);

/* Keeps in the store what schedule_kept_state() says of it, as soon as the store can be reached. */
void schedule_keep(struct entity_run *run);
const char *schedule_kept_state(const struct entity_run *run);
void schedule_keep_unkept(struct session *session);

/* What is planned of an entity is read from the store again, when nothing of it is under way. */
void schedule_read_again(struct entity_run *run, const struct error *err);

/* For rollback.c: may an entity ask the databases for anything now? Plans it; gives one of its batches to a lane. */
bool schedule_may_plan(struct entity_run *run);
void schedule_plan(struct entity_run *run);
void schedule_give(struct entity_run *run, struct lane *lane, const struct batch_spec *spec);

/* Stops one entity, and those that depend on it. `err` says more, where there is one. */
void schedule_fail_entity(struct entity_run *run, const char *reason, const struct error *err);
/* The same, of one that refers to such. */
void schedule_fail_with_parent(struct entity_run *run, const char *reason);
/* Says that it has stopped, and why. */
void schedule_tell_stop(const struct entity_run *run, const struct error *err);

#endif
