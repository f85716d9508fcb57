/*
 * Fills the templates of fill.sql for one reference of an entity; see fill_sql.h.
 */
#include "apply/fill_sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "apply/conflict.h"
#include "apply/parts.h"
#include "apply/rule_sql.h"
#include "common/text.h"
#include "sql_apply.h"

char *fill_sql(const struct binding *binding, const struct bound_entity *bound,
	       const struct written_column *written, size_t alternative, int64_t epoch,
	       int64_t limit, bool isolate)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text fill = TEXT_INIT;
	_cleanup_text_ struct text letter = TEXT_INIT;
	const char *parent_entity = written->column->references[alternative].entity_name;
	const struct bound_entity *parent = binding_find(binding, parent_entity);
	_cleanup_free_ char *m_t = parts_target_keys(bound, "m.");
	_cleanup_free_ char *m_is_l = parts_keys_from_text(bound, "m", "l.legacy_key");
	_cleanup_free_ char *m_is_r = parts_keys_from_text(bound, "m", "r.legacy_key");
	_cleanup_free_ char *p_is_l = parts_keys_from_text(parent, "p", "l.parent_key");
	_cleanup_free_ char *t_is_p = parts_target_is(parent, "p.t");
	_cleanup_free_ char *column_name = pg_quote_literal(written->name);
	size_t keys = bound->entity->source_key.count;
	_cleanup_free_ char *m_k = bound_key_list(bound, "m.k%zu", ", ");
	_cleanup_free_ char *r_k = bound_key_list(bound, "r.k%zu", ", ");
	_cleanup_free_ char *r_t = parts_target_keys(bound, "r.");
	_cleanup_free_ char *t_is_r = parts_target_is(bound, "r.t");
	_cleanup_free_ char *m_is_filled = parts_equal_keys(keys, "m.k", "r.k");
	_cleanup_free_ char *hash = bound_written_hash(bound, "t");
	_cleanup_free_ char *fills = conflict_fills(bound, written);
	_cleanup_free_ char *limit_text = text_format("%" PRId64, limit);
	_cleanup_free_ char *apply_literal = NULL;
	_cleanup_free_ char *letter_literal = NULL;
	_cleanup_free_ char *kept = rule_sql_fill_kept(bound);
	_cleanup_free_ char *asked = rule_sql_fill_assertion(bound);
	_cleanup_free_ char *assertion = asked != NULL ? pg_quote_literal(asked)
						       : text_copy("NULL");
	char present[64];
	struct text_hole holes[] = { { "m_t", m_t },
				     { "id_map", bound->id_map },
				     { "m_is_l", m_is_l },
				     { "m_is_r", m_is_r },
				     { "parent_map", parent->id_map },
				     { "p_is_l", p_is_l },
				     { "parent_target", parent->target_relation },
				     { "t_is_p", t_is_p },
				     { "parent_present",
				       parts_parent_present(parent, "p", present) },
				     { "entity", bound->entity->name },
				     { "column_name", column_name },
				     { "parent", parent_entity },
				     { "rows", isolate ? "l.ctid = ANY ($1)" : "TRUE" },
				     { "limit", limit_text },
				     { "target", bound->target_relation },
				     { "column", written->quoted },
				     { "m_k", m_k },
				     { "r_k", r_k },
				     { "r_t", r_t },
				     { "t_is_r", t_is_r },
				     { "m_is_filled", m_is_filled },
				     { "written_hash", hash },
				     { "fills", fills },
				     { "apply", "" },
				     { "letter", "" },
				     { "letter_again", sql_apply_letter_again },
				     { "keeping", kept[0] != '\0' ? ",\nmigrated_done AS (" : "" },
				     { "kept", kept },
				     { "assertion", assertion },
				     { NULL, NULL } };

	text_appendf(&text, "SELECT migrated.hold_epoch(%" PRId64 ");\n", epoch);
	rule_sql_append_fill_begin(&text, bound);
	text_fill(isolate ? &fill : &text, sql_apply_fill, holes);
	if (!isolate) {
		rule_sql_append_fill_end(&text, bound, false);
		return text_steal(&text);
	}
	text_fill(&letter, sql_apply_fill_letter, holes);
	apply_literal = pg_quote_literal(text_string(&fill));
	letter_literal = pg_quote_literal(text_string(&letter));
	for (struct text_hole *hole = holes; hole->name != NULL; hole++)
		if (strcmp(hole->name, "apply") == 0)
			hole->value = apply_literal;
		else if (strcmp(hole->name, "letter") == 0)
			hole->value = letter_literal;
	text_fill(&text, sql_apply_fill_isolate, holes);
	rule_sql_append_fill_end(&text, bound, true);
	return text_steal(&text);
}

/* --- before rows are deleted ----------------------------------------------------------------------- */

static void append_unlink(struct text *text, const struct bound_entity *bound,
			  const struct batch_place *place, const struct bound_entity *child,
			  const struct written_column *written)
{
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *p_is_c = parts_keys_from_text(bound, "p", "c.legacy_key");
	_cleanup_free_ char *s_is_c = parts_keys_from_text(bound, "s", "c.legacy_key");
	_cleanup_free_ char *m_is_d = parts_keys_from_text(child, "m", "d.legacy_key");
	_cleanup_free_ char *m_is_r = parts_keys_from_text(child, "m", "r.legacy_key");
	_cleanup_free_ char *m_t = parts_target_keys(child, "m.");
	_cleanup_free_ char *t_is_m = parts_target_is(child, "m.t");
	_cleanup_free_ char *t_is_r = parts_target_is(child, "r.t");
	_cleanup_free_ char *hash = bound_written_hash(child, "t");
	_cleanup_free_ char *column_name = pg_quote_literal(written->name);

	text_fill(text, sql_apply_unlink,
		  (const struct text_hole[]){ { "id_map", bound->id_map },
					      { "p_is_c", p_is_c },
					      { "s_is_c", s_is_c },
					      { "stage", bound->stage },
					      { "analysis", place->analysis },
					      { "entity", bound->entity->name },
					      { "low", place->low },
					      { "high", place->high },
					      { "child", child->entity->name },
					      { "child_target", child->target_relation },
					      { "child_map", child->id_map },
					      { "m_is_d", m_is_d },
					      { "t_is_m", t_is_m },
					      { "m_is_r", m_is_r },
					      { "m_t", m_t },
					      { "t_is_r", t_is_r },
					      { "written_hash", hash },
					      { "column", written->quoted },
					      { "column_name", column_name },
					      { "session", place->session },
					      { "batch", batch },
					      { NULL, NULL } });
}

static bool refers_to(const struct written_column *written, const struct bound_entity *parent)
{
	for (size_t i = 0; written->deferred && i < written->column->reference_count; i++)
		if (written->column->references[i].entity == parent->entity)
			return true;
	return false;
}

void fill_sql_append_unlink(struct text *text, const struct binding *binding,
			    const struct bound_entity *bound, const struct batch_place *place)
{
	if (bound->entity->on_delete != ON_DELETE_DELETE)
		return;
	for (size_t i = 0; i < binding->set->count; i++) {
		const struct bound_entity *child = &binding->entities[i];

		if (!child->usable || child->entity->on_delete != ON_DELETE_DELETE)
			continue;
		for (size_t j = 0; j < child->written_count; j++)
			if (refers_to(&child->written[j], bound))
				append_unlink(text, bound, place, child, &child->written[j]);
	}
}
