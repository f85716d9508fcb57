/*
 * Has the source describe what each entity reads of it. Used by binding.c only.
 */
#ifndef DAEMON_CATALOG_DESCRIBE_H
#define DAEMON_CATALOG_DESCRIBE_H

#include "catalog/binding.h"

typedef void describe_on_done(void *arg, const struct error *err);

/* Sets the types of all that usable entities ship, and what follows from them; what the source refuses is a problem of its entity.
   Calls on_done once; an error is that the source could not be asked. */
void describe_source(struct binding *binding, struct pg_connection *source,
		     describe_on_done *on_done, void *arg);

#endif
