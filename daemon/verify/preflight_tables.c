/*
 * The tables that the mapping names on each side, and how the preflight speaks of them.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "verify/internal.h"

struct table *preflight_table(const struct side_state *side, const char *schema, const char *name)
{
	for (size_t i = 0; i < side->table_count; i++)
		if (strcmp(side->tables[i].schema, schema) == 0 &&
		    strcmp(side->tables[i].name, name) == 0)
			return &side->tables[i];
	return NULL;
}

static void want_table(struct side_state *side, const char *schema, const char *name)
{
	if (preflight_table(side, schema, name) != NULL)
		return;
	side->tables = memory_grow(side->tables, side->table_count + 1, sizeof(*side->tables));
	side->tables[side->table_count++] = (struct table){ .schema = schema, .name = name };
}

void preflight_collect_tables(struct preflight *preflight)
{
	const struct entity_set *set = preflight->request.entity_set;

	for (size_t i = 0; i < set->count; i++) {
		const struct entity *entity = &set->entities[i];

		if (entity->source_table != NULL)
			want_table(&preflight->sides[SIDE_SOURCE], entity->source_schema,
				   entity->source_table);
		want_table(&preflight->sides[SIDE_TARGET], entity->target_schema,
			   entity->target_table);
	}
}

struct table *preflight_table_of_row(struct preflight *preflight, const PGresult *result, int row)
{
	return &preflight->sides[preflight->side]
			.tables[strtoul(PQgetvalue(result, row, 0), NULL, 10) - 1];
}

/* "public.orders", for people. */
char *table_plain_name(const struct table *table)
{
	return text_format("%s.%s", table->schema, table->name);
}

/* The same for SQL. */
char *table_quoted_name(const struct table *table)
{
	_cleanup_free_ char *schema = pg_quote_identifier(table->schema);
	_cleanup_free_ char *name = pg_quote_identifier(table->name);

	return text_format("%s.%s", schema, name);
}

char *preflight_role(const struct preflight *preflight)
{
	const char *role = preflight->sides[preflight->side].role;

	return role != NULL ? pg_quote_identifier(role) : text_copy("…");
}

bool table_is_target_of(const struct table *table, const struct entity *entity)
{
	return strcmp(entity->target_schema, table->schema) == 0 &&
	       strcmp(entity->target_table, table->name) == 0;
}
