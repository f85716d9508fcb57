/*
 * See hashed.h; the statement stands in hashed.sql. apply/ has the like for rows that it ships whole.
 */
#include "catalog/hashed.h"

#include "catalog/row_hash.h"
#include "common/text.h"
#include "sql_catalog.h"

enum key_form { KEY_EXPRESSIONS, KEY_COLUMNS };

static char *key_list(const struct bound_entity *bound, enum key_form form)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		const struct shipped_column *shipped = &bound->shipped[i];

		text_separate(&text, ", ");
		if (form == KEY_EXPRESSIONS)
			text_appendf(&text, "%s AS %s", shipped->expression, shipped->name);
		else
			text_appendf(&text, "%s %s", shipped->name, shipped->type);
	}
	return text_steal(&text);
}

char *hashed_row(const struct bound_entity *bound, int source_version)
{
	_cleanup_text_ struct text values = TEXT_INIT;

	for (size_t i = 0; i < bound->shipped_count; i++)
		row_hash_value(&values, source_version, bound->shipped[i].expression,
			       bound->shipped[i].type);
	return row_hash_row(source_version, text_string(&values));
}

char *hashed_rows(const struct binding *binding, const struct bound_entity *bound,
		  const char *selected, const char *from, const char *condition)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *expressions = key_list(bound, KEY_EXPRESSIONS);
	_cleanup_free_ char *row = hashed_row(bound, binding->source_version);
	_cleanup_free_ char *h1 = row_hash(binding->source_version, "s.r", 0);
	_cleanup_free_ char *h2 = row_hash(binding->source_version, "s.r", 1);

	text_fill(&text, sql_catalog_hashed_rows,
		  (const struct text_hole[]){
			  { "selected", selected },
			  { "h1", h1 },
			  { "h2", h2 },
			  { "expressions", expressions },
			  { "row", row },
			  { "from", from != NULL ? from : bound->source_relation },
			  { "filter", bound->source_filter },
			  { "condition", condition },
			  { NULL, NULL } });
	return text_steal(&text);
}

char *hashed_copy(const struct binding *binding, const struct bound_entity *bound, const char *from,
		  const char *condition)
{
	_cleanup_free_ char *keys = bound_key_list(bound, "s.k%zu", ", ");
	_cleanup_free_ char *rows = hashed_rows(binding, bound, keys, from, condition);

	return text_format("COPY (\n%s) TO STDOUT (FORMAT binary)", rows);
}

char *hashed_columns(const struct bound_entity *bound)
{
	_cleanup_free_ char *keys = key_list(bound, KEY_COLUMNS);

	return text_format("%s,\n  h1 bigint,\n  h2 bigint", keys);
}
