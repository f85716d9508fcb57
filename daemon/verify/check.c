/*
 * The table of checks, and the SQL that every chunk of one begins and ends with; see check.h.
 */
#include "verify/check.h"

#include <inttypes.h>
#include <string.h>

#include "common/text.h"
#include "sql_verify.h"
#include "verify/check_run.h"

/* --- the table --------------------------------------------------------------------------------------- */

static struct check_run *start_counts(const struct check_request *request, check_on_chunk *on_chunk,
				      void *arg)
{
	return check_run_start(request, "counts", check_counts_looks, on_chunk, arg);
}

static struct check_run *start_references(const struct check_request *request,
					  check_on_chunk *on_chunk, void *arg)
{
	return check_run_start(request, "references", check_references_looks, on_chunk, arg);
}

static struct check_run *start_mappings(const struct check_request *request,
					check_on_chunk *on_chunk, void *arg)
{
	return check_run_start(request, "mappings", check_mappings_looks, on_chunk, arg);
}

static struct check_run *start_rules(const struct check_request *request, check_on_chunk *on_chunk,
				     void *arg)
{
	return check_run_start(request, "rules", check_rules_looks, on_chunk, arg);
}

static int64_t total_of_counts(const struct binding *binding, const struct bound_entity *bound)
{
	return check_run_total(check_counts_looks, binding, bound);
}

static int64_t total_of_references(const struct binding *binding, const struct bound_entity *bound)
{
	return check_run_total(check_references_looks, binding, bound);
}

static int64_t total_of_mappings(const struct binding *binding, const struct bound_entity *bound)
{
	return check_run_total(check_mappings_looks, binding, bound);
}

static int64_t total_of_rules(const struct binding *binding, const struct bound_entity *bound)
{
	return check_run_total(check_rules_looks, binding, bound);
}

const struct check checks[] = {
	{ "counts", start_counts, total_of_counts },
	{ "references", start_references, total_of_references },
	{ "mappings", start_mappings, total_of_mappings },
	{ "rules", start_rules, total_of_rules },
	{ 0 },
};

const struct check *check_find(const char *name)
{
	for (const struct check *check = checks; check->name != NULL; check++)
		if (strcmp(check->name, name) == 0)
			return check;
	return NULL;
}

/* --- where every chunk begins and ends ----------------------------------------------------------------- */

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
