/*
 * Fills the templates of isolate.sql for one entity; see isolate_sql.h.
 */
#include "apply/isolate_sql.h"

#include <stdio.h>
#include <string.h>

#include "apply/apply_sql.h"
#include "apply/letter_row.h"
#include "apply/parts.h"
#include "apply/rule_sql.h"
#include "common/text.h"
#include "sql_apply.h"

/* --- the letter of a row -------------------------------------------------------------------------- */

/* "p.k1 = s.f4_1::integer AND s.w4 = 2": the parent that a staged row names by reference `written`, alternative
   `alternative`. */
static char *parent_is_staged(const struct written_column *written, size_t alternative)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < written->column->from.count; i++) {
		text_separate(&text, " AND ");
		text_appendf(&text, "p.k%zu = %s", i + 1,
			     parts_parent_key(written, alternative, i));
	}
	if (parts_has_alternatives(written))
		text_appendf(&text, " AND s.w%zu = %zu", written->number, alternative + 1);
	return text_steal(&text);
}

static char *parent_key_array(const struct written_column *written)
{
	struct text text = TEXT_INIT;

	text_append(&text, "ARRAY[");
	for (size_t i = 0; i < written->column->from.count; i++)
		text_appendf(&text, "%s%s", i > 0 ? ", " : "", written->parent_texts[i]);
	text_append(&text, "]");
	return text_steal(&text);
}

/* Adds what finds a lost parent, and what has it brought again, for one alternative of a reference. */
static void append_lost(struct text *lost, struct text *again, const struct binding *binding,
			const struct bound_entity *bound, const struct written_column *written,
			size_t alternative)
{
	const char *parent_entity = written->column->references[alternative].entity_name;
	const struct bound_entity *parent = binding_find(binding, parent_entity);
	_cleanup_free_ char *name = text_format("again_%zu_%zu", written->number, alternative + 1);
	_cleanup_free_ char *column_name = pg_quote_literal(written->name);
	_cleanup_free_ char *parent_name = pg_quote_literal(parent_entity);
	_cleanup_free_ char *parent_key = parent_key_array(written);
	_cleanup_free_ char *p_is_s = parent_is_staged(written, alternative);
	_cleanup_free_ char *p_is_l = parts_keys_from_text(parent, "p", "l.parent_key");
	_cleanup_free_ char *t_is_p = parts_target_is(parent, "p.t");
	char present[64];
	_cleanup_free_ char *place = text_format("%zu", written->number);
	const struct text_hole holes[] = { { "name", name },
					   { "place", place },
					   { "column_name", column_name },
					   { "parent_name", parent_name },
					   { "parent_key", parent_key },
					   { "stage", bound->stage },
					   { "parent_map", parent->id_map },
					   { "parent_target", parent->target_relation },
					   { "parent_present",
					     parts_parent_present(parent, "p", present) },
					   { "p_is_s", p_is_s },
					   { "p_is_l", p_is_l },
					   { "t_is_p", t_is_p },
					   { NULL, NULL } };

	text_separate(lost, "  UNION ALL\n");
	text_fill(lost, sql_apply_lost, holes);
	text_fill(again, sql_apply_again, holes);
}

static char *letter_statement(const struct binding *binding, const struct bound_entity *bound,
			      const struct batch_place *place)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text lost = TEXT_INIT;
	_cleanup_text_ struct text again = TEXT_INIT;
	size_t keys = bound->entity->source_key.count;
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *stage_keys = bound_key_list(bound, "s.k%zu", ", ");
	_cleanup_free_ char *m_is_s = parts_equal_keys(keys, "m.k", "s.k");
	_cleanup_free_ char *m_is_r = parts_equal_keys(keys, "m.k", "r.k");
	_cleanup_free_ char *legacy_key = parts_legacy_key(bound, "r");
	_cleanup_free_ char *row = letter_row(bound);

	for (size_t i = 0; i < bound->written_count; i++)
		for (size_t j = 0; parts_is_reference(&bound->written[i]) &&
				   j < bound->written[i].column->reference_count;
		     j++)
			append_lost(&lost, &again, binding, bound, &bound->written[i], j);
	if (lost.length == 0)
		text_append(&lost, "SELECT NULL::tid, 0, NULL::text, NULL::text, NULL::text[] "
				   "WHERE FALSE");
	text_fill(&text, sql_apply_letter,
		  (const struct text_hole[]){ { "stage_keys", stage_keys },
					      { "stage", bound->stage },
					      { "id_map", bound->id_map },
					      { "row", row },
					      { "m_is_s", m_is_s },
					      { "m_is_r", m_is_r },
					      { "lost", text_string(&lost) },
					      { "again", text_string(&again) },
					      { "letter_again", sql_apply_letter_again },
					      { "parked_again", sql_apply_parked_again },
					      { "entity", bound->entity->name },
					      { "legacy_key", legacy_key },
					      { "session", place->session },
					      { "batch", batch },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- what may be wrong ------------------------------------------------------------------------------ */

static bool is_one_of(const char *type, const char *const *types)
{
	for (; *types != NULL; types++)
		if (strcmp(type, *types) == 0)
			return true;
	return false;
}

/* Can no value of the stage's type fail to become one of the target's? Text takes everything, and a type itself. */
static bool always_casts(const char *staged, const char *target)
{
	static const char *const texts[] = { "text", "character varying", NULL };

	return is_one_of(target, texts) || strcmp(staged, target) == 0 ||
	       (strcmp(staged, "timestamptz") == 0 &&
		strcmp(target, "timestamp with time zone") == 0) ||
	       (strcmp(staged, "timestamp") == 0 &&
		strcmp(target, "timestamp without time zone") == 0);
}

/* The type in which the value of a column is staged; NULL when it is not made of one staged value. */
static const char *staged_type(const struct bound_entity *bound,
			       const struct written_column *written)
{
	char name[32];

	snprintf(name, sizeof(name), "c%zu", written->number);
	for (size_t i = 0; i < bound->shipped_count; i++)
		if (strcmp(bound->shipped[i].name, name) == 0)
			return bound->shipped[i].type;
	return NULL;
}

/* ARRAY[ROW('column', 'statement'), …]: a probe for each column whose values may fail to be made. */
char *isolate_sql_probes(const struct bound_entity *bound)
{
	_cleanup_text_ struct text list = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		const char *staged = staged_type(bound, written);
		_cleanup_text_ struct text probe = TEXT_INIT;

		if (staged == NULL || always_casts(staged, written->type))
			continue;
		text_fill(&probe, sql_apply_probe,
			  (const struct text_hole[]){ { "expression", written->expression },
						      { "stage", bound->stage },
						      { NULL, NULL } });
		_cleanup_free_ char *column = pg_quote_literal(written->name);
		_cleanup_free_ char *statement = pg_quote_literal(text_string(&probe));

		text_appendf(&list, "%sROW(%s, %s)", list.length > 0 ? ", " : "", column,
			     statement);
	}
	return text_format("ARRAY[%s]::migrated.probe[]", text_string(&list));
}

/* ARRAY['id', 'name']::text[] */
static char *name_array(const char *const *names, size_t count)
{
	struct text text = TEXT_INIT;

	text_append(&text, "ARRAY[");
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *name = pg_quote_literal(names[i]);

		text_appendf(&text, "%s%s", i > 0 ? ", " : "", name);
	}
	text_append(&text, "]::text[]");
	return text_steal(&text);
}

static char *written_names(const struct bound_entity *bound)
{
	_cleanup_free_ const char **names = memory_new((bound->written_count + 1) * sizeof(*names));

	for (size_t i = 0; i < bound->written_count; i++)
		names[i] = bound->written[i].name;
	return name_array(names, bound->written_count);
}

/* --- the call ------------------------------------------------------------------------------------- */

char *isolate_sql(const struct binding *binding, const struct bound_entity *bound,
		  const struct batch_place *place)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *apply = apply_sql(binding, bound, place, true);
	_cleanup_free_ char *letter = letter_statement(binding, bound, place);
	_cleanup_free_ char *apply_literal = pg_quote_literal(apply);
	_cleanup_free_ char *letter_literal = pg_quote_literal(letter);
	_cleanup_free_ char *assertion = rule_sql_assertion(bound, place);
	_cleanup_free_ char *breakers = rule_sql_breakers(bound, place);
	_cleanup_free_ char *asking = breakers != NULL ? pg_quote_literal(breakers)
						       : text_copy("NULL");
	_cleanup_free_ char *assertion_literal = assertion != NULL ? pg_quote_literal(assertion)
								   : text_copy("NULL");
	_cleanup_free_ char *would = apply_sql_would(binding, bound, place);
	_cleanup_free_ char *would_literal = pg_quote_literal(would);
	_cleanup_free_ char *target = pg_quote_literal(bound->target_relation);
	_cleanup_free_ char *columns = written_names(bound);
	_cleanup_free_ char *keys = name_array((const char *const *)bound->entity->target_key.names,
					       bound->entity->target_key.count);
	_cleanup_free_ char *probe_array = isolate_sql_probes(bound);

	text_fill(&text, sql_apply_isolate,
		  (const struct text_hole[]){
			  { "apply", apply_literal },
			  { "letter", letter_literal },
			  { "stage", bound->stage },
			  { "assertion", assertion_literal },
			  { "asking", asking },
			  { "prepared", parts_has_identity(bound) ? "FALSE" : "TRUE" },
			  { "probes", probe_array },
			  { "would", would_literal },
			  { "target", target },
			  { "columns", columns },
			  { "keys", keys },
			  { NULL, NULL } });
	return text_steal(&text);
}
