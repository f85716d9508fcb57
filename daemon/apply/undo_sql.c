/*
 * Fills the template of undo.sql; see undo_sql.h.
 */
#include "apply/undo_sql.h"

#include <inttypes.h>

#include "common/text.h"
#include "sql_apply.h"

char *undo_sql_batch(const char *entity, const struct batch_place *place)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *batch = text_format("%d", place->batch);
	_cleanup_free_ char *epoch = text_format("%" PRId64, place->epoch);
	_cleanup_free_ char *memory = text_format("%" PRId64, place->work_memory_kb);
	const struct text_hole holes[] = {
		{ "begin", place->transaction->begin },
		{ "end", place->transaction->end },
		{ "session", place->session },
		{ "entity", entity },
		{ "batch", batch },
		{ "epoch", epoch },
		{ "work_memory", memory },
		{ NULL, NULL },
	};

	text_fill(&text, sql_apply_undo, holes);
	text_fill(&text, sql_apply_finish, holes);
	return text_steal(&text);
}
