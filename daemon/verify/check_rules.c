/*
 * The check of business rules: those of the target's rows are asked of all that was carried, as it stands there now; those of the source's
 * rows of what was carried as it is.
 */
#include "catalog/hashed.h"
#include "catalog/row_hash.h"
#include "catalog/rules.h"
#include "common/text.h"
#include "sql_verify.h"
#include "verify/check_run.h"
#include "verify/check_sql.h"

static bool has_rules(const struct bound_entity *bound, bool after)
{
	return entity_has_rules(bound->entity, after, RULE_REJECT) ||
	       entity_has_rules(bound->entity, after, RULE_WARN);
}

static bool has_rules_after(const struct binding *binding, const struct bound_entity *bound)
{
	(void)binding;
	return has_rules(bound, true);
}

static bool has_rules_before(const struct binding *binding, const struct bound_entity *bound)
{
	(void)binding;
	return has_rules(bound, false);
}

/* What the statements say of the rules of one kind. */
struct rule_lists {
	struct text broken; /* "CASE … END AS b2": over the row */
	struct text any;    /* one of these expressions holds */
	struct text names;  /* "s.b2" */
	struct text types;  /* "b2 boolean" */
	struct text values; /* "('has_office', TRUE, s.b2)" */
};

static void rule_lists_make(struct rule_lists *lists, const struct bound_entity *bound, bool after,
			    const char *alias)
{
	*lists = (struct rule_lists){ 0 };
	for (size_t i = 0; i < bound->entity->rule_count; i++) {
		const struct rule *rule = &bound->entity->rules[i];
		const char *comma = lists->broken.length > 0 ? ", " : "";
		_cleanup_free_ char *broken = rule_is_broken(rule);
		_cleanup_free_ char *name = pg_quote_literal(rule->name);

		if (rule->after != after)
			continue;
		text_appendf(&lists->any, "%s%s", lists->any.length > 0 ? " OR " : "", broken);
		text_appendf(&lists->broken, "%s%s AS b%zu", comma, broken, i + 1);
		text_appendf(&lists->names, "%s%s.b%zu", comma, after ? "w" : "s", i + 1);
		text_appendf(&lists->types, "%sb%zu boolean", comma, i + 1);
		text_appendf(&lists->values, "%s(%s, %s, %s.b%zu)", comma, name,
			     rule->action == RULE_REJECT ? "TRUE" : "FALSE", alias, i + 1);
	}
}

static void rule_lists_done(struct rule_lists *lists)
{
	text_done(&lists->broken);
	text_done(&lists->any);
	text_done(&lists->names);
	text_done(&lists->types);
	text_done(&lists->values);
}
#define _cleanup_rules_ __attribute__((cleanup(rule_lists_done)))

static char *known(const struct bound_entity *bound, const char *key)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *name = pg_quote_literal(bound->entity->name);

	text_fill(&text, sql_verify_check_rule_known,
		  (const struct text_hole[]){ { "name", name }, { "key", key }, { NULL, NULL } });
	return text_steal(&text);
}

/* --- of the target's rows ------------------------------------------------------------------------- */

/* "w.b1 OR w.b3" */
static char *any_of(const struct bound_entity *bound, bool after)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->rule_count; i++)
		if (bound->entity->rules[i].after == after)
			text_appendf(&text, "%sw.b%zu", text.length > 0 ? " OR " : "", i + 1);
	return text_steal(&text);
}

static char *find_after(const struct check_request *request, const struct check_range *range)
{
	const struct bound_entity *bound = request->bound;
	struct text text = TEXT_INIT;
	_cleanup_rules_ struct rule_lists rules;
	_cleanup_free_ char *asked = NULL;
	_cleanup_free_ char *m_key = check_sql_key(bound, "m.k");
	_cleanup_free_ char *m_target = check_sql_target_key(bound, "m.t");
	_cleanup_free_ char *target_is_m = check_sql_target_is(bound, "target", "m.t");
	_cleanup_free_ char *any = any_of(bound, true);
	_cleanup_free_ char *is_known = known(bound, "b.legacy_key");

	rule_lists_make(&rules, bound, true, "b");
	asked = text_format(", %s", text_string(&rules.names));
	text_fill(&text, sql_verify_check_rules_after,
		  (const struct text_hole[]){ { "m_key", m_key },
					      { "m_target", m_target },
					      { "asked", asked },
					      { "id_map", bound->id_map },
					      { "broken", text_string(&rules.broken) },
					      { "target", bound->target_relation },
					      { "target_is_m", target_is_m },
					      { "range", range->which },
					      { "any_broken", any },
					      { "rules", text_string(&rules.values) },
					      { "known", is_known },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- of the source's rows ------------------------------------------------------------------------- */

static char *key_expressions(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++)
		text_appendf(&text, "%s%s AS k%zu", i > 0 ? ", " : "", bound->shipped[i].expression,
			     i + 1);
	return text_steal(&text);
}

static char *read_broken(const struct check_request *request, const char *range)
{
	const struct bound_entity *bound = request->bound;
	int version = request->binding->source_version;
	struct text text = TEXT_INIT;
	_cleanup_rules_ struct rule_lists rules;
	_cleanup_free_ char *keys = check_sql_keys(bound, "s.k");
	_cleanup_free_ char *h1 = row_hash(version, "s.r", 0);
	_cleanup_free_ char *h2 = row_hash(version, "s.r", 1);
	_cleanup_free_ char *expressions = key_expressions(bound);
	_cleanup_free_ char *row = hashed_row(bound, version);

	rule_lists_make(&rules, bound, false, "s");
	text_fill(&text, sql_verify_check_rules_read,
		  (const struct text_hole[]){ { "keys", keys },
					      { "h1", h1 },
					      { "h2", h2 },
					      { "names", text_string(&rules.names) },
					      { "expressions", expressions },
					      { "broken", text_string(&rules.broken) },
					      { "row", row },
					      { "relation", bound->source_relation },
					      { "filter", bound->source_filter },
					      { "range", range },
					      { "any_broken", text_string(&rules.any) },
					      { NULL, NULL } });
	return text_steal(&text);
}

static char *broken_columns(const struct bound_entity *bound)
{
	_cleanup_rules_ struct rule_lists rules;
	_cleanup_free_ char *hashed = hashed_columns(bound);

	rule_lists_make(&rules, bound, false, "s");
	return text_format("%s,\n  %s", hashed, text_string(&rules.types));
}

static char *find_before(const struct check_request *request, const struct check_range *range)
{
	const struct bound_entity *bound = request->bound;
	struct text text = TEXT_INIT;
	_cleanup_rules_ struct rule_lists rules;
	_cleanup_free_ char *s_key = check_sql_key(bound, "s.k");
	_cleanup_free_ char *m_target = check_sql_target_key(bound, "m.t");
	_cleanup_free_ char *stage = check_sql_stage(bound);
	_cleanup_free_ char *m_is_s = check_sql_same_keys(bound, "m.k", "s.k");
	_cleanup_free_ char *is_known = known(bound, s_key);
	_cleanup_free_ char *aside = check_sql_aside(bound, s_key);

	(void)range; /* only such rows were staged */
	rule_lists_make(&rules, bound, false, "s");
	text_fill(&text, sql_verify_check_rules_before,
		  (const struct text_hole[]){ { "s_key", s_key },
					      { "m_target", m_target },
					      { "stage", stage },
					      { "id_map", bound->id_map },
					      { "m_is_s", m_is_s },
					      { "rules", text_string(&rules.values) },
					      { "known", is_known },
					      { "aside", aside },
					      { NULL, NULL } });
	return text_steal(&text);
}

const struct check_look check_rules_looks[] = {
	{ .applies = has_rules_after, .along = ALONG_ID_MAP, .find = find_after },
	{ .applies = has_rules_before,
	  .along = ALONG_SOURCE,
	  .read = read_broken,
	  .columns = broken_columns,
	  .find = find_before },
	{ 0 },
};
