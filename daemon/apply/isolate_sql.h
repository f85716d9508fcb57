/*
 * What runs on the target when it has refused a batch of rows: migrated.apply_isolated() with the statement that applies a part of
 * the stage and the one that writes a row's dead letter. Templates of isolate.sql; the string is the caller's to free.
 */
#ifndef DAEMON_APPLY_ISOLATE_SQL_H
#define DAEMON_APPLY_ISOLATE_SQL_H

#include "apply/entity_sql.h"

char *isolate_sql(const struct binding *binding, const struct bound_entity *bound,
		  const struct batch_place *place);

/* An array of migrated.probe: for each column whose values may fail to be made of what is staged, how to find that out. */
char *isolate_sql_probes(const struct bound_entity *bound);

#endif
