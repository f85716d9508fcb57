/*
 * Finds what a source relation offers to find changed rows by, and what both sides offer to tell who wrote last; see
 * changed.h. Which of the former is used, detect/ decides.
 */
#include "catalog/changed.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

#define TIMESTAMP_OID 1114
#define TIMESTAMPTZ_OID 1184

/* What frameworks and people call the time of a row's last change. */
static const char *const usual_names[] = {
	"updated_at",  "modified_at", "last_modified", "last_modified_at", "updated_on",
	"modified_on", "last_update", "last_updated",  "date_modified",	   "date_updated",
};

__attribute__((format(printf, 4, 5))) static void complain(struct binding *binding,
							   struct bound_entity *bound,
							   const char *path, const char *format,
							   ...)
{
	_cleanup_text_ struct text text = TEXT_INIT;
	va_list arguments;

	va_start(arguments, format);
	text_vappendf(&text, format, arguments);
	va_end(arguments);
	bound->usable = false;
	problem_add(&binding->problems, bound->entity->file, 0, path, "%s", text_string(&text));
}

/* Only of tables: a materialized view shows a row long after it was changed, and another server's transactions cannot be seen. */
static const struct catalog_column *usual_column(const struct catalog_relation *relation)
{
	const struct catalog_column *found = NULL;

	if (relation->kind != 'r' && relation->kind != 'p')
		return NULL;
	for (size_t i = 0; i < sizeof(usual_names) / sizeof(usual_names[0]); i++) {
		const struct catalog_column *column = catalog_column(relation, usual_names[i]);

		if (column == NULL || !column->readable ||
		    strncmp(column->type, "timestamp", 9) != 0)
			continue;
		if (column->indexed)
			return column;
		if (found == NULL)
			found = column;
	}
	return found;
}

static void take_column(struct bound_entity *bound, const char *name)
{
	_cleanup_free_ char *quoted = pg_quote_identifier(name);

	bound->updated_at = text_format("source.%s", quoted);
}

static void find_in_table(struct binding *binding, struct bound_entity *bound,
			  const struct catalog_relation *relation)
{
	const char *wanted = bound->entity->detect.updated_at;
	const struct catalog_column *column = wanted != NULL ? catalog_column(relation, wanted)
							     : usual_column(relation);

	bound->heap = relation->heap;
	if (column != NULL) {
		take_column(bound, column->name);
		bound->updated_at_indexed = column->indexed;
	} else if (wanted != NULL) {
		complain(binding, bound, "$.detect.updated_at",
			 "source table \"%s\" has no column \"%s\"", relation->name, wanted);
	}
	if (bound->entity->detect.strategy == STRATEGY_XMIN && !bound->heap)
		complain(binding, bound, "$.detect.strategy",
			 "\"xmin\" is known only of the rows of an ordinary table that may be "
			 "read whole, and \"%s\" is none",
			 relation->name);
}

void bound_find_changed(struct binding *binding, struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;

	if (!bound->usable)
		return;
	if (entity->source_table != NULL)
		find_in_table(binding, bound,
			      catalog_relation(&binding->source, entity->source_schema,
					       entity->source_table));
	else if (entity->detect.updated_at != NULL)
		take_column(bound, entity->detect.updated_at);
	if (bound->usable && entity->detect.strategy == STRATEGY_TIMESTAMP &&
	    bound->updated_at == NULL)
		complain(binding, bound, "$.detect.strategy",
			 "\"timestamp\" needs a column that says when a row was changed last; name "
			 "it in detect.updated_at");
}

void bound_set_changed_type(struct binding *binding, struct bound_entity *bound, Oid type)
{
	if (type != TIMESTAMP_OID && type != TIMESTAMPTZ_OID)
		complain(binding, bound, "$.detect.updated_at",
			 "the column is no timestamp, so it cannot say when a row was changed "
			 "last");
	bound->updated_at_zoned = type == TIMESTAMPTZ_OID;
}

/* --- who wrote last ---------------------------------------------------------------------------- */

#define SOURCE_TIME_PATH "$.on_conflict.last_writer_wins.source"
#define TARGET_TIME_PATH "$.on_conflict.last_writer_wins.target"

static void find_source_time(struct binding *binding, struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	const char *name = entity->conflict.source_time;
	_cleanup_free_ char *quoted = NULL;

	if (name == NULL)
		name = entity->detect.updated_at != NULL ? entity->detect.updated_at : "updated_at";
	if (entity->source_table != NULL &&
	    catalog_column(catalog_relation(&binding->source, entity->source_schema,
					    entity->source_table),
			   name) == NULL) {
		complain(binding, bound, SOURCE_TIME_PATH,
			 "source table \"%s\" has no column \"%s\" to say when a row was written "
			 "last: name one, or choose \"hold\" or \"source_wins\"",
			 entity->source_table, name);
		return;
	}
	quoted = pg_quote_identifier(name);
	bound->source_time = text_format("source.%s", quoted);
}

static void find_target_time(struct binding *binding, struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	const char *name = entity->conflict.target_time != NULL ? entity->conflict.target_time
								: "updated_at";
	const struct catalog_column *column = catalog_column(catalog_relation(&binding->target,
									      entity->target_schema,
									      entity->target_table),
							     name);
	_cleanup_free_ char *quoted = pg_quote_identifier(name);

	if (column == NULL)
		complain(binding, bound, TARGET_TIME_PATH,
			 "target table \"%s\" has no column \"%s\" to say when a row was written "
			 "last: name one, or choose \"hold\" or \"source_wins\"",
			 entity->target_table, name);
	else if (strncmp(column->base_type, "timestamp", 9) != 0)
		complain(binding, bound, TARGET_TIME_PATH,
			 "target column \"%s\" is %s, and no timestamp that could say when a row "
			 "was written last",
			 name, column->type);
	else if (strstr(column->base_type, "with time zone") != NULL)
		bound->target_time = text_format("t.%s", quoted);
	else
		bound->target_time = text_format("t.%s AT TIME ZONE 'UTC'", quoted);
}

void bound_find_times(struct binding *binding, struct bound_entity *bound)
{
	if (!bound->usable || bound->entity->conflict.policy != ON_CONFLICT_LAST_WRITER_WINS)
		return;
	find_source_time(binding, bound);
	find_target_time(binding, bound);
}

void bound_set_source_time_type(struct binding *binding, struct bound_entity *bound, Oid type)
{
	char *as_utc;

	if (type != TIMESTAMP_OID && type != TIMESTAMPTZ_OID)
		complain(
			binding, bound, SOURCE_TIME_PATH,
			"the column is no timestamp, so it cannot say when a row was written last");
	if (type != TIMESTAMP_OID)
		return;
	as_utc = text_format("%s AT TIME ZONE 'UTC'", bound->source_time);
	free(bound->source_time);
	bound->source_time = as_utc;
}

void bound_check_strategy(struct binding *binding, struct bound_entity *bound)
{
	if (bound->entity->detect.strategy == STRATEGY_ID && !bound->integer_key)
		complain(binding, bound, "$.detect.strategy",
			 "\"id\" needs a key that is one integer column, and this one is %s",
			 bound->key_types[0]);
}
