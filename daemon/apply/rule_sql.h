/*
 * The SQL of business rules that are asked when a batch's rows have been written. The templates stand in rule.sql.
 *
 * An entity without such rules has none of it. Strings are the caller's to free.
 */
#ifndef DAEMON_APPLY_RULE_SQL_H
#define DAEMON_APPLY_RULE_SQL_H

#include "apply/entity_sql.h"
#include "common/text.h"

/* Has the batch refused when a row that was written breaks a rule that rejects. */
void rule_sql_append_assert(struct text *text, const struct bound_entity *bound,
			    const struct batch_place *place);

/* The same statement about the rows whose ctid is in $1, for migrated.apply_isolated(); NULL when there is nothing to ask. */
char *rule_sql_assertion(const struct bound_entity *bound, const struct batch_place *place);

/* Which of those rows break a rule that rejects, as a query; NULL likewise. */
char *rule_sql_breakers(const struct bound_entity *bound, const struct batch_place *place);

/* Keeps, and counts, which rows of the batch were carried although they break a rule that warns. */
void rule_sql_append_warn(struct text *text, const struct bound_entity *bound,
			  const struct batch_place *place);

/* Forgets what was found of rows that this batch has found gone. */
void rule_sql_append_gone(struct text *text, const struct bound_entity *bound,
			  const struct batch_place *place);

/* The same in the second pass, which changes rows that were asked before. What stands before it; what ends its statement, where a
   CTE has been opened (see `fill`), "" without rules; what stands behind it, whose last command tag counts the rows that were
   filled in; and the statement for migrated.apply_isolated(), NULL when there is nothing to ask. */
void rule_sql_append_fill_begin(struct text *text, const struct bound_entity *bound);
char *rule_sql_fill_kept(const struct bound_entity *bound);
void rule_sql_append_fill_end(struct text *text, const struct bound_entity *bound, bool isolate);
char *rule_sql_fill_assertion(const struct bound_entity *bound);

#endif
