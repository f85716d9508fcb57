/*
 * The reference graph: which entity must be carried before which.
 *
 * A reference makes its entity wait for the parent. Where references form a cycle, one of them is
 * deferred: its column is left NULL at first and filled in a second pass, when both sides have
 * their keys. Only a reference that says "if_missing": "null" may be deferred, since its column may
 * evidently be NULL; a reference of an entity to itself always is.
 */
#ifndef DAEMON_CONFIG_GRAPH_H
#define DAEMON_CONFIG_GRAPH_H

#include "config/entity.h"
#include "config/problem.h"

/*
 * Resolves the references of the whole set, defers no more of them than the cycles need, and sorts
 * the entities by level and name. References to nobody, keys that do not fit and cycles that cannot
 * be broken are problems; levels and order are set in any case. Entities with an empty source key
 * are those whose files could not be read: they may be referred to.
 */
void graph_build(struct entity_set *set, struct problem_list *problems);

#endif
