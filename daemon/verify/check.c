/*
 * The table of checks, and the SQL that every chunk of one begins and ends with; see check.h.
 */
#include "verify/check.h"

#include <inttypes.h>
#include <string.h>

#include "common/text.h"
#include "sql_verify.h"

const struct check checks[] = {
	{ 0 },
};

const struct check *check_find(const char *name)
{
	for (const struct check *check = checks; check->name != NULL; check++)
		if (strcmp(check->name, name) == 0)
			return check;
	return NULL;
}

static char *literal_or_null(const char *value)
{
	return value != NULL ? pg_quote_literal(value) : text_copy("NULL");
}

char *check_begin_sql(const struct check_request *request, const char *check)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *entity = pg_quote_literal(request->bound->entity->name);
	_cleanup_free_ char *memory = text_format("%" PRId64, request->work_memory_kb);
	_cleanup_free_ char *epoch = text_format("%" PRId64, request->epoch);
	_cleanup_free_ char *cursor = literal_or_null(request->cursor);

	text_fill(&text, sql_verify_check_begin,
		  (const struct text_hole[]){ { "validation", request->validation },
					      { "entity", entity },
					      { "check", check },
					      { "work_memory", memory },
					      { "epoch", epoch },
					      { "cursor", cursor },
					      { NULL, NULL } });
	return text_steal(&text);
}

char *check_keep_sql(const struct check_request *request, const char *check, const char *with,
		     const char *rows, const char *waiting, const char *cursor)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *entity = pg_quote_literal(request->bound->entity->name);
	_cleanup_free_ char *keep = text_format("%" PRId64, request->keep);
	_cleanup_free_ char *next = literal_or_null(cursor);

	text_fill(&text, sql_verify_check_keep,
		  (const struct text_hole[]){ { "with", with },
					      { "validation", request->validation },
					      { "entity", entity },
					      { "check", check },
					      { "keep", keep },
					      { "rows", rows },
					      { "waiting", waiting },
					      { "cursor", next },
					      { NULL, NULL } });
	return text_steal(&text);
}
