/*
 * The change log in the statements of a batch: every one that writes target rows says in itself which rows it has changed, so that what
 * is undone is not logged, and what is done, is. With before-images, it keeps what the rows were before, too.
 *
 * A statement that writes (a CTE) returns of each row kN, tN, and logged_returned(). Behind it stand logged_ctes(). What the
 * row was is passed on by a CTE of the same statement: by the one that resolves (logged_resolved()), which is right when the row was locked
 * before, or is written only as it was seen; or by one that locks it (logged_standing()).
 */
#ifndef DAEMON_APPLY_LOGGED_H
#define DAEMON_APPLY_LOGGED_H

#include "apply/entity_sql.h"

/* What a statement did to its rows, and where it is known from what they were. */
enum logged_change {
	LOGGED_LOADED, /* inserted, where the id map had nothing of it; `change` is NULL where nothing was */
	LOGGED_INSERTED,       /* returns `mapped`, too: whether the id map has the row already */
	LOGGED_UPDATED_LOCKED, /* as a CTE of the statement has locked it */
	LOGGED_UPDATED_RESOLVED, /* as logged_resolved() has kept it; what it was read as must be what is written */
	LOGGED_DELETED_LOCKED,
	LOGGED_DELETED_RESOLVED,
	LOGGED_REMAPPED, /* the id map alone was changed */
};

/* Which rows are written, and for whom. */
struct logged {
	const struct binding *binding;
	const struct bound_entity *bound; /* whose rows they are */
	const struct batch_place *place;
};

/* ", t.name AS b1": what a CTE that locks the target row `t` passes on; "" without before-images. */
char *logged_standing(const struct logged *logged);

/* The same of the CTE that resolves, and what the id map says of the row. */
char *logged_resolved(const struct logged *logged);

/* ", … AS change, r.b1, t.name AS a1": what a statement that writes `t` returns. `row` is what passes on how it was; NULL where
   nothing does. */
char *logged_returned(const struct logged *logged, enum logged_change change, const char *row);

/* The CTEs behind the statement `written`: `kind` is what the log calls it. */
char *logged_ctes(const struct logged *logged, enum logged_change change, const char *written,
		  const char *kind);

#endif
