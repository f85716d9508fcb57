/*
 * The baseline of one entity; see baseline.h.
 *
 *   known? ──no──▶ count the source, count the target
 *     │yes
 *     ▼
 *   every key of the source is shipped, and the target compares keys, id map and table in one statement
 *
 * Keys are compared, not sums of them: {1, 4} and {2, 3} are as many and add up to the same.
 */
#include "verify/baseline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "postgres/pump.h"
#include "sql_verify.h"

struct counting {
	struct baseline_request request;
	struct baseline baseline;
	struct error error;
	baseline_on_done *on_done;
	void *arg;
};

static const struct bound_entity *bound_of(const struct counting *counting)
{
	return counting->request.bound;
}

static int64_t number(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

const char *baseline_status(const struct baseline *baseline)
{
	int64_t gap = baseline->target_known ? baseline->source - baseline->target : 0;

	if (baseline->target_known && baseline->target == 0 && baseline->source > 0)
		return "missing";
	if (gap > 0 || baseline->unmapped > 0 || baseline->orphaned > 0)
		return "behind";
	return gap < 0 ? "ahead" : "synced";
}

/* --- the end ------------------------------------------------------------------------------------ */

static void finish(struct counting *counting)
{
	struct counting done = *counting;

	free(counting);
	if (done.error.kind != ERROR_NONE) {
		snprintf(done.error.entity, sizeof(done.error.entity), "%s",
			 done.request.bound->entity->name);
		snprintf(done.error.phase, sizeof(done.error.phase), "baseline");
		done.on_done(done.arg, NULL, &done.error);
		return;
	}
	done.baseline.status = baseline_status(&done.baseline);
	done.on_done(done.arg, &done.baseline, NULL);
}

static void on_rolled_back(void *arg, const struct pg_answer *answer)
{
	(void)answer;
	finish(arg);
}

/* Whichever side failed, the target may be in a transaction; one that is lost has none. */
static void fail(struct counting *counting, const struct error *err)
{
	counting->error = *err;
	if (pg_connection_is_up(counting->request.target))
		pg_submit(counting->request.target, "ROLLBACK", 0, NULL, on_rolled_back, counting);
	else
		finish(counting);
}

/* Says what is wrong with an entity that does not fit: the first problem of its file, and how many there are. */
static void fail_unusable(struct counting *counting)
{
	const struct problem_list *problems = &counting->request.binding->problems;
	const struct problem *first = NULL;
	struct error err;
	size_t count = 0;

	for (size_t i = 0; i < problems->count; i++) {
		if (problems->problems[i].file == NULL ||
		    strcmp(problems->problems[i].file, bound_of(counting)->entity->file) != 0)
			continue;
		first = first != NULL ? first : &problems->problems[i];
		count++;
	}
	if (first == NULL)
		error_set(&err, ERROR_STRUCTURE, "the mapping does not fit the databases");
	else if (count == 1)
		error_set(&err, ERROR_STRUCTURE, "%s: %s", first->path, first->message);
	else
		error_set(&err, ERROR_STRUCTURE, "%s: %s (and %zu more)", first->path,
			  first->message, count - 1);
	error_hint(&err, "migratectl check names every place where the mapping does not fit");
	fail(counting, &err);
}

/* --- pieces of SQL ------------------------------------------------------------------------------ */

enum key_form { KEY_VALUES, KEY_COLUMNS };

static char *source_keys(const struct bound_entity *bound, enum key_form form)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&text, ", ");
		if (form == KEY_VALUES)
			text_append(&text, bound->key_expressions[i]);
		else
			text_appendf(&text, "k%zu %s", i + 1, bound->key_types[i]);
	}
	return text_steal(&text);
}

/* "t1, t2": the id map's columns for the target key. */
static char *target_names(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&text, "%st%zu", i > 0 ? ", " : "", i + 1);
	return text_steal(&text);
}

/* "t.id = m.t1", or with `left` "m": "m.t1 = g.t1". */
static char *same_target(const struct bound_entity *bound, const char *left, const char *right)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		text_separate(&text, " AND ");
		if (strcmp(left, "t") == 0)
			text_appendf(&text, "t.%s", bound->target_key_quoted[i]);
		else
			text_appendf(&text, "%s.t%zu", left, i + 1);
		text_appendf(&text, " = %s.t%zu", right, i + 1);
	}
	return text_steal(&text);
}

static char *fill_source(const struct counting *counting, const char *template)
{
	struct text text = TEXT_INIT;
	const struct bound_entity *bound = bound_of(counting);
	_cleanup_free_ char *keys = source_keys(bound, KEY_VALUES);

	text_fill(&text, template,
		  (const struct text_hole[]){ { "relation", bound->source_relation },
					      { "filter", bound->source_filter },
					      { "keys", keys },
					      { NULL, NULL } });
	return text_steal(&text);
}

static char *fill_target(const struct counting *counting, const char *template,
			 const char *target_rows)
{
	struct text text = TEXT_INIT;
	const struct bound_entity *bound = bound_of(counting);
	_cleanup_free_ char *memory = text_format("%" PRId64, counting->request.work_memory_kb);
	_cleanup_free_ char *name = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *key_columns = source_keys(bound, KEY_COLUMNS);
	_cleanup_free_ char *t_names = target_names(bound);
	_cleanup_free_ char *t_is_m = same_target(bound, "t", "m");
	_cleanup_free_ char *t_is_g = same_target(bound, "t", "g");
	_cleanup_free_ char *m_is_g = same_target(bound, "m", "g");
	_cleanup_free_ char *m_is_s = bound_key_list(bound, "m.k%zu = s.k%zu", " AND ");

	text_fill(&text, template,
		  (const struct text_hole[]){ { "entity", bound->entity->name },
					      { "name", name },
					      { "id_map", bound->id_map },
					      { "target", bound->target_relation },
					      { "work_memory", memory },
					      { "key_columns", key_columns },
					      { "t_names", t_names },
					      { "t_is_m", t_is_m },
					      { "t_is_g", t_is_g },
					      { "m_is_g", m_is_g },
					      { "m_is_s", m_is_s },
					      { "target_rows", target_rows },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* Does another entity write to this one's table? */
static bool is_shared(const struct counting *counting)
{
	const struct entity_set *set = counting->request.binding->set;
	const struct entity *own = bound_of(counting)->entity;

	for (size_t i = 0; i < set->count; i++) {
		const struct entity *other = &set->entities[i];

		if (other != own && strcmp(other->target_schema, own->target_schema) == 0 &&
		    strcmp(other->target_table, own->target_table) == 0)
			return true;
	}
	return false;
}

static char *compare_sql(const struct counting *counting)
{
	_cleanup_free_ char *target_rows = fill_target(counting,
						       is_shared(counting)
							       ? sql_verify_baseline_target_led_to
							       : sql_verify_baseline_target,
						       NULL);

	return fill_target(counting, sql_verify_baseline_compare, target_rows);
}

/* --- with an id map ----------------------------------------------------------------------------- */

static void on_compared(void *arg, const struct pg_answer *answer)
{
	struct counting *counting = arg;
	struct baseline *baseline = &counting->baseline;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		fail(counting, answer->error);
		return;
	}
	baseline->target_known = true;
	baseline->target = number(result, 0);
	baseline->unmapped = number(result, 1);
	baseline->orphaned = number(result, 2);
	snprintf(baseline->last_migrated, sizeof(baseline->last_migrated), "%s",
		 PQgetvalue(result, 0, 3));
	finish(counting);
}

static void on_pumped(void *arg, const struct pump_result *result)
{
	struct counting *counting = arg;

	if (result->error != NULL) {
		fail(counting, result->error);
		return;
	}
	counting->baseline.source_known = true;
	counting->baseline.source = result->rows;
	_cleanup_free_ char *sql = compare_sql(counting);

	pg_submit(counting->request.target, sql, 0, NULL, on_compared, counting);
}

static void compare_keys(struct counting *counting)
{
	_cleanup_free_ char *read = fill_source(counting, sql_verify_baseline_read);
	_cleanup_free_ char *begin = fill_target(counting, sql_verify_baseline_begin, NULL);

	pump_start(counting->request.source, read, counting->request.target, begin, on_pumped,
		   counting);
}

/* --- without ------------------------------------------------------------------------------------ */

static void on_target_count(void *arg, const struct pg_answer *answer)
{
	struct counting *counting = arg;
	struct baseline *baseline = &counting->baseline;

	if (answer->error != NULL) {
		fail(counting, answer->error);
		return;
	}
	baseline->target = number(pg_answer_rows(answer), 0);
	baseline->target_known = baseline->target == 0 || !is_shared(counting);
	finish(counting);
}

static void on_source_count(void *arg, const struct pg_answer *answer)
{
	struct counting *counting = arg;
	_cleanup_text_ struct text sql = TEXT_INIT;

	if (answer->error != NULL) {
		fail(counting, answer->error);
		return;
	}
	counting->baseline.source_known = true;
	counting->baseline.source = number(pg_answer_rows(answer), 0);
	counting->baseline.unmapped = counting->baseline.source;
	text_fill(&sql, sql_verify_baseline_count,
		  (const struct text_hole[]){ { "relation", bound_of(counting)->target_relation },
					      { "filter", "TRUE" },
					      { NULL, NULL } });
	pg_submit(counting->request.target, text_string(&sql), 0, NULL, on_target_count, counting);
}

static void count_only(struct counting *counting)
{
	_cleanup_free_ char *sql = fill_source(counting, sql_verify_baseline_count);

	pg_submit(counting->request.source, sql, 0, NULL, on_source_count, counting);
}

/* --- the beginning ------------------------------------------------------------------------------ */

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct counting *counting = arg;

	if (answer->error != NULL) {
		fail(counting, answer->error);
		return;
	}
	if (!bound_of(counting)->usable) {
		fail_unusable(counting);
		return;
	}
	counting->baseline.map_known = PQgetvalue(pg_answer_rows(answer), 0, 0)[0] == 't';
	if (counting->baseline.map_known)
		compare_keys(counting);
	else
		count_only(counting);
}

void baseline_start(const struct baseline_request *request, baseline_on_done *on_done, void *arg)
{
	struct counting *counting = memory_new(sizeof(*counting));
	_cleanup_free_ char *id_map = pg_quote_literal(request->bound->id_map);
	_cleanup_text_ struct text known = TEXT_INIT;

	*counting = (struct counting){ .request = *request, .on_done = on_done, .arg = arg };
	text_fill(&known, sql_verify_baseline_known,
		  (const struct text_hole[]){ { "id_map", id_map }, { NULL, NULL } });
	pg_submit(request->target, text_string(&known), 0, NULL, on_known, counting);
}
