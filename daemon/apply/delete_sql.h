/*
 * What a batch of deletions does on the target with rows whose source row is gone: nothing, a mark, or the end. The templates
 * stand in delete.sql; the string is the caller's to free.
 */
#ifndef DAEMON_APPLY_DELETE_SQL_H
#define DAEMON_APPLY_DELETE_SQL_H

#include "apply/entity_sql.h"

/* Everything after the keys that the source still has were staged, the transaction's end included; `isolate` bisects around deletions that
   the database refuses. */
char *delete_sql(const struct binding *binding, const struct bound_entity *bound,
		 const struct batch_place *place, bool isolate);

#endif
