/*
 * Fills the template `apply` for one entity; see apply_sql.h. Each small function writes one hole.
 */
#include "apply/apply_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/conflict.h"
#include "apply/faults.h"
#include "apply/holes.h"
#include "apply/kin_sql.h"
#include "apply/letter_row.h"
#include "apply/logged.h"
#include "apply/parts.h"
#include "apply/reuse_sql.h"
#include "common/text.h"
#include "sql_apply.h"

/* --- resolving --------------------------------------------------------------------------------- */

static void append_reference_join(struct text *text, const struct binding *binding,
				  const struct written_column *written, size_t alternative)
{
	const struct reference *reference = &written->column->references[alternative];
	const struct bound_entity *parent = binding_find(binding, reference->entity_name);
	_cleanup_free_ char *alias = text_format("r%zu_%zu", written->number, alternative + 1);
	char present[64];

	text_appendf(text, "    LEFT JOIN %s AS %s\n      ON ", parent->id_map, alias);
	for (size_t i = 0; i < written->column->from.count; i++)
		text_appendf(text, "%s%s.k%zu = %s", i > 0 ? " AND " : "", alias, i + 1,
			     parts_parent_key(written, alternative, i));
	if (parts_has_alternatives(written))
		text_appendf(text, " AND s.w%zu = %zu", written->number, alternative + 1);
	text_appendf(text, "%s\n", parts_parent_present(parent, alias, present));
}

static bool adopts(const struct bound_entity *bound)
{
	return bound->legacy_unique && entity_mints_key(bound->entity);
}

char *apply_sql_references(const struct binding *binding, const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	text_append(&text, "");
	for (size_t i = 0; i < bound->written_count; i++)
		for (size_t j = 0; parts_is_reference(&bound->written[i]) &&
				   j < bound->written[i].column->reference_count;
		     j++)
			append_reference_join(&text, binding, &bound->written[i], j);
	return text_steal(&text);
}

static char *joins(const struct binding *binding, const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *references = apply_sql_references(binding, bound);

	text_append(&text, references);
	if (!adopts(bound))
		return text_steal(&text);
	/* A CASE, so that of a row that is mapped no index is asked. */
	text_appendf(&text, "    LEFT JOIN %s AS a\n      ON ", bound->target_relation);
	for (size_t i = 0, n = 0; i < bound->written_count; i++)
		if (bound->written[i].column == NULL)
			text_appendf(&text, "%sa.%s = CASE WHEN m.t1 IS NULL THEN %s END",
				     n++ > 0 ? " AND " : "", bound->written[i].quoted,
				     bound->written[i].expression);
	text_append(&text, "\n");
	return text_steal(&text);
}

static const struct written_column *written_by_name(const struct bound_entity *bound,
						    const char *name)
{
	for (size_t i = 0; i < bound->written_count; i++)
		if (strcmp(bound->written[i].name, name) == 0)
			return &bound->written[i];
	return NULL;
}

/* Where the row stands in the target today, part `i` of its key; NULL when it is not there. */
static char *located(const struct bound_entity *bound, size_t i)
{
	if (!entity_mints_key(bound->entity))
		return text_format(
			"coalesce(m.t%zu, %s)", i + 1,
			written_by_name(bound, bound->entity->target_key.names[i])->expression);
	if (adopts(bound))
		return text_format("coalesce(m.t%zu, a.%s)", i + 1, bound->target_key_quoted[i]);
	return text_format("m.t%zu", i + 1);
}

static char *located_condition(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		_cleanup_free_ char *place = located(bound, i);

		text_separate(&text, " AND ");
		text_appendf(&text, "t.%s = %s", bound->target_key_quoted[i], place);
	}
	return text_steal(&text);
}

static char *old_keys(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		_cleanup_free_ char *place = located(bound, i);

		text_separate(&text, ",\n         ");
		text_appendf(&text, "%s AS o%zu", place, i + 1);
	}
	return text_steal(&text);
}

static char *new_keys(const struct bound_entity *bound)
{
	if (entity_mints_key(bound->entity)) {
		_cleanup_free_ char *place = located(bound, 0);

		return text_format("coalesce(%s, %s) AS t1", place, bound->mint);
	}
	return apply_sql_natural_keys(bound);
}

char *apply_sql_natural_keys(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		text_separate(&text, ",\n         ");
		text_appendf(&text, "%s AS t%zu",
			     written_by_name(bound, bound->entity->target_key.names[i])->expression,
			     i + 1);
	}
	return text_steal(&text);
}

static char *value_list(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++) {
		text_separate(&text, ",\n         ");
		text_appendf(&text, "%s AS %c%zu", bound->written[i].expression,
			     bound->written[i].kin ? 'e' : 'v', bound->written[i].number);
	}
	return text_steal(&text);
}

static char *parent_name(const struct written_column *written)
{
	struct text text = TEXT_INIT;

	if (!parts_has_alternatives(written))
		return text_format("'%s'", written->column->references[0].entity_name);
	text_appendf(&text, "CASE s.w%zu", written->number);
	for (size_t i = 0; i < written->column->reference_count; i++)
		text_appendf(&text, " WHEN %zu THEN '%s'", i + 1,
			     written->column->references[i].entity_name);
	text_append(&text, " END");
	return text_steal(&text);
}

/* pN: the key of the parent that is missing (NULL: none is); qN: its entity. What kin.sql has yet to settle is gN. */
static char *missing_list(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];

		if (!parts_is_reference(written))
			continue;
		_cleanup_free_ char *condition = parts_missing(written);
		_cleanup_free_ char *name = parent_name(written);

		text_appendf(&text, "CASE WHEN %s THEN ARRAY[", condition);
		for (size_t j = 0; j < written->column->from.count; j++)
			text_appendf(&text, "%s%s", j > 0 ? ", " : "", written->parent_texts[j]);
		text_appendf(&text, "] END AS %c%zu,\n         %s AS q%zu,\n         ",
			     written->kin ? 'g' : 'p', written->number, name, written->number);
		if (written->kin) {
			_cleanup_free_ char *links = kin_sql_links(bound, written);

			text_append(&text, links);
		}
	}
	return text_steal(&text);
}

/* --- what waits -------------------------------------------------------------------------------- */

typedef bool written_test(const struct written_column *written);

static void append_waiting(struct text *text, const struct written_column *written,
			   const char *condition)
{
	_cleanup_free_ char *column = pg_quote_literal(written->name);

	text_separate(text, " UNION ALL ");
	text_appendf(text, "SELECT %s, r.q%zu, r.p%zu WHERE r.p%zu IS NOT NULL", column,
		     written->number, written->number, written->number);
	if (written->kin)
		text_appendf(text, "%s r.z%zu", condition, written->number);
}

/* SELECT column, parent entity, parent key for each reference of this sort that is missing. Those that are missing because of others
   come last. */
static char *waiting_rows(const struct bound_entity *bound, written_test *is_of_this_sort,
			  bool first_only)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++)
		if (is_of_this_sort(&bound->written[i]))
			append_waiting(&text, &bound->written[i], " AND NOT");
	for (size_t i = 0; i < bound->written_count; i++)
		if (is_of_this_sort(&bound->written[i]) && bound->written[i].kin)
			append_waiting(&text, &bound->written[i], " AND");
	if (text.length == 0)
		text_append(&text, "SELECT NULL::text, NULL::text, NULL::text[]");
	else if (first_only)
		text_append(&text, " LIMIT 1");
	return text_steal(&text);
}

/* "(r.p1 IS NOT NULL OR r.p4 IS NOT NULL)", FALSE when there are no such references. */
static char *any_missing(const struct bound_entity *bound, written_test *is_of_this_sort)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++)
		if (is_of_this_sort(&bound->written[i])) {
			text_separate(&text, " OR ");
			text_appendf(&text, "r.p%zu IS NOT NULL", bound->written[i].number);
		}
	return text.length > 0 ? text_format("(%s)", text_string(&text)) : text_copy("FALSE");
}

/* --- writing ----------------------------------------------------------------------------------- */

struct column_lists {
	struct text columns;	 /* to be inserted */
	struct text values;	 /* of these */
	struct text assignments; /* to be updated */
	struct text old_values;
	struct text new_values; /* as expressions, since they are compared where they are made */
};

/* A value as it will stand in the table: what is too long for varchar(n) by blanks alone is cut, as an assignment does. */
static char *as_stored(const struct written_column *written, const char *value)
{
	if (written->length < 0)
		return text_copy(value);
	return text_format("pg_catalog.\"varchar\"(%s, %d, false)", value, written->length);
}

static const char *as_comparable(const struct written_column *written)
{
	return written->no_equality ? "::text COLLATE \"C\"" : "";
}

static void append_comparable(struct column_lists *lists, const struct written_column *written)
{
	const char *as_text = as_comparable(written);
	_cleanup_free_ char *value = as_stored(written, written->expression);

	text_separate(&lists->old_values, ", ");
	text_appendf(&lists->old_values, "t.%s%s", written->quoted, as_text);
	text_separate(&lists->new_values, ", ");
	text_appendf(&lists->new_values, "%s%s", value, as_text);
}

static char *column_differs(const struct written_column *written, const char *value)
{
	const char *as_text = as_comparable(written);

	return text_format("t.%s%s IS DISTINCT FROM %s%s", written->quoted, as_text, value,
			   as_text);
}

char *apply_sql_column_differs(const struct written_column *written)
{
	_cleanup_free_ char *value = as_stored(written, written->expression);

	return column_differs(written, value);
}

static char *differs(const struct bound_entity *bound, const struct column_lists *lists)
{
	return text_format("CASE WHEN t.%s IS NULL THEN TRUE ELSE (%s) IS DISTINCT FROM (%s) END",
			   bound->target_key_quoted[0], text_string(&lists->old_values),
			   text_string(&lists->new_values));
}

static void collect_columns(struct column_lists *lists, const struct bound_entity *bound)
{
	if (entity_mints_key(bound->entity)) {
		text_append(&lists->columns, bound->target_key_quoted[0]);
		text_append(&lists->values, "r.t1");
	}
	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		char value[32];

		snprintf(value, sizeof(value), "v%zu", written->number);
		text_separate(&lists->columns, ", ");
		text_append(&lists->columns, written->quoted);
		text_separate(&lists->values, ", ");
		text_appendf(&lists->values, "r.%s", value);
		text_separate(&lists->assignments, ",\n         ");
		text_appendf(&lists->assignments, "%s = r.%s", written->quoted, value);
		append_comparable(lists, written);
	}
}

static void column_lists_done(struct column_lists *lists)
{
	text_done(&lists->columns);
	text_done(&lists->values);
	text_done(&lists->assignments);
	text_done(&lists->old_values);
	text_done(&lists->new_values);
}

/* A natural key moves with the columns it is made of; a minted one never does. */
static char *remap(const struct bound_entity *bound, const char *writes)
{
	struct text text = TEXT_INIT;

	for (size_t i = 1; !entity_mints_key(bound->entity) && i <= bound->entity->target_key.count;
	     i++)
		text_appendf(&text, ",\n         t%zu = CASE WHEN %s THEN r.t%zu ELSE m.t%zu END",
			     i, writes, i, i);
	/* A row that is set aside is not yet what the id map says of its key. */
	if (parts_has_identity(bound))
		text_appendf(&text, ",\n         i1 = CASE WHEN %s THEN r.i1 ELSE m.i1 END",
			     writes);
	return text_steal(&text);
}

/* --- the statement ------------------------------------------------------------------------------- */

static void add_names(struct holes *holes, const struct bound_entity *bound,
		      const struct batch_place *place)
{
	holes_add(holes, "entity", bound->entity->name);
	holes_add(holes, "stage", bound->stage);
	holes_add(holes, "id_map", bound->id_map);
	holes_add(holes, "target", bound->target_relation);
	holes_add(holes, "session", place->session);
	holes_give(holes, "session_number", text_format("%d", place->session_number));
	holes_give(holes, "batch", text_format("%d", place->batch));
}

static char *old_key_list(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 1; i <= bound->entity->target_key.count; i++) {
		text_separate(&text, ", ");
		text_appendf(&text, "r.o%zu", i);
	}
	return text_steal(&text);
}

static void add_keys(struct holes *holes, const struct bound_entity *bound)
{
	size_t keys = bound->entity->source_key.count;

	holes_give(holes, "stage_keys", bound_key_list(bound, "s.k%zu", ", "));
	holes_give(holes, "k_names", bound_key_list(bound, "k%zu", ", "));
	holes_give(holes, "r_k", bound_key_list(bound, "r.k%zu", ", "));
	holes_give(holes, "t_names", parts_target_keys(bound, ""));
	holes_give(holes, "r_t", parts_target_keys(bound, "r."));
	holes_give(holes, "w_t", parts_target_keys(bound, "w."));
	holes_give(holes, "m_t", parts_target_keys(bound, "m."));
	holes_give(holes, "m_is_s", parts_equal_keys(keys, "m.k", "s.k"));
	holes_give(holes, "m_is_r", parts_equal_keys(keys, "m.k", "r.k"));
	holes_give(holes, "legacy_key", parts_legacy_key(bound, "r"));
	holes_add(holes, "any_target_key", bound->target_key_quoted[0]);
	holes_give(holes, "old_keys", old_keys(bound));
	holes_give(holes, "new_keys", new_keys(bound));
	holes_give(holes, "t_is_located", located_condition(bound));
	holes_give(holes, "t_is_old", parts_target_is(bound, "r.o"));
	holes_give(holes, "t_keys", parts_written_keys(bound));
	holes_give(holes, "r_o", old_key_list(bound));
	holes_give(holes, "w_is_r",
		   parts_equal_keys(bound->entity->target_key.count, "w.t", "r.t"));
	holes_give(holes, "u_is_r",
		   parts_equal_keys(bound->entity->target_key.count, "u.o", "r.o"));
	holes_give(holes, "target_literal", pg_quote_literal(bound->target_relation));
}

static void add_identity(struct holes *holes, const struct bound_entity *bound)
{
	bool has = parts_has_identity(bound);

	holes_add(holes, "i1", has ? ", i1" : "");
	holes_add(holes, "s_i1", has ? "\n         s.i1," : "");
	holes_add(holes, "r_i1", has ? ", r.i1" : "");
	holes_add(holes, "m_i1", has ? ", m.i1" : "");
}

static void add_values(struct holes *holes, const struct binding *binding,
		       const struct bound_entity *bound)
{
	struct column_lists lists = { 0 };

	collect_columns(&lists, bound);
	holes_give(holes, "joins", joins(binding, bound));
	holes_give(holes, "values", value_list(bound));
	holes_give(holes, "columns", text_steal(&lists.columns));
	holes_add(holes, "overriding", bound->overrides ? "\n  OVERRIDING SYSTEM VALUE" : "");
	holes_give(holes, "column_values", text_steal(&lists.values));
	holes_give(holes, "assignments", text_steal(&lists.assignments));
	holes_give(holes, "differs", differs(bound, &lists));
	column_lists_done(&lists);
}

char *apply_sql_differs(const struct bound_entity *bound)
{
	struct column_lists lists = { 0 };
	char *condition;

	collect_columns(&lists, bound);
	condition = differs(bound, &lists);
	column_lists_done(&lists);
	return condition;
}

/* w2 of the id map, where it is kept. */
static void add_dealt(struct holes *holes, const struct bound_entity *bound, const char *ok)
{
	_cleanup_free_ char *dealt = conflict_dealt(bound, ok);
	bool kept = dealt != NULL;

	holes_add(holes, "dealt_column", kept ? ", w2" : "");
	holes_add(holes, "dealt_value", kept ? ", r.h1" : "");
	holes_add(holes, "m_dealt", kept ? "m.w2, " : "");
	holes_give(holes, "r_dealt", kept ? text_format("%s, ", dealt) : text_copy(""));
	holes_give(holes, "dealt",
		   kept ? text_format(",\n         w2 = %s", dealt) : text_copy(""));
}

/* Which rows stand in the target as we wrote them, and what is done about the others. */
static void add_conflicts(struct holes *holes, const struct bound_entity *bound, const char *ok)
{
	char *writes = conflict_writes(bound, ok);

	holes_give(holes, "writes", writes);
	holes_give(holes, "overwrites", text_format("%s AND r.present AND r.differs", writes));
	holes_give(holes, "remap", remap(bound, writes));
	holes_give(holes, "written_hash", text_copy(bound->written_hash));
	holes_give(holes, "standing", conflict_standing(bound));
	holes_give(holes, "more", conflict_more(bound));
	holes_give(holes, "judged", conflict_judged(bound));
	holes_give(holes, "verdict", conflict_verdict(bound));
	holes_give(
		holes, "known",
		text_format(
			"coalesce(w.w1, CASE WHEN %s AND NOT r.differs THEN r.standing ELSE m.w1 END)",
			ok));
	add_dealt(holes, bound, ok);
	holes_give(holes, "differing", conflict_columns(bound));
	holes_give(holes, "before", conflict_before(bound));
	holes_add(holes, "policy", on_conflict_names[bound->entity->conflict.policy]);
	holes_add(holes, "conflict_again", sql_apply_conflict_again);
}

static void add_log(struct holes *holes, const struct logged *logged)
{
	holes_give(holes, "inserts_returned", logged_returned(logged, LOGGED_INSERTED, NULL));
	holes_give(holes, "updates_returned",
		   logged_returned(logged, LOGGED_UPDATED_RESOLVED, "r"));
	holes_give(holes, "passed", logged_resolved(logged));
	holes_give(holes, "inserts_logged",
		   logged_ctes(logged, LOGGED_INSERTED, "placed", "inserted"));
	holes_give(holes, "updates_logged",
		   logged_ctes(logged, LOGGED_UPDATED_RESOLVED, "updated", "updated"));
}

/* Which rows are written as they are, and what becomes of the others: fault, parent that is waited for, column that is. */
static void add_asides(struct holes *holes, const struct bound_entity *bound)
{
	_cleanup_faults_ struct faults faults = { 0 };
	_cleanup_free_ char *parking = any_missing(bound, parts_is_parking);
	_cleanup_free_ char *deferrable = any_missing(bound, parts_is_deferrable);
	/* A CASE, which the planner takes for half of the rows. As conditions they were nearly none to it, and what is joined to
	   these rows was compared with each of them. */
	char *ok = text_format("CASE WHEN r.fault IS NULL AND NOT %s THEN TRUE ELSE FALSE END",
			       parking);

	holes_give(holes, "ok", ok);
	add_conflicts(holes, bound, ok);
	holes_give(holes, "missing", missing_list(bound));
	holes_add(holes, "resolved", bound->kin ? "RECURSIVE examined" : conflict_resolving(bound));
	holes_give(holes, "kin", kin_sql(bound, conflict_resolving(bound)));
	holes_give(holes, "waiting", text_format("r.fault IS NULL AND %s", parking));
	holes_give(holes, "waits", waiting_rows(bound, parts_is_parking, true));
	holes_give(holes, "deferring", conflict_defers(bound, ok, deferrable));
	holes_give(holes, "deferrals", waiting_rows(bound, parts_is_deferrable, false));
	faults_collect(&faults, bound);
	holes_give(holes, "fault", text_steal(&faults.which));
	holes_give(holes, "faults", text_steal(&faults.rows));
	holes_give(holes, "row", letter_row(bound));
	holes_add(holes, "letter_again", sql_apply_letter_again);
	holes_add(holes, "parked_again", sql_apply_parked_again);
}

void apply_sql_holes(struct holes *holes, const struct binding *binding,
		     const struct bound_entity *bound, const struct batch_place *place,
		     bool isolate)
{
	struct text resolve = TEXT_INIT;
	struct text asides = TEXT_INIT;

	add_names(holes, bound, place);
	add_keys(holes, bound);
	add_identity(holes, bound);
	add_values(holes, binding, bound);
	add_asides(holes, bound);
	add_log(holes, &(struct logged){ .binding = binding, .bound = bound, .place = place });
	holes_add(holes, "rows", isolate ? "s.ctid = ANY ($1)" : "TRUE");
	text_fill(&resolve, sql_apply_resolve, holes->list);
	holes_give(holes, "resolve", text_steal(&resolve));
	text_fill(&asides, sql_apply_asides, holes->list);
	holes_give(holes, "asides", text_steal(&asides));
}

char *apply_sql(const struct binding *binding, const struct bound_entity *bound,
		const struct batch_place *place, bool isolate)
{
	struct text text = TEXT_INIT;
	struct holes holes = { 0 };

	apply_sql_holes(&holes, binding, bound, place, isolate);
	reuse_sql_append_before(&text, binding, bound, place, isolate);
	text_fill(&text, sql_apply_apply, holes.list);
	reuse_sql_append_after(&text, binding, bound, place, isolate);
	holes_done(&holes);
	return text_steal(&text);
}

char *apply_sql_would(const struct binding *binding, const struct bound_entity *bound,
		      const struct batch_place *place)
{
	struct text text = TEXT_INIT;
	struct text old = TEXT_INIT;
	struct text columns = TEXT_INIT;
	struct holes holes = { 0 };

	apply_sql_holes(&holes, binding, bound, place, true);
	for (size_t i = 1; i <= bound->entity->target_key.count; i++)
		text_appendf(&old, "%sr.o%zu AS \"migrated:o%zu\"", i > 1 ? ", " : "", i, i);
	for (size_t i = 0; i < bound->written_count; i++)
		text_appendf(&columns, "%sr.v%zu AS %s", i > 0 ? ",\n         " : "",
			     bound->written[i].number, bound->written[i].quoted);
	text_fill(&text, sql_apply_would,
		  (const struct text_hole[]){ { "old", text_string(&old) },
					      { "columns", text_string(&columns) },
					      { "resolve", holes_value(&holes, "resolve") },
					      { "kin", holes_value(&holes, "kin") },
					      { "judged", holes_value(&holes, "judged") },
					      { "writes", holes_value(&holes, "writes") },
					      { NULL, NULL } });
	text_done(&old);
	text_done(&columns);
	holes_done(&holes);
	return text_steal(&text);
}

static char *row_columns(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		_cleanup_free_ char *name = pg_quote_literal(written->name);
		_cleanup_free_ char *resolved = text_format("r.v%zu", written->number);
		_cleanup_free_ char *value = as_stored(written, resolved);
		_cleanup_free_ char *differs = column_differs(written, value);

		text_separate(&text, ",\n       ");
		text_appendf(&text, "(%s::text, %s, %s::text, t.%s::text)", name, differs, value,
			     written->quoted);
	}
	return text_steal(&text);
}

char *apply_sql_row(const struct binding *binding, const struct bound_entity *bound, bool values)
{
	const struct batch_place nowhere = { .session = "" };
	struct text text = TEXT_INIT;
	_cleanup_free_ char *columns = row_columns(bound);
	struct holes holes = { 0 };

	apply_sql_holes(&holes, binding, bound, &nowhere, false);
	text_fill(&text, sql_apply_row,
		  (const struct text_hole[]){ { "resolve", holes_value(&holes, "resolve") },
					      { "kin", holes_value(&holes, "kin") },
					      { "judged", holes_value(&holes, "judged") },
					      { "target", bound->target_relation },
					      { "t_is_old", holes_value(&holes, "t_is_old") },
					      { "columns", columns },
					      { "value", values ? "c.value" : "NULL" },
					      { "stands", values ? "c.stands" : "NULL" },
					      { NULL, NULL } });
	holes_done(&holes);
	return text_steal(&text);
}
