/*
 * The sweep: every row of the source against what was handled of it, by two hashes of what is shipped.
 *
 *   known? ──no──▶ count only: the whole entity is to be read
 *     │yes
 *     ├─ integer key: sums per leaf of consecutive keys on both sides, compared in the target ──equal──▶ done
 *     │                     │ some leaves differ; where one row may explain that, the sums say which
 *     ▼                     ▼
 *   key and hashes of every row, or of those rows and leaves, shipped and joined with what was seen
 *                           │ rows that do not explain it, after all: their leaves too ──┐
 *                           ▼                                                            │
 *                         done ◀────────────────────────────────────────────────────────┘
 *
 * Counts and two sums are compared, never XOR, whose pairs cancel (TiDB sync-diff issue 703). A leaf that was equal is not read again.
 * That two sums locate one difference is what the syndromes of Reed-Solomon codes do (Reed and Solomon 1960), here over the integers.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "catalog/hashed.h"
#include "detect/internal.h"
#include "sql_detect.h"

/* Keys of a leaf, about: small enough that a dirty leaf costs little to read again, large enough that leaves are
   cheap to ship. */
#define LEAF_ROWS 32

/* Above this share of differing leaves a plain read of the whole is cheaper than finding the leaves by index. */
#define MOST_DIRTY_SHARE 0.6
#define MOST_DIRTY_LEAVES 200000

/* So many low bits of a hash times the place of a key in its leaf must be a bigint; no row is located in wider leaves. Of leaves of
   dense keys it is an integer, whose sum costs half of a bigint's. */
#define LOCATING_BITS 26
#define WIDEST_LOCATED 30
#define WIDEST_OF_INTEGERS 5

struct sweep {
	struct detect_run *run;
	int shift; /* a leaf holds 2^shift consecutive keys; -1: no leaves */
	char *lows; /* array literals: the keys that are read, from low to high; NULL: all rows are */
	char *highs;
	bool in_transaction;
	bool doubted; /* what was located has been held against what the leaves differed by */
};

static const struct bound_entity *bound_of(const struct sweep *sweep)
{
	return sweep->run->request.bound;
}

static struct detect_run *sweep_free(struct sweep *sweep)
{
	struct detect_run *run = sweep->run;

	free(sweep->lows);
	free(sweep->highs);
	free(sweep);
	return run;
}

static void fail(struct sweep *sweep, const struct error *err)
{
	detect_fail(sweep_free(sweep), err);
}

static int64_t number(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

static bool products_fit(const struct sweep *sweep)
{
	return sweep->shift <= WIDEST_OF_INTEGERS;
}

static char *fill(const struct sweep *sweep, const char *template)
{
	_cleanup_free_ char *shift = text_format("%d", sweep->shift);
	_cleanup_free_ char *mask =
		text_format("%" PRId64, sweep->shift < 0 ? 0 : (INT64_C(1) << sweep->shift) - 1);
	_cleanup_free_ char *most = text_format("%d", MOST_DIRTY_LEAVES);
	_cleanup_free_ char *bits = text_format("%d", sweep->shift <= WIDEST_LOCATED
							      ? (1 << LOCATING_BITS) - 1
							      : 0);
	_cleanup_free_ char *lows = sweep->lows != NULL ? pg_quote_literal(sweep->lows)
							: text_copy("");
	_cleanup_free_ char *highs = sweep->highs != NULL ? pg_quote_literal(sweep->highs)
							  : text_copy("");
	_cleanup_free_ char *empty = pg_transaction_empty(
		sweep->run->transaction,
		"pg_temp.sweep_leaf, pg_temp.sweep_known, pg_temp.sweep_differing");

	return rows_fill(sweep->run, template,
			 (const struct text_hole[]){
				 { "begin", sweep->run->transaction->begin },
				 { "empty", empty },
				 { "shift", shift },
				 { "mask", mask },
				 { "most", most },
				 { "bits", bits },
				 { "factor", products_fit(sweep) ? "integer" : "bigint" },
				 { "key_type", bound_of(sweep)->key_types[0] },
				 { "lows", lows },
				 { "highs", highs },
				 { NULL, NULL } });
}

/* --- rows -------------------------------------------------------------------------------------- */

static void compare_rows(struct sweep *sweep);

static void take_ranges(struct sweep *sweep, const PGresult *result, int column)
{
	free(sweep->lows);
	free(sweep->highs);
	sweep->lows = text_copy(PQgetvalue(result, 0, column));
	sweep->highs = text_copy(PQgetvalue(result, 0, column + 1));
}

static void on_doubted(void *arg, const struct pg_answer *answer)
{
	struct sweep *sweep = arg;
	const PGresult *result = pg_answer_rows(answer);

	sweep->doubted = true;
	if (answer->error != NULL) {
		rows_forget(sweep->run);
		fail(sweep, answer->error);
	} else if (PQgetisnull(result, 0, 0)) {
		rows_go_on(sweep_free(sweep));
	} else {
		take_ranges(sweep, result, 0);
		rows_forget(sweep->run);
		compare_rows(sweep);
	}
}

/* Rows of leaves that are read whole speak for themselves; those that were located do not. */
static void on_shipped(void *arg, const struct error *err)
{
	struct sweep *sweep = arg;
	_cleanup_free_ char *doubt = NULL;

	if (err != NULL) {
		fail(sweep, err);
	} else if (sweep->lows == NULL || sweep->doubted) {
		rows_go_on(sweep_free(sweep));
	} else {
		doubt = fill(sweep, sql_detect_leaves_doubted);
		pg_continue(sweep->run->request.target, doubt, on_doubted, sweep);
	}
}

static void compare_rows(struct sweep *sweep)
{
	const struct detect_request *request = &sweep->run->request;
	bool all = sweep->lows == NULL;
	_cleanup_free_ char *from = all ? NULL : fill(sweep, sql_detect_leaves_rows);
	_cleanup_free_ char *read = hashed_copy(request->binding, request->bound, from, "TRUE");
	_cleanup_free_ char *first = all ? NULL : fill(sweep, sql_detect_leaves_seen);
	_cleanup_free_ char *seen = text_format("pg_temp.seen_%s", request->bound->entity->name);

	rows_compare(sweep->run,
		     &(struct rows_comparison){ .read = read,
						.join = "FULL",
						.seen = all ? request->bound->seen : seen,
						.first = first,
						.in_transaction = sweep->in_transaction,
						.further = sweep->doubted,
						.all = all,
						.on_shipped = on_shipped,
						.arg = sweep });
}

/* --- leaves ------------------------------------------------------------------------------------ */

static void on_closed(void *arg, const struct pg_answer *answer)
{
	detect_finish(sweep_free(arg), answer->error);
}

static void on_leaves_compared(void *arg, const struct pg_answer *answer)
{
	struct sweep *sweep = arg;
	const PGresult *result = pg_answer_rows(answer);
	int64_t leaves, dirty;

	if (answer->error != NULL) {
		fail(sweep, answer->error);
		return;
	}
	sweep->run->detected.rows = number(result, 0);
	leaves = number(result, 1);
	dirty = number(result, 2);
	if (dirty == 0) {
		pg_continue(sweep->run->request.target, sweep->run->transaction->end, on_closed,
			    sweep);
		return;
	}
	/* A query as the source has no index to find leaves by. */
	if (bound_of(sweep)->entity->source_table != NULL && !PQgetisnull(result, 0, 3) &&
	    (double)dirty <= MOST_DIRTY_SHARE * (double)leaves)
		take_ranges(sweep, result, 3);
	sweep->in_transaction = true;
	compare_rows(sweep);
}

static void on_leaves_pumped(void *arg, const struct pump_result *result)
{
	struct sweep *sweep = arg;
	_cleanup_free_ char *compare = NULL;

	sweep->run->pump = NULL;
	if (result->error != NULL) {
		fail(sweep, result->error);
		return;
	}
	compare = fill(sweep, sql_detect_leaves_compare);
	pg_continue(sweep->run->request.target, compare, on_leaves_compared, sweep);
}

static void read_leaves(struct sweep *sweep)
{
	_cleanup_free_ char *read = fill(sweep, sql_detect_leaves_read);
	_cleanup_free_ char *begin = fill(sweep, sql_detect_leaves_begin);

	detect_pump(sweep->run, read, begin, on_leaves_pumped, sweep);
}

/* The width of a leaf follows from how densely the keys lie: 2^shift keys hold about LEAF_ROWS rows. */
static int leaf_shift(int64_t low, int64_t high, int64_t rows)
{
	double keys_a_row = rows > 0 ? ((double)high - (double)low + 1) / (double)rows : 1;
	int shift = 0;

	while (shift < 56 && (double)(INT64_C(1) << shift) < LEAF_ROWS * keys_a_row)
		shift++;
	return shift;
}

static int64_t estimated_rows(const struct sweep *sweep)
{
	const struct entity *entity = bound_of(sweep)->entity;
	const struct catalog_relation *relation;

	if (entity->source_table == NULL)
		return 0;
	relation = catalog_relation(&sweep->run->request.binding->source, entity->source_schema,
				    entity->source_table);
	return relation->estimated_rows;
}

static void on_span(void *arg, const struct pg_answer *answer)
{
	struct sweep *sweep = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		fail(sweep, answer->error);
		return;
	}
	sweep->shift = leaf_shift(number(result, 0), number(result, 1), estimated_rows(sweep));
	read_leaves(sweep);
}

void sweep_start(struct detect_run *run)
{
	struct sweep *sweep = memory_new(sizeof(*sweep));
	_cleanup_free_ char *span = NULL;

	*sweep = (struct sweep){ .run = run, .shift = -1 };
	run->detected.strategy = "sweep";
	if (!bound_of(sweep)->integer_key) {
		compare_rows(sweep);
		return;
	}
	span = fill(sweep, sql_detect_span);
	pg_submit(run->request.source, span, 0, NULL, on_span, sweep);
}

const char *sweep_reason(const struct bound_entity *bound)
{
	if (bound->integer_key)
		return "compares hashes of ranges of the key, then of the rows in ranges that differ";
	return "compares the hash of every row: the key is not one integer";
}
