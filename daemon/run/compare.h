/*
 * The check `values`: every row of an entity is read and staged as a batch would, resolved through the id maps, and compared with what
 * stands in the target. Nothing of a target's row is written.
 *
 *   rows     source rows, range by range: changed, reference, missing, swapped
 *   extras   the target's rows that carry a legacy key which nothing accounts for, and those that ought to be gone
 *
 * What looks different is read and compared once more, in a transaction of its own, before it is kept: a session may have been carrying it.
 */
#ifndef DAEMON_RUN_COMPARE_H
#define DAEMON_RUN_COMPARE_H

#include "verify/check.h"

#define COMPARE_NAME "values"

/* One chunk of it; as every check (verify/check.h). */
struct check_run *compare_start(const struct check_request *request, check_on_chunk *on_chunk,
				void *arg);

/* How many rows there are to look at, as the source's catalog estimates it. */
int64_t compare_total(const struct binding *binding, const struct bound_entity *bound);

#endif
