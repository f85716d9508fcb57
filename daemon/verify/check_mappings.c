/*
 * The check of mappings: each leads to a row that carries its key, and no two to one; and each row that carries a key is led to. Where the
 * target carries no legacy keys, there is less to hold them against; the comparison of values sees what is left.
 */
#include "common/text.h"
#include "sql_verify.h"
#include "verify/check_run.h"
#include "verify/check_sql.h"

static bool carries(const struct bound_entity *bound)
{
	return bound->entity->legacy_key.count > 0;
}

static bool always(const struct binding *binding, const struct bound_entity *bound)
{
	(void)binding;
	(void)bound;
	return true;
}

/* Several source rows may become one where its key is made of what they say. */
static bool may_not_share(const struct binding *binding, const struct bound_entity *bound)
{
	(void)binding;
	return !carries(bound) && entity_mints_key(bound->entity);
}

/* --- along the id map ----------------------------------------------------------------------------- */

/* What the pieces are where the target carries the key; they are nothing where it does not. */
struct carrying {
	struct text carried; /* columns c1, … of what the row carries */
	struct text differs; /* condition: that is not the mapping's key */
	struct text right;
	struct text decided;
};

static void carrying_done(struct carrying *carrying)
{
	text_done(&carrying->carried);
	text_done(&carrying->differs);
	text_done(&carrying->right);
	text_done(&carrying->decided);
}

static void set_right(struct carrying *carrying, const struct bound_entity *bound)
{
	_cleanup_free_ char *o_is_carried = check_sql_same_keys(bound, "o.k", "s.c");
	_cleanup_free_ char *o_is_there = check_sql_same_targets(bound, "o.t", "s.t");

	text_fill(&carrying->right, sql_verify_check_mappings_right,
		  (const struct text_hole[]){ { "id_map", bound->id_map },
					      { "o_is_carried", o_is_carried },
					      { "o_is_there", o_is_there },
					      { NULL, NULL } });
}

static void set_decided(struct carrying *carrying, const struct bound_entity *bound)
{
	_cleanup_free_ char *name = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *s_key = check_sql_key(bound, "s.k");
	_cleanup_free_ char *columns = check_sql_names(&bound->entity->legacy_key);

	text_fill(&carrying->decided, sql_verify_check_mappings_decided,
		  (const struct text_hole[]){ { "name", name },
					      { "s_key", s_key },
					      { "legacy_columns", columns },
					      { NULL, NULL } });
}

static void set_carrying(struct carrying *carrying, const struct bound_entity *bound)
{
	if (!carries(bound)) {
		text_append(&carrying->differs, "FALSE");
		text_append(&carrying->decided, "FALSE");
		return;
	}
	for (size_t i = 0; i < bound->entity->legacy_key.count; i++) {
		_cleanup_free_ char *part = check_sql_carried_part(bound, "t", i);

		text_appendf(&carrying->carried, ",\n         %s AS c%zu", part, i + 1);
		text_separate(&carrying->differs, " OR ");
		text_appendf(&carrying->differs, "%s IS DISTINCT FROM m.k%zu", part, i + 1);
	}
	set_right(carrying, bound);
	set_decided(carrying, bound);
}

static char *find_mapped(const struct check_request *request, const struct check_range *range)
{
	const struct bound_entity *bound = request->bound;
	struct carrying carrying = { 0 };
	struct text text = TEXT_INIT;
	_cleanup_free_ char *m_k = check_sql_keys(bound, "m.k");
	_cleanup_free_ char *m_t = check_sql_targets(bound, "m.t");
	_cleanup_free_ char *t_is_m = check_sql_target_is(bound, "t", "m.t");
	_cleanup_free_ char *join_target = check_sql_join_target(bound, t_is_m, range->carried);
	_cleanup_free_ char *join_exactly = check_sql_join_target(bound, t_is_m, NULL);
	_cleanup_free_ char *s_key = check_sql_key(bound, "s.k");
	_cleanup_free_ char *s_target = check_sql_target_key(bound, "s.t");
	_cleanup_free_ char *aside = check_sql_aside(bound, s_key);

	set_carrying(&carrying, bound);
	text_fill(&text, sql_verify_check_mappings_mapped,
		  (const struct text_hole[]){
			  { "m_k", m_k },
			  { "m_t", m_t },
			  { "any_target_key", bound->target_key_quoted[0] },
			  { "carried", text_string(&carrying.carried) },
			  { "id_map", bound->id_map },
			  { "join_target", join_target },
			  { "join_exactly", join_exactly },
			  { "range", range->which },
			  { "differs", text_string(&carrying.differs) },
			  { "kind",
			    carries(bound) ? "WHEN o.k1 IS NOT NULL THEN 'duplicate' ELSE 'swapped'"
					   : "" },
			  { "s_key", s_key },
			  { "s_target", s_target },
			  { "right", text_string(&carrying.right) },
			  { "aside", aside },
			  { "decided", text_string(&carrying.decided) },
			  { NULL, NULL } });
	carrying_done(&carrying);
	return text_steal(&text);
}

static char *find_shared(const struct check_request *request, const struct check_range *range)
{
	const struct bound_entity *bound = request->bound;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *n_key = check_sql_key(bound, "n.k");
	_cleanup_free_ char *n_target = check_sql_target_key(bound, "n.t");
	_cleanup_free_ char *m_k = check_sql_keys(bound, "m.k");
	_cleanup_free_ char *m_t = check_sql_targets(bound, "m.t");

	text_fill(&text, sql_verify_check_mappings_shared,
		  (const struct text_hole[]){ { "n_key", n_key },
					      { "n_target", n_target },
					      { "m_k", m_k },
					      { "m_t", m_t },
					      { "id_map", bound->id_map },
					      { "range", range->which },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- along the target's rows -------------------------------------------------------------------------- */

static char *find_unmapped(const struct check_request *request, const struct check_range *range)
{
	const struct bound_entity *bound = request->bound;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *strays = check_sql_strays(bound, range, false);
	_cleanup_free_ char *c_key = check_sql_key(bound, "c.k");
	_cleanup_free_ char *c_target = check_sql_target_key(bound, "c.t");
	_cleanup_free_ char *carried = check_sql_carried(bound, "t");
	_cleanup_free_ char *t_is_mapped = check_sql_target_is(bound, "t", "c.m");
	_cleanup_free_ char *b_is_c = check_sql_same_keys(bound, "b.k", "c.k");
	_cleanup_free_ char *o_is_c = check_sql_same_targets(bound, "o.t", "c.t");

	text_fill(&text, sql_verify_check_mappings_rows,
		  (const struct text_hole[]){ { "strays", strays },
					      { "any_target_key", bound->target_key_quoted[0] },
					      { "c_key", c_key },
					      { "c_target", c_target },
					      { "target", bound->target_relation },
					      { "carried_by_t", carried },
					      { "t_is_mapped", t_is_mapped },
					      { "b_is_c", b_is_c },
					      { "id_map", bound->id_map },
					      { "o_is_c", o_is_c },
					      { NULL, NULL } });
	return text_steal(&text);
}

const struct check_look check_mappings_looks[] = {
	{ .applies = always,
	  .along = ALONG_ID_MAP,
	  .find = find_mapped,
	  .ranges = check_sql_in_step },
	{ .applies = check_sql_out_of_step, .along = ALONG_TARGET, .find = find_unmapped },
	{ .applies = may_not_share, .along = ALONG_TARGETS, .find = find_shared },
	{ .applies = check_sql_in_step,
	  .along = ALONG_CARRIED,
	  .find = find_unmapped,
	  .ranges = check_sql_in_step },
	{ 0 },
};
