/*
 * Fills the templates of rule.sql for one entity; see rule_sql.h.
 */
#include "apply/rule_sql.h"

#include "apply/parts.h"
#include "catalog/rules.h"
#include "common/text.h"
#include "sql_apply.h"

/* "target.id = m.t1" */
static char *target_is_mapped(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		text_separate(&text, " AND ");
		text_appendf(&text, "target.%s = m.t%zu", bound->target_key_quoted[i], i + 1);
	}
	return text_steal(&text);
}

typedef bool rule_test(const struct rule *rule);

static bool is_asked_after(const struct rule *rule)
{
	return rule->after;
}

static bool rejects_after(const struct rule *rule)
{
	return rule->after && rule->action == RULE_REJECT;
}

static bool warns_after(const struct rule *rule)
{
	return rule->after && rule->action == RULE_WARN;
}

/* Appends what joins the written row of `m`, with bN for each rule of this sort; nothing when there is none. */
static void append_written(struct text *text, const struct bound_entity *bound,
			   rule_test *is_of_this_sort)
{
	_cleanup_text_ struct text broken = TEXT_INIT;
	_cleanup_free_ char *target_is_m = target_is_mapped(bound);

	for (size_t i = 0; i < bound->entity->rule_count; i++) {
		const struct rule *rule = &bound->entity->rules[i];
		_cleanup_free_ char *condition = rule_is_broken(rule);

		if (!is_of_this_sort(rule))
			continue;
		text_separate(&broken, ",\n                ");
		text_appendf(&broken, "%s AS b%zu", condition, i + 1);
	}
	if (broken.length > 0)
		text_fill(text, sql_apply_rule_written,
			  (const struct text_hole[]){ { "broken", text_string(&broken) },
						      { "target", bound->target_relation },
						      { "target_is_m", target_is_m },
						      { NULL, NULL } });
}

/* Where the source does not always win, a row may have been left alone because of an edit in the target. */
static char *is_ours(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *t_is_m = parts_target_is(bound, "m.t");
	const char *hash = bound->written_hash;

	if (bound->entity->conflict.policy != ON_CONFLICT_SOURCE_WINS)
		text_fill(&text, sql_apply_rule_ours,
			  (const struct text_hole[]){ { "target", bound->target_relation },
						      { "t_is_m", t_is_m },
						      { "written_hash", hash },
						      { NULL, NULL } });
	return text_steal(&text);
}

static char *carried(const struct bound_entity *bound, const struct batch_place *place)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *legacy_key = parts_legacy_key(bound, "s");
	_cleanup_free_ char *ours = is_ours(bound);

	text_fill(&text, sql_apply_rule_carried,
		  (const struct text_hole[]){ { "entity", bound->entity->name },
					      { "legacy_key", legacy_key },
					      { "session", place->session },
					      { "batch", batch },
					      { "ours", ours },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- rules that reject ------------------------------------------------------------------------- */

/* (2, 'has_office', TRUE, w.b2): place, name, whether it rejects, whether the row `w` breaks it. */
static void list_asserted(const struct bound_entity *bound, rule_test *is_of_this_sort,
			  struct text *rules)
{
	for (size_t i = 0; i < bound->entity->rule_count; i++) {
		const struct rule *rule = &bound->entity->rules[i];

		if (!is_of_this_sort(rule))
			continue;
		text_separate(rules, ", ");
		text_appendf(rules, "(%zu, '%s', %s, w.b%zu)", i + 1, rule->name,
			     rule->action == RULE_REJECT ? "TRUE" : "FALSE", i + 1);
	}
}

/* `template` is rule_assert or rule_breakers; NULL when there are no such rules. */
static char *assertion(const char *template, const struct bound_entity *bound,
		       const struct batch_place *place, rule_test *is_of_this_sort,
		       const char *rows)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text written = TEXT_INIT;
	_cleanup_text_ struct text rules = TEXT_INIT;
	_cleanup_free_ char *is_carried = carried(bound, place);
	_cleanup_free_ char *m_is_s = parts_equal_keys(bound->entity->source_key.count, "m.k",
						       "s.k");

	list_asserted(bound, is_of_this_sort, &rules);
	if (rules.length == 0)
		return NULL;
	append_written(&written, bound, is_of_this_sort);
	text_fill(&text, template,
		  (const struct text_hole[]){ { "stage", bound->stage },
					      { "id_map", bound->id_map },
					      { "m_is_s", m_is_s },
					      { "written", text_string(&written) },
					      { "rules", text_string(&rules) },
					      { "rows", rows },
					      { "carried", is_carried },
					      { NULL, NULL } });
	return text_steal(&text);
}

void rule_sql_append_assert(struct text *text, const struct bound_entity *bound,
			    const struct batch_place *place)
{
	_cleanup_free_ char *statement = assertion(sql_apply_rule_assert, bound, place,
						   rejects_after, "TRUE");

	if (statement != NULL)
		text_appendf(text, "%s;\n", statement);
}

char *rule_sql_assertion(const struct bound_entity *bound, const struct batch_place *place)
{
	return assertion(sql_apply_rule_assert, bound, place, is_asked_after, "s.ctid = ANY ($1)");
}

char *rule_sql_breakers(const struct bound_entity *bound, const struct batch_place *place)
{
	return assertion(sql_apply_rule_breakers, bound, place, rejects_after, "s.ctid = ANY ($1)");
}

/* --- rules that warn --------------------------------------------------------------------------- */

/* Of the rules that warn, `format` with their number, and their name. */
static void list_warnings(const struct bound_entity *bound, struct text *columns,
			  struct text *values)
{
	for (size_t i = 0; i < bound->entity->rule_count; i++) {
		const struct rule *rule = &bound->entity->rules[i];

		if (rule->action != RULE_WARN)
			continue;
		text_appendf(columns, ",\n         %s.b%zu", rule->after ? "w" : "s", i + 1);
		text_separate(values, ", ");
		text_appendf(values, "('%s', c.b%zu)", rule->name, i + 1);
	}
}

void rule_sql_append_warn(struct text *text, const struct bound_entity *bound,
			  const struct batch_place *place)
{
	_cleanup_text_ struct text written = TEXT_INIT;
	_cleanup_text_ struct text asked = TEXT_INIT;
	_cleanup_text_ struct text rules = TEXT_INIT;
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *legacy_key = parts_legacy_key(bound, "s");
	_cleanup_free_ char *m_is_s = parts_equal_keys(bound->entity->source_key.count, "m.k",
						       "s.k");
	_cleanup_free_ char *is_carried = carried(bound, place);

	list_warnings(bound, &asked, &rules);
	if (rules.length == 0)
		return;
	append_written(&written, bound, warns_after);
	text_fill(text, sql_apply_rule_warn,
		  (const struct text_hole[]){ { "legacy_key", legacy_key },
					      { "asked", text_string(&asked) },
					      { "stage", bound->stage },
					      { "id_map", bound->id_map },
					      { "m_is_s", m_is_s },
					      { "written", text_string(&written) },
					      { "carried", is_carried },
					      { "rules", text_string(&rules) },
					      { "entity", bound->entity->name },
					      { "session", place->session },
					      { "batch", batch },
					      { NULL, NULL } });
}

void rule_sql_append_gone(struct text *text, const struct bound_entity *bound,
			  const struct batch_place *place)
{
	_cleanup_free_ char *m_is_c = parts_keys_from_text(bound, "m", "c.legacy_key");

	if (!entity_has_rules(bound->entity, false, RULE_WARN) &&
	    !entity_has_rules(bound->entity, true, RULE_WARN))
		return;
	text_fill(text, sql_apply_rule_gone,
		  (const struct text_hole[]){ { "id_map", bound->id_map },
					      { "m_is_c", m_is_c },
					      { "analysis", place->analysis },
					      { "entity", bound->entity->name },
					      { "low", place->low },
					      { "high", place->high },
					      { NULL, NULL } });
}

/* --- the second pass --------------------------------------------------------------------------- */

static bool asks_after(const struct bound_entity *bound)
{
	return entity_has_rules(bound->entity, true, RULE_REJECT) ||
	       entity_has_rules(bound->entity, true, RULE_WARN);
}

static char *filled_table(const struct bound_entity *bound)
{
	return text_format("pg_temp.filled_%s", bound->entity->name);
}

void rule_sql_append_fill_begin(struct text *text, const struct bound_entity *bound)
{
	_cleanup_free_ char *filled = text_format("filled_%s", bound->entity->name);

	if (asks_after(bound))
		text_fill(text, sql_apply_rule_fill_begin,
			  (const struct text_hole[]){ { "filled_name", filled }, { NULL, NULL } });
}

char *rule_sql_fill_kept(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *filled = filled_table(bound);

	if (!asks_after(bound))
		return text_copy("");
	text_append(&text, "\n");
	text_fill(&text, sql_apply_rule_fill_kept,
		  (const struct text_hole[]){ { "filled", filled }, { NULL, NULL } });
	return text_steal(&text);
}

static char *fill_assertion(const struct bound_entity *bound, rule_test *is_of_this_sort,
			    const char *rows)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text written = TEXT_INIT;
	_cleanup_text_ struct text rules = TEXT_INIT;
	_cleanup_free_ char *filled = filled_table(bound);
	_cleanup_free_ char *m_is_f = parts_keys_from_text(bound, "m", "f.legacy_key");

	list_asserted(bound, is_of_this_sort, &rules);
	if (rules.length == 0)
		return NULL;
	append_written(&written, bound, is_of_this_sort);
	text_fill(&text, sql_apply_rule_fill_assert,
		  (const struct text_hole[]){ { "filled", filled },
					      { "id_map", bound->id_map },
					      { "m_is_f", m_is_f },
					      { "written", text_string(&written) },
					      { "rules", text_string(&rules) },
					      { "rows", rows },
					      { NULL, NULL } });
	return text_steal(&text);
}

char *rule_sql_fill_assertion(const struct bound_entity *bound)
{
	return fill_assertion(bound, is_asked_after, "f.row_id = ANY ($1)");
}

static void append_fill_warn(struct text *text, const struct bound_entity *bound)
{
	_cleanup_text_ struct text written = TEXT_INIT;
	_cleanup_text_ struct text asked = TEXT_INIT;
	_cleanup_text_ struct text rules = TEXT_INIT;
	_cleanup_text_ struct text names = TEXT_INIT;
	_cleanup_free_ char *filled = filled_table(bound);
	_cleanup_free_ char *m_is_f = parts_keys_from_text(bound, "m", "f.legacy_key");

	for (size_t i = 0; i < bound->entity->rule_count; i++) {
		const struct rule *rule = &bound->entity->rules[i];

		if (!warns_after(rule))
			continue;
		text_appendf(&asked, ",\n         w.b%zu", i + 1);
		text_appendf(&rules, "%s('%s', c.b%zu)", rules.length > 0 ? ", " : "", rule->name,
			     i + 1);
		text_appendf(&names, "%s('%s')", names.length > 0 ? ", " : "", rule->name);
	}
	if (rules.length == 0)
		return;
	append_written(&written, bound, warns_after);
	text_fill(text, sql_apply_rule_fill_warn,
		  (const struct text_hole[]){ { "filled", filled },
					      { "id_map", bound->id_map },
					      { "m_is_f", m_is_f },
					      { "asked", text_string(&asked) },
					      { "written", text_string(&written) },
					      { "rules", text_string(&rules) },
					      { "names", text_string(&names) },
					      { "entity", bound->entity->name },
					      { NULL, NULL } });
}

void rule_sql_append_fill_end(struct text *text, const struct bound_entity *bound, bool isolate)
{
	_cleanup_free_ char *filled = filled_table(bound);
	_cleanup_free_ char *refusal = isolate ? NULL
					       : fill_assertion(bound, rejects_after, "TRUE");

	if (!asks_after(bound))
		return;
	text_append(text, ";\n");
	if (refusal != NULL)
		text_appendf(text, "%s;\n", refusal);
	append_fill_warn(text, bound);
	text_fill(text, sql_apply_rule_fill_end,
		  (const struct text_hole[]){ { "filled", filled }, { NULL, NULL } });
}
