/*
 * Ships key and hashes of rows, compares them with what was handled, and keeps the keys of those that differ: the last step of
 * every strategy. The statements stand in rows.sql.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "catalog/hashed.h"
#include "catalog/row_hash.h"
#include "detect/internal.h"
#include "sql_detect.h"

struct comparison {
	struct rows_comparison wanted; /* its strings are not kept */
	char *compare;		       /* SQL */
};

/* The holes of the source's statements, those of the target's, and the caller's own. */
#define SOURCE_HOLES 7
#define TARGET_HOLES 10
#define MORE_HOLES 12

static size_t append_holes(struct text_hole *holes, size_t count, const struct text_hole *more)
{
	for (;
	     more != NULL && more->name != NULL && count < SOURCE_HOLES + TARGET_HOLES + MORE_HOLES;
	     more++)
		holes[count++] = *more;
	return count;
}

char *rows_fill(const struct detect_run *run, const char *template, const struct text_hole *more)
{
	struct text text = TEXT_INIT;
	struct text_hole holes[SOURCE_HOLES + TARGET_HOLES + MORE_HOLES + 1] = { 0 };
	const struct bound_entity *bound = run->request.bound;
	int version = run->request.binding->source_version;
	_cleanup_free_ char *row = hashed_row(bound, version);
	_cleanup_free_ char *columns = hashed_columns(bound);
	_cleanup_free_ char *h1 = row_hash(version, "s.r", 0);
	_cleanup_free_ char *h2 = row_hash(version, "s.r", 1);
	_cleanup_free_ char *memory = text_format("%" PRId64, run->request.work_memory_kb);
	_cleanup_free_ char *analysis = text_format("'%s'::uuid", run->request.analysis);
	_cleanup_free_ char *key_texts = bound_key_list(bound, "coalesce(s.k%zu, m.k%zu)::text",
							", ");
	_cleanup_free_ char *keys = bound_key_list(bound, "coalesce(s.k%zu, m.k%zu) AS k%zu", ", ");
	_cleanup_free_ char *order = bound_key_list(bound, "k%zu", ", ");
	_cleanup_free_ char *m_is_s = bound_key_list(bound, "m.k%zu = s.k%zu", " AND ");
	size_t count = append_holes(holes, 0, more);

	count = append_holes(holes, count,
			     (const struct text_hole[]){ { "relation", bound->source_relation },
							 { "filter", bound->source_filter },
							 { "key", bound->key_expressions[0] },
							 { "row", row },
							 { "h1", h1 },
							 { "h2", h2 },
							 { NULL, NULL } });
	append_holes(holes, count,
		     (const struct text_hole[]){ { "id_map", bound->id_map },
						 { "seen", bound->seen },
						 { "entity", bound->entity->name },
						 { "work_memory", memory },
						 { "analysis", analysis },
						 { "columns", columns },
						 { "key_texts", key_texts },
						 { "keys", keys },
						 { "order", order },
						 { "m_is_s", m_is_s },
						 { NULL, NULL } });
	text_fill(&text, template, holes);
	return text_steal(&text);
}

void rows_forget(struct detect_run *run)
{
	free(run->comparison->compare);
	free(run->comparison);
	run->comparison = NULL;
}

static int64_t number(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

static void on_compared(void *arg, const struct pg_answer *answer)
{
	struct detect_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error == NULL) {
		run->detected.added = number(result, 0);
		run->detected.modified = number(result, 1);
		run->detected.deleted = number(result, 2);
		if (run->comparison->wanted.all || run->detected.rows < number(result, 3))
			run->detected.rows = number(result, 3);
	}
	rows_forget(run);
	if (answer->error != NULL)
		detect_fail(run, answer->error);
	else
		detect_finish(run, NULL);
}

void rows_go_on(struct detect_run *run)
{
	pg_continue(run->request.target, run->comparison->compare, on_compared, run);
}

static void on_pumped(void *arg, const struct pump_result *result)
{
	struct detect_run *run = arg;
	const struct rows_comparison wanted = run->comparison->wanted;

	run->pump = NULL;
	if (result->error != NULL)
		rows_forget(run);
	if (wanted.on_shipped != NULL)
		wanted.on_shipped(wanted.arg, result->error);
	else if (result->error != NULL)
		detect_fail(run, result->error);
	else
		rows_go_on(run);
}

void rows_compare(struct detect_run *run, const struct rows_comparison *wanted)
{
	_cleanup_free_ char *table = text_format("pg_temp.sweep_%s",
						 run->request.bound->entity->name);
	_cleanup_free_ char *empty = wanted->further
					     ? text_copy("")
					     : pg_transaction_empty(run->transaction, table);
	const struct text_hole holes[] = {
		{ "begin", wanted->in_transaction ? "" : run->transaction->begin },
		{ "empty", empty },
		{ "end", run->transaction->end },
		{ "join", wanted->join },
		{ "compared", wanted->seen },
		{ "first", wanted->first != NULL ? wanted->first : "" },
		{ NULL, NULL },
	};
	_cleanup_free_ char *begin = rows_fill(run, sql_detect_rows_begin, holes);

	run->comparison = memory_new(sizeof(*run->comparison));
	*run->comparison = (struct comparison){
		.wanted = *wanted,
		.compare = rows_fill(run, sql_detect_rows_compare, holes),
	};
	detect_pump(run, wanted->read, begin, on_pumped, run);
}
