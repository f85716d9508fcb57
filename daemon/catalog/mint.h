/*
 * How the target keys of an entity are made where the mapping does not fill them: UUIDs, or numbers from the column's
 * own sequence. Used by binding.c only.
 */
#ifndef DAEMON_CATALOG_MINT_H
#define DAEMON_CATALOG_MINT_H

#include "catalog/binding.h"

/* The namespace of the UUIDs of version 5, unless the mapping says another. */
#define MINT_NAMESPACE "28ea110a-f8bd-4bab-8a25-fd43a2f9cd86"

/* Holds the entity's minted key against the column that takes it; what cannot be minted is a problem. */
void bound_check_mint(struct binding *binding, struct bound_entity *bound,
		      const struct catalog_column *key);

/* Sets `mint`, once the types of the legacy key are known. */
void bound_set_mint(const struct binding *binding, struct bound_entity *bound);

#endif
