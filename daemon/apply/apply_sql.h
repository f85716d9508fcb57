/*
 * The statement that applies a batch: it resolves the staged rows, sets aside those that cannot be applied, writes the others,
 * and counts. Template `apply` of apply.sql; the string is the caller's to free.
 */
#ifndef DAEMON_APPLY_APPLY_SQL_H
#define DAEMON_APPLY_APPLY_SQL_H

#include "apply/entity_sql.h"
#include "apply/holes.h"

/* `isolate`: only the rows whose ctid is in the parameter $1. */
char *apply_sql(const struct binding *binding, const struct bound_entity *bound,
		const struct batch_place *place, bool isolate);

/* What those rows would be in the target, which is only read: template `would` of isolate.sql. */
char *apply_sql_would(const struct binding *binding, const struct bound_entity *bound,
		      const struct batch_place *place);

/* What fills the templates of apply.sql and load.sql: what is known of the staged rows, and which of them are written. */
void apply_sql_holes(struct holes *holes, const struct binding *binding,
		     const struct bound_entity *bound, const struct batch_place *place,
		     bool isolate);

/* "… AS t1, … AS t2": the target key where the mapping fills it. */
char *apply_sql_natural_keys(const struct bound_entity *bound);

/* For those who compare (compare_sql.h): the joins that find the parents of a staged row `s`; whether the target row `t` is another one than
   the mapping makes of `s`; whether one column of it is. */
char *apply_sql_references(const struct binding *binding, const struct bound_entity *bound);
char *apply_sql_differs(const struct bound_entity *bound);
char *apply_sql_column_differs(const struct written_column *written);

/* What a batch would make of the one row that is staged, column by column, beside what stands in the target: template `row` of row.sql.
   Its rows are name, is the target row there, does the column differ, and, with `values`, what it would be and what it is. */
char *apply_sql_row(const struct binding *binding, const struct bound_entity *bound, bool values);

#endif
