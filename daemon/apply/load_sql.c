/*
 * Fills the template of load.sql; see load_sql.h.
 */
#include "apply/load_sql.h"

#include "apply/apply_sql.h"
#include "apply/kin_sql.h"
#include "apply/logged.h"
#include "apply/parts.h"
#include "common/text.h"
#include "sql_apply.h"

bool load_sql_is_possible(const struct bound_entity *bound)
{
	return !parts_has_identity(bound);
}

/* The target key of a row that has none yet. */
static char *made_keys(const struct bound_entity *bound)
{
	if (entity_mints_key(bound->entity))
		return text_format("%s AS t1", bound->mint);
	return apply_sql_natural_keys(bound);
}

char *load_sql(const struct binding *binding, const struct bound_entity *bound,
	       const struct batch_place *place)
{
	const struct logged logged = { .binding = binding, .bound = bound, .place = place };
	bool keeps_dealt;
	struct text text = TEXT_INIT;
	struct holes holes = { 0 };

	apply_sql_holes(&holes, binding, bound, place, false);
	keeps_dealt = holes_value(&holes, "dealt_column")[0] != '\0';
	holes_add(&holes, "resolving", bound->kin ? "RECURSIVE examined" : "resolved");
	holes_give(&holes, "made_kin", kin_sql(bound, "resolved"));
	holes_give(&holes, "made_keys", made_keys(bound));
	holes_give(&holes, "references", apply_sql_references(binding, bound));
	/* Nothing that is not there was edited. */
	holes_add(&holes, "no_verdict", keeps_dealt ? "\n         NULL::text AS verdict," : "");
	holes_add(&holes, "made_dealt", keeps_dealt ? ", w.h1" : "");
	holes_give(&holes, "w_k", bound_key_list(bound, "w.k%zu", ", "));
	holes_give(&holes, "loads_logged",
		   logged_ctes(&logged, LOGGED_LOADED, "placed", "inserted"));
	text_fill(&text, sql_apply_load, holes.list);
	holes_done(&holes);
	return text_steal(&text);
}
