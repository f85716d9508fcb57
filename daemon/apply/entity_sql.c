/*
 * Fills the templates of apply.sql for one entity; see entity_sql.h.
 */
#include "apply/entity_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply_sql.h"
#include "apply/isolate_sql.h"
#include "apply/load_sql.h"
#include "apply/logged.h"
#include "apply/parts.h"
#include "apply/rule_sql.h"
#include "common/text.h"
#include "sql_apply.h"

/* --- opening a batch --------------------------------------------------------------------------- */

char *entity_sql_stage_columns(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->shipped_count; i++)
		text_appendf(&text, "%s %s,\n  ", bound->shipped[i].name, bound->shipped[i].type);
	text_append(&text, "h1 bigint,\n  h2 bigint");
	if (bound->source_time != NULL)
		text_append(&text, ",\n  u timestamptz");
	return text_steal(&text);
}

char *entity_sql_stage_names(const struct bound_entity *bound, bool keys_only)
{
	_cleanup_free_ char *all = parts_shipped_list(bound, false, true);

	if (keys_only)
		return bound_key_list(bound, "k%zu", ", ");
	return text_format("%s, h1, h2%s", all, bound->source_time != NULL ? ", u" : "");
}

char *entity_sql_begin(const struct bound_entity *bound, const struct batch_place *place,
		       bool keys_only)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *columns = entity_sql_stage_columns(bound);
	_cleanup_free_ char *names = entity_sql_stage_names(bound, keys_only);
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *epoch = text_format("%" PRId64, place->epoch);
	_cleanup_free_ char *memory = text_format("%" PRId64, place->work_memory_kb);
	_cleanup_free_ char *empty = pg_transaction_empty(place->transaction, bound->stage);

	text_fill(&text, sql_apply_begin,
		  (const struct text_hole[]){ { "begin", place->transaction->begin },
					      { "work_memory", memory },
					      { "session", place->session },
					      { "entity", bound->entity->name },
					      { "batch", batch },
					      { "epoch", epoch },
					      { "empty", empty },
					      { "stage", bound->stage },
					      { "stage_name", strchr(bound->stage, '.') + 1 },
					      { "stage_columns", columns },
					      { "stage_names", names },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- writing ----------------------------------------------------------------------------------- */

static void append_revive(struct text *text, const struct binding *binding,
			  const struct bound_entity *bound, const struct batch_place *place)
{
	const struct logged logged = { .binding = binding, .bound = bound, .place = place };
	_cleanup_text_ struct text unmark = TEXT_INIT;
	size_t keys = bound->entity->source_key.count;
	_cleanup_free_ char *m_is_s = parts_equal_keys(keys, "m.k", "s.k");
	_cleanup_free_ char *m_is_r = parts_equal_keys(keys, "m.k", "r.k");
	_cleanup_free_ char *m_k = bound_key_list(bound, "m.k%zu", ", ");
	_cleanup_free_ char *r_k = bound_key_list(bound, "r.k%zu", ", ");
	_cleanup_free_ char *m_t = parts_target_keys(bound, "m.");
	_cleanup_free_ char *r_t = parts_target_keys(bound, "r.");
	_cleanup_free_ char *t_is_m = parts_target_is(bound, "m.t");
	_cleanup_free_ char *t_is_r = parts_target_is(bound, "r.t");
	const char *hash = bound->written_hash;
	_cleanup_free_ char *standing = logged_standing(&logged);
	_cleanup_free_ char *returned = logged_returned(&logged, LOGGED_UPDATED_LOCKED, "r");
	_cleanup_free_ char *ctes = logged_ctes(&logged, LOGGED_UPDATED_LOCKED, "unmarked",
						"unmarked");

	if (bound->entity->on_delete != ON_DELETE_MARK)
		return;
	for (size_t i = 0; i < bound->entity->mark_count; i++) {
		_cleanup_free_ char *column = pg_quote_identifier(bound->entity->marks[i].column);

		if (entity_column(bound->entity, bound->entity->marks[i].column) != NULL)
			continue; /* the row's own value is written anyway */
		text_separate(&unmark, ", ");
		text_appendf(&unmark, "%s = DEFAULT", column);
	}
	if (unmark.length == 0)
		return;
	text_fill(text, sql_apply_revive,
		  (const struct text_hole[]){
			  { "target", bound->target_relation },
			  { "unmark", text_string(&unmark) },
			  { "stage", bound->stage },
			  { "id_map", bound->id_map },
			  { "m_is_s", m_is_s },
			  { "m_is_r", m_is_r },
			  { "m_k", m_k },
			  { "r_k", r_k },
			  { "m_t", m_t },
			  { "r_t", r_t },
			  { "t_is_m", t_is_m },
			  { "t_is_r", t_is_r },
			  { "written_hash", hash },
			  { "standing", standing },
			  { "returned", returned },
			  { "logged", ctes },
			  { "same", parts_has_identity(bound)
					    ? "\n     AND (m.i1 <> s.i1) IS NOT TRUE"
					    : "" },
			  { NULL, NULL } });
}

/* Only of a slice of the change set: a range names no keys. */
static void append_settle_absent(struct text *text, const struct bound_entity *bound,
				 const struct batch_place *place)
{
	_cleanup_free_ char *key = parts_legacy_key(bound, "s");

	if (place->low != NULL)
		text_fill(text, sql_apply_settle_absent,
			  (const struct text_hole[]){ { "stage", bound->stage },
						      { "entity", bound->entity->name },
						      { "analysis", place->analysis },
						      { "low", place->low },
						      { "high", place->high },
						      { "stage_legacy_key", key },
						      { NULL, NULL } });
}

static void append_settle_and_finish(struct text *text, const struct bound_entity *bound,
				     const struct batch_place *place)
{
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *key = parts_legacy_key(bound, "s");
	const struct text_hole holes[] = {
		{ "stage", bound->stage },
		{ "entity", bound->entity->name },
		{ "stage_legacy_key", key },
		{ "session", place->session },
		{ "batch", batch },
		{ "end", place->transaction->end },
		{ NULL, NULL },
	};

	text_fill(text, sql_apply_settle, holes);
	append_settle_absent(text, bound, place);
	text_fill(text, sql_apply_finish, holes);
}

char *entity_sql_write(const struct binding *binding, const struct bound_entity *bound,
		       const struct batch_place *place, enum write_way way, bool again)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *write = way == WRITE_LOAD	? load_sql(binding, bound, place)
				     : way == WRITE_ANY ? apply_sql(binding, bound, place, false)
							: isolate_sql(binding, bound, place);

	text_append(&text, again ? "ROLLBACK TO SAVEPOINT applying;\n" : "SAVEPOINT applying;\n");
	if (way != WRITE_LOAD)
		append_revive(&text, binding, bound, place);
	text_append(&text, write);
	if (way != WRITE_ISOLATE) {
		text_append(&text, ";\n");
		rule_sql_append_assert(&text, bound, place);
	}
	rule_sql_append_warn(&text, bound, place);
	append_settle_and_finish(&text, bound, place);
	return text_steal(&text);
}
