/*
 * The SQL by which the values of an entity are compared: what the source has, resolved as a batch would, with what stands in the
 * target. Templates stand in compare.sql; run/compare.c asks. Strings are the caller's to free.
 *
 * `after` and `keys` are as in read_sql.h: one value, or one array literal, a part of the legacy key.
 */
#ifndef DAEMON_APPLY_COMPARE_SQL_H
#define DAEMON_APPLY_COMPARE_SQL_H

#include "apply/read_sql.h"

/* Source: the last key of the range of so many rows that begins above `after`; no row: there are fewer. */
char *compare_sql_boundary(const struct bound_entity *bound, key_arrays after, int64_t rows);

/* Target: ends with the COPY into the stage, of rows or of keys alone. */
char *compare_sql_stage(const struct bound_entity *bound, bool keys_only);

/* Target: (staged, compared, different, array of keys…) of the staged rows, whose keys are above `low`, up to `high` (NULL: unbounded). Those
   that look different may turn out not to be, by compare_sql_found(). */
char *compare_sql_rows(const struct binding *binding, const struct bound_entity *bound,
		       key_arrays low, key_arrays high);

/* Target: moves those staged rows away of which a value cannot be made any more, so that the others can be compared. Then
   (moved, handled, mapped, array of keys…). */
char *compare_sql_unmade(const struct bound_entity *bound);
char *compare_sql_unmade_count(const struct bound_entity *bound);

/* Target: how many staged rows the id map has and does not call gone; how many it has of all. */
char *compare_sql_mapped(const struct bound_entity *bound, key_arrays low, key_arrays high);
char *compare_sql_live(const struct bound_entity *bound);

/* CTEs for check_keep_sql(): what differs of the staged rows; `compared` are those that were compared. With `unmade` also what was moved
   away; `unmade` are those. */
char *compare_sql_found(const struct binding *binding, const struct bound_entity *bound,
			bool unmade);

/* Does the target carry legacy keys, so that rows of it can be known to have no source row? `after` is the legacy key as it stands there. */
bool compare_sql_has_carried(const struct bound_entity *bound);
/* Target: (rows, last, unknown, array of keys…) of the next so many that carry one. */
char *compare_sql_carried(const struct bound_entity *bound, key_arrays after, int64_t rows);
/* CTEs: rows of the target with one of these keys that neither the id map knows nor the source has, whose keys are staged. */
char *compare_sql_extra(const struct bound_entity *bound, key_arrays keys);

/* Is anything done to the target's row when its source row is gone? */
bool compare_sql_has_gone(const struct bound_entity *bound);
/* A condition over the target row `t`: it shows that its source row is gone. */
char *compare_sql_marked(const struct bound_entity *bound);
/* Target: (0, last, rows, array of keys…) of rows that it ought to have been done to. */
char *compare_sql_gone(const struct bound_entity *bound, key_arrays after, int64_t rows);
/* CTEs: the same, of these keys, less those that are staged. */
char *compare_sql_staying(const struct bound_entity *bound, key_arrays keys);

#endif
