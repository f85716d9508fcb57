/*
 * What is read on the source: a range of keys, or a set of them. Strings are the caller's to free.
 */
#ifndef DAEMON_APPLY_READ_SQL_H
#define DAEMON_APPLY_READ_SQL_H

#include "catalog/binding.h"

/* One value for each part of a key. */
typedef const char *const *key_arrays;

/* A condition over the source row: keys above `low`, up to `high` (NULL: unbounded). */
char *read_sql_range(const struct bound_entity *bound, key_arrays low, key_arrays high);

/* A condition over the source row: keys in these arrays, each an array literal ("{1,2}"). */
char *read_sql_keys(const struct bound_entity *bound, key_arrays arrays);

/* COPY of the rows for which `which` holds, in the stage's columns; and of their keys alone. */
char *read_sql_rows(const struct binding *binding, const struct bound_entity *bound,
		    const char *which);
char *read_sql_present(const struct bound_entity *bound, const char *which);

#endif
