/*
 * Fills the templates of delete.sql for one entity; see delete_sql.h.
 */
#include "apply/delete_sql.h"

#include <stdlib.h>

#include "apply/parts.h"
#include "apply/rule_sql.h"
#include "common/text.h"
#include "sql_apply.h"

/* Several source rows may lead to one row of a join table: it stays as long as one of them is there. */
static char *unless_shared(const struct bound_entity *bound)
{
	size_t keys = bound->entity->source_key.count;
	_cleanup_free_ char *o_is_g = parts_equal_keys(bound->entity->target_key.count, "o.t",
						       "g.t");
	_cleanup_free_ char *h_is_o = parts_equal_keys(keys, "h.k", "o.k");

	if (entity_mints_key(bound->entity))
		return text_copy("");
	return text_format(
		"\n     AND NOT EXISTS (SELECT FROM %s AS o\n"
		"                      WHERE %s\n"
		"                        AND o.gone IS NULL\n"
		"                        AND NOT EXISTS (SELECT FROM gone AS h WHERE %s))",
		bound->id_map, o_is_g, h_is_o);
}

/* What becomes of a target row whose source row is gone. */
static char *deletion(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *t_is_g = parts_target_is(bound, "g.t");
	_cleanup_free_ char *unshared = unless_shared(bound);
	_cleanup_free_ char *marks = parts_marks(bound);

	switch (bound->entity->on_delete) {
	case ON_DELETE_IGNORE:
		text_append(&text, "SELECT 1");
		break;
	case ON_DELETE_DELETE:
		text_appendf(&text, "DELETE FROM %s AS t\n   USING gone AS g\n   WHERE %s%s",
			     bound->target_relation, t_is_g, unshared);
		break;
	case ON_DELETE_MARK:
		text_appendf(&text,
			     "UPDATE %s AS t\n     SET %s\n    FROM gone AS g\n   WHERE %s%s",
			     bound->target_relation, marks, t_is_g, unshared);
		break;
	}
	return text_steal(&text);
}

static char *delete_statement(const struct bound_entity *bound, const struct batch_place *place,
			      bool isolate)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *m_k = bound_key_list(bound, "m.k%zu", ", ");
	_cleanup_free_ char *m_t = parts_target_keys(bound, "m.");
	_cleanup_free_ char *m_is_c = parts_keys_from_text(bound, "m", "c.legacy_key");
	_cleanup_free_ char *s_is_c = parts_keys_from_text(bound, "s", "c.legacy_key");
	_cleanup_free_ char *m_is_g = parts_equal_keys(bound->entity->source_key.count, "m.k",
						       "g.k");
	_cleanup_free_ char *write = deletion(bound);

	text_fill(&text, sql_apply_delete,
		  (const struct text_hole[]){ { "m_k", m_k },
					      { "m_t", m_t },
					      { "id_map", bound->id_map },
					      { "m_is_c", m_is_c },
					      { "s_is_c", s_is_c },
					      { "m_is_g", m_is_g },
					      { "stage", bound->stage },
					      { "rows", isolate ? "c.ctid = ANY ($1)" : "TRUE" },
					      { "write", write },
					      { "analysis", place->analysis },
					      { "entity", bound->entity->name },
					      { "low", place->low },
					      { "high", place->high },
					      { "session", place->session },
					      { "batch", batch },
					      { NULL, NULL } });
	return text_steal(&text);
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

char *delete_sql(const struct bound_entity *bound, const struct batch_place *place, bool isolate)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *statement = delete_statement(bound, place, isolate);

	text_append(&text, isolate ? "ROLLBACK TO SAVEPOINT applying;\n" : "SAVEPOINT applying;\n");
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
					      { NULL, NULL } });
	return text_steal(&text);
}
