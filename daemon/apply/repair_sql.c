/*
 * Fills the templates of repair.sql; see repair_sql.h.
 */
#include "apply/repair_sql.h"

#include <stdlib.h>

#include "apply/compare_sql.h"
#include "apply/holes.h"
#include "apply/parts.h"
#include "common/text.h"
#include "sql_apply.h"

static void append_filled(struct text *text, const char *template, const struct holes *holes)
{
	text_fill(text, template, holes->list);
}

/* "m.t1 = t.id" without the alias on its left, as an assignment has it. */
static char *assignments(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&text, "%st%zu = t.%s", i > 0 ? ",\n       " : "", i + 1,
			     bound->target_key_quoted[i]);
	return text_steal(&text);
}

static char *target_keys(const struct bound_entity *bound, const char *cast)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&text, "%st.%s%s", i > 0 ? ", " : "", bound->target_key_quoted[i],
			     cast);
	return text_steal(&text);
}

/* "t.legacy_id::bigint = d.legacy_key[1]::bigint" */
static char *carries_key(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->legacy_key.count; i++) {
		_cleanup_free_ char *name = pg_quote_identifier(bound->entity->legacy_key.names[i]);

		text_separate(&text, " AND ");
		text_appendf(&text, "t.%s::%s = d.legacy_key[%zu]::%s", name, bound->key_types[i],
			     i + 1, bound->key_types[i]);
	}
	return text_steal(&text);
}

static char *keys_from_text(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++)
		text_appendf(&text, "%sd.legacy_key[%zu]::%s", i > 0 ? ", " : "", i + 1,
			     bound->key_types[i]);
	return text_steal(&text);
}

static char *target_row_is(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++)
		text_appendf(&text, "%st.%s = d.target_key[%zu]::%s", i > 0 ? " AND " : "",
			     bound->target_key_quoted[i], i + 1, bound->target_key_types[i]);
	return text_steal(&text);
}

static void add_entity(struct holes *holes, const struct bound_entity *bound,
		       const char *validation)
{
	holes_add(holes, "validation", validation);
	holes_give(holes, "entity", pg_quote_literal(bound->entity->name));
	holes_add(holes, "id_map", bound->id_map);
	holes_add(holes, "target", bound->target_relation);
	holes_add(holes, "stage", bound->stage);
}

static void append_entity(struct text *text, const struct bound_entity *bound,
			  const char *validation)
{
	struct holes holes = { 0 };

	add_entity(&holes, bound, validation);
	holes_give(&holes, "m_is_d", parts_keys_from_text(bound, "m", "d.legacy_key"));
	holes_give(&holes, "m_t", parts_target_keys(bound, "m."));
	holes_give(&holes, "m_t_is_t", assignments(bound));
	holes_give(&holes, "t_keys", target_keys(bound, ""));
	holes_give(&holes, "t_carries_d", carries_key(bound));
	holes_give(&holes, "t_is_d", target_row_is(bound));
	holes_give(&holes, "k_names", bound_key_list(bound, "k%zu", ", "));
	holes_give(&holes, "t_names", parts_target_keys(bound, ""));
	holes_give(&holes, "d_keys", keys_from_text(bound));
	if (bound->legacy_unique && entity_mints_key(bound->entity))
		append_filled(text, sql_apply_repair_lead, &holes);
	if (compare_sql_has_gone(bound))
		append_filled(text, sql_apply_repair_extra, &holes);
	if (compare_sql_has_gone(bound) && compare_sql_has_carried(bound))
		append_filled(text, sql_apply_repair_map, &holes);
	holes_done(&holes);
}

char *repair_sql_ask(const struct binding *binding, const char *validation)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < binding->set->count; i++)
		if (binding->entities[i].usable)
			append_entity(&text, &binding->entities[i], validation);
	text_fill(&text, sql_apply_repair_again,
		  (const struct text_hole[]){ { "validation", validation }, { NULL, NULL } });
	return text_steal(&text);
}

char *repair_sql_left(const char *validation)
{
	struct text text = TEXT_INIT;

	text_fill(&text, sql_apply_repair_left,
		  (const struct text_hole[]){ { "validation", validation }, { NULL, NULL } });
	return text_steal(&text);
}

char *repair_sql_keys(const struct bound_entity *bound, const char *validation)
{
	struct text text = TEXT_INIT;
	struct text arrays = TEXT_INIT;
	struct holes holes = { 0 };

	for (size_t i = 1; i <= bound->entity->source_key.count; i++)
		text_appendf(&arrays, "%spg_catalog.array_agg(d.legacy_key[%zu])",
			     i > 1 ? ", " : "", i);
	add_entity(&holes, bound, validation);
	holes_give(&holes, "key_arrays", text_steal(&arrays));
	append_filled(&text, sql_apply_repair_keys, &holes);
	holes_done(&holes);
	return text_steal(&text);
}

char *repair_sql_look(const struct binding *binding, const struct bound_entity *bound,
		      const char *validation)
{
	struct text text = TEXT_INIT;
	struct holes holes = { 0 };
	_cleanup_free_ char *keys = target_keys(bound, "::text");

	add_entity(&holes, bound, validation);
	holes_give(&holes, "found", compare_sql_found(binding, bound, false));
	holes_give(&holes, "c_legacy_key", parts_legacy_key(bound, "c"));
	holes_give(&holes, "s_legacy_key", parts_legacy_key(bound, "s"));
	holes_give(&holes, "t_target_key", text_format("ARRAY[%s]", keys));
	holes_give(&holes, "marked", compare_sql_marked(bound));
	append_filled(&text, sql_apply_repair_look, &holes);
	holes_done(&holes);
	return text_steal(&text);
}
