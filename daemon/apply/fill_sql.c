/*
 * Fills the templates of fill.sql for one reference of an entity; see fill_sql.h.
 */
#include "apply/fill_sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "apply/conflict.h"
#include "apply/holes.h"
#include "apply/logged.h"
#include "apply/parts.h"
#include "apply/rule_sql.h"
#include "common/text.h"
#include "sql_apply.h"

static void add_row(struct holes *holes, const struct bound_entity *bound,
		    const struct written_column *written)
{
	holes_add(holes, "entity", bound->entity->name);
	holes_add(holes, "id_map", bound->id_map);
	holes_add(holes, "target", bound->target_relation);
	holes_add(holes, "column", written->quoted);
	holes_give(holes, "column_name", pg_quote_literal(written->name));
	holes_give(holes, "m_t", parts_target_keys(bound, "m."));
	holes_give(holes, "r_t", parts_target_keys(bound, "r."));
	holes_give(holes, "t_is_r", parts_target_is(bound, "r.t"));
	holes_give(holes, "m_k", bound_key_list(bound, "m.k%zu", ", "));
	holes_give(holes, "r_k", bound_key_list(bound, "r.k%zu", ", "));
	holes_give(holes, "m_is_l", parts_keys_from_text(bound, "m", "l.legacy_key"));
	holes_give(holes, "m_is_r", parts_keys_from_text(bound, "m", "r.legacy_key"));
	holes_give(holes, "m_is_filled",
		   parts_equal_keys(bound->entity->source_key.count, "m.k", "r.k"));
	holes_give(holes, "written_hash", text_copy(bound->written_hash));
	holes_give(holes, "fills", conflict_fills(bound, written));
	holes_add(holes, "letter_again", sql_apply_letter_again);
}

static void add_parent(struct holes *holes, const struct bound_entity *parent)
{
	char present[64];

	holes_add(holes, "parent", parent->entity->name);
	holes_add(holes, "parent_map", parent->id_map);
	holes_add(holes, "parent_target", parent->target_relation);
	holes_give(holes, "p_is_l", parts_keys_from_text(parent, "p", "l.parent_key"));
	holes_give(holes, "t_is_p", parts_target_is(parent, "p.t"));
	holes_give(holes, "parent_present", text_copy(parts_parent_present(parent, "p", present)));
}

static void add_log(struct holes *holes, const struct logged *logged)
{
	holes_give(holes, "standing", logged_standing(logged));
	holes_give(holes, "returned", logged_returned(logged, LOGGED_UPDATED_LOCKED, "r"));
	holes_give(holes, "logged", logged_ctes(logged, LOGGED_UPDATED_LOCKED, "filled", "filled"));
}

static void add_rules(struct holes *holes, const struct bound_entity *bound)
{
	_cleanup_free_ char *asked = rule_sql_fill_assertion(bound);
	char *kept = rule_sql_fill_kept(bound);

	holes_add(holes, "keeping", kept[0] != '\0' ? ",\nmigrated_done AS (" : "");
	holes_give(holes, "kept", kept);
	holes_give(holes, "assertion", asked != NULL ? pg_quote_literal(asked) : text_copy("NULL"));
}

/* The statement and what becomes of rows that it fails for, as literals for the function that isolates them. */
static void add_isolated(struct holes *holes)
{
	_cleanup_text_ struct text fill = TEXT_INIT;
	_cleanup_text_ struct text letter = TEXT_INIT;

	text_fill(&fill, sql_apply_fill, holes->list);
	text_fill(&letter, sql_apply_fill_letter, holes->list);
	holes_give(holes, "apply", pg_quote_literal(text_string(&fill)));
	holes_give(holes, "letter", pg_quote_literal(text_string(&letter)));
}

char *fill_sql(const struct binding *binding, const struct bound_entity *bound,
	       const struct written_column *written, size_t alternative,
	       const struct batch_place *place, int64_t limit, bool isolate)
{
	struct text text = TEXT_INIT;
	struct holes holes = { 0 };

	add_row(&holes, bound, written);
	add_parent(&holes,
		   binding_find(binding, written->column->references[alternative].entity_name));
	add_log(&holes, &(struct logged){ .binding = binding, .bound = bound, .place = place });
	add_rules(&holes, bound);
	holes_add(&holes, "rows", isolate ? "l.ctid = ANY ($1)" : "TRUE");
	holes_give(&holes, "limit", text_format("%" PRId64, limit));
	if (isolate)
		add_isolated(&holes);
	text_appendf(&text, "SELECT migrated.hold_epoch(%" PRId64 ");\n", place->epoch);
	rule_sql_append_fill_begin(&text, bound);
	text_fill(&text, isolate ? sql_apply_fill_isolate : sql_apply_fill, holes.list);
	rule_sql_append_fill_end(&text, bound, isolate);
	holes_done(&holes);
	return text_steal(&text);
}

/* --- before rows are deleted ----------------------------------------------------------------------- */

static void append_unlink(struct text *text, const struct binding *binding,
			  const struct bound_entity *bound, const struct batch_place *place,
			  const struct bound_entity *child, const struct written_column *written)
{
	const struct logged logged = { .binding = binding, .bound = child, .place = place };
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *p_is_c = parts_keys_from_text(bound, "p", "c.legacy_key");
	_cleanup_free_ char *s_is_c = parts_keys_from_text(bound, "s", "c.legacy_key");
	_cleanup_free_ char *m_is_d = parts_keys_from_text(child, "m", "d.legacy_key");
	_cleanup_free_ char *m_is_r = parts_keys_from_text(child, "m", "r.legacy_key");
	_cleanup_free_ char *m_k = bound_key_list(child, "m.k%zu", ", ");
	_cleanup_free_ char *r_k = bound_key_list(child, "r.k%zu", ", ");
	_cleanup_free_ char *m_t = parts_target_keys(child, "m.");
	_cleanup_free_ char *r_t = parts_target_keys(child, "r.");
	_cleanup_free_ char *t_is_m = parts_target_is(child, "m.t");
	_cleanup_free_ char *t_is_r = parts_target_is(child, "r.t");
	const char *hash = child->written_hash;
	_cleanup_free_ char *column_name = pg_quote_literal(written->name);
	_cleanup_free_ char *standing = logged_standing(&logged);
	_cleanup_free_ char *returned = logged_returned(&logged, LOGGED_UPDATED_LOCKED, "r");
	_cleanup_free_ char *ctes = logged_ctes(&logged, LOGGED_UPDATED_LOCKED, "let_go",
						"unlinked");

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
					      { "m_k", m_k },
					      { "r_k", r_k },
					      { "m_t", m_t },
					      { "r_t", r_t },
					      { "standing", standing },
					      { "returned", returned },
					      { "logged", ctes },
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
				append_unlink(text, binding, bound, place, child,
					      &child->written[j]);
	}
}
