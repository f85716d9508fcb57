/*
 * Asks the target whether it takes what the mapping is to give it: types that cannot be cast, constants and values of tables that are none
 * of the column's. Used by binding.c only.
 */
#ifndef DAEMON_CATALOG_PROBE_H
#define DAEMON_CATALOG_PROBE_H

#include "catalog/binding.h"

typedef void probe_on_done(void *arg, const struct error *err);

/* What the target refuses is a problem of its entity. Calls on_done once, at once when there is nothing to ask; an error is that the target
   could not be asked. */
void probe_target(struct binding *binding, struct pg_connection *target, probe_on_done *on_done,
		  void *arg);

#endif
