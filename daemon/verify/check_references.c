/*
 * The check of references: where a column of the mapping refers to another entity, the row that it names is there. A foreign key of the
 * target sees to most of that; not every reference has one.
 *
 * Of which entity a parent is, where there are alternatives, is the source row's to say: here any of them may have it. That it is the right
 * one, the comparison of values sees.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "sql_verify.h"
#include "verify/check_run.h"
#include "verify/check_sql.h"

static bool has_references(const struct binding *binding, const struct bound_entity *bound)
{
	(void)binding;
	for (size_t i = 0; i < bound->written_count; i++)
		if (bound_is_reference(&bound->written[i]))
			return true;
	return false;
}

/* Do other entities write rows of the same table? */
static bool shares_table(const struct check_request *request)
{
	const struct binding *binding = request->binding;

	for (size_t i = 0; i < binding->set->count; i++)
		if (&binding->entities[i] != request->bound && binding->entities[i].usable &&
		    strcmp(binding->entities[i].target_relation, request->bound->target_relation) ==
			    0)
			return true;
	return false;
}

/* A parent's key in the type of the column that refers to it, as it was when that was written. */
static char *parent_key(const struct bound_entity *parent, const struct written_column *written,
			const char *key)
{
	const char *as_text = written->no_equality ? "::text" : "";

	if (strcmp(parent->target_key_types[0], written->type) == 0)
		return text_format("%s%s", key, as_text);
	return text_format("CAST(%s AS %s)%s", key, written->type, as_text);
}

/* `template` for each alternative of the reference. */
static char *for_each_parent(const struct check_request *request,
			     const struct written_column *written, const char *template,
			     const char *separator, bool of_id_map)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *number = text_format("%zu", written->number);

	for (size_t i = 0; i < written->column->reference_count; i++) {
		const struct bound_entity *parent =
			binding_find(request->binding, written->column->references[i].entity_name);
		_cleanup_free_ char *column = of_id_map ? text_copy("p.t1")
							: text_format("p.%s",
								      parent->target_key_quoted[0]);
		_cleanup_free_ char *key = parent_key(parent, written, column);

		text_separate(&text, separator);
		text_fill(&text, template,
			  (const struct text_hole[]){
				  { "parent", parent->target_relation },
				  { "parent_id_map", parent->id_map },
				  { "p_key", key },
				  { "number", number },
				  { "as_text", written->no_equality ? "::text" : "" },
				  { NULL, NULL } });
	}
	return text_steal(&text);
}

static void append_orphans(struct text *text, const struct check_request *request,
			   const struct written_column *written)
{
	_cleanup_free_ char *r_t = check_sql_targets(request->bound, "r.t");
	_cleanup_free_ char *column = pg_quote_literal(written->name);
	_cleanup_free_ char *number = text_format("%zu", written->number);
	_cleanup_free_ char *absent = for_each_parent(request, written,
						      sql_verify_check_parent_absent, "", false);
	_cleanup_free_ char *ours = shares_table(request)
					    ? text_copy("FALSE")
					    : for_each_parent(request, written,
							      sql_verify_check_parent_was_ours,
							      " OR ", true);

	text_separate(text, "\n   UNION ALL\n");
	text_fill(text, sql_verify_check_orphans,
		  (const struct text_hole[]){ { "r_t", r_t },
					      { "column", column },
					      { "led_to_ours", ours },
					      { "number", number },
					      { "absent", absent },
					      { NULL, NULL } });
}

static char *find_orphans(const struct check_request *request, const struct check_range *range)
{
	const struct bound_entity *bound = request->bound;
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text values = TEXT_INIT;
	_cleanup_text_ struct text any = TEXT_INIT;
	_cleanup_text_ struct text orphans = TEXT_INIT;
	_cleanup_free_ char *t_columns = check_sql_target_columns(bound);
	_cleanup_free_ char *o_target = check_sql_target_key(bound, "o.t");
	_cleanup_free_ char *m_key = check_sql_key(bound, "m.k");
	_cleanup_free_ char *m_is_o = check_sql_same_targets(bound, "m.t", "o.t");

	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];

		if (!bound_is_reference(written))
			continue;
		text_appendf(&values, "%st.%s AS v%zu", values.length > 0 ? ", " : "",
			     written->quoted, written->number);
		text_appendf(&any, "%st.%s IS NOT NULL", any.length > 0 ? " OR " : "(",
			     written->quoted);
		append_orphans(&orphans, request, written);
	}
	text_append(&any, ")");
	text_fill(&text, sql_verify_check_references,
		  (const struct text_hole[]){ { "t_columns", t_columns },
					      { "values", text_string(&values) },
					      { "target", bound->target_relation },
					      { "range", range->which },
					      { "any_value", text_string(&any) },
					      { "orphans", text_string(&orphans) },
					      { "o_target", o_target },
					      { "m_key", m_key },
					      { "id_map", bound->id_map },
					      { "m_is_o", m_is_o },
					      { NULL, NULL } });
	return text_steal(&text);
}

const struct check_look check_references_looks[] = {
	{ .applies = has_references, .along = ALONG_TARGET, .find = find_orphans },
	{ 0 },
};
