/*
 * The order of a binding's entities, by what the target's catalog says of their references.
 *
 * A reference whose column may be NULL is deferred where it closes a circle, or refers to its own entity: it is left NULL at
 * first, and filled in a second pass. One that refers to its own entity and may not be NULL is *kin*: a row's parent may come
 * in the same batch. A circle of references none of which may be NULL stops its entities.
 *
 * This is the one truth about it; levels and deferrals stand in the bound entities.
 */
#ifndef DAEMON_CATALOG_CIRCLE_H
#define DAEMON_CATALOG_CIRCLE_H

#include "catalog/binding.h"

/* Once the catalogs are known: decides, and adds problems. */
void circle_order(struct binding *binding);

#endif
