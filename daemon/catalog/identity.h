/*
 * What tells whether a legacy key is still that of the same thing: a hash of the columns that the mapping names as its identity,
 * shipped with each row as i1. Used by binding.c.
 */
#ifndef DAEMON_CATALOG_IDENTITY_H
#define DAEMON_CATALOG_IDENTITY_H

#include "catalog/binding.h"
#include "common/text.h"

/* Ships i1, if the mapping names an identity; behind the key, before anything else. */
void bound_ship_identity(struct bound_entity *bound, int source_version);

/* Names the columns that the source table has not got. */
void bound_check_identity(struct binding *binding, struct bound_entity *bound,
			  const struct catalog_relation *relation);

/* Appends the columns themselves to a list of expressions, so that their types become known; as many as there are. */
void bound_append_identity(struct text *text, const struct bound_entity *bound);

/* Sets bound->identity, once the types stand in `description` from column `first` on. */
void bound_set_identity(struct bound_entity *bound, int source_version, const PGresult *description,
			size_t first);

#endif
