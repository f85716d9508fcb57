/*
 * Pieces of SQL that several checks share. For the checks only; strings are the caller's to free.
 */
#ifndef DAEMON_VERIFY_CHECK_SQL_H
#define DAEMON_VERIFY_CHECK_SQL_H

#include "catalog/binding.h"
#include "verify/check_run.h"

/* "pg_temp.check_orders": where what was shipped is. */
char *check_sql_stage(const struct bound_entity *bound);

/* "ARRAY[m.k1::text, m.k2::text]", given "m.k"; likewise of the target key, "m.t". */
char *check_sql_key(const struct bound_entity *bound, const char *prefix);
char *check_sql_target_key(const struct bound_entity *bound, const char *prefix);

/* "m.k1, m.k2", given "m.k"; likewise of the target key, "m.t". */
char *check_sql_keys(const struct bound_entity *bound, const char *prefix);
char *check_sql_targets(const struct bound_entity *bound, const char *prefix);
/* "t.id AS t1", of the target's columns. */
char *check_sql_target_columns(const struct bound_entity *bound);

/* "m.k1 = o.k1 AND …", given "m.k" and "o.k"; likewise of the target key. */
char *check_sql_same_keys(const struct bound_entity *bound, const char *left, const char *right);
char *check_sql_same_targets(const struct bound_entity *bound, const char *left, const char *right);
/* "t.id = m.t1 AND …", given "t" and "m.t". */
char *check_sql_target_is(const struct bound_entity *bound, const char *alias, const char *right);

/* Does the target carry the legacy key in columns of its own? */
bool check_sql_has_legacy_key(const struct binding *binding, const struct bound_entity *bound);
/* Is the legacy key of integers, which are in the same order everywhere? */
bool check_sql_has_integer_key(const struct bound_entity *bound);
/* Besides, does the target carry it as integers, in an index? Then ranges of one are ranges of the other. And the contrary of that. */
bool check_sql_in_step(const struct binding *binding, const struct bound_entity *bound);
bool check_sql_out_of_step(const struct binding *binding, const struct bound_entity *bound);
/* Condition: the target's row `alias` has something in each of its columns. */
char *check_sql_carries(const struct bound_entity *bound, const char *alias);
/* What the target's row `alias` carries, in the types of the source's key, as k1, k2 …; NULL where it carries none, or what cannot be
   one. "t.legacy_id AS k1" */
char *check_sql_carried(const struct bound_entity *bound, const char *alias);
/* Only part `part`, from 0: "t.legacy_id". */
char *check_sql_carried_part(const struct bound_entity *bound, const char *alias, size_t part);

/* Joins `m` of the id map, or `t` of the target, if it is there, `on` a condition: with a range (struct check_range), out of that; with NULL
   it is looked up by its index, whatever the planner thinks of that. */
char *check_sql_join_map(const struct bound_entity *bound, const char *on, const char *range);
char *check_sql_join_target(const struct bound_entity *bound, const char *on, const char *range);

/* CTEs, the last of them `strays`: rows of the target in `range` that carry a legacy key (k1, …) whose mapping does not lead to them (t1, …):
   whether the id map has it (known), and where it leads (m1, …). With `live_only`, those too whose mapping is of a row that is gone. */
char *check_sql_strays(const struct bound_entity *bound, const struct check_range *range,
		       bool live_only);

/* A condition about the row whose legacy key is `key`, a text[]: what became of it is known, and will change yet. */
char *check_sql_aside(const struct bound_entity *bound, const char *key);

/* 'id', 'other': the names as literals. */
char *check_sql_names(const struct name_list *names);

#endif
