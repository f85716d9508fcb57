/*
 * The part of a batch's statement that lets rows refer to rows of the same batch. Template kin.sql.
 */
#ifndef DAEMON_APPLY_KIN_SQL_H
#define DAEMON_APPLY_KIN_SQL_H

#include "catalog/binding.h"

/* CTEs that make `resolving` of `examined`; "" for an entity without such references. The caller frees. */
char *kin_sql(const struct bound_entity *bound, const char *resolving);

/* What `examined` must have besides, for one such reference: "… AS x4_1,\n". The caller frees. */
char *kin_sql_links(const struct bound_entity *bound, const struct written_column *written);

#endif
