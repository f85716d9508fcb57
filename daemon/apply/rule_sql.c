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

static char *carried(const struct bound_entity *bound, const struct batch_place *place)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *legacy_key = parts_legacy_key(bound, "s");

	text_fill(&text, sql_apply_rule_carried,
		  (const struct text_hole[]){ { "entity", bound->entity->name },
					      { "legacy_key", legacy_key },
					      { "session", place->session },
					      { "batch", batch },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- rules that reject ------------------------------------------------------------------------- */

static char *assertion(const struct bound_entity *bound, const struct batch_place *place,
		       rule_test *is_of_this_sort, const char *rows)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text written = TEXT_INIT;
	_cleanup_text_ struct text rules = TEXT_INIT;
	_cleanup_free_ char *is_carried = carried(bound, place);
	_cleanup_free_ char *m_is_s = parts_equal_keys(bound->entity->source_key.count, "m.k",
						       "s.k");

	for (size_t i = 0; i < bound->entity->rule_count; i++) {
		const struct rule *rule = &bound->entity->rules[i];

		if (!is_of_this_sort(rule))
			continue;
		text_separate(&rules, ", ");
		text_appendf(&rules, "(%zu, '%s', %s, w.b%zu)", i + 1, rule->name,
			     rule->action == RULE_REJECT ? "TRUE" : "FALSE", i + 1);
	}
	if (rules.length == 0)
		return NULL;
	append_written(&written, bound, is_of_this_sort);
	text_fill(&text, sql_apply_rule_assert,
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
	_cleanup_free_ char *statement = assertion(bound, place, rejects_after, "TRUE");

	if (statement != NULL)
		text_appendf(text, "%s;\n", statement);
}

char *rule_sql_assertion(const struct bound_entity *bound, const struct batch_place *place)
{
	return assertion(bound, place, is_asked_after, "s.ctid = ANY ($1)");
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
