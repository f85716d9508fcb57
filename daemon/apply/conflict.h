/*
 * Edits on the modern side: how the statements of a batch see that a target row is not as we wrote it, and what the entity's policy
 * makes of that.
 *
 * The id map keeps in w1 the hash of the mapped columns of the target row as the database returned them from our write, in the same
 * statement, so that neither triggers nor rounding look like edits. NULL: not known; CONFLICT_NO_ROW: there was none. Every
 * statement that writes target rows keeps it. In w2 stands the source's version (h1) that w1 is of, or that was decided
 * against since; only policies that do not let the source win need it.
 *
 * Verdicts of a row that would be written: overwritten, kept, held (all recorded), left (its version was dealt with
 * before); NULL: it was not edited.
 */
#ifndef DAEMON_APPLY_CONFLICT_H
#define DAEMON_APPLY_CONFLICT_H

#include "apply/entity_sql.h"

#define CONFLICT_NO_ROW "0"

/* SQL: the hash of the target row `t` as it stands, CONFLICT_NO_ROW when it is not there. */
char *conflict_standing(const struct bound_entity *bound);

/* SQL: is the target row of `row`, which has w1 and standing, another one than we wrote? Where several source rows lead to one
   target row, it may have been written for another of them; `target_key` is the prefix of its key: "r.o". */
char *conflict_is_edited(const struct bound_entity *bound, const char *row, const char *target_key);

/* The CTE that judges the rows of the one before it, `compared`, where that takes more than an expression; else "". */
char *conflict_judged(const struct bound_entity *bound);
/* What the CTE of resolved rows is called: `compared` when they are judged after it. */
const char *conflict_resolving(const struct bound_entity *bound);

/* SQL over a resolved row `r`: its verdict; may it be written? */
char *conflict_verdict(const struct bound_entity *bound);
char *conflict_writes(const struct bound_entity *bound, const char *ok);
/* May references of it that are missing (a condition) be filled in later? */
char *conflict_defers(const struct bound_entity *bound, const char *ok, const char *missing);
/* May the column of the target row `t` be filled in, now that its parent has come? */
char *conflict_fills(const struct bound_entity *bound, const struct written_column *written);

/* SQL: what more is resolved of a row (", x AS y"). */
char *conflict_more(const struct bound_entity *bound);
/* SQL: w2 of the id map's row `m` once `r` is dealt with; NULL when it is not kept. */
char *conflict_dealt(const struct bound_entity *bound, const char *ok);

/* SQL: an array of the names of columns in which the target row `t` and the resolved row `r` differ; the target row as jsonb. */
char *conflict_columns(const struct bound_entity *bound);
char *conflict_before(const struct bound_entity *bound);

#endif
