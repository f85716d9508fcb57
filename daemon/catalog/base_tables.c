/*
 * Learns from the source's own plan which tables a query, a view or a partitioned table reads; see base_tables.h.
 *
 * What the planner leaves out of the plan has no influence on the rows. A function that reads tables by itself is not seen: like
 * deletions, what it finds there is left to the sweep.
 */
#include "catalog/base_tables.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "sql_catalog.h"

struct search {
	struct binding *binding;
	struct pg_connection *source;
	size_t next;	   /* entity */
	struct text names; /* ('schema', 'table'), … of its plan */
	size_t name_count;
	base_tables_on_done *on_done;
	void *arg;
};

static void look_at_next(struct search *search);

static struct bound_entity *current(const struct search *search)
{
	return &search->binding->entities[search->next];
}

static void finish(struct search *search, const struct error *err)
{
	base_tables_on_done *on_done = search->on_done;
	void *arg = search->arg;

	text_done(&search->names);
	free(search);
	on_done(arg, err);
}

static void add_table(struct bound_entity *bound, char *table)
{
	bound->tables = memory_grow(bound->tables, bound->table_count + 1, sizeof(*bound->tables));
	bound->tables[bound->table_count++] = table;
}

/* --- the plan -------------------------------------------------------------------------------------- */

/* Rows that come from elsewhere, or from functions that are not PostgreSQL's own. */
static bool is_opaque(const json_t *node)
{
	static const char *const types[] = { "Foreign Scan", "Custom Scan", "Table Function Scan",
					     "Function Scan", "Sample Scan" };
	const char *type = json_string_value(json_object_get(node, "Node Type"));
	const char *schema = json_string_value(json_object_get(node, "Schema"));

	for (size_t i = 0; type != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return strcmp(type, "Function Scan") != 0 || schema == NULL ||
			       strcmp(schema, "pg_catalog") != 0;
	return false;
}

static void add_name(struct search *search, const char *schema, const char *table)
{
	_cleanup_free_ char *schema_literal = pg_quote_literal(schema);
	_cleanup_free_ char *table_literal = pg_quote_literal(table);
	_cleanup_free_ char *name = text_format("(%s, %s)", schema_literal, table_literal);

	if (search->names.length > 0 && strstr(text_string(&search->names), name) != NULL)
		return;
	text_separate(&search->names, ", ");
	text_append(&search->names, name);
	search->name_count++;
}

/* False: something in it cannot be looked into. */
static bool collect(struct search *search, const json_t *node)
{
	const char *schema = json_string_value(json_object_get(node, "Schema"));
	const char *table = json_string_value(json_object_get(node, "Relation Name"));
	const json_t *plans = json_object_get(node, "Plans");

	if (is_opaque(node))
		return false;
	if (schema != NULL && table != NULL)
		add_name(search, schema, table);
	for (size_t i = 0; i < json_array_size(plans); i++)
		if (!collect(search, json_array_get(plans, i)))
			return false;
	return true;
}

static void on_base_tables(void *arg, const struct pg_answer *answer)
{
	struct search *search = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		finish(search, answer->error);
		return;
	}
	if ((size_t)PQntuples(result) == search->name_count)
		for (int row = 0; row < PQntuples(result); row++)
			add_table(current(search), text_copy(PQgetvalue(result, row, 0)));
	search->next++;
	look_at_next(search);
}

/* A plan that is refused was described before; whoever reads it will say why. */
static void on_plan(void *arg, const struct pg_answer *answer)
{
	struct search *search = arg;
	json_auto_t *plan = NULL;
	_cleanup_text_ struct text sql = TEXT_INIT;

	if (answer->error != NULL && answer->error->kind == ERROR_CONNECTION) {
		finish(search, answer->error);
		return;
	}
	text_clear(&search->names);
	search->name_count = 0;
	if (answer->error == NULL)
		plan = json_loads(PQgetvalue(pg_answer_rows(answer), 0, 0), 0, NULL);
	if (plan == NULL || !collect(search, json_object_get(json_array_get(plan, 0), "Plan")) ||
	    search->name_count == 0) {
		search->next++;
		look_at_next(search);
		return;
	}
	text_fill(&sql, sql_catalog_base_tables,
		  (const struct text_hole[]){ { "names", text_string(&search->names) },
					      { NULL, NULL } });
	pg_submit(search->source, text_string(&sql), 0, NULL, on_base_tables, search);
}

/* --- one entity after the other ------------------------------------------------------------------- */

/* A plain table is its own; foreign tables and materialized views have none that could be asked. */
static bool needs_plan(const struct search *search, const struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	char kind = 'v';

	if (entity->source_table != NULL)
		kind = catalog_relation(&search->binding->source, entity->source_schema,
					entity->source_table)
			       ->kind;
	return bound->usable && entity->detect.strategy != STRATEGY_SWEEP && !bound->heap &&
	       (kind == 'v' || kind == 'p');
}

static void add_own_table(struct bound_entity *bound)
{
	_cleanup_free_ char *schema = pg_quote_identifier(bound->entity->source_schema);
	_cleanup_free_ char *table = pg_quote_identifier(bound->entity->source_table);

	add_table(bound, text_format("%s.%s", schema, table));
}

static void look_at_next(struct search *search)
{
	_cleanup_free_ char *read = NULL;
	_cleanup_free_ char *sql = NULL;

	while (search->next < search->binding->set->count && !needs_plan(search, current(search))) {
		if (current(search)->usable && current(search)->heap)
			add_own_table(current(search));
		search->next++;
	}
	if (search->next == search->binding->set->count) {
		finish(search, NULL);
		return;
	}
	read = binding_read(current(search));
	sql = text_format("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON)\n%s", read);
	pg_submit(search->source, sql, 0, NULL, on_plan, search);
}

void base_tables_find(struct binding *binding, struct pg_connection *source,
		      base_tables_on_done *on_done, void *arg)
{
	struct search *search = memory_new(sizeof(*search));

	*search = (struct search){
		.binding = binding,
		.source = source,
		.on_done = on_done,
		.arg = arg,
	};
	look_at_next(search);
}
