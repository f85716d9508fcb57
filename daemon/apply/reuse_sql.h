/*
 * What a batch does about legacy keys that stand for another row than they did: before its rows are written, and after. Templates of
 * reuse.sql; an entity without an identity has none of it.
 */
#ifndef DAEMON_APPLY_REUSE_SQL_H
#define DAEMON_APPLY_REUSE_SQL_H

#include "apply/entity_sql.h"
#include "common/text.h"

/* Statements to run before and behind the one that applies the rows, in its subtransaction, with the semicolons that stand between
   them and it; `isolate`: for the rows $1 of the stage. */
void reuse_sql_append_before(struct text *text, const struct binding *binding,
			     const struct bound_entity *bound, const struct batch_place *place,
			     bool isolate);
void reuse_sql_append_after(struct text *text, const struct binding *binding,
			    const struct bound_entity *bound, const struct batch_place *place,
			    bool isolate);

/* Condition over the stage s, the id map m and the target row t: the key was reused, and what had it cannot let go of it. NULL:
   that cannot be. The caller's to free. */
char *reuse_sql_fault(const struct bound_entity *bound, const struct written_column **ret_column);

#endif
