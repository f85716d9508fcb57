/*
 * The SQL by which rows follow their parents within an entity; what it does stands in schema/0012_follow.sql.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/text.h"
#include "sql_store.h"
#include "store/store.h"

static char *ready_sql(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text m_is_parent = TEXT_INIT;
	bool deletes = bound->entity->on_delete == ON_DELETE_DELETE;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&m_is_parent, " AND ");
		text_appendf(&m_is_parent, "m.k%zu = p.parent_key[%zu]::%s", i + 1, i + 1,
			     bound->key_types[i]);
	}
	text_fill(&text, sql_store_follow_ready,
		  (const struct text_hole[]){
			  { "id_map", bound->id_map },
			  { "m_is_parent", text_string(&m_is_parent) },
			  { "present", deletes ? "\n   AND m.gone IS NULL" : "" },
			  { "entity", bound->entity->name },
			  { NULL, NULL } });
	return text_steal(&text);
}

char *store_follow_sql(const struct bound_entity *bound, const char *session, const char *analysis,
		       int64_t size, bool within)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *ready = ready_sql(bound);
	_cleanup_free_ char *ready_literal = pg_quote_literal(ready);
	_cleanup_free_ char *size_text = text_format("%" PRId64, size);

	text_fill(&text, sql_store_follow,
		  (const struct text_hole[]){
			  { "before", within ? "DROP TABLE IF EXISTS pg_temp.kin;\n" : "" },
			  { "session", session },
			  { "entity", bound->entity->name },
			  { "analysis", analysis },
			  { "size", size_text },
			  { "ready", ready_literal },
			  { NULL, NULL } });
	return text_steal(&text);
}

char *store_release_sql(const struct bound_entity *bound, const char *session, const char *analysis)
{
	struct text text = TEXT_INIT;

	text_fill(&text, sql_store_release,
		  (const struct text_hole[]){ { "session", session },
					      { "entity", bound->entity->name },
					      { "analysis", analysis },
					      { NULL, NULL } });
	return text_steal(&text);
}
