/*
 * The SQL of the second pass: references that had to wait for their parent are filled in. The templates stand in fill.sql.
 */
#ifndef DAEMON_APPLY_FILL_SQL_H
#define DAEMON_APPLY_FILL_SQL_H

#include <stdint.h>

#include "apply/entity_sql.h"
#include "catalog/binding.h"
#include "common/text.h"

/* One round of the second pass over reference column `written`, alternative `alternative`; the command tag's count is
   how many were filled. Of `place`, batch 0 of a session: refused when the daemon has not its epoch any more. `isolate` bisects around rows that the
   database refuses. */
char *fill_sql(const struct binding *binding, const struct bound_entity *bound,
	       const struct written_column *written, size_t alternative,
	       const struct batch_place *place, int64_t limit, bool isolate);

/* Before the keys of a batch of deletions are deleted: what is to be deleted, too, and refers to them by a deferred reference,
   lets go of them. */
void fill_sql_append_unlink(struct text *text, const struct binding *binding,
			    const struct bound_entity *bound, const struct batch_place *place);

#endif
