/*
 * See identity.h. Hashes of other columns, of other types or by another method say nothing about one another, so what they were made
 * with is kept beside them (bound->identity): when it changes, those that are kept are forgotten, and no row is taken for another.
 */
#include "catalog/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "catalog/expression.h"
#include "catalog/row_hash.h"
#include "common/text.h"

static char *identity_expression(const struct bound_entity *bound, int source_version)
{
	_cleanup_text_ struct text columns = TEXT_INIT;
	_cleanup_free_ char *row = NULL;

	for (size_t i = 0; i < bound->entity->identity.count; i++) {
		_cleanup_free_ char *name = pg_quote_identifier(bound->entity->identity.names[i]);

		text_separate(&columns, ", ");
		text_appendf(&columns, "source.%s", name);
	}
	row = text_format("ROW(%s)::text", text_string(&columns));
	return row_hash_text(source_version, row, 0);
}

void bound_ship_identity(struct bound_entity *bound, int source_version)
{
	_cleanup_free_ char *expression = NULL;

	if (bound->entity->identity.count == 0)
		return;
	expression = identity_expression(bound, source_version);
	bound_ship(bound, "i1", expression, "$.identity");
}

void bound_check_identity(struct binding *binding, struct bound_entity *bound,
			  const struct catalog_relation *relation)
{
	const struct name_list *identity = &bound->entity->identity;

	for (size_t i = 0; i < identity->count; i++) {
		_cleanup_free_ char *message = NULL;

		if (catalog_column(relation, identity->names[i]) != NULL)
			continue;
		message = text_format("source table \"%s\" has no column \"%s\"", relation->name,
				      identity->names[i]);
		binding_refuse(binding, bound, "$.identity", message);
	}
}

void bound_append_identity(struct text *text, const struct bound_entity *bound)
{
	for (size_t i = 0; i < bound->entity->identity.count; i++) {
		_cleanup_free_ char *name = pg_quote_identifier(bound->entity->identity.names[i]);

		text_appendf(text, ",\n       source.%s", name);
	}
}

void bound_set_identity(struct bound_entity *bound, int source_version, const PGresult *description,
			size_t first)
{
	_cleanup_text_ struct text text = TEXT_INIT;
	_cleanup_free_ char *expression = NULL;

	if (bound->entity->identity.count == 0)
		return;
	expression = identity_expression(bound, source_version);
	text_appendf(&text, "%d %s", source_version / 10000, expression);
	for (size_t i = 0; i < bound->entity->identity.count; i++)
		text_appendf(&text, " %u", PQftype(description, (int)(first + i)));
	snprintf(bound->identity, sizeof(bound->identity), "%016" PRIx64,
		 bound_name_of_text(text_string(&text)));
}
