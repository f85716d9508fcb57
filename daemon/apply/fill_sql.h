/*
 * The SQL of the second pass: references that had to wait for their parent are filled in. The templates stand in fill.sql.
 */
#ifndef DAEMON_APPLY_FILL_SQL_H
#define DAEMON_APPLY_FILL_SQL_H

#include <stdint.h>

#include "catalog/binding.h"

/* One round of the second pass over reference column `written`, alternative `alternative`; the command tag's count is
   how many were filled. Refused when the daemon has not the `epoch` any more. `isolate` bisects around rows that the
   database refuses. */
char *fill_sql(const struct binding *binding, const struct bound_entity *bound,
	       const struct written_column *written, size_t alternative, int64_t epoch,
	       int64_t limit, bool isolate);

#endif
