/*
 * The reference graph, as far as the files tell it: who refers to whom.
 *
 * Which entity must be carried before which, and which references are filled in later where they form a circle, is decided
 * with the target's catalog (catalog/order.h): the files do not say which columns may be NULL.
 */
#ifndef DAEMON_CONFIG_GRAPH_H
#define DAEMON_CONFIG_GRAPH_H

#include "config/entity.h"
#include "config/problem.h"

/*
 * Resolves the references of the whole set, and sorts the entities: parents before children, by name where neither comes first.
 * References to nobody, and keys that do not fit, are problems; the order is set in any case. Entities with an empty source key
 * are those whose files could not be read: they may be referred to.
 */
void graph_build(struct entity_set *set, struct problem_list *problems);

#endif
