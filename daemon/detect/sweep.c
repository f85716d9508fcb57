/*
 * The sweep: every row of the source against what was handled of it, by two hashes of what is shipped.
 *
 *   known? ──no──▶ count only: the whole entity is to be read
 *     │yes
 *     ├─ integer key: sums per leaf of consecutive keys on both sides, compared in the target ──equal──▶ done
 *     │                     │ some leaves differ
 *     ▼                     ▼
 *   key and hashes of every row, or of the rows of those leaves, shipped and joined with what was seen
 *
 * Counts and two sums are compared, never XOR, whose pairs cancel (TiDB sync-diff issue 703). The rows that are compared in the end
 * are from one statement's snapshot; a leaf that was equal is not read again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "detect/detect.h"
#include "postgres/pump.h"
#include "sql_detect.h"

/* Keys of a leaf, about: small enough that a dirty leaf costs little to read again, large enough that leaves are
   cheap to ship. */
#define LEAF_ROWS 32

/* Above this share of differing leaves a plain read of the whole is cheaper than finding the leaves by index. */
#define MOST_DIRTY_SHARE 0.6
#define MOST_DIRTY_LEAVES 200000

struct sweep {
	struct detect_request request;
	struct detected detected;
	struct error error;
	int shift;    /* a leaf holds 2^shift consecutive keys; -1: no leaves */
	char *leaves; /* array literal of those that differ; NULL: all rows are read */
	bool in_transaction;
	detect_on_done *on_done;
	void *arg;
};

static void read_rows(struct sweep *sweep);

static const struct bound_entity *bound_of(const struct sweep *sweep)
{
	return sweep->request.bound;
}

static void finish(struct sweep *sweep, const struct error *err)
{
	detect_on_done *on_done = sweep->on_done;
	void *arg = sweep->arg;
	struct detected detected = sweep->detected;
	struct error copy = { 0 };

	if (err != NULL) {
		copy = *err;
		snprintf(copy.entity, sizeof(copy.entity), "%s", bound_of(sweep)->entity->name);
		snprintf(copy.phase, sizeof(copy.phase), "detect");
	}
	free(sweep->leaves);
	free(sweep);
	on_done(arg, err == NULL ? &detected : NULL, err == NULL ? NULL : &copy);
}

static void on_closed(void *arg, const struct pg_answer *answer)
{
	struct sweep *sweep = arg;

	if (sweep->error.kind != ERROR_NONE)
		finish(sweep, &sweep->error);
	else
		finish(sweep, answer->error);
}

static void fail(struct sweep *sweep, const struct error *err)
{
	sweep->error = *err;
	if (!pg_connection_is_up(sweep->request.target))
		finish(sweep, &sweep->error);
	else
		pg_submit(sweep->request.target, "ROLLBACK", 0, NULL, on_closed, sweep);
}

static int64_t number(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

/* --- pieces of SQL ------------------------------------------------------------------------------ */

enum shipped_form { VALUES, KEY_EXPRESSIONS, KEY_NAMES, KEY_COLUMNS };

static char *shipped_list(const struct bound_entity *bound, enum shipped_form form)
{
	struct text text = TEXT_INIT;
	size_t count = form == VALUES ? bound->shipped_count : bound->entity->source_key.count;

	for (size_t i = 0; i < count; i++) {
		const struct shipped_column *shipped = &bound->shipped[i];

		text_separate(&text, ", ");
		if (form == VALUES)
			text_append(&text, shipped->expression);
		else if (form == KEY_EXPRESSIONS)
			text_appendf(&text, "%s AS %s", shipped->expression, shipped->name);
		else if (form == KEY_NAMES)
			text_append(&text, shipped->name);
		else
			text_appendf(&text, "%s %s", shipped->name, shipped->type);
	}
	return text_steal(&text);
}

static char *fill_source(const struct sweep *sweep, const char *template)
{
	struct text text = TEXT_INIT;
	const struct bound_entity *bound = bound_of(sweep);
	int version = sweep->request.binding->source_version;
	_cleanup_free_ char *shift = text_format("%d", sweep->shift);
	_cleanup_free_ char *mask =
		text_format("%" PRId64, sweep->shift < 0 ? 0 : (INT64_C(1) << sweep->shift) - 1);
	_cleanup_free_ char *values = shipped_list(bound, VALUES);
	_cleanup_free_ char *names = shipped_list(bound, KEY_NAMES);
	_cleanup_free_ char *expressions = shipped_list(bound, KEY_EXPRESSIONS);
	_cleanup_free_ char *h1 = binding_hash(version, "s.r", 0);
	_cleanup_free_ char *h2 = binding_hash(version, "s.r", 1);
	_cleanup_free_ char *leaves = sweep->leaves != NULL ? pg_quote_literal(sweep->leaves)
							    : text_copy("");

	text_fill(&text, template,
		  (const struct text_hole[]){ { "relation", bound->source_relation },
					      { "filter", bound->source_filter },
					      { "key", bound->key_expressions[0] },
					      { "shift", shift },
					      { "mask", mask },
					      { "values", values },
					      { "names", names },
					      { "expressions", expressions },
					      { "h1", h1 },
					      { "h2", h2 },
					      { "leaves", leaves },
					      { NULL, NULL } });
	return text_steal(&text);
}

static char *fill_target(const struct sweep *sweep, const char *template)
{
	struct text text = TEXT_INIT;
	const struct bound_entity *bound = bound_of(sweep);
	_cleanup_free_ char *shift = text_format("%d", sweep->shift);
	_cleanup_free_ char *memory = text_format("%" PRId64, sweep->request.work_memory_kb);
	_cleanup_free_ char *most = text_format("%d", MOST_DIRTY_LEAVES);
	_cleanup_free_ char *analysis = text_format("'%s'::uuid", sweep->request.analysis);
	_cleanup_free_ char *columns = shipped_list(bound, KEY_COLUMNS);
	_cleanup_free_ char *key_texts = bound_key_list(bound, "coalesce(s.k%zu, m.k%zu)::text",
							", ");
	_cleanup_free_ char *keys = bound_key_list(bound, "coalesce(s.k%zu, m.k%zu) AS k%zu", ", ");
	_cleanup_free_ char *order = bound_key_list(bound, "k%zu", ", ");
	_cleanup_free_ char *m_is_s = bound_key_list(bound, "m.k%zu = s.k%zu", " AND ");
	_cleanup_free_ char *quoted = sweep->leaves != NULL ? pg_quote_literal(sweep->leaves)
							    : NULL;
	_cleanup_free_ char *leaves = quoted != NULL
					      ? text_format("k1::bigint >> %d = ANY (%s::bigint[])",
							    sweep->shift, quoted)
					      : text_copy("TRUE");

	text_fill(&text, template,
		  (const struct text_hole[]){
			  { "id_map", bound->id_map },
			  { "seen", bound->seen },
			  { "entity", bound->entity->name },
			  { "shift", shift },
			  { "work_memory", memory },
			  { "most", most },
			  { "analysis", analysis },
			  { "key_columns", columns },
			  { "key_texts", key_texts },
			  { "keys", keys },
			  { "order", order },
			  { "m_is_s", m_is_s },
			  { "leaves", leaves },
			  { "begin",
			    sweep->in_transaction ? "" : "BEGIN ISOLATION LEVEL READ COMMITTED;" },
			  { NULL, NULL } });
	return text_steal(&text);
}

static void ask_source(struct sweep *sweep, const char *template, pg_on_answer *on_answer)
{
	_cleanup_free_ char *sql = fill_source(sweep, template);

	pg_submit(sweep->request.source, sql, 0, NULL, on_answer, sweep);
}

static void ask_target(struct sweep *sweep, const char *template, pg_on_answer *on_answer)
{
	_cleanup_free_ char *sql = fill_target(sweep, template);

	pg_submit(sweep->request.target, sql, 0, NULL, on_answer, sweep);
}

/* --- rows -------------------------------------------------------------------------------------- */

static void on_rows_compared(void *arg, const struct pg_answer *answer)
{
	struct sweep *sweep = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		fail(sweep, answer->error);
		return;
	}
	sweep->detected.added = number(result, 0);
	sweep->detected.modified = number(result, 1);
	sweep->detected.deleted = number(result, 2);
	if (sweep->leaves == NULL)
		sweep->detected.rows = number(result, 3);
	finish(sweep, NULL);
}

static void on_rows_pumped(void *arg, const struct pump_result *result)
{
	struct sweep *sweep = arg;

	if (result->error != NULL)
		fail(sweep, result->error);
	else
		ask_target(sweep, sql_detect_rows_compare, on_rows_compared);
}

static void read_rows(struct sweep *sweep)
{
	_cleanup_free_ char *read = fill_source(sweep, sweep->leaves != NULL
							       ? sql_detect_rows_read_leaves
							       : sql_detect_rows_read);
	_cleanup_free_ char *begin = fill_target(sweep, sql_detect_rows_begin);

	pump_start(sweep->request.source, read, sweep->request.target, begin, on_rows_pumped,
		   sweep);
}

/* --- leaves ------------------------------------------------------------------------------------ */

static void on_leaves_compared(void *arg, const struct pg_answer *answer)
{
	struct sweep *sweep = arg;
	const PGresult *result = pg_answer_rows(answer);
	int64_t leaves, dirty;

	if (answer->error != NULL) {
		fail(sweep, answer->error);
		return;
	}
	sweep->detected.rows = number(result, 0);
	leaves = number(result, 1);
	dirty = number(result, 2);
	if (dirty == 0) {
		pg_submit(sweep->request.target, "COMMIT", 0, NULL, on_closed, sweep);
		return;
	}
	/* A query as the source has no index to find leaves by. */
	if (bound_of(sweep)->entity->source_table != NULL && !PQgetisnull(result, 0, 3) &&
	    (double)dirty <= MOST_DIRTY_SHARE * (double)leaves)
		sweep->leaves = text_copy(PQgetvalue(result, 0, 3));
	sweep->in_transaction = true;
	read_rows(sweep);
}

static void on_leaves_pumped(void *arg, const struct pump_result *result)
{
	struct sweep *sweep = arg;

	if (result->error != NULL)
		fail(sweep, result->error);
	else
		ask_target(sweep, sql_detect_leaves_compare, on_leaves_compared);
}

static void read_leaves(struct sweep *sweep)
{
	_cleanup_free_ char *read = fill_source(sweep, sql_detect_leaves_read);
	_cleanup_free_ char *begin = fill_target(sweep, sql_detect_leaves_begin);

	pump_start(sweep->request.source, read, sweep->request.target, begin, on_leaves_pumped,
		   sweep);
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
	relation = catalog_relation(&sweep->request.binding->source, entity->source_schema,
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

/* --- is there anything to compare with? ------------------------------------------------------ */

static void on_count(void *arg, const struct pg_answer *answer)
{
	struct sweep *sweep = arg;

	if (answer->error != NULL) {
		fail(sweep, answer->error);
		return;
	}
	sweep->detected.rows = number(pg_answer_rows(answer), 0);
	sweep->detected.added = sweep->detected.rows;
	finish(sweep, NULL);
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct sweep *sweep = arg;
	const PGresult *result = pg_answer_rows(answer);
	bool known, same_mapping;

	if (answer->error != NULL) {
		fail(sweep, answer->error);
		return;
	}
	known = PQgetvalue(result, 0, 0)[0] == 't';
	same_mapping = strcmp(PQgetvalue(result, 0, 1), bound_of(sweep)->fingerprint) == 0;
	sweep->detected.whole = !known || !same_mapping;
	if (!known || (!same_mapping && !sweep->request.always_compare))
		ask_source(sweep, sql_detect_count, on_count);
	else if (bound_of(sweep)->integer_key)
		ask_source(sweep, sql_detect_span, on_span);
	else
		read_rows(sweep);
}

void detect_start(const struct detect_request *request, detect_on_done *on_done, void *arg)
{
	struct sweep *sweep = memory_new(sizeof(*sweep));
	_cleanup_free_ char *entity = pg_quote_literal(request->bound->entity->name);
	_cleanup_text_ struct text known = TEXT_INIT;

	*sweep = (struct sweep){
		.request = *request,
		.shift = -1,
		.detected = { .strategy = "sweep" },
		.on_done = on_done,
		.arg = arg,
	};
	text_fill(&known, sql_detect_known,
		  (const struct text_hole[]){ { "seen", request->bound->seen },
					      { "entity", entity },
					      { NULL, NULL } });
	pg_submit(request->target, text_string(&known), 0, NULL, on_known, sweep);
}

const char *detect_reason(const struct bound_entity *bound)
{
	if (bound->integer_key)
		return "compares hashes of ranges of the key, then of the rows in ranges that differ";
	return "compares the hash of every row: the key is not one integer";
}
