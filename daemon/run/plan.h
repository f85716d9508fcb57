/*
 * Planning of an entity's batches: cutting the source's key space, or a change set, into rows of migrated.batch.
 *
 * Batches are planned a few ahead, so that each is as large as those before it say it should be (run/pace.h). Every one stands
 * in the store before it is begun; after a crash, what is left to do and how far it is planned are read from there.
 */
#ifndef DAEMON_RUN_PLAN_H
#define DAEMON_RUN_PLAN_H

#include "run/entity_run.h"

/* Reads what an earlier life planned and left undone; the first time, completes the change set. Calls the session back
   (session_entity_planned) when that is known, or with an error. */
void plan_begin(struct entity_run *run);

/* Makes sure that further batches are planned before the known ones run out; calls the session back when there are more. */
void plan_more(struct entity_run *run);

/* All its batches are done: plans those of rows that have waited for others of the same entity, and calls the session back. False:
   there are no such rows. */
bool plan_follow(struct entity_run *run);

/* The same, when all its deletions are done, of those that were refused as long as others of the same entity had not gone. */
bool plan_release(struct entity_run *run);

/* Batches as the store tells them (number, kind, low, high): adds them to the entity's lists. */
void plan_add_batches(struct entity_run *run, const PGresult *result);

enum plan_split {
	PLAN_SPLIT_DONE,   /* both halves are on the entity's list */
	PLAN_SPLIT_SINGLE, /* there is nothing to split: the spec is given back */
	PLAN_SPLIT_FAILED, /* it was not split: the spec is given back, with the error */
	PLAN_SPLIT_LOST,   /* nobody knows; the batches must be read again */
};
typedef void plan_on_split(struct entity_run *run, struct batch_spec *spec, enum plan_split outcome,
			   const struct error *err);

/* Splits a batch, which nobody works on, in two; takes the spec over. The entity counts as active until on_split. */
void plan_split(struct entity_run *run, const struct batch_spec *spec, plan_on_split *on_split);

#endif
