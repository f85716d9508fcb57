/*
 * The row of a dead letter: what was shipped of it, as JSON. An expression over the stage `s`, evaluated in the target and for rows that
 * are set aside only; the string is the caller's to free.
 *
 * {"key": {"id": 13}, "columns": {"status": "1", "office_id": 4, "plan": {"case": 7, "number": 1}}}: the key by column of the
 * source; the rest by column of the target, as the source had it, so a reference is the key of the parent. NULL when the row is
 * too large to be kept twice. It cannot fail: of types whose conversion might, it takes the text.
 */
#ifndef DAEMON_APPLY_LETTER_ROW_H
#define DAEMON_APPLY_LETTER_ROW_H

#include "catalog/binding.h"

char *letter_row(const struct bound_entity *bound);

#endif
