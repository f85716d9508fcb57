/*
 * Rows of the target that refer to rows which are to be deleted, and that the target would delete or change with them: a part of the
 * statement `delete` of delete.sql. The string is the caller's to free.
 */
#ifndef DAEMON_APPLY_REFERRERS_H
#define DAEMON_APPLY_REFERRERS_H

#include "apply/entity_sql.h"

/* CTEs that turn `found` into `gone`, leaving out rows that others would go or be changed with; "" when no foreign key does that.
   `spared`: condition over the row `g` under which it is left as it is. */
char *referrers_held(const struct binding *binding, const struct bound_entity *bound,
		     const struct batch_place *place, const char *spared);

#endif
