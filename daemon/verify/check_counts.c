/*
 * The check of counts: every row of the source is either where it was carried, or known to wait, and nothing in the target says that it
 * came from the source but did not. As the account (account.h) in what it holds for what, but range by range and by key.
 */
#include "catalog/hashed.h"
#include "common/text.h"
#include "sql_verify.h"
#include "verify/check_run.h"
#include "verify/check_sql.h"

static bool always(const struct binding *binding, const struct bound_entity *bound)
{
	(void)binding;
	(void)bound;
	return true;
}

/* --- of the source's rows ------------------------------------------------------------------------- */

static char *read_rows(const struct check_request *request, const char *range)
{
	return hashed_copy(request->binding, request->bound, NULL, range);
}

/* A table's key is unique; the binding has seen to it. */
static char *duplicates(const struct bound_entity *bound, const char *key_columns)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *n_key = check_sql_key(bound, "n.k");
	_cleanup_free_ char *r_k = check_sql_keys(bound, "r.k");

	if (bound->entity->source_table != NULL)
		return text_copy("");
	text_fill(&text, sql_verify_check_counts_duplicates,
		  (const struct text_hole[]){ { "n_key", n_key },
					      { "r_k", r_k },
					      { "key_columns", key_columns },
					      { NULL, NULL } });
	return text_steal(&text);
}

static char *find_missing(const struct check_request *request, const struct check_range *range)
{
	const struct bound_entity *bound = request->bound;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *s_k = check_sql_keys(bound, "s.k");
	_cleanup_free_ char *m_t = check_sql_targets(bound, "m.t");
	_cleanup_free_ char *keyless = bound_key_list(bound, "s.k%zu IS NULL", " OR ");
	_cleanup_free_ char *stage = check_sql_stage(bound);
	_cleanup_free_ char *m_is_s = check_sql_same_keys(bound, "m.k", "s.k");
	_cleanup_free_ char *t_is_m = check_sql_target_is(bound, "t", "m.t");
	_cleanup_free_ char *t_is_r = check_sql_target_is(bound, "t", "r.t");
	_cleanup_free_ char *join_map = check_sql_join_map(bound, m_is_s, range->mapped);
	_cleanup_free_ char *join_target = check_sql_join_target(bound, t_is_m, range->carried);
	_cleanup_free_ char *join_exactly = check_sql_join_target(bound, t_is_r, NULL);
	_cleanup_free_ char *r_key = check_sql_key(bound, "r.k");
	_cleanup_free_ char *r_target = check_sql_target_key(bound, "r.t");
	_cleanup_free_ char *name = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *s_key = check_sql_key(bound, "s.k");
	_cleanup_free_ char *key_columns = check_sql_names(&bound->entity->source_key);
	_cleanup_free_ char *twice = duplicates(bound, key_columns);

	text_fill(&text, sql_verify_check_counts_rows,
		  (const struct text_hole[]){ { "s_k", s_k },
					      { "m_t", m_t },
					      { "any_target_key", bound->target_key_quoted[0] },
					      { "keyless", keyless },
					      { "stage", stage },
					      { "join_map", join_map },
					      { "join_target", join_target },
					      { "join_exactly", join_exactly },
					      { "r_key", r_key },
					      { "r_target", r_target },
					      { "name", name },
					      { "s_key", s_key },
					      { "key_columns", key_columns },
					      { "duplicates", twice },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- of the target's ------------------------------------------------------------------------------ */

static char *find_extra(const struct check_request *request, const struct check_range *range)
{
	const struct bound_entity *bound = request->bound;
	bool deletes = bound->entity->on_delete == ON_DELETE_DELETE;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *strays = check_sql_strays(bound, range, deletes);
	_cleanup_free_ char *name = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *c_key = check_sql_key(bound, "c.k");
	_cleanup_free_ char *c_target = check_sql_target_key(bound, "c.t");
	_cleanup_free_ char *o_is_c = check_sql_same_targets(bound, "o.t", "c.t");

	text_fill(&text, sql_verify_check_counts_extra,
		  (const struct text_hole[]){ { "strays", strays },
					      { "c_key", c_key },
					      { "c_target", c_target },
					      { "id_map", bound->id_map },
					      { "o_is_c", o_is_c },
					      { "o_lives", deletes ? " AND o.gone IS NULL" : "" },
					      { "name", name },
					      { NULL, NULL } });
	return text_steal(&text);
}

const struct check_look check_counts_looks[] = {
	{ .applies = always,
	  .along = ALONG_SOURCE,
	  .read = read_rows,
	  .columns = hashed_columns,
	  .find = find_missing,
	  .ranges = check_sql_in_step,
	  .waiting =
		  "SELECT pg_catalog.count(*) FROM seen AS r WHERE NOT r.handled AND NOT r.keyless" },
	{ .applies = check_sql_out_of_step, .along = ALONG_TARGET, .find = find_extra },
	{ .applies = check_sql_in_step,
	  .along = ALONG_CARRIED,
	  .find = find_extra,
	  .ranges = check_sql_in_step },
	{ 0 },
};
