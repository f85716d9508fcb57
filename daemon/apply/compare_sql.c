/*
 * Fills the templates of compare.sql for one entity; see compare_sql.h.
 */
#include "apply/compare_sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply_sql.h"
#include "apply/entity_sql.h"
#include "apply/holes.h"
#include "apply/isolate_sql.h"
#include "apply/parts.h"
#include "common/text.h"
#include "sql_apply.h"

static size_t key_count(const struct bound_entity *bound)
{
	return bound->entity->source_key.count;
}

static char *filled(const char *template, const struct holes *holes)
{
	struct text text = TEXT_INIT;

	text_fill(&text, template, holes->list);
	return text_steal(&text);
}

/* --- keys ------------------------------------------------------------------------------------------ */

/* "legacy_key[1]::integer AS k1" */
static char *keys_from_text(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < key_count(bound); i++) {
		text_separate(&text, ", ");
		text_appendf(&text, "legacy_key[%zu]::%s AS k%zu", i + 1, bound->key_types[i],
			     i + 1);
	}
	return text_steal(&text);
}

/* "array_agg(c.k1::text) FILTER (WHERE …)" of each part of the key. */
static char *key_arrays_of(const struct bound_entity *bound, const char *filter)
{
	struct text text = TEXT_INIT;

	for (size_t i = 1; i <= key_count(bound); i++)
		text_appendf(&text, "%spg_catalog.array_agg(c.k%zu::text)%s",
			     i > 1 ? ",\n       " : "", i, filter);
	return text_steal(&text);
}

/* "('7', 'b')" */
static char *row_of(const struct bound_entity *bound, key_arrays values, const char *const *types)
{
	struct text text = TEXT_INIT;

	text_append(&text, "(");
	for (size_t i = 0; i < key_count(bound); i++) {
		_cleanup_free_ char *literal = pg_quote_literal(values[i]);

		text_appendf(&text, "%s%s", i > 0 ? ", " : "", literal);
		if (types != NULL)
			text_appendf(&text, "::%s", types[i]);
	}
	text_append(&text, ")");
	return text_steal(&text);
}

/* "m.k1, m.k2" */
static char *key_list(const struct bound_entity *bound, const char *alias)
{
	_cleanup_free_ char *format = text_format("%s.k%%zu", alias);

	return bound_key_list(bound, format, ", ");
}

/* "(m.k1) > ('7'::bigint)", TRUE from the beginning. */
static char *keys_after(const struct bound_entity *bound, const char *alias, key_arrays after)
{
	_cleanup_free_ char *keys = key_list(bound, alias);
	_cleanup_free_ char *row = NULL;

	if (after == NULL)
		return text_copy("TRUE");
	row = row_of(bound, after, (const char *const *)bound->key_types);
	return text_format("(%s) > %s", keys, row);
}

/* "(m.k1, m.k2) IN (SELECT * FROM ROWS FROM (unnest('{1,2}'::bigint[]), …) AS w)" */
static char *unnested(const struct bound_entity *bound, key_arrays keys)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < key_count(bound); i++) {
		_cleanup_free_ char *literal = pg_quote_literal(keys[i]);

		text_separate(&text, ", ");
		text_appendf(&text, "pg_catalog.unnest(%s::%s[])", literal, bound->key_types[i]);
	}
	return text_steal(&text);
}

/* "c.k1 DESC, c.k2 DESC" */
static char *descending(const struct bound_entity *bound, const char *format)
{
	return bound_key_list(bound, format, ", ");
}

/* "ARRAY[m.t1::text]" */
static char *target_key(const struct bound_entity *bound, const char *prefix)
{
	struct text text = TEXT_INIT;

	text_append(&text, "ARRAY[");
	for (size_t i = 1; i <= bound->entity->target_key.count; i++)
		text_appendf(&text, "%s%st%zu::text", i > 1 ? ", " : "", prefix, i);
	text_append(&text, "]");
	return text_steal(&text);
}

static void add_relations(struct holes *holes, const struct bound_entity *bound)
{
	holes_give(holes, "entity", pg_quote_literal(bound->entity->name));
	holes_add(holes, "id_map", bound->id_map);
	holes_add(holes, "target", bound->target_relation);
	holes_add(holes, "stage", bound->stage);
	holes_add(holes, "stage_name", strchr(bound->stage, '.') + 1);
	holes_add(holes, "any_target_key", bound->target_key_quoted[0]);
}

static void add_aside(struct holes *holes, const struct bound_entity *bound)
{
	struct text aside = TEXT_INIT;
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *from_text = keys_from_text(bound);

	text_fill(&aside, sql_apply_compare_aside,
		  (const struct text_hole[]){ { "entity", entity },
					      { "from_text", from_text },
					      { NULL, NULL } });
	holes_give(holes, "aside", text_steal(&aside));
}

/* --- the source, and the stage ------------------------------------------------------------------------- */

char *compare_sql_boundary(const struct bound_entity *bound, key_arrays after, int64_t rows)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text keys = TEXT_INIT;
	_cleanup_free_ char *which = read_sql_range(bound, after, NULL);
	_cleanup_free_ char *count = text_format("%" PRId64, rows);

	for (size_t i = 0; i < key_count(bound); i++)
		text_appendf(&keys, "%s%s", i > 0 ? ", " : "", bound->key_expressions[i]);
	text_fill(&text, sql_apply_compare_boundary,
		  (const struct text_hole[]){ { "keys", text_string(&keys) },
					      { "order", text_string(&keys) },
					      { "relation", bound->source_relation },
					      { "filter", bound->source_filter },
					      { "which", which },
					      { "rows", count },
					      { NULL, NULL } });
	return text_steal(&text);
}

char *compare_sql_stage(const struct bound_entity *bound, bool keys_only)
{
	struct holes holes = { 0 };
	char *sql;

	add_relations(&holes, bound);
	holes_give(&holes, "stage_columns", entity_sql_stage_columns(bound));
	holes_give(&holes, "stage_names", entity_sql_stage_names(bound, keys_only));
	sql = filled(sql_apply_compare_stage, &holes);
	holes_done(&holes);
	return sql;
}

/* --- rows ------------------------------------------------------------------------------------------------ */

static char *target_keys_named(const struct bound_entity *bound, const char *prefix)
{
	return parts_target_keys(bound, prefix);
}

static bool is_integer(const char *type)
{
	return strcmp(type, "integer") == 0 || strcmp(type, "bigint") == 0 ||
	       strcmp(type, "smallint") == 0;
}

/* "  AND column > '7' AND column <= '9'" */
static char *within(const char *column, const char *indent, key_arrays low, key_arrays high)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *above = low != NULL ? pg_quote_literal(low[0]) : NULL;
	_cleanup_free_ char *up_to = high != NULL ? pg_quote_literal(high[0]) : NULL;

	text_append(&text, "");
	if (above != NULL)
		text_appendf(&text, "%s AND %s > %s", indent, column, above);
	if (up_to != NULL)
		text_appendf(&text, "%s AND %s <= %s", indent, column, up_to);
	return text_steal(&text);
}

/* Texts may be ordered otherwise by the other server. */
static char *map_within(const struct bound_entity *bound, const char *indent, key_arrays low,
			key_arrays high)
{
	_cleanup_free_ char *range = within("m.k1", indent, low, high);

	if (!bound->integer_key || range[0] == '\0')
		return text_copy("");
	return text_format("%s\n", range);
}

/* The table is read by its legacy key, in whose order it was filled, most likely. */
static char *target_within(const struct bound_entity *bound, key_arrays low, key_arrays high)
{
	const struct written_column *legacy = NULL;
	_cleanup_free_ char *column = NULL;

	for (size_t i = 0; i < bound->written_count; i++)
		if (bound->written[i].column == NULL)
			legacy = &bound->written[i];
	if (!bound->integer_key || !bound->legacy_unique || legacy == NULL ||
	    !is_integer(legacy->type))
		return text_copy("");
	column = text_format("t.%s", legacy->quoted);
	return within(column, "\n    ", low, high);
}

static void add_handled(struct holes *holes, const struct binding *binding,
			const struct bound_entity *bound, key_arrays low, key_arrays high)
{
	size_t keys = key_count(bound);
	struct text handled = TEXT_INIT;

	add_relations(holes, bound);
	add_aside(holes, bound);
	holes_give(holes, "m_t", target_keys_named(bound, "m."));
	holes_give(holes, "m_is_s", parts_equal_keys(keys, "m.k", "s.k"));
	holes_give(holes, "a_is_s", parts_equal_keys(keys, "a.k", "s.k"));
	holes_give(holes, "joins", apply_sql_references(binding, bound));
	holes_give(holes, "t_is_s", parts_target_is(bound, "s.t"));
	holes_give(holes, "m_within", map_within(bound, "        ", low, high));
	holes_give(holes, "t_within", target_within(bound, low, high));
	text_fill(&handled, sql_apply_compare_handled, holes->list);
	holes_give(holes, "handled", text_steal(&handled));
	holes_give(holes, "s_k", key_list(bound, "s"));
}

char *compare_sql_rows(const struct binding *binding, const struct bound_entity *bound,
		       key_arrays low, key_arrays high)
{
	struct holes holes = { 0 };
	char *sql;

	add_handled(&holes, binding, bound, low, high);
	holes_give(&holes, "key_arrays", key_arrays_of(bound, " FILTER (WHERE c.differs)"));
	holes_give(&holes, "differs", apply_sql_differs(bound));
	sql = filled(sql_apply_compare, &holes);
	holes_done(&holes);
	return sql;
}

char *compare_sql_mapped(const struct bound_entity *bound, key_arrays low, key_arrays high)
{
	struct holes holes = { 0 };
	char *sql;

	add_relations(&holes, bound);
	holes_give(&holes, "m_is_s", parts_equal_keys(key_count(bound), "m.k", "s.k"));
	holes_give(&holes, "m_within", map_within(bound, "  ", low, high));
	sql = filled(sql_apply_compare_mapped, &holes);
	holes_done(&holes);
	return sql;
}

char *compare_sql_live(const struct bound_entity *bound)
{
	struct holes holes = { 0 };
	char *sql;

	add_relations(&holes, bound);
	sql = filled(sql_apply_compare_gone_count, &holes);
	holes_done(&holes);
	return sql;
}

/* --- rows of which a value cannot be made ------------------------------------------------------------------ */

/* Needs what add_handled() has added. */
static void add_unmade_handled(struct holes *holes)
{
	struct text handled = TEXT_INIT;

	text_fill(&handled, sql_apply_compare_unmade_handled, holes->list);
	holes_give(holes, "unmade_handled", text_steal(&handled));
}

char *compare_sql_unmade(const struct bound_entity *bound)
{
	struct holes holes = { 0 };
	char *sql;

	add_relations(&holes, bound);
	holes_give(&holes, "probes", isolate_sql_probes(bound));
	sql = filled(sql_apply_compare_unmade, &holes);
	holes_done(&holes);
	return sql;
}

char *compare_sql_unmade_count(const struct bound_entity *bound)
{
	struct holes holes = { 0 };
	size_t keys = key_count(bound);
	char *sql;

	add_relations(&holes, bound);
	add_aside(&holes, bound);
	holes_give(&holes, "m_t", target_keys_named(bound, "m."));
	holes_give(&holes, "m_is_s", parts_equal_keys(keys, "m.k", "s.k"));
	holes_give(&holes, "a_is_s", parts_equal_keys(keys, "a.k", "s.k"));
	holes_give(&holes, "s_k", key_list(bound, "s"));
	holes_give(&holes, "key_arrays", key_arrays_of(bound, ""));
	add_unmade_handled(&holes);
	sql = filled(sql_apply_compare_unmade_count, &holes);
	holes_done(&holes);
	return sql;
}

/* What of compare_found tells of them; nothing when none were looked for. */
static void add_unmade_found(struct holes *holes, const struct bound_entity *bound, bool unmade)
{
	struct text rows = TEXT_INIT;
	struct text found = TEXT_INIT;

	text_append(&rows, "");
	text_append(&found, "");
	if (unmade) {
		add_unmade_handled(holes);
		holes_give(holes, "u_legacy_key", parts_legacy_key(bound, "u"));
		holes_give(holes, "u_target_key", target_key(bound, "u."));
		text_fill(&rows, sql_apply_compare_unmade_rows, holes->list);
		text_fill(&found, sql_apply_compare_unmade_found, holes->list);
	}
	holes_give(holes, "unmade_rows", text_steal(&rows));
	holes_give(holes, "unmade_found", text_steal(&found));
}

/* --- what differs ------------------------------------------------------------------------------------------ */

static bool is_legacy(const struct written_column *written)
{
	return written->column == NULL;
}

static bool is_reference(const struct written_column *written)
{
	return parts_is_reference(written);
}

static char *names_of(const struct bound_entity *bound,
		      bool (*is_wanted)(const struct written_column *))
{
	struct text text = TEXT_INIT;

	text_append(&text, "");
	for (size_t i = 0; i < bound->written_count; i++)
		if (is_wanted(&bound->written[i])) {
			_cleanup_free_ char *name = pg_quote_literal(bound->written[i].name);

			text_separate(&text, ", ");
			text_append(&text, name);
		}
	return text_steal(&text);
}

/* "('value', t.value IS DISTINCT FROM s.c2, FALSE)": of each column, whether it differs, and whether it may be NULL for now. */
static char *column_rows(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		_cleanup_free_ char *name = pg_quote_literal(written->name);
		_cleanup_free_ char *differs = apply_sql_column_differs(written);

		text_appendf(&text, "%s(%s, %s, ", i > 0 ? ",\n                              " : "",
			     name, differs);
		if (parts_is_reference(written) && parts_is_deferrable(written))
			text_appendf(&text, "t.%s IS NULL)", written->quoted);
		else
			text_append(&text, "FALSE)");
	}
	return text_steal(&text);
}

/* Has the target row a legacy key? */
static char *carries(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->legacy_key.count; i++) {
		_cleanup_free_ char *name = pg_quote_identifier(bound->entity->legacy_key.names[i]);

		text_separate(&text, " AND ");
		text_appendf(&text, "t.%s IS NOT NULL", name);
	}
	if (text.length == 0)
		text_append(&text, "FALSE");
	return text_steal(&text);
}

char *compare_sql_found(const struct binding *binding, const struct bound_entity *bound,
			bool unmade)
{
	struct holes holes = { 0 };
	char *sql;

	add_handled(&holes, binding, bound, NULL, NULL);
	holes_give(&holes, "s_t", target_keys_named(bound, "s."));
	holes_give(&holes, "columns", column_rows(bound));
	holes_give(&holes, "carries", carries(bound));
	holes_give(&holes, "legacy_key", parts_legacy_key(bound, "s"));
	holes_give(&holes, "legacy_names", names_of(bound, is_legacy));
	holes_give(&holes, "reference_names", names_of(bound, is_reference));
	holes_give(&holes, "c_legacy_key", parts_legacy_key(bound, "c"));
	holes_give(&holes, "c_target_key", target_key(bound, "c."));
	add_unmade_found(&holes, bound, unmade);
	sql = filled(sql_apply_compare_found, &holes);
	holes_done(&holes);
	return sql;
}

/* --- the target's extra rows --------------------------------------------------------------------------- */

bool compare_sql_has_carried(const struct bound_entity *bound)
{
	return bound->entity->legacy_key.count > 0;
}

/* `format` holds the quoted name of a legacy key column, and the number of the part. */
enum legacy_form { LEGACY_PLAIN, LEGACY_NAMED, LEGACY_CAST, LEGACY_IS_WANTED };

static char *legacy_list(const struct bound_entity *bound, enum legacy_form form)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->legacy_key.count; i++) {
		_cleanup_free_ char *name = pg_quote_identifier(bound->entity->legacy_key.names[i]);
		const char *type = bound->key_types[i];

		text_separate(&text, form == LEGACY_IS_WANTED ? " AND " : ", ");
		text_appendf(&text, "t.%s", name);
		if (form == LEGACY_NAMED)
			text_appendf(&text, " AS l%zu", i + 1);
		else if (form == LEGACY_CAST)
			text_appendf(&text, "::%s AS k%zu", type, i + 1);
		else if (form == LEGACY_IS_WANTED)
			text_appendf(&text, "::%s = w.k%zu", type, i + 1);
	}
	return text_steal(&text);
}

char *compare_sql_carried(const struct bound_entity *bound, key_arrays after, int64_t rows)
{
	struct holes holes = { 0 };
	_cleanup_free_ char *order = legacy_list(bound, LEGACY_PLAIN);
	_cleanup_free_ char *above = after != NULL ? row_of(bound, after, NULL) : NULL;
	char *sql;

	add_relations(&holes, bound);
	holes_give(&holes, "plain", legacy_list(bound, LEGACY_NAMED));
	holes_give(&holes, "cast", legacy_list(bound, LEGACY_CAST));
	holes_give(&holes, "carries", carries(bound));
	holes_give(&holes, "after",
		   above != NULL ? text_format("(%s) > %s", order, above) : text_copy("TRUE"));
	holes_add(&holes, "order", order);
	/* Without an index every chunk would sort the whole table. */
	holes_give(&holes, "rows",
		   bound->legacy_unique ? text_format("%" PRId64, rows) : text_copy("ALL"));
	holes_give(&holes, "c_plain", bound_key_list(bound, "c.l%zu::text", ", "));
	holes_give(&holes, "c_order", descending(bound, "c.l%zu DESC"));
	holes_give(&holes, "key_arrays", key_arrays_of(bound, ""));
	holes_give(&holes, "m_is_c", parts_equal_keys(key_count(bound), "m.k", "c.k"));
	sql = filled(sql_apply_compare_carried, &holes);
	holes_done(&holes);
	return sql;
}

static char *target_row_key(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&text, "%st.%s::text", i > 0 ? ", " : "ARRAY[",
			     bound->target_key_quoted[i]);
	text_append(&text, "]");
	return text_steal(&text);
}

char *compare_sql_extra(const struct bound_entity *bound, key_arrays keys)
{
	struct holes holes = { 0 };
	size_t count = key_count(bound);
	char *sql;

	add_relations(&holes, bound);
	holes_give(&holes, "wanted_types", key_list(bound, "w"));
	holes_give(&holes, "wanted", unnested(bound, keys));
	holes_give(&holes, "k_names", bound_key_list(bound, "k%zu", ", "));
	holes_give(&holes, "w_legacy_key", parts_legacy_key(bound, "w"));
	holes_give(&holes, "t_target_key", target_row_key(bound));
	holes_give(&holes, "t_is_w", legacy_list(bound, LEGACY_IS_WANTED));
	holes_give(&holes, "m_is_w", parts_equal_keys(count, "m.k", "w.k"));
	holes_give(&holes, "s_is_w", parts_equal_keys(count, "s.k", "w.k"));
	sql = filled(sql_apply_compare_extra, &holes);
	holes_done(&holes);
	return sql;
}

/* --- rows that ought to be gone -------------------------------------------------------------------------- */

bool compare_sql_has_gone(const struct bound_entity *bound)
{
	return bound->entity->on_delete != ON_DELETE_IGNORE;
}

/* A value that is another one each time it is read cannot be looked for. */
static bool is_moving(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL &&
	       (strncasecmp(text, "now", 3) == 0 || strcasecmp(text, "today") == 0 ||
		strcasecmp(text, "tomorrow") == 0 || strcasecmp(text, "yesterday") == 0);
}

/* Does the target row show that its source row is gone? And by which columns. */
static char *marked(const struct bound_entity *bound, struct text *names)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->mark_count; i++) {
		const struct mark *mark = &bound->entity->marks[i];
		_cleanup_free_ char *column = pg_quote_identifier(mark->column);
		_cleanup_free_ char *name = pg_quote_literal(mark->column);
		_cleanup_free_ char *value = binding_literal(mark->value);

		text_separate(names, ", ");
		text_append(names, name);
		text_separate(&text, " AND ");
		if (is_moving(mark->value))
			text_appendf(&text, "t.%s IS NOT NULL", column);
		else
			text_appendf(&text, "t.%s IS NOT DISTINCT FROM %s", column, value);
	}
	if (text.length == 0)
		text_append(&text, "FALSE");
	return text_steal(&text);
}

char *compare_sql_marked(const struct bound_entity *bound)
{
	_cleanup_text_ struct text names = TEXT_INIT;

	return marked(bound, &names);
}

/* Another source row, which is there, may lead to the same target row. */
static char *unshared(const struct bound_entity *bound)
{
	_cleanup_free_ char *o_is_m = parts_equal_keys(bound->entity->target_key.count, "o.t",
						       "m.t");

	if (entity_mints_key(bound->entity))
		return text_copy("");
	return text_format(
		"\n     AND NOT EXISTS (SELECT FROM %s AS o WHERE %s AND o.gone IS NULL)",
		bound->id_map, o_is_m);
}

static char *staying(const struct bound_entity *bound, const char *which, const char *absent,
		     int64_t rows)
{
	struct holes holes = { 0 };
	size_t count = key_count(bound);
	struct text names = TEXT_INIT;
	char *sql;

	text_append(&names, "");
	add_relations(&holes, bound);
	add_aside(&holes, bound);
	holes_give(&holes, "m_k", key_list(bound, "m"));
	holes_give(&holes, "m_target_key", target_key(bound, "m."));
	holes_give(&holes, "t_is_m", parts_target_is(bound, "m.t"));
	holes_give(&holes, "marked", marked(bound, &names));
	holes_give(&holes, "mark_names", text_steal(&names));
	holes_give(&holes, "unshared", unshared(bound));
	holes_give(&holes, "a_is_m", parts_equal_keys(count, "a.k", "m.k"));
	holes_add(&holes, "which", which);
	holes_give(&holes, "rows", rows > 0 ? text_format("%" PRId64, rows) : text_copy("ALL"));
	holes_give(&holes, "f_legacy_key", parts_legacy_key(bound, "f"));
	holes_give(&holes, "f_k", key_list(bound, "f"));
	holes_add(&holes, "absent", absent);
	sql = filled(sql_apply_compare_staying, &holes);
	holes_done(&holes);
	return sql;
}

char *compare_sql_gone(const struct bound_entity *bound, key_arrays after, int64_t rows)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *which = keys_after(bound, "m", after);
	_cleanup_free_ char *with = staying(bound, which, "TRUE", rows);
	_cleanup_free_ char *last = bound_key_list(bound, "c.k%zu::text", ", ");
	_cleanup_free_ char *order = descending(bound, "c.k%zu DESC");
	_cleanup_free_ char *arrays = key_arrays_of(bound, "");

	text_appendf(&text, "WITH %s", with);
	text_fill(&text, sql_apply_compare_gone,
		  (const struct text_hole[]){ { "last", last },
					      { "c_order", order },
					      { "key_arrays", arrays },
					      { NULL, NULL } });
	return text_steal(&text);
}

char *compare_sql_staying(const struct bound_entity *bound, key_arrays keys)
{
	_cleanup_free_ char *m_k = key_list(bound, "m");
	_cleanup_free_ char *wanted = unnested(bound, keys);
	_cleanup_free_ char *s_is_f = parts_equal_keys(key_count(bound), "s.k", "f.k");
	_cleanup_free_ char *which = text_format("(%s) IN (SELECT * FROM ROWS FROM (%s) AS w)", m_k,
						 wanted);
	_cleanup_free_ char *absent = text_format("NOT EXISTS (SELECT FROM %s AS s WHERE %s)",
						  bound->stage, s_is_f);

	return staying(bound, which, absent, 0);
}
