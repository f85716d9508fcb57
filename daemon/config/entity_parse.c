/*
 * The mapping language of entities.d/NAME.json, but for the forms of a column (column_parse.c).
 */
#include "config/entity_parse.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/uuid.h"
#include "config/column_parse.h"
#include "config/conflict_parse.h"
#include "config/rule_parse.h"
#include "config/validate.h"

#define ENTITY(name) offsetof(struct entity, name)

static const char *const uuid_names[] = {
	[UUID_RANDOM] = "random",
	[UUID_V5] = "v5",
	[UUID_V7] = "v7",
	NULL,
};

static void decode_names(struct json_report *report, const char *path, json_t *value,
			 const struct json_field *field, void *target)
{
	name_list_parse(report, path, value, (struct name_list *)((char *)target + field->offset));
}

/* The name of a table or schema. "a.b" is taken for a schema and a table, unless the schema stands
 * beside it. */
static void check_relation(struct json_report *report, const char *path, json_t *object)
{
	const char *table = json_string_value(json_object_get(object, "table"));
	const char *schema = json_string_value(json_object_get(object, "schema"));
	_cleanup_free_ char *table_path = json_path_key(path, "table");
	_cleanup_free_ char *schema_path = json_path_key(path, "schema");
	const char *dot = table ? strchr(table, '.') : NULL;

	if (schema && schema[0])
		name_check(report, schema_path, schema);
	if (table && table[0])
		name_check(report, table_path, table);
	if (dot && !json_object_get(object, "schema"))
		json_problem(report, table_path, "write \"schema\": \"%.*s\" and \"table\": \"%s\"",
			     (int)(dot - table), table, dot + 1);
}

static const struct json_field source_fields[] = {
	{ .key = "schema", .type = JSON_FIELD_STRING, .offset = ENTITY(source_schema) },
	{ .key = "table", .type = JSON_FIELD_STRING, .offset = ENTITY(source_table) },
	{ .key = "query", .type = JSON_FIELD_STRING, .offset = ENTITY(source_query) },
	{ .key = "key",
	  .type = JSON_FIELD_ANY,
	  .offset = ENTITY(source_key),
	  .required = true,
	  .decode = decode_names },
	{ .key = "where", .type = JSON_FIELD_STRING, .offset = ENTITY(source_where) },
	{ .key = NULL },
};

static void decode_source(struct json_report *report, const char *path, json_t *value,
			  const struct json_field *field, void *target)
{
	struct entity *entity = target;
	bool table = json_object_get(value, "table") != NULL;
	bool query = json_object_get(value, "query") != NULL;
	_cleanup_free_ char *where_path = json_path_key(path, "where");
	_cleanup_free_ char *query_path = json_path_key(path, "query");
	size_t before = report->count;

	(void)field;
	json_decode(report, path, value, source_fields, entity);
	if (table && query)
		json_problem(report, path, "\"table\" and \"query\" contradict each other");
	if (!table && !query && report->count == before)
		json_problem(report, path, "\"table\" (or \"query\") is missing");
	if (query && !table && json_object_get(value, "schema"))
		json_problem(report, path,
			     "\"schema\" has no meaning beside \"query\": name it in the query");
	if (!entity->source_schema && !query)
		entity->source_schema = text_copy("public");
	check_relation(report, path, value);
	sql_check(report, where_path, entity->source_where);
	sql_check(report, query_path, entity->source_query);
}

static const struct json_field target_fields[] = {
	{ .key = "schema", .type = JSON_FIELD_STRING, .offset = ENTITY(target_schema) },
	{ .key = "table",
	  .type = JSON_FIELD_STRING,
	  .offset = ENTITY(target_table),
	  .required = true },
	{ .key = "key",
	  .type = JSON_FIELD_ANY,
	  .offset = ENTITY(target_key),
	  .required = true,
	  .decode = decode_names },
	{ .key = "legacy_key",
	  .type = JSON_FIELD_ANY,
	  .offset = ENTITY(legacy_key),
	  .decode = decode_names },
	{ .key = NULL },
};

static void decode_target(struct json_report *report, const char *path, json_t *value,
			  const struct json_field *field, void *target)
{
	struct entity *entity = target;

	(void)field;
	json_decode(report, path, value, target_fields, entity);
	if (!entity->target_schema)
		entity->target_schema = text_copy("public");
	check_relation(report, path, value);
}

#define OVERLAP_DEFAULT_MS (INT64_C(10) * 60 * 1000)
#define OVERLAP_MAX_MS (INT64_C(7) * 86400 * 1000)
#define DETECT(member) offsetof(struct detect_config, member)

static const struct json_field detect_fields[] = {
	{ .key = "strategy",
	  .type = JSON_FIELD_CHOICE,
	  .offset = DETECT(strategy),
	  .choices = strategy_names },
	{ .key = "updated_at", .type = JSON_FIELD_STRING, .offset = DETECT(updated_at) },
	{ .key = "overlap",
	  .type = JSON_FIELD_DURATION,
	  .offset = DETECT(overlap_ms),
	  .maximum = OVERLAP_MAX_MS },
	{ .key = NULL },
};

/* Which strategies look at a time, so that what is said of it has a meaning. */
static bool looks_at_time(enum strategy strategy)
{
	return strategy == STRATEGY_HYBRID || strategy == STRATEGY_TIMESTAMP;
}

static void decode_detect(struct json_report *report, const char *path, json_t *value,
			  const struct json_field *field, void *target)
{
	static const char *const of_time[] = { "updated_at", "overlap" };
	struct detect_config *detect = &((struct entity *)target)->detect;
	_cleanup_free_ char *updated_at_path = json_path_key(path, "updated_at");
	size_t before = report->count;

	(void)field;
	json_decode(report, path, value, detect_fields, detect);
	if (detect->updated_at)
		name_check(report, updated_at_path, detect->updated_at);
	for (size_t i = 0; report->count == before && i < 2; i++) {
		_cleanup_free_ char *key_path = json_path_key(path, of_time[i]);

		if (json_object_get(value, of_time[i]) && !looks_at_time(detect->strategy))
			json_problem(report, key_path,
				     "has no meaning with the strategy \"%s\", which looks at no "
				     "time: leave it out, or write \"hybrid\" or \"timestamp\"",
				     strategy_names[detect->strategy]);
	}
}

static void decode_marks(struct json_report *report, const char *path, json_t *value,
			 const struct json_field *field, void *target)
{
	struct entity *entity = target;
	const char *column;
	json_t *constant;

	(void)field;
	entity->on_delete = ON_DELETE_MARK;
	if (json_object_size(value) == 0)
		json_problem(report, path, "says no column to mark a row with");
	entity->marks = memory_new(json_object_size(value) * sizeof *entity->marks);
	json_object_foreach(value, column, constant) {
		_cleanup_free_ char *column_path = json_path_key(path, column);

		name_check(report, column_path, column);
		if (!json_is_scalar(constant))
			json_problem(report, column_path,
				     "expected a string, a number, true, false or null, found %s",
				     json_found(constant));
		else
			entity->marks[entity->mark_count++] = (struct mark){
				text_copy(column), json_incref(constant)
			};
	}
}

static const struct json_field on_delete_fields[] = {
	{ .key = "mark", .type = JSON_FIELD_OBJECT, .required = true, .decode = decode_marks },
	{ .key = NULL },
};

static void decode_on_delete(struct json_report *report, const char *path, json_t *value,
			     const struct json_field *field, void *target)
{
	struct entity *entity = target;
	const char *word = json_string_value(value);

	(void)field;
	if (json_is_object(value))
		json_decode(report, path, value, on_delete_fields, entity);
	else if (word && strcmp(word, "ignore") == 0)
		entity->on_delete = ON_DELETE_IGNORE;
	else if (word && strcmp(word, "delete") == 0)
		entity->on_delete = ON_DELETE_DELETE;
	else if (word && strcmp(word, "mark") == 0)
		json_problem(
			report, path,
			"\"mark\" needs to know the columns: {\"mark\": {\"is_active\": false}}");
	else
		json_problem(report, path,
			     "expected \"ignore\", \"delete\" or {\"mark\": {…}}, found %s%s%s%s",
			     word ? "" : json_found(value), word ? "\"" : "", word ? word : "",
			     word ? "\"" : "");
}

static void decode_columns(struct json_report *report, const char *path, json_t *value,
			   const struct json_field *field, void *target)
{
	struct entity *entity = target;
	const char *name;
	json_t *column;

	(void)field;
	entity->columns = memory_new(json_object_size(value) * sizeof *entity->columns);
	json_object_foreach(value, name, column) {
		_cleanup_free_ char *column_path = json_path_key(path, name);

		column_parse(report, column_path, name, column,
			     &entity->columns[entity->column_count++]);
	}
}

static void decode_rules(struct json_report *report, const char *path, json_t *value,
			 const struct json_field *field, void *target)
{
	struct entity *entity = target;

	(void)field;
	rules_parse(report, path, value, &entity->rules, &entity->rule_count);
}

static const struct json_field uuid_fields[] = {
	{ .key = "v5",
	  .type = JSON_FIELD_STRING,
	  .offset = ENTITY(uuid_namespace),
	  .required = true },
	{ .key = NULL },
};

static void decode_namespace(struct json_report *report, const char *path, json_t *value,
			     struct entity *entity)
{
	_cleanup_free_ char *namespace_path = json_path_key(path, "v5");

	entity->uuid = UUID_V5;
	if (json_decode(report, path, value, uuid_fields, entity) &&
	    !uuid_is_valid(entity->uuid_namespace))
		json_problem(report, namespace_path,
			     "expected a UUID, which is the namespace of those that are made");
}

/* "v5", or {"v5": "the namespace"}. */
static void decode_uuid(struct json_report *report, const char *path, json_t *value,
			const struct json_field *field, void *target)
{
	struct entity *entity = target;
	const char *word = json_string_value(value);

	(void)field;
	if (json_is_object(value)) {
		decode_namespace(report, path, value, entity);
		return;
	}
	for (size_t i = 0; word && uuid_names[i]; i++)
		if (strcmp(word, uuid_names[i]) == 0) {
			entity->uuid = i;
			return;
		}
	json_problem(
		report, path,
		"expected \"random\", \"v5\", \"v7\" or {\"v5\": \"NAMESPACE\"}, found %s%s%s%s",
		word ? "" : json_found(value), word ? "\"" : "", word ? word : "",
		word ? "\"" : "");
}

static void decode_bulk(struct json_report *report, const char *path, json_t *value,
			const struct json_field *field, void *target)
{
	struct entity *entity = target;
	const char *word = json_string_value(value);

	(void)field;
	for (size_t i = 0; word && bulk_mode_names[i]; i++)
		if (strcmp(word, bulk_mode_names[i]) == 0) {
			entity->bulk = i;
			return;
		}
	json_problem(report, path, "expected \"auto\" or \"off\", found %s%s%s%s",
		     word ? "" : json_found(value), word ? "\"" : "", word ? word : "",
		     word ? "\"" : "");
}

static const struct json_field entity_fields[] = {
	{ .key = "entity", .type = JSON_FIELD_STRING, .offset = ENTITY(name), .required = true },
	{ .key = "source", .type = JSON_FIELD_OBJECT, .required = true, .decode = decode_source },
	{ .key = "target", .type = JSON_FIELD_OBJECT, .required = true, .decode = decode_target },
	{ .key = "detect", .type = JSON_FIELD_OBJECT, .decode = decode_detect },
	{ .key = "identity",
	  .type = JSON_FIELD_ANY,
	  .offset = ENTITY(identity),
	  .decode = decode_names },
	{ .key = "on_delete", .type = JSON_FIELD_ANY, .decode = decode_on_delete },
	{ .key = "on_conflict", .type = JSON_FIELD_ANY, .decode = conflict_parse },
	{ .key = "uuid", .type = JSON_FIELD_ANY, .decode = decode_uuid },
	{ .key = "validate", .type = JSON_FIELD_ANY, .decode = validate_parse },
	{ .key = "bulk", .type = JSON_FIELD_ANY, .decode = decode_bulk },
	{ .key = "columns", .type = JSON_FIELD_OBJECT, .required = true, .decode = decode_columns },
	{ .key = "rules", .type = JSON_FIELD_OBJECT, .decode = decode_rules },
	{ .key = NULL },
};

static bool is_entity_name(const char *name)
{
	return name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= ENTITY_NAME_MAX &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void check_name(struct json_report *report, struct entity *entity, const char *file_name)
{
	if (!is_entity_name(entity->name))
		json_problem(
			report, "$.entity",
			"\"%s\" is no name for an entity: a lower-case letter, then lower-case "
			"letters, digits and \"_\", at most %d bytes",
			entity->name, ENTITY_NAME_MAX);
	else if (strcmp(entity->name, file_name) != 0)
		json_problem(report, "$.entity",
			     "the entity is \"%s\", but its file is called \"%s.json\": they must "
			     "be the same",
			     entity->name, file_name);
}

/* What a strategy needs of the source, as far as the mapping alone says it. */
static void check_strategy(struct json_report *report, const struct entity *entity)
{
	enum strategy strategy = entity->detect.strategy;

	if (strategy == STRATEGY_ID && entity->source_key.count > 1)
		json_problem(
			report, "$.detect.strategy",
			"\"id\" takes rows with a higher key than the last, but the key has %zu "
			"columns: write \"hybrid\", \"timestamp\", \"xmin\" or \"sweep\"",
			entity->source_key.count);
	if (strategy == STRATEGY_XMIN && entity->source_query)
		json_problem(
			report, "$.detect.strategy",
			"\"xmin\" is known of the rows of a table, not of those of a query: write "
			"\"hybrid\", \"timestamp\", \"id\" or \"sweep\"");
}

/* What says how UUIDs are made has no meaning where none is. */
static void check_uuid(struct json_report *report, const struct entity *entity)
{
	if (entity->uuid == UUID_RANDOM || entity->target_key.count == 0 || !entity->columns ||
	    entity_mints_key(entity))
		return;
	json_problem(report, "$.uuid",
		     "has no meaning: the key of the target is filled by \"columns\"");
}

/* A key of one column may be minted; what is to fill a key of several must be said. */
static void check_target_key(struct json_report *report, const struct entity *entity)
{
	const struct name_list *key = &entity->target_key;

	if (key->count < 2 || !entity->columns)
		return;
	for (size_t i = 0; i < key->count; i++)
		if (!entity_column(entity, key->names[i]))
			json_problem(
				report, "$.target.key",
				"the key column \"%s\" is not in \"columns\": a key of several "
				"columns is not minted, so each must be filled",
				key->names[i]);
}

static void check_legacy_key(struct json_report *report, const struct entity *entity)
{
	const struct name_list *legacy = &entity->legacy_key;
	size_t source_count = entity->source_key.count;

	if (legacy->count > 0 && source_count > 0 && legacy->count != source_count)
		json_problem(report, "$.target.legacy_key",
			     "has %zu column%s, but the key of the source has %zu", legacy->count,
			     legacy->count == 1 ? "" : "s", source_count);
	for (size_t i = 0; i < legacy->count; i++) {
		if (entity_column(entity, legacy->names[i]))
			json_problem(
				report, "$.target.legacy_key",
				"the column \"%s\" is also in \"columns\": migrated fills it with "
				"the legacy key, so leave it out there",
				legacy->names[i]);
		if (name_list_has(&entity->target_key, legacy->names[i]))
			json_problem(report, "$.target.legacy_key",
				     "the column \"%s\" is also the key of the target",
				     legacy->names[i]);
	}
}

static void check_marks(struct json_report *report, const struct entity *entity)
{
	for (size_t i = 0; i < entity->mark_count; i++) {
		const char *column = entity->marks[i].column;
		_cleanup_free_ char *path = json_path_key("$.on_delete.mark", column);

		if (name_list_has(&entity->target_key, column))
			json_problem(report, path,
				     "is the key of the target: marking a row must not change it");
		if (name_list_has(&entity->legacy_key, column))
			json_problem(report, path,
				     "holds the legacy key: marking a row must not change it");
	}
}

/* Who finds a key reused makes a new row; a natural key leaves nothing to be made. */
static void check_identity(struct json_report *report, const struct entity *entity)
{
	const struct name_list *identity = &entity->identity;

	if (identity->count > 0 && entity->columns && !entity_mints_key(entity))
		json_problem(report, "$.identity",
			     "has no meaning where \"columns\" fill the key of the target: a row "
			     "whose id was reused could not get another one");
	for (size_t i = 0; i < identity->count; i++)
		if (name_list_has(&entity->source_key, identity->names[i]))
			json_problem(report, "$.identity",
				     "the column \"%s\" is part of the key of the source, so it is "
				     "always the same: name what tells two rows with the same key "
				     "apart",
				     identity->names[i]);
}

void entity_parse(json_t *root, const char *file, const char *name, struct problem_list *problems,
		  struct entity *ret_entity)
{
	struct problem_sink sink = { problems, file };
	struct json_report report = problem_report(&sink);
	struct entity *entity = ret_entity;

	*entity = (struct entity){ .file = text_copy(file),
				   .detect = { .overlap_ms = OVERLAP_DEFAULT_MS } };
	if (root)
		json_decode(&report, "$", root, entity_fields, entity);
	if (!entity->name)
		entity->name = text_copy(name); /* that it is missing was said */
	else
		check_name(&report, entity, name);
	check_strategy(&report, entity);
	check_target_key(&report, entity);
	check_uuid(&report, entity);
	check_legacy_key(&report, entity);
	check_marks(&report, entity);
	check_identity(&report, entity);
}
