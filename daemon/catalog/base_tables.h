/*
 * Which tables the rows of an entity are made of, so that one can ask whether any of them has new rows. Used by binding.c only.
 */
#ifndef DAEMON_CATALOG_BASE_TABLES_H
#define DAEMON_CATALOG_BASE_TABLES_H

#include "catalog/binding.h"

typedef void base_tables_on_done(void *arg, const struct error *err);

/* Sets `tables` of every usable entity that may need them: a table is its own; of a query, a view or a partitioned table they are what the source's
   plan scans, and none are set unless all of that are tables whose rows say who wrote them. Calls on_done once, with an error only
   when the source could not be asked. */
void base_tables_find(struct binding *binding, struct pg_connection *source,
		      base_tables_on_done *on_done, void *arg);

#endif
