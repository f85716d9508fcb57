/*
 * What a source relation offers to find its changed rows by: a column that says when, or the transaction that wrote the row.
 * Used by binding.c only.
 */
#ifndef DAEMON_CATALOG_CHANGED_H
#define DAEMON_CATALOG_CHANGED_H

#include "catalog/binding.h"

/* Sets `updated_at` and `heap` from the mapping and the source's catalog. What the entity's strategy needs and the source does not
   offer is a problem, and the entity not usable. */
void bound_find_changed(struct binding *binding, struct bound_entity *bound);

/* The source has said of which type `updated_at` is. */
void bound_set_changed_type(struct binding *binding, struct bound_entity *bound, Oid type);

/* Sets `source_time` and `target_time`, whose comparison says who wrote a row last, where the mapping asks for it. */
void bound_find_times(struct binding *binding, struct bound_entity *bound);

/* The source has said of which type `source_time` is: one without a zone is taken as UTC. */
void bound_set_source_time_type(struct binding *binding, struct bound_entity *bound, Oid type);

/* Holds the strategy against the key's type, once it is known. */
void bound_check_strategy(struct binding *binding, struct bound_entity *bound);

#endif
