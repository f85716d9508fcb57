/*
 * The SQL that explains a row; the templates stand in explain.sql. Written from the binding where there is one, else from the mapping's
 * own words and the types of the id map, so that one side can be asked when the other is down.
 */
#include <stdlib.h>
#include <string.h>

#include "apply/conflict.h"
#include "apply/read_sql.h"
#include "catalog/expression.h"
#include "common/text.h"
#include "sql_store.h"
#include "sql_verify.h"
#include "store/store.h"
#include "verify/explain_internal.h"

#define DIGITS(number) DIGITS_OF(number)
#define DIGITS_OF(number) #number

/* --- pieces ------------------------------------------------------------------------------------- */

static char *key_literal(char *const *parts, size_t count)
{
	_cleanup_free_ char *array = store_key_literal((const char *const *)parts, count);
	_cleanup_free_ char *literal = pg_quote_literal(array);

	return text_format("%s::text[]", literal);
}

/* "'7'::integer"; without its type where that is not known, so that it gets that of what it is compared with. */
static char *typed(const char *value, char *const *types, size_t i)
{
	_cleanup_free_ char *literal = pg_quote_literal(value);

	return types != NULL ? text_format("%s::%s", literal, types[i]) : text_copy(literal);
}

/* "m.k1 = '7'::integer AND …": columns `prefix` with their numbers. */
static char *are_values(const char *prefix, char *const *values, char *const *types, size_t count)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *value = typed(values[i], types, i);

		text_separate(&text, " AND ");
		text_appendf(&text, "%s%zu = %s", prefix, i + 1, value);
	}
	return text_steal(&text);
}

/* "t."id"": columns of these names, each as `format` says ("%s", "%s::text"), separated. */
static char *columns_of(const char *alias, const struct name_list *names, const char *cast)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < names->count; i++) {
		_cleanup_free_ char *quoted = pg_quote_identifier(names->names[i]);

		text_separate(&text, ", ");
		text_appendf(&text, "%s.%s%s", alias, quoted, cast);
	}
	return text_steal(&text);
}

/* "t.id = m.t1" of the target's key. */
static char *target_is(const struct explain_names *names, const char *prefix)
{
	const struct name_list *key = &names->entity->target_key;
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < key->count; i++) {
		_cleanup_free_ char *quoted = pg_quote_identifier(key->names[i]);

		text_separate(&text, " AND ");
		text_appendf(&text, "t.%s = %s%zu", quoted, prefix, i + 1);
	}
	return text_steal(&text);
}

static char *numbered_texts(const char *prefix, size_t count)
{
	struct text text = TEXT_INIT;

	for (size_t i = 1; i <= count; i++) {
		text_separate(&text, ", ");
		text_appendf(&text, "%s%zu::text", prefix, i);
	}
	return text_steal(&text);
}

static char *m_is_key(const struct explain_names *names)
{
	return are_values("m.k", names->parts, names->key_types, names->entity->source_key.count);
}

/* --- the beginning ------------------------------------------------------------------------------ */

char *explain_sql_known(const struct explain_names *names)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *id_map = pg_quote_literal(names->id_map);
	_cleanup_free_ char *target = pg_quote_literal(names->target);

	text_fill(&text, sql_verify_explain_known,
		  (const struct text_hole[]){ { "id_map_name", id_map },
					      { "target_name", target },
					      { NULL, NULL } });
	return text_steal(&text);
}

char *explain_sql_key(const struct explain_names *names)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text parts = TEXT_INIT;

	for (size_t i = 0; i < names->entity->source_key.count; i++) {
		_cleanup_free_ char *value = typed(names->parts[i], names->key_types, i);

		text_separate(&parts, ", ");
		text_appendf(&parts, "(%s)::text", value);
	}
	text_fill(&text, sql_verify_explain_key,
		  (const struct text_hole[]){ { "parts", text_string(&parts) }, { NULL, NULL } });
	return text_steal(&text);
}

char *explain_sql_by_target(const struct explain_names *names, char *const *target_parts)
{
	const struct entity *entity = names->entity;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *name = pg_quote_literal(entity->name);
	_cleanup_free_ char *keys = numbered_texts("m.k", entity->source_key.count);
	_cleanup_free_ char *legacy_key = text_format("ARRAY[%s]", keys);
	_cleanup_free_ char *is_wanted = are_values("m.t", target_parts, names->target_types,
						    entity->target_key.count);
	_cleanup_free_ char *target_key = key_literal(target_parts, entity->target_key.count);

	text_fill(&text, sql_verify_explain_by_target,
		  (const struct text_hole[]){ { "name", name },
					      { "legacy_key", legacy_key },
					      { "id_map", names->id_map },
					      { "m_is_wanted", is_wanted },
					      { "target_key", target_key },
					      { NULL, NULL } });
	return text_steal(&text);
}

char *explain_sql_target_row(const struct explain_names *names, char *const *target_parts)
{
	const struct name_list *key = &names->entity->target_key;
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text is_wanted = TEXT_INIT;

	for (size_t i = 0; i < key->count; i++) {
		_cleanup_free_ char *quoted = pg_quote_identifier(key->names[i]);
		_cleanup_free_ char *literal = pg_quote_literal(target_parts[i]);

		text_separate(&is_wanted, " AND ");
		text_appendf(&is_wanted, "t.%s = %s", quoted, literal);
	}
	text_fill(&text, sql_verify_explain_target_row,
		  (const struct text_hole[]){ { "target", names->target },
					      { "t_is_wanted", text_string(&is_wanted) },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- what the target knows ---------------------------------------------------------------------- */

static char *map_sql(const struct explain_names *names)
{
	const struct entity *entity = names->entity;
	const struct name_list *legacy = &entity->legacy_key;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *key = m_is_key(names);
	_cleanup_free_ char *texts = numbered_texts("r.t", entity->target_key.count);
	_cleanup_free_ char *is_m = target_is(names, "m.t");
	_cleanup_free_ char *first = pg_quote_identifier(entity->target_key.names[0]);
	_cleanup_free_ char *carried = columns_of("t", legacy, "::text");
	_cleanup_free_ char *carries =
		names->has_target && legacy->count > 0
			? text_format("CASE WHEN t.%s IS NOT NULL THEN ARRAY[%s] END", first,
				      carried)
			: text_copy("NULL::text[]");
	_cleanup_free_ char *present = names->has_target ? text_format("t.%s IS NOT NULL", first)
							 : text_copy("NULL::boolean");
	_cleanup_free_ char *join = names->has_target
					    ? text_format("LEFT JOIN %s AS t\n            ON %s",
							  names->target, is_m)
					    : text_copy("");
	_cleanup_free_ char *standing = names->bound != NULL ? conflict_standing(names->bound)
							     : text_copy("NULL::bigint");
	_cleanup_free_ char *edited = names->bound != NULL
					      ? conflict_is_edited(names->bound, "r", "r.t")
					      : text_copy("NULL::boolean");

	if (!names->has_map)
		return text_copy("NULL");
	text_fill(&text, sql_verify_explain_map,
		  (const struct text_hole[]){ { "m_t_texts", texts },
					      { "edited", edited },
					      { "present", present },
					      { "standing", standing },
					      { "carries", carries },
					      { "id_map", names->id_map },
					      { "join_target", join },
					      { "m_is_key", key },
					      { NULL, NULL } });
	return text_steal(&text);
}

static char *version_sql(const struct explain_names *names)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *key = m_is_key(names);

	if (!names->has_map)
		return text_copy("NULL");
	text_fill(&text, sql_verify_explain_version,
		  (const struct text_hole[]){ { "id_map", names->id_map },
					      { "m_is_key", key },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* The legacy key's columns may have another type than the key: what cannot be read as one of theirs is carried by no row. */
static char *carries_key(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0, part = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		_cleanup_free_ char *type = pg_quote_literal(written->type);

		if (written->column != NULL)
			continue;
		part++;
		text_separate(&text, " AND ");
		text_appendf(&text,
			     "t.%s = CASE WHEN migrated.is_of_type((k.key)[%zu], %s) "
			     "THEN (k.key)[%zu]::%s END",
			     written->quoted, part, type, part, written->type);
	}
	return text_steal(&text);
}

static char *carriers_sql(const struct explain_names *names, const char *key)
{
	const struct entity *entity = names->entity;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *is_key = m_is_key(names);
	_cleanup_free_ char *texts = columns_of("t", &entity->target_key, "::text");
	_cleanup_free_ char *is_m = target_is(names, "m.t");
	_cleanup_free_ char *carries = NULL;

	if (names->bound == NULL || entity->legacy_key.count == 0 || !names->has_map)
		return text_copy("NULL");
	carries = carries_key(names->bound);
	text_fill(&text, sql_verify_explain_carriers,
		  (const struct text_hole[]){ { "t_texts", texts },
					      { "key", key },
					      { "target", names->target },
					      { "t_carries_key", carries },
					      { "id_map", names->id_map },
					      { "m_is_key", is_key },
					      { "t_is_m", is_m },
					      { "some", DIGITS(EXPLAIN_SOME) },
					      { NULL, NULL } });
	return text_steal(&text);
}

char *explain_sql_facts(const struct explain_names *names)
{
	const struct entity *entity = names->entity;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *name = pg_quote_literal(entity->name);
	_cleanup_free_ char *key = key_literal(names->parts, entity->source_key.count);
	_cleanup_free_ char *map = map_sql(names);
	_cleanup_free_ char *version = version_sql(names);
	_cleanup_free_ char *carriers = carriers_sql(names, key);
	_cleanup_free_ char *fingerprint = names->bound != NULL
						   ? pg_quote_literal(names->bound->fingerprint)
						   : text_copy("NULL");

	text_fill(&text, sql_verify_explain_facts,
		  (const struct text_hole[]){
			  { "name", name },
			  { "key", key },
			  { "fingerprint", fingerprint },
			  { "otherwise", names->bound != NULL ? "'changed'" : "'same'" },
			  { "map", map },
			  { "version", version },
			  { "carriers", carriers },
			  { "letter", sql_store_letter_json },
			  { "conflict", sql_store_conflict_json },
			  { "most", DIGITS(EXPLAIN_MOST_WAITS) },
			  { "some", DIGITS(EXPLAIN_SOME) },
			  { NULL, NULL } });
	return text_steal(&text);
}

/* --- what the source knows ---------------------------------------------------------------------- */

/* Rows of `bound` whose key has these parts; as batches read them. */
static char *rows_with_key(const struct bound_entity *bound, char *const *parts)
{
	size_t count = bound->entity->source_key.count;
	const char **arrays = memory_new(count * sizeof(*arrays));
	char *which;

	for (size_t i = 0; i < count; i++)
		arrays[i] = store_key_literal((const char *const *)&parts[i], 1);
	which = read_sql_keys(bound, arrays);
	for (size_t i = 0; i < count; i++)
		free((char *)arrays[i]);
	free(arrays);
	return which;
}

char *explain_sql_which(const struct explain_names *names)
{
	const struct name_list *key = &names->entity->source_key;
	struct text text = TEXT_INIT;

	if (names->bound != NULL)
		return rows_with_key(names->bound, names->parts);
	for (size_t i = 0; i < key->count; i++) {
		_cleanup_free_ char *quoted = pg_quote_identifier(key->names[i]);
		_cleanup_free_ char *literal = pg_quote_literal(names->parts[i]);

		text_separate(&text, " AND ");
		text_appendf(&text, "source.%s = %s", quoted, literal);
	}
	return text_steal(&text);
}

char *explain_source_relation(const struct entity *entity)
{
	_cleanup_free_ char *schema = NULL;
	_cleanup_free_ char *table = NULL;

	if (entity->source_query != NULL) {
		_cleanup_free_ char *query = bound_enclosed(entity->source_query);

		return text_format("%s AS source", query);
	}
	schema = pg_quote_identifier(entity->source_schema);
	table = pg_quote_identifier(entity->source_table);
	return text_format("%s.%s AS source", schema, table);
}

char *explain_sql_source(const struct explain_names *names)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *which = explain_sql_which(names);

	text_fill(&text, sql_verify_explain_source,
		  (const struct text_hole[]){ { "relation", names->source },
					      { "filter", names->filter },
					      { "which", which },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- parents that are waited for ---------------------------------------------------------------- */

static bool is_known(const json_t *waiting)
{
	return json_is_string(json_object_get(waiting, "parent_state")) ||
	       json_is_object(json_object_get(waiting, "parent_letter"));
}

json_t *explain_parent_at(const json_t *explanation, size_t place)
{
	const json_t *waits = json_object_get(explanation, "waits_for");
	const json_t *deferred = json_object_get(explanation, "deferred");
	size_t first = json_array_size(waits);

	return place < first ? json_array_get(waits, place)
			     : json_array_get(deferred, place - first);
}

/* The parent's key; NULL when it is not of that entity's form. The array is the caller's, the strings are not. */
static char **parent_parts(const json_t *waiting, const struct bound_entity *parent)
{
	const json_t *key = json_object_get(waiting, "parent_key");
	size_t count = parent->entity->source_key.count;
	char **parts;

	if (json_array_size(key) != count)
		return NULL;
	parts = memory_new(count * sizeof(*parts));
	for (size_t i = 0; i < count; i++) {
		parts[i] = (char *)json_string_value(json_array_get(key, i));
		if (parts[i] == NULL) {
			free(parts);
			return NULL;
		}
	}
	return parts;
}

static void append_arrived(struct text *text, const struct bound_entity *parent, char *const *parts,
			   const char *place)
{
	_cleanup_free_ char *is_key = are_values("m.k", parts, parent->key_types,
						 parent->entity->source_key.count);

	text_fill(text, sql_verify_explain_arrived,
		  (const struct text_hole[]){
			  { "place", place },
			  { "id_map", parent->id_map },
			  { "m_is_key", is_key },
			  { "present", parent->entity->on_delete == ON_DELETE_DELETE
					       ? " AND m.gone IS NULL"
					       : "" },
			  { NULL, NULL } });
}

static void append_parent(struct text *text, const struct bound_entity *parent, char *const *parts,
			  const char *place)
{
	_cleanup_free_ char *which = rows_with_key(parent, parts);

	text_fill(text, sql_verify_explain_parent,
		  (const struct text_hole[]){ { "place", place },
					      { "relation", parent->source_relation },
					      { "filter", parent->source_filter },
					      { "which", which },
					      { NULL, NULL } });
}

char *explain_sql_parents(const struct explain_names *names, const json_t *explanation,
			  bool on_source)
{
	struct text text = TEXT_INIT;
	json_t *waiting;

	for (size_t i = 0;
	     names->binding != NULL && (waiting = explain_parent_at(explanation, i)) != NULL; i++) {
		const char *name = json_string_value(json_object_get(waiting, "parent_entity"));
		const struct bound_entity *parent = binding_find(names->binding, name);
		_cleanup_free_ char *place = text_format("%zu", i);
		_cleanup_free_ char **parts = NULL;

		if (is_known(waiting) || parent == NULL || !parent->usable)
			continue;
		parts = parent_parts(waiting, parent);
		if (parts == NULL)
			continue;
		text_separate(&text, "\n UNION ALL\n");
		if (on_source)
			append_parent(&text, parent, parts, place);
		else
			append_arrived(&text, parent, parts, place);
	}
	return text.length > 0 ? text_steal(&text) : NULL;
}

/* --- values, history ------------------------------------------------------------------------------ */

char *explain_sql_standing(const struct explain_names *names)
{
	const struct bound_entity *bound = names->bound;
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text columns = TEXT_INIT;
	_cleanup_free_ char *is_key = m_is_key(names);
	_cleanup_free_ char *is_m = target_is(names, "m.t");

	for (size_t i = 0; i < bound->written_count; i++) {
		_cleanup_free_ char *name = pg_quote_literal(bound->written[i].name);

		text_separate(&columns, ", ");
		text_appendf(&columns, "(%s::text, t.%s::text)", name, bound->written[i].quoted);
	}
	text_fill(&text, sql_verify_explain_standing,
		  (const struct text_hole[]){ { "id_map", names->id_map },
					      { "target", names->target },
					      { "t_is_m", is_m },
					      { "columns", text_string(&columns) },
					      { "m_is_key", is_key },
					      { NULL, NULL } });
	return text_steal(&text);
}

char *explain_sql_history(const struct explain_names *names, bool values)
{
	const struct entity *entity = names->entity;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *name = pg_quote_literal(entity->name);
	_cleanup_free_ char *key = key_literal(names->parts, entity->source_key.count);

	text_fill(&text, sql_verify_explain_history,
		  (const struct text_hole[]){ { "name", name },
					      { "key", key },
					      { "if_wanted", values ? "TRUE" : "FALSE" },
					      { "most", DIGITS(EXPLAIN_MOST_CHANGES) },
					      { NULL, NULL } });
	return text_steal(&text);
}
