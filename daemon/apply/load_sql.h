/*
 * The statement that applies a batch of a first load: rows of which nothing has been carried yet. Template load.sql.
 */
#ifndef DAEMON_APPLY_LOAD_SQL_H
#define DAEMON_APPLY_LOAD_SQL_H

#include "apply/entity_sql.h"

/* Can its rows be written so? Not where a key may stand for another row than it did, which only the id map tells. */
bool load_sql_is_possible(const struct bound_entity *bound);

/* Does what apply_sql() does, provided that neither the id map nor the target has any of the staged rows; else the server refuses it
   (23505), and nothing is written. The caller frees. */
char *load_sql(const struct binding *binding, const struct bound_entity *bound,
	       const struct batch_place *place);

#endif
