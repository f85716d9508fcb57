/*
 * The SQL of bulk mode: what an empty target table can do without while its rows come in, how that is set aside, and how it is put
 * back. The templates stand in bulk.sql, with what may be set aside and why; what does it stands in the control schema (0023_bulk.sql).
 *
 * Strings are the caller's to free.
 */
#ifndef DAEMON_APPLY_BULK_SQL_H
#define DAEMON_APPLY_BULK_SQL_H

#include <libpq-fe.h>

#include "apply/entity_sql.h"
#include "catalog/binding.h"

/* The columns of what bulk_sql_candidates() answers with. */
enum bulk_candidate {
	BULK_PLACE, /* of the entity in the list, from 1 */
	BULK_KIND,  /* table, index, foreign key */
	BULK_NAME,
	BULK_OBJECT, /* its oid */
	BULK_KEPT,   /* why it stays; NULL: it can be set aside */
	BULK_LOST,
	BULK_MEND,
};

/* What these entities' tables have, and which of it can be set aside. */
char *bulk_sql_candidates(const struct binding *binding, const struct bound_entity *const *entities,
			  size_t count);

/* May this entity's table be filled in bulk mode at all, whatever it looks like? NULL, or why not. */
const char *bulk_refusal(const struct binding *binding, const struct bound_entity *bound);

/* Sets aside the candidates of one entity that can be. Answers with kind, name, and why it was kept after all. */
char *bulk_sql_set_aside(const struct bound_entity *bound, const struct batch_place *place,
			 const PGresult *candidates);

/* Which things are put back, and by whom. */
struct bulk_back {
	const char *life;	 /* a UUID: what was refused in it is not tried again */
	const char *entity;	 /* NULL: of all entities that no session under way works on */
	const char *but_session; /* not what it has set aside with this fingerprint; NULL: all */
	const char *but_fingerprint;
	int64_t epoch;
	int64_t lock_timeout_ms;
	int64_t memory_kb;
	int64_t workers;
};

/* The columns of what bulk_sql_put_back() answers with: no row: nothing is left; BULK_BACK_KIND NULL: others are at it. */
enum bulk_back_column {
	BULK_BACK_KIND,
	BULK_BACK_NAME,
	BULK_BACK_TABLE,
	BULK_BACK_PROBLEM,
	BULK_BACK_REMAINING,
};

/* Puts one thing back. */
char *bulk_sql_put_back(const struct bulk_back *back);

#endif
