/*
 * See read_sql.h; the templates stand in apply.sql.
 */
#include "apply/read_sql.h"

#include <stdlib.h>

#include "apply/parts.h"
#include "catalog/hashed.h"
#include "catalog/row_hash.h"
#include "common/text.h"
#include "sql_apply.h"

static char *key_comparison(const struct bound_entity *bound, const char *operator,
			    key_arrays values)
{
	_cleanup_text_ struct text left = TEXT_INIT;
	_cleanup_text_ struct text right = TEXT_INIT;
	size_t count = bound->entity->source_key.count;

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *literal = pg_quote_literal(values[i]);

		text_separate(&left, ", ");
		text_append(&left, bound->key_expressions[i]);
		text_separate(&right, ", ");
		text_append(&right, literal);
	}
	return text_format("(%s) %s (%s)", text_string(&left), operator, text_string(&right));
}

char *read_sql_range(const struct bound_entity *bound, key_arrays low, key_arrays high)
{
	struct text text = TEXT_INIT;

	if (low != NULL) {
		_cleanup_free_ char *above = key_comparison(bound, ">", low);

		text_append(&text, above);
	}
	if (high != NULL) {
		_cleanup_free_ char *up_to = key_comparison(bound, "<=", high);

		text_separate(&text, " AND ");
		text_append(&text, up_to);
	}
	if (text.length == 0)
		text_append(&text, "TRUE");
	return text_steal(&text);
}

char *read_sql_keys(const struct bound_entity *bound, key_arrays arrays)
{
	_cleanup_text_ struct text left = TEXT_INIT;
	_cleanup_text_ struct text right = TEXT_INIT;
	size_t count = bound->entity->source_key.count;

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *literal = pg_quote_literal(arrays[i]);

		text_separate(&left, ", ");
		text_append(&left, bound->key_expressions[i]);
		text_separate(&right, ", ");
		text_appendf(&right, count == 1 ? "%s::%s[]" : "pg_catalog.unnest(%s::%s[])",
			     literal, bound->key_types[i]);
	}
	if (count == 1)
		return text_format("%s = ANY (%s)", text_string(&left), text_string(&right));
	return text_format("(%s) IN (SELECT * FROM ROWS FROM (%s) AS wanted)", text_string(&left),
			   text_string(&right));
}

static char *key_expression_list(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&text, ", ");
		text_append(&text, bound->key_expressions[i]);
	}
	return text_steal(&text);
}

char *read_sql_rows(const struct binding *binding, const struct bound_entity *bound,
		    const char *which)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *names = parts_shipped_list(bound, false, true);
	_cleanup_free_ char *expressions = parts_shipped_list(bound, true, true);
	_cleanup_free_ char *row = hashed_row(bound, binding->source_version);
	_cleanup_free_ char *order = key_expression_list(bound);
	_cleanup_free_ char *h1 = row_hash(binding->source_version, "s.r", 0);
	_cleanup_free_ char *h2 = row_hash(binding->source_version, "s.r", 1);
	_cleanup_free_ char *time = bound->source_time != NULL
					    ? text_format(",\n       %s AS u", bound->source_time)
					    : text_copy("");

	text_fill(&text, sql_apply_read,
		  (const struct text_hole[]){
			  { "names", names },
			  { "h1", h1 },
			  { "h2", h2 },
			  { "time_name", bound->source_time != NULL ? ", u" : "" },
			  { "time", time },
			  { "expressions", expressions },
			  { "row", row },
			  { "relation", bound->source_relation },
			  { "filter", bound->source_filter },
			  { "which", which },
			  { "order", order },
			  { NULL, NULL } });
	return text_steal(&text);
}

char *read_sql_present(const struct bound_entity *bound, const char *which)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *keys = key_expression_list(bound);

	text_fill(&text, sql_apply_read_keys,
		  (const struct text_hole[]){ { "keys", keys },
					      { "relation", bound->source_relation },
					      { "filter", bound->source_filter },
					      { "which", which },
					      { NULL, NULL } });
	return text_steal(&text);
}
