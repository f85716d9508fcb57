/*
 * The SQL by which differences that a validation has found are repaired: they are asked for again, and looked at once more. Templates
 * stand in repair.sql; run/repair.c asks. Strings are the caller's to free.
 */
#ifndef DAEMON_APPLY_REPAIR_SQL_H
#define DAEMON_APPLY_REPAIR_SQL_H

#include "catalog/binding.h"

/* Store, several statements: mappings are put right, and rows of all entities asked for. The last answers how many. */
char *repair_sql_ask(const struct binding *binding, const char *validation);

/* Store: how many of them have yet to be carried. */
char *repair_sql_left(const char *validation);

/* Target: the keys of what was found of an entity, an array for each part; NULL: none. */
char *repair_sql_keys(const struct bound_entity *bound, const char *validation);

/* Target, with COMMIT: says of what is staged whether it is equal now. */
char *repair_sql_look(const struct binding *binding, const struct bound_entity *bound,
		      const char *validation);

#endif
