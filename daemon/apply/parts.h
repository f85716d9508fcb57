/*
 * Pieces of SQL that several statements share, of this room and of run/. Strings are the caller's to free.
 */
#ifndef DAEMON_APPLY_PARTS_H
#define DAEMON_APPLY_PARTS_H

#include "catalog/binding.h"

/* "m.k1 = s.k1 AND m.k2 = s.k2", given "m.k" and "s.k". */
char *parts_equal_keys(size_t count, const char *left, const char *right);

/* "m.k1 = c.legacy_key[1]::bigint", given "m" and "c.legacy_key": the text form of a key turned back into its types. */
char *parts_keys_from_text(const struct bound_entity *bound, const char *alias, const char *array);

/* "m.t1, m.t2", given "m.". */
char *parts_target_keys(const struct bound_entity *bound, const char *prefix);

/* "t.id = m.t1": the target row that `right`, with a number behind it, points to. */
char *parts_target_is(const struct bound_entity *bound, const char *right);

/* "t.id AS t1": the key of the target row `t` as it is returned. */
char *parts_written_keys(const struct bound_entity *bound);

/* "ARRAY[s.k1::text]". */
char *parts_legacy_key(const struct bound_entity *bound, const char *alias);

/* Expression, name, or "expression AS name" of all that is shipped. */
char *parts_shipped_list(const struct bound_entity *bound, bool expressions, bool names);

/* "is_active = 'false'": what marks a row of the target as gone; "" where nothing does. */
char *parts_marks(const struct bound_entity *bound);

/* The mapping says what tells two rows apart that have the same key: each is shipped with its i1. */
bool parts_has_identity(const struct bound_entity *bound);

bool parts_is_reference(const struct written_column *written);
bool parts_has_alternatives(const struct written_column *written);

/* Condition over the stage and the parents' maps: the source names a parent, and no parent is there. */
char *parts_missing(const struct written_column *written);

/* Part `part` (from 0) of the parent's legacy key as alternative `alternative` has it, over the stage. */
const char *parts_parent_key(const struct written_column *written, size_t alternative, size_t part);

/* When its parent is missing, only the column waits; or the whole row does. Neither: it is a dead letter. */
bool parts_is_deferrable(const struct written_column *written);
bool parts_is_parking(const struct written_column *written);

/* " AND p.gone IS NULL" where a parent that is gone has no target row any more, else "". */
const char *parts_parent_present(const struct bound_entity *parent, const char *alias,
				 char buffer[64]);

#endif
