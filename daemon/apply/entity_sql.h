/*
 * The SQL of a batch on the target, written for one bound entity: how it is opened, applied and finished. The templates
 * stand in apply.sql; what is read on the source, in read_sql.h; deletions, in delete_sql.h; the second pass, in fill_sql.h.
 *
 * All functions return a string that the caller frees. Identifiers and literals are quoted by postgres/.
 */
#ifndef DAEMON_APPLY_ENTITY_SQL_H
#define DAEMON_APPLY_ENTITY_SQL_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog/binding.h"
#include "postgres/transaction.h"

/* Which batch the SQL is for. Strings are borrowed. */
struct batch_place {
	const struct pg_transaction *transaction; /* how it is said */
	const char *session;
	int session_number;
	const char *analysis; /* keys and deletes */
	int batch;
	bool before_images; /* what rows were before is kept */
	int64_t epoch;	    /* under which the daemon owns the control schema */
	int64_t work_memory_kb;
	const char *low; /* first and last ordinal of the change set: keys and deletes */
	const char *high;
};

/* The stage: its columns with their types; the names of those that rows, or keys alone, are shipped in. */
char *entity_sql_stage_columns(const struct bound_entity *bound);
char *entity_sql_stage_names(const struct bound_entity *bound, bool keys_only);

/* `keys_only`: the stage takes the key alone, as deletions do. */
char *entity_sql_begin(const struct bound_entity *bound, const struct batch_place *place,
		       bool keys_only);

/* How the rows are written once they have arrived. */
enum write_way {
	WRITE_LOAD,    /* as rows of which nothing has been carried (load_sql.h) */
	WRITE_ANY,     /* whatever there is of them */
	WRITE_ISOLATE, /* so, in parts, around bad rows */
};

/* Everything after the rows have arrived, its end included. `again`: in place of another attempt that was refused. */
char *entity_sql_write(const struct binding *binding, const struct bound_entity *bound,
		       const struct batch_place *place, enum write_way way, bool again);

#endif
