/*
 * The SQL of a batch of a rollback; the string is the caller's to free.
 */
#ifndef DAEMON_APPLY_UNDO_SQL_H
#define DAEMON_APPLY_UNDO_SQL_H

#include "apply/entity_sql.h"

/* Everything, the transaction's end included. Nothing but the entity's name is needed of the mapping. */
char *undo_sql_batch(const char *entity, const struct batch_place *place);

#endif
