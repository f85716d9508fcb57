/*
 * Pieces of SQL that several checks share; see check_sql.h.
 */
#include "verify/check_sql.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "sql_verify.h"

char *check_sql_stage(const struct bound_entity *bound)
{
	return text_format("pg_temp.check_%s", bound->entity->name);
}

static char *as_text_array(size_t count, const char *prefix)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	for (size_t i = 1; i <= count; i++)
		text_appendf(&text, "%s%s%zu::text", i > 1 ? ", " : "", prefix, i);
	return text_format("ARRAY[%s]", text_string(&text));
}

char *check_sql_key(const struct bound_entity *bound, const char *prefix)
{
	return as_text_array(bound->entity->source_key.count, prefix);
}

char *check_sql_target_key(const struct bound_entity *bound, const char *prefix)
{
	return as_text_array(bound->entity->target_key.count, prefix);
}

static char *numbered(size_t count, const char *prefix, const char *suffix)
{
	struct text text = TEXT_INIT;

	for (size_t i = 1; i <= count; i++) {
		text_appendf(&text, "%s%s%zu", i > 1 ? ", " : "", prefix, i);
		if (suffix != NULL)
			text_appendf(&text, " AS %s%zu", suffix, i);
	}
	return text_steal(&text);
}

char *check_sql_keys(const struct bound_entity *bound, const char *prefix)
{
	return numbered(bound->entity->source_key.count, prefix, NULL);
}

char *check_sql_targets(const struct bound_entity *bound, const char *prefix)
{
	return numbered(bound->entity->target_key.count, prefix, NULL);
}

char *check_sql_names(const struct name_list *names)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < names->count; i++) {
		_cleanup_free_ char *literal = pg_quote_literal(names->names[i]);

		text_appendf(&text, "%s%s", i > 0 ? ", " : "", literal);
	}
	return text_steal(&text);
}

char *check_sql_target_columns(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&text, "%st.%s AS t%zu", i > 0 ? ", " : "",
			     bound->target_key_quoted[i], i + 1);
	return text_steal(&text);
}

static char *same(size_t count, const char *left, const char *right)
{
	struct text text = TEXT_INIT;

	for (size_t i = 1; i <= count; i++)
		text_appendf(&text, "%s%s%zu = %s%zu", i > 1 ? " AND " : "", left, i, right, i);
	return text_steal(&text);
}

char *check_sql_same_keys(const struct bound_entity *bound, const char *left, const char *right)
{
	return same(bound->entity->source_key.count, left, right);
}

char *check_sql_same_targets(const struct bound_entity *bound, const char *left, const char *right)
{
	return same(bound->entity->target_key.count, left, right);
}

char *check_sql_target_is(const struct bound_entity *bound, const char *alias, const char *right)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&text, "%s%s.%s = %s%zu", i > 0 ? " AND " : "", alias,
			     bound->target_key_quoted[i], right, i + 1);
	return text_steal(&text);
}

/* --- the legacy key that a row carries --------------------------------------------------------------- */

bool check_sql_has_legacy_key(const struct binding *binding, const struct bound_entity *bound)
{
	(void)binding;
	return bound->entity->legacy_key.count > 0;
}

enum family { FAMILY_INTEGER, FAMILY_TEXT, FAMILY_OTHER };

static enum family family_of(const char *type)
{
	static const struct {
		const char *prefix;
		enum family family;
	} families[] = {
		{ "smallint", FAMILY_INTEGER },	      { "integer", FAMILY_INTEGER },
		{ "bigint", FAMILY_INTEGER },	      { "text", FAMILY_TEXT },
		{ "character varying", FAMILY_TEXT },
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (strncmp(type, families[i].prefix, strlen(families[i].prefix)) == 0 &&
		    strpbrk(type, "[]") == NULL)
			return families[i].family;
	return FAMILY_OTHER;
}

/* What surely is of this type, so that migrated.is_of_type() is asked of the rest only. */
static const char *plain_form(const char *type)
{
	static const struct {
		const char *type;
		const char *pattern;
	} forms[] = {
		{ "smallint", "^[0-9]{1,4}$" },
		{ "integer", "^[0-9]{1,9}$" },
		{ "bigint", "^[0-9]{1,18}$" },
		{ "uuid", "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(type, forms[i].type) == 0)
			return forms[i].pattern;
	return NULL;
}

static const struct written_column *legacy_column(const struct bound_entity *bound, size_t part)
{
	const char *name = bound->entity->legacy_key.names[part];

	for (size_t i = 0; i < bound->written_count; i++)
		if (bound->written[i].column == NULL && strcmp(bound->written[i].name, name) == 0)
			return &bound->written[i];
	abort(); /* the binding has it */
}

/* Integers compare with integers of another length, so an index serves; and a type is compared with itself. All else is turned into the
   key's type, if it can be: what people have typed into a text need be no key. */
char *check_sql_carried_part(const struct bound_entity *bound, const char *alias, size_t part)
{
	struct text text = TEXT_INIT;
	const struct written_column *column = legacy_column(bound, part);
	const char *type = bound->key_types[part];
	const char *form = plain_form(type);
	enum family family = family_of(type);

	if (strcmp(column->type, type) == 0 ||
	    (family != FAMILY_OTHER && family == family_of(column->type))) {
		text_appendf(&text, "%s.%s%s", alias, column->quoted,
			     family == FAMILY_TEXT ? "::text" : "");
		return text_steal(&text);
	}
	text_append(&text, "CASE");
	if (form != NULL)
		text_appendf(&text, " WHEN %s.%s::text ~ '%s' THEN %s.%s::text::%s", alias,
			     column->quoted, form, alias, column->quoted, type);
	text_appendf(&text, " WHEN migrated.is_of_type(%s.%s::text, '%s') THEN %s.%s::text::%s END",
		     alias, column->quoted, type, alias, column->quoted, type);
	return text_steal(&text);
}

char *check_sql_carried(const struct bound_entity *bound, const char *alias)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->legacy_key.count; i++) {
		_cleanup_free_ char *part = check_sql_carried_part(bound, alias, i);

		text_appendf(&text, "%s%s AS k%zu", i > 0 ? ", " : "", part, i + 1);
	}
	return text_steal(&text);
}

/* Before that is looked at more closely. */
char *check_sql_carries(const struct bound_entity *bound, const char *alias)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->legacy_key.count; i++) {
		text_separate(&text, " AND ");
		text_appendf(&text, "%s.%s IS NOT NULL", alias, legacy_column(bound, i)->quoted);
	}
	return text_steal(&text);
}

bool check_sql_has_integer_key(const struct bound_entity *bound)
{
	for (size_t i = 0; i < bound->entity->source_key.count; i++)
		if (family_of(bound->key_types[i]) != FAMILY_INTEGER)
			return false;
	return true;
}

bool check_sql_in_step(const struct binding *binding, const struct bound_entity *bound)
{
	(void)binding;
	if (!bound->legacy_unique || !check_sql_has_integer_key(bound))
		return false;
	for (size_t i = 0; i < bound->entity->legacy_key.count; i++)
		if (family_of(legacy_column(bound, i)->type) != FAMILY_INTEGER)
			return false;
	return true;
}

bool check_sql_out_of_step(const struct binding *binding, const struct bound_entity *bound)
{
	return check_sql_has_legacy_key(binding, bound) && !check_sql_in_step(binding, bound);
}

/* --- parts of statements ---------------------------------------------------------------------------- */

char *check_sql_aside(const struct bound_entity *bound, const char *key)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *name = pg_quote_literal(bound->entity->name);

	text_fill(&text, sql_verify_check_aside,
		  (const struct text_hole[]){ { "name", name }, { "key", key }, { NULL, NULL } });
	return text_steal(&text);
}

/* The planner does not take it for a join, and so not for one with all there is. */
static char *join(const char *columns, const char *relation, const char *alias, const char *on,
		  const char *range)
{
	if (range != NULL)
		return text_format("LEFT JOIN %s AS %s\n      ON %s\n     AND %s", relation, alias,
				   on, range);
	return text_format("LEFT JOIN LATERAL (SELECT %s FROM %s AS %s WHERE %s LIMIT 1) AS %s\n"
			   "      ON TRUE",
			   columns, relation, alias, on, alias);
}

char *check_sql_join_map(const struct bound_entity *bound, const char *on, const char *range)
{
	return join("m.*", bound->id_map, "m", on, range);
}

char *check_sql_join_target(const struct bound_entity *bound, const char *on, const char *range)
{
	_cleanup_text_ struct text columns = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&columns, "%st.%s", i > 0 ? ", " : "", bound->target_key_quoted[i]);
	for (size_t i = 0; i < bound->entity->legacy_key.count; i++)
		text_appendf(&columns, ", t.%s", legacy_column(bound, i)->quoted);
	return join(text_string(&columns), bound->target_relation, "t", on, range);
}

char *check_sql_strays(const struct bound_entity *bound, const struct check_range *range,
		       bool live_only)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *t_columns = check_sql_target_columns(bound);
	_cleanup_free_ char *carried = check_sql_carried(bound, "t");
	_cleanup_free_ char *carries_one = check_sql_carries(bound, "t");
	_cleanup_free_ char *c_t = check_sql_targets(bound, "c.t");
	_cleanup_free_ char *c_k = check_sql_keys(bound, "c.k");
	_cleanup_free_ char *mapped = numbered(bound->entity->target_key.count, "m.t", "m");
	_cleanup_free_ char *m_is_c = check_sql_same_keys(bound, "m.k", "c.k");
	_cleanup_free_ char *join_map = check_sql_join_map(bound, m_is_c, range->mapped);
	_cleanup_free_ char *is_key = bound_key_list(bound, "c.k%zu IS NOT NULL", " AND ");
	_cleanup_free_ char *leads = check_sql_same_targets(bound, "m.t", "c.t");

	text_fill(&text, sql_verify_check_strays,
		  (const struct text_hole[]){
			  { "t_columns", t_columns },
			  { "carried", carried },
			  { "target", bound->target_relation },
			  { "range", range->which },
			  { "carries", carries_one },
			  { "c_t", c_t },
			  { "c_k", c_k },
			  { "mapped", mapped },
			  { "join_map", join_map },
			  { "c_is_key", is_key },
			  { "m_leads_to_c", leads },
			  { "or_gone", live_only ? " OR m.gone IS NOT NULL" : "" },
			  { NULL, NULL } });
	return text_steal(&text);
}
