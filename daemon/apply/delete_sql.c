/*
 * Fills the templates of delete.sql for one entity; see delete_sql.h.
 */
#include "apply/delete_sql.h"

#include <stdlib.h>

#include "apply/conflict.h"
#include "apply/fill_sql.h"
#include "apply/holes.h"
#include "apply/logged.h"
#include "apply/parts.h"
#include "apply/referrers.h"
#include "apply/rule_sql.h"
#include "common/text.h"
#include "sql_apply.h"

/* Several source rows may lead to one row of a join table: it stays as long as one of them is there. */
static bool may_be_shared(const struct bound_entity *bound)
{
	return !entity_mints_key(bound->entity);
}

/* The CTE of those; "" where there are none. */
static char *shared(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *o_t = parts_target_keys(bound, "o.");
	_cleanup_free_ char *g_t = parts_target_keys(bound, "g.");
	_cleanup_free_ char *o_k = bound_key_list(bound, "o.k%zu", ", ");
	_cleanup_free_ char *g_k = bound_key_list(bound, "g.k%zu", ", ");

	if (may_be_shared(bound) && bound->entity->on_delete != ON_DELETE_IGNORE)
		text_fill(&text, sql_apply_shared,
			  (const struct text_hole[]){ { "id_map", bound->id_map },
						      { "o_t", o_t },
						      { "g_t", g_t },
						      { "o_k", o_k },
						      { "g_k", g_k },
						      { NULL, NULL } });
	return text_steal(&text);
}

static char *unless_shared(const struct bound_entity *bound)
{
	_cleanup_free_ char *o_is_g = parts_equal_keys(bound->entity->target_key.count, "o.t",
						       "g.t");

	return may_be_shared(bound)
		       ? text_format("\n     AND NOT EXISTS (SELECT FROM shared AS o WHERE %s)",
				     o_is_g)
		       : text_copy("");
}

static bool writes(const struct bound_entity *bound)
{
	return bound->entity->on_delete != ON_DELETE_IGNORE;
}

/* Was the row of `gone` edited in the target? That it is not there any more is no edit here: both sides agree. */
static char *edited(const struct bound_entity *bound)
{
	_cleanup_free_ char *condition = conflict_is_edited(bound, "g", "g.t");

	if (!writes(bound))
		return text_copy("FALSE");
	return text_format("coalesce(g.present AND %s, FALSE)", condition);
}

/* Is it left alone on that account? */
static char *spared(const struct bound_entity *bound, const char *edited)
{
	return text_copy(bound->entity->conflict.policy == ON_CONFLICT_HOLD ? edited : "FALSE");
}

/* What becomes of a target row whose source row is gone; returns its key, and the hash of what is left of it. */
static char *deletion(const struct logged *logged, enum logged_change change, const char *spares)
{
	struct text text = TEXT_INIT;
	const struct bound_entity *bound = logged->bound;
	_cleanup_free_ char *t_is_g = parts_target_is(bound, "g.t");
	_cleanup_free_ char *unshared = unless_shared(bound);
	_cleanup_free_ char *marks = parts_marks(bound);
	_cleanup_free_ char *legacy = bound_key_list(bound, "g.k%zu", ", ");
	_cleanup_free_ char *key = parts_target_keys(bound, "g.");
	_cleanup_free_ char *returned = logged_returned(logged, change, "g");
	const char *hash = bound->written_hash;

	switch (bound->entity->on_delete) {
	case ON_DELETE_IGNORE:
		text_appendf(&text, "SELECT %s, g.w1 FROM gone AS g WHERE FALSE", key);
		return text_steal(&text);
	case ON_DELETE_DELETE:
		text_appendf(&text, "DELETE FROM %s AS t\n   USING gone AS g\n",
			     bound->target_relation);
		break;
	case ON_DELETE_MARK:
		text_appendf(&text, "UPDATE %s AS t\n     SET %s\n    FROM gone AS g\n",
			     bound->target_relation, marks);
		break;
	}
	text_appendf(&text, "   WHERE %s%s\n     AND NOT (%s)\n  RETURNING %s, %s, %s AS w1%s",
		     t_is_g, unshared, spares, legacy, key,
		     bound->entity->on_delete == ON_DELETE_DELETE ? CONFLICT_NO_ROW : hash,
		     returned);
	return text_steal(&text);
}

#define FAILED ",\n       failed = b.failed + (SELECT pg_catalog.count(*) FROM refused)"

static void add_keys(struct holes *holes, const struct bound_entity *bound)
{
	holes_give(holes, "m_k", bound_key_list(bound, "m.k%zu", ", "));
	holes_give(holes, "m_t", parts_target_keys(bound, "m."));
	holes_give(holes, "m_is_c", parts_keys_from_text(bound, "m", "c.legacy_key"));
	holes_give(holes, "s_is_c", parts_keys_from_text(bound, "s", "c.legacy_key"));
	holes_give(holes, "m_is_g",
		   parts_equal_keys(bound->entity->source_key.count, "m.k", "g.k"));
	holes_give(holes, "t_is_m", parts_target_is(bound, "m.t"));
	holes_give(holes, "k_names", bound_key_list(bound, "k%zu", ", "));
	holes_give(holes, "g_k", bound_key_list(bound, "g.k%zu", ", "));
	holes_give(holes, "no_k", bound_key_list(bound, "NULL AS k%zu", ", "));
	holes_give(holes, "t_names", parts_target_keys(bound, ""));
	holes_give(holes, "g_t", parts_target_keys(bound, "g."));
	holes_give(holes, "w_t", parts_target_keys(bound, "w."));
	holes_add(holes, "any_target_key", bound->target_key_quoted[0]);
}

static void add_place(struct holes *holes, const struct bound_entity *bound,
		      const struct batch_place *place, bool isolate)
{
	holes_add(holes, "id_map", bound->id_map);
	holes_add(holes, "target", bound->target_relation);
	holes_add(holes, "stage", bound->stage);
	holes_add(holes, "rows", isolate ? "c.ctid = ANY ($1)" : "TRUE");
	holes_add(holes, "analysis", place->analysis);
	holes_add(holes, "entity", bound->entity->name);
	holes_add(holes, "low", place->low);
	holes_add(holes, "high", place->high);
	holes_add(holes, "session", place->session);
	holes_give(holes, "batch", text_format("%d", place->batch));
}

/* Which rows are spared because they were edited, and what is recorded of that. */
static void add_conflicts(struct holes *holes, const struct bound_entity *bound,
			  const char *is_edited, const char *is_spared)
{
	bool holds = bound->entity->conflict.policy == ON_CONFLICT_HOLD;

	holes_give(holes, "standing", conflict_standing(bound));
	holes_give(holes, "before", conflict_before(bound));
	holes_add(holes, "no_row", CONFLICT_NO_ROW);
	holes_give(holes, "edited", text_copy(is_edited));
	holes_give(holes, "spared", text_copy(is_spared));
	holes_add(holes, "policy", on_conflict_names[bound->entity->conflict.policy]);
	holes_add(holes, "state", holds ? "held" : "overwritten");
	holes_add(holes, "conflict_again", sql_apply_conflict_again);
}

/* What is written, what is logged of it, and what stands in its way. */
static void add_deletion(struct holes *holes, const struct logged *logged, const char *is_spared)
{
	const struct bound_entity *bound = logged->bound;
	bool deletes = bound->entity->on_delete == ON_DELETE_DELETE;
	enum logged_change change = deletes ? LOGGED_DELETED_RESOLVED : LOGGED_UPDATED_RESOLVED;
	char *held = referrers_held(logged->binding, bound, logged->place, is_spared);

	holes_give(holes, "passed", writes(bound) ? logged_resolved(logged) : text_copy(""));
	holes_give(holes, "write", deletion(logged, change, is_spared));
	holes_give(holes, "logged",
		   writes(bound)
			   ? logged_ctes(logged, change, "written", deletes ? "deleted" : "marked")
			   : text_copy(""));
	holes_add(holes, "found", held[0] != '\0' ? "found" : "gone");
	holes_add(holes, "failed", held[0] != '\0' ? FAILED : "");
	holes_give(holes, "held", held);
	holes_give(holes, "shared", shared(bound));
}

static char *delete_statement(const struct binding *binding, const struct bound_entity *bound,
			      const struct batch_place *place, bool isolate)
{
	struct text text = TEXT_INIT;
	struct holes holes = { 0 };
	const struct logged logged = { .binding = binding, .bound = bound, .place = place };
	_cleanup_free_ char *is_edited = edited(bound);
	_cleanup_free_ char *is_spared = spared(bound, is_edited);

	add_keys(&holes, bound);
	add_place(&holes, bound, place, isolate);
	add_conflicts(&holes, bound, is_edited, is_spared);
	add_deletion(&holes, &logged, is_spared);
	text_fill(&text, sql_apply_delete, holes.list);
	holes_done(&holes);
	return text_steal(&text);
}

static void append_lock(struct text *text, const struct bound_entity *bound,
			const struct batch_place *place)
{
	_cleanup_free_ char *m_is_c = parts_keys_from_text(bound, "m", "c.legacy_key");
	_cleanup_free_ char *t_is_m = parts_target_is(bound, "m.t");

	if (writes(bound))
		text_fill(text, sql_apply_delete_lock,
			  (const struct text_hole[]){ { "id_map", bound->id_map },
						      { "target", bound->target_relation },
						      { "m_is_c", m_is_c },
						      { "t_is_m", t_is_m },
						      { "analysis", place->analysis },
						      { "entity", bound->entity->name },
						      { "low", place->low },
						      { "high", place->high },
						      { NULL, NULL } });
}

static void append_delete_isolated(struct text *text, const struct bound_entity *bound,
				   const struct batch_place *place, const char *statement)
{
	_cleanup_text_ struct text letter = TEXT_INIT;
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *apply_literal = pg_quote_literal(statement);
	_cleanup_free_ char *letter_literal = NULL;

	text_fill(&letter, sql_apply_delete_letter,
		  (const struct text_hole[]){ { "letter_again", sql_apply_letter_again },
					      { "entity", bound->entity->name },
					      { "session", place->session },
					      { "batch", batch },
					      { NULL, NULL } });
	letter_literal = pg_quote_literal(text_string(&letter));
	text_fill(text, sql_apply_delete_isolate,
		  (const struct text_hole[]){ { "apply", apply_literal },
					      { "letter", letter_literal },
					      { "analysis", place->analysis },
					      { "entity", bound->entity->name },
					      { "low", place->low },
					      { "high", place->high },
					      { NULL, NULL } });
}

static void append_settle(struct text *text, const struct bound_entity *bound,
			  const struct batch_place *place)
{
	_cleanup_free_ char *key = parts_legacy_key(bound, "s");

	text_fill(text, sql_apply_delete_settle,
		  (const struct text_hole[]){ { "stage", bound->stage },
					      { "stage_legacy_key", key },
					      { "entity", bound->entity->name },
					      { "analysis", place->analysis },
					      { "low", place->low },
					      { "high", place->high },
					      { NULL, NULL } });
}

char *delete_sql(const struct binding *binding, const struct bound_entity *bound,
		 const struct batch_place *place, bool isolate)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *statement = delete_statement(binding, bound, place, isolate);

	text_append(&text, isolate ? "ROLLBACK TO SAVEPOINT applying;\n" : "SAVEPOINT applying;\n");
	append_lock(&text, bound, place);
	fill_sql_append_unlink(&text, binding, bound, place);
	if (isolate) {
		append_delete_isolated(&text, bound, place, statement);
	} else {
		text_append(&text, statement);
		text_append(&text, ";\n");
	}
	append_settle(&text, bound, place);
	rule_sql_append_gone(&text, bound, place);
	text_fill(&text, sql_apply_finish,
		  (const struct text_hole[]){ { "session", place->session },
					      { "entity", bound->entity->name },
					      { "batch", batch },
					      { "end", place->transaction->end },
					      { NULL, NULL } });
	return text_steal(&text);
}
