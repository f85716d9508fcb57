/*
 * The checks of a validation but the comparison of values (run/validation.h leads them all): counts, references, mappings, rules.
 *
 * A check is carried out a chunk at a time, each a transaction of its own on the target that a statement_timeout leaves room for. What
 * a chunk has found (migrated.validation_difference) is kept in the transaction that moves the check's row in
 * migrated.validation_entity on: its cursor, rows and differences. So whoever goes on from the cursor that stands there counts nothing twice;
 * a chunk whose cursor is not the one that stands there (an answer that was lost) is refused with CHECK_OVERTAKEN.
 *
 * Row values are looked at by the databases only; what is kept are keys, and names of columns and rules.
 */
#ifndef DAEMON_VERIFY_CHECK_H
#define DAEMON_VERIFY_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog/binding.h"
#include "postgres/connection.h"

/* The SQLSTATE of the error of a chunk that is not this one's to do: its row has gone on, or is not running any more. */
#define CHECK_OVERTAKEN "MG007"

struct check_request {
	const struct binding *binding;
	const struct bound_entity *bound;
	struct pg_connection *source; /* both READY, and the chunk's own until it is done */
	struct pg_connection *target;
	int64_t epoch; /* under which the daemon owns the store */
	const char *
		validation; /* its UUID; the row (validation, entity, check) is there, and running */
	const char *cursor; /* as it stands in that row; NULL: from the beginning */
	int64_t keep;	    /* at most so many differences of it are kept; all are counted */
	int64_t rows;	    /* look at about so many */
	int64_t work_memory_kb;
	bool in_session; /* of a session that is migrating it: that it is not done, or done by another mapping, is no obstacle */
};

/* What came of a chunk; it has been committed. Borrowed for the callback. */
struct check_chunk {
	const char *cursor;  /* where to go on; NULL: the check is complete */
	int64_t rows;	     /* looked at */
	int64_t waiting;     /* of these: merely wait, or were set aside; no differences */
	int64_t differences; /* found among them */
	const char *
		unchecked; /* why the entity cannot be checked, and nothing was written; NULL: it can */
};

/* Exactly one of both is there. */
typedef void check_on_chunk(void *arg, const struct check_chunk *chunk, const struct error *err);

struct check_run;

/* Carries out one chunk. Calls on_chunk once, from the loop; no transaction is left open. Whoever wants it to end has the servers cancel what
   runs on its connections. */
typedef struct check_run *check_start_chunk(const struct check_request *request,
					    check_on_chunk *on_chunk, void *arg);

struct check {
	const char *name; /* "references" */
	check_start_chunk *start;
	/* Rows that it is going to look at, as the catalogs estimate them. */
	int64_t (*total)(const struct binding *binding, const struct bound_entity *bound);
};

/* counts, references, mappings, rules; ends with a check without a name. */
extern const struct check checks[];

const struct check *check_find(const char *name);

/* --- for whoever writes another check (values) --------------------------------------------------------------------------- */

/* SQL, several statements that begin the transaction of a chunk: the epoch is held, the row of the check locked. The last answers with
   one row, or none when the chunk is overtaken. Caller frees. */
char *check_begin_sql(const struct check_request *request, const char *check);

/* SQL, one statement that keeps differences and moves the check's row on. `with` is a list of CTEs ("a AS (…), b AS (…)"), of which one is
   `found`: kind, legacy_key text[], target_key text[], columns text[], name text. `rows` and `waiting` are expressions: how many were looked
   at, and how many of them merely wait. `cursor` is where to go on, NULL at the end, when the check is done. Answers with (rows, differences,
   waiting) of the chunk. Caller frees. */
char *check_keep_sql(const struct check_request *request, const char *check, const char *with,
		     const char *rows, const char *waiting, const char *cursor);

#endif
