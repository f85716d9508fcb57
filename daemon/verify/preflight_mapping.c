/*
 * The preflight's judges of the mapping: does it fit the tables, and do keys, foreign keys and triggers let it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "sql_verify.h"
#include "verify/internal.h"

static bool is_true(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

/* --- the mapping -------------------------------------------------------------------------------- */

static const char *entity_of_file(const struct entity_set *set, const char *file)
{
	for (size_t i = 0; i < set->count; i++)
		if (file != NULL && strcmp(set->entities[i].file, file) == 0)
			return set->entities[i].name;
	return "mapping";
}

/* What keeps our role from reading an entity is no fault of the mapping, and was found where the role's rights were. */
static bool is_denial(const struct problem *problem)
{
	return strstr(problem->message, "permission denied") != NULL ||
	       strstr(problem->message, "row-level security") != NULL;
}

static void judge_problem(struct preflight *preflight, const struct problem *problem)
{
	const char *entity = entity_of_file(preflight->request.binding->set, problem->file);
	_cleanup_free_ char *message = problem_format(problem);

	if (is_denial(problem))
		preflight_found(preflight, THEME_MAPPING, SIDE_BOTH, entity, FINDING_UNKNOWN, NULL,
				"not verified: the role may not read the entity");
	else
		preflight_found(preflight, THEME_MAPPING, SIDE_BOTH, entity, FINDING_FAIL,
				text_copy("change the mapping, or the schema"), "%s", message);
}

void judge_mapping(struct preflight *preflight, const PGresult *result)
{
	const struct binding *binding = preflight->request.binding;

	(void)result;
	if (binding == NULL) {
		preflight_found(preflight, THEME_MAPPING, SIDE_BOTH, "mapping", FINDING_UNKNOWN,
				NULL, "not verified: the catalogs could not be read");
		return;
	}
	for (size_t i = 0; i < binding->problems.count; i++)
		judge_problem(preflight, &binding->problems.problems[i]);
	preflight_passed(preflight, THEME_MAPPING, SIDE_BOTH, "%zu entities fit both databases",
			 binding->set->count);
}

/* --- keys --------------------------------------------------------------------------------------- */

/* NULL for a query. */
static const struct catalog_relation *source_relation(const struct preflight *preflight,
						      const struct entity *entity)
{
	if (entity->source_table == NULL)
		return NULL;
	return catalog_relation(&preflight->request.binding->source, entity->source_schema,
				entity->source_table);
}

/* Is there no index to vouch for the key? Of what is not there nothing can be asked. */
static bool wants_a_look(const struct preflight *preflight, const struct entity *entity)
{
	const struct catalog_relation *relation = source_relation(preflight, entity);

	return relation == NULL ||
	       (relation->found && relation->kind != 'r' && relation->kind != 'p');
}

/* A table's key was judged with the mapping: it must have a unique index. */
char *ask_source_key(const struct preflight *preflight, const struct bound_entity *bound)
{
	_cleanup_text_ struct text keys = TEXT_INIT;
	_cleanup_text_ struct text null_key = TEXT_INIT;
	struct text sql = TEXT_INIT;

	if (!wants_a_look(preflight, bound->entity))
		return NULL;
	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&keys, ", ");
		text_append(&keys, bound->key_expressions[i]);
		text_separate(&null_key, " OR ");
		text_appendf(&null_key, "%s IS NULL", bound->key_expressions[i]);
	}
	text_fill(&sql, sql_verify_preflight_source_key,
		  (const struct text_hole[]){ { "relation", bound->source_relation },
					      { "filter", bound->source_filter },
					      { "keys", text_string(&keys) },
					      { "null_key", text_string(&null_key) },
					      { NULL, NULL } });
	return text_steal(&sql);
}

void judge_source_key(struct preflight *preflight, const PGresult *result)
{
	const char *entity = preflight->bound->entity->name;

	if (is_true(result, 0, 0))
		preflight_found(preflight, THEME_SOURCE_KEY, SIDE_SOURCE, entity, FINDING_FAIL,
				text_copy("choose a key that tells the rows apart"),
				"the key is not unique: the source has several rows of one key");
	if (is_true(result, 0, 1))
		preflight_found(
			preflight, THEME_SOURCE_KEY, SIDE_SOURCE, entity, FINDING_FAIL,
			text_copy("choose a key that every row has, or filter those rows out"),
			"the source has rows whose key is NULL");
}

void judge_source_keys(struct preflight *preflight, const PGresult *result)
{
	const struct binding *binding = preflight->request.binding;
	size_t indexed = 0, looked_at = 0;

	(void)result;
	if (binding == NULL || !preflight->sides[SIDE_SOURCE].answered)
		return;
	for (size_t i = 0; i < binding->set->count; i++) {
		const struct entity *entity = &binding->set->entities[i];

		if (wants_a_look(preflight, entity))
			looked_at++;
		else
			indexed += catalog_is_unique(source_relation(preflight, entity),
						     entity->source_key.names,
						     entity->source_key.count);
	}
	preflight_passed(preflight, THEME_SOURCE_KEY, SIDE_SOURCE,
			 "%zu keys are unique by an index, %zu by looking at all rows", indexed,
			 looked_at);
}

static bool begins_an_index(const struct preflight *preflight, const PGresult *result,
			    const struct entity *entity)
{
	for (int row = 0; row < PQntuples(result); row++) {
		const struct table *table =
			&preflight->sides[SIDE_TARGET]
				 .tables[strtoul(PQgetvalue(result, row, 0), NULL, 10) - 1];

		if (table_is_target_of(table, entity) &&
		    name_list_has(&entity->legacy_key, PQgetvalue(result, row, 1)))
			return true;
	}
	return false;
}

void judge_legacy_keys(struct preflight *preflight, const PGresult *result)
{
	const struct binding *binding = preflight->request.binding;
	size_t count = 0;

	for (size_t i = 0; binding != NULL && i < binding->set->count; i++) {
		const struct bound_entity *bound = &binding->entities[i];
		const struct entity *entity = bound->entity;
		bool indexed = begins_an_index(preflight, result, entity);

		if (!bound->usable || entity->legacy_key.count == 0)
			continue;
		count++;
		if (bound->legacy_unique)
			continue;
		preflight_found(
			preflight, THEME_LEGACY_KEY, SIDE_TARGET, entity->name, FINDING_WARN,
			text_format("make \"%s\" of %s unique", entity->legacy_key.names[0],
				    bound->target_relation),
			indexed ? "the legacy key is not unique in the target: rows that are "
				  "there twice are not adopted"
				: "the legacy key is neither unique nor indexed in the target: "
				  "rows that are there twice are not adopted, and finding them "
				  "reads the whole table");
	}
	if (binding != NULL)
		preflight_passed(preflight, THEME_LEGACY_KEY, SIDE_TARGET,
				 "unique in every target table that has one, %zu entities", count);
}

/* --- foreign keys and triggers ------------------------------------------------------------------ */

static bool is_null_constant(const struct column *column)
{
	return column->kind == COLUMN_CONSTANT && json_is_null(column->constant);
}

/* Does the column of the mapping bring keys of the table that the foreign key refers to? */
static void judge_filling(struct preflight *preflight, const struct entity *entity,
			  const struct column *column, const struct table *parent)
{
	_cleanup_free_ char *parent_name = table_plain_name(parent);

	if (column->kind != COLUMN_REFERENCE && !is_null_constant(column))
		preflight_found(preflight, THEME_FOREIGN_KEYS, SIDE_TARGET, entity->name,
				FINDING_WARN, text_format("fill it by {\"references\": …}"),
				"column \"%s\" is a foreign key to %s, and the mapping fills it by "
				"something that is no reference",
				column->name, parent_name);
	for (size_t i = 0; column->kind == COLUMN_REFERENCE && i < column->reference_count; i++) {
		const struct entity *referred = entity_find(preflight->request.entity_set,
							    column->references[i].entity_name);

		if (referred != NULL && !table_is_target_of(parent, referred))
			preflight_found(
				preflight, THEME_FOREIGN_KEYS, SIDE_TARGET, entity->name,
				FINDING_WARN,
				text_copy("let it refer to the entity that fills that table"),
				"column \"%s\" is a foreign key to %s, and the mapping refers to "
				"\"%s\", which writes to %s.%s",
				column->name, parent_name, referred->name, referred->target_schema,
				referred->target_table);
	}
}

static void found_no_index(struct preflight *preflight, const struct table *table,
			   const char *column, const struct table *parent)
{
	_cleanup_free_ char *name = table_plain_name(table);
	_cleanup_free_ char *quoted = table_quoted_name(table);
	_cleanup_free_ char *quoted_column = pg_quote_identifier(column);
	_cleanup_free_ char *parent_name = table_plain_name(parent);

	preflight_found(
		preflight, THEME_INDEXES, SIDE_TARGET, name, FINDING_WARN,
		text_format("CREATE INDEX ON %s (%s)", quoted, quoted_column),
		"no index begins with \"%s\", a foreign key: whenever a row of %s is deleted, "
		"all of this table is read",
		column, parent_name);
}

void judge_foreign_keys(struct preflight *preflight, const PGresult *result)
{
	const struct entity_set *set = preflight->request.entity_set;

	for (int row = 0; row < PQntuples(result); row++) {
		const struct table *table = preflight_table_of_row(preflight, result, row);
		const char *column_name = PQgetvalue(result, row, 2);
		const struct table parent = { .schema = PQgetvalue(result, row, 3),
					      .name = PQgetvalue(result, row, 4) };

		for (size_t i = 0; i < set->count; i++) {
			const struct column *column = table_is_target_of(table, &set->entities[i])
							      ? entity_column(&set->entities[i],
									      column_name)
							      : NULL;

			if (column == NULL)
				continue;
			judge_filling(preflight, &set->entities[i], column, &parent);
			if (!is_true(result, row, 5))
				found_no_index(preflight, table, column_name, &parent);
		}
	}
	preflight_passed(preflight, THEME_FOREIGN_KEYS, SIDE_TARGET,
			 "the mapping's references lead where the foreign keys do");
	preflight_passed(preflight, THEME_INDEXES, SIDE_TARGET,
			 "every foreign key that the mapping fills has one");
}

void judge_triggers(struct preflight *preflight, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		const struct table *table = preflight_table_of_row(preflight, result, row);
		_cleanup_free_ char *name = table_plain_name(table);
		_cleanup_free_ char *quoted = table_quoted_name(table);

		preflight_found(
			preflight, THEME_TRIGGERS, SIDE_TARGET, name, FINDING_WARN,
			text_format("see that they may fire for migrated rows; ALTER TABLE %s "
				    "DISABLE TRIGGER … keeps one from it",
				    quoted),
			"triggers fire for every row that is written: %s",
			PQgetvalue(result, row, 1));
	}
	preflight_passed(preflight, THEME_TRIGGERS, SIDE_TARGET, "no target table has any");
}

/* Every look would read the whole table, and ship what it finds. */
static void found_no_time_index(struct preflight *preflight, const struct bound_entity *bound)
{
	const struct table table = { .schema = bound->entity->source_schema,
				     .name = bound->entity->source_table };
	_cleanup_free_ char *quoted = table_quoted_name(&table);
	const char *column = bound->updated_at + strlen("source.");

	preflight_found(preflight, THEME_WATERMARKS, SIDE_SOURCE, bound->entity->name, FINDING_WARN,
			text_format("CREATE INDEX CONCURRENTLY ON %s (%s), or write \"hybrid\"",
				    quoted, column),
			"it is looked at by %s, and no index begins with that", column);
}

/* By what cycles look at each entity, between two sweeps. */
void judge_watermarks(struct preflight *preflight, const PGresult *result)
{
	const struct binding *binding = preflight->request.binding;
	size_t timed = 0, unindexed = 0, heaps = 0, rest = 0;

	(void)result;
	for (size_t i = 0; binding != NULL && i < binding->set->count; i++) {
		const struct bound_entity *bound = &binding->entities[i];
		bool table = bound->entity->source_table != NULL;
		bool certain = bound->updated_at_zoned || bound->entity->detect.updated_at != NULL;
		bool time = bound->updated_at != NULL && certain;

		if (!bound->usable)
			continue;
		timed += time && (bound->updated_at_indexed || !table);
		unindexed += time && !bound->updated_at_indexed && table;
		heaps += bound->heap && !(time && bound->updated_at_indexed);
		rest += !bound->heap && !time;
		if (bound->entity->detect.strategy == STRATEGY_TIMESTAMP && table &&
		    !bound->updated_at_indexed)
			found_no_time_index(preflight, bound);
	}
	if (binding != NULL)
		preflight_passed(preflight, THEME_WATERMARKS, SIDE_SOURCE,
				 "%zu entities have a time of change to look at, %zu only the "
				 "transaction of each row (%zu of them a time without an index), "
				 "%zu neither",
				 timed, heaps, unindexed, rest);
}
