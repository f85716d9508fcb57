/*
 * Binds the mapping to two live databases: catalogs first, then each entity's read is described by the
 * source, so that the types of its expressions are what the source says they are; see binding.h.
 *
 * What the mapping's forms mean in SQL stands in expression.c.
 */
#include "catalog/binding.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/base_tables.h"
#include "catalog/changed.h"
#include "catalog/circle.h"
#include "catalog/expression.h"
#include "catalog/identity.h"
#include "catalog/mint.h"
#include "catalog/rules.h"
#include "catalog/wire_type.h"
#include "common/text.h"

/* One binding under way. */
struct binder {
	struct binding *binding;
	struct pg_connection *source;
	struct pg_connection *target;
	binding_on_done *on_done;
	void *arg;
	size_t next;	     /* entity to be described */
	size_t next_shipped; /* expression to be described alone, after the whole read was refused */
	bool alone;
};

static void describe_next(struct binder *binder);

static bool is_integer(const char *type)
{
	return strcmp(type, "bigint") == 0 || strcmp(type, "integer") == 0 ||
	       strcmp(type, "smallint") == 0;
}

static char **string_array(size_t count)
{
	return memory_new((count > 0 ? count : 1) * sizeof(char *));
}

static void replace(char **string, char *value)
{
	free(*string);
	*string = value;
}

void binding_refuse(struct binding *binding, struct bound_entity *bound, const char *path,
		    const char *message)
{
	bound->usable = false;
	problem_add(&binding->problems, bound->entity->file, 0, path, "%s", message);
}

const char *binding_refusal(const struct binding *binding, const struct bound_entity *bound)
{
	for (size_t i = 0; i < binding->problems.count; i++)
		if (strcmp(binding->problems.problems[i].file, bound->entity->file) == 0)
			return binding->problems.problems[i].message;
	return "the mapping does not fit the databases; see migratectl check";
}

__attribute__((format(printf, 4, 5))) static void complain(struct binder *binder,
							   struct bound_entity *bound,
							   const char *path, const char *format,
							   ...)
{
	_cleanup_free_ char *message = NULL;
	struct text text = TEXT_INIT;
	va_list arguments;

	va_start(arguments, format);
	text_vappendf(&text, format, arguments);
	va_end(arguments);
	message = text_steal(&text);
	binding_refuse(binder->binding, bound, path, message);
}

/* --- the source side ------------------------------------------------------------------------ */

static void bind_source_relation(struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;

	if (entity->source_query != NULL) {
		bound->source_relation = text_format("(%s) AS source", entity->source_query);
	} else {
		_cleanup_free_ char *schema = pg_quote_identifier(entity->source_schema);
		_cleanup_free_ char *table = pg_quote_identifier(entity->source_table);

		bound->source_relation = text_format("%s.%s AS source", schema, table);
	}
	bound->source_filter = entity->source_where != NULL
				       ? text_format("(%s)", entity->source_where)
				       : text_copy("TRUE");
}

static void bind_keys(struct bound_entity *bound)
{
	size_t count = bound->entity->source_key.count;

	bound->key_expressions = string_array(count);
	bound->key_types = string_array(count);
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *quoted = pg_quote_identifier(
			bound->entity->source_key.names[i]);
		_cleanup_free_ char *name = text_format("k%zu", i + 1);

		bound->key_expressions[i] = text_format("source.%s", quoted);
		bound_ship(bound, name, bound->key_expressions[i], "$.source.key");
	}
}

/* Names every column that the mapping takes from a source table that has no such column. */
static void check_source_columns(struct binder *binder, struct bound_entity *bound,
				 const struct catalog_relation *relation,
				 const struct column *columns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct column *column = &columns[i];

		for (size_t j = 0; j < column->from.count; j++)
			if (catalog_column(relation, column->from.names[j]) == NULL)
				complain(binder, bound, column->path,
					 "source table \"%s\" has no column \"%s\"", relation->name,
					 column->from.names[j]);
		check_source_columns(binder, bound, relation, column->members,
				     column->member_count);
	}
}

/* Rows with a NULL in their key would stand outside every range, so there must be none. */
static bool check_key_column(struct binder *binder, struct bound_entity *bound,
			     const struct catalog_relation *relation, const char *name)
{
	const struct catalog_column *column = catalog_column(relation, name);

	if (column == NULL)
		complain(binder, bound, "$.source.key", "source table \"%s\" has no column \"%s\"",
			 relation->name, name);
	else if (!column->not_null && (relation->kind == 'r' || relation->kind == 'p'))
		complain(binder, bound, "$.source.key",
			 "key column \"%s\" of source table \"%s\" may be NULL", name,
			 relation->name);
	return column != NULL;
}

static void check_source(struct binder *binder, struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	const struct catalog_relation *relation;
	bool has_key = true;

	if (entity->source_table == NULL)
		return;
	relation = catalog_relation(&binder->binding->source, entity->source_schema,
				    entity->source_table);
	if (!relation->found) {
		complain(binder, bound, "$.source.table",
			 "there is no table \"%s\" in schema \"%s\" of the source",
			 entity->source_table, entity->source_schema);
		return;
	}
	bound_check_identity(binder->binding, bound, relation);
	for (size_t i = 0; i < entity->source_key.count; i++)
		has_key &= check_key_column(binder, bound, relation, entity->source_key.names[i]);
	check_source_columns(binder, bound, relation, entity->columns, entity->column_count);
	if (has_key && (relation->kind == 'r' || relation->kind == 'p') &&
	    !catalog_is_unique(relation, entity->source_key.names, entity->source_key.count))
		complain(binder, bound, "$.source.key",
			 "the key is not unique: source table \"%s\" has no primary key or unique "
			 "index on it",
			 relation->name);
}

/* --- the target side ------------------------------------------------------------------------ */

static void bind_target_names(struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	_cleanup_free_ char *schema = pg_quote_identifier(entity->target_schema);
	_cleanup_free_ char *table = pg_quote_identifier(entity->target_table);

	bound->target_relation = text_format("%s.%s", schema, table);
	bound->id_map = text_format("migrated.id_map_%s", entity->name);
	bound->seen = text_format("migrated.seen_%s", entity->name);
	bound->stage = text_format("pg_temp.stage_%s", entity->name);
	bound->target_key_quoted = string_array(entity->target_key.count);
	bound->target_key_types = string_array(entity->target_key.count);
	for (size_t i = 0; i < entity->target_key.count; i++)
		bound->target_key_quoted[i] = pg_quote_identifier(entity->target_key.names[i]);
}

static bool target_column_fits(struct binder *binder, struct bound_entity *bound,
			       const struct catalog_relation *relation, const char *name,
			       const char *path)
{
	const struct catalog_column *column = catalog_column(relation, name);

	if (column == NULL)
		complain(binder, bound, path, "target table \"%s\" has no column \"%s\"",
			 relation->name, name);
	else if (column->identity_always)
		complain(binder, bound, path,
			 "target column \"%s\" is always generated from its sequence and cannot be "
			 "changed; ALTER COLUMN … SET GENERATED BY DEFAULT, or leave it out",
			 name);
	else if (column->generated)
		complain(binder, bound, path,
			 "target column \"%s\" is generated by the database and cannot be written",
			 name);
	return column != NULL && !column->generated;
}

/* A column that must have a value, has no default, and that the mapping does not fill: every row would fail. */
static void check_unfilled(struct binder *binder, struct bound_entity *bound,
			   const struct catalog_relation *relation)
{
	const struct entity *entity = bound->entity;

	for (size_t i = 0; i < relation->column_count; i++) {
		const struct catalog_column *column = &relation->columns[i];
		bool filled = entity_column(entity, column->name) != NULL;

		for (size_t j = 0; j < entity->legacy_key.count; j++)
			filled |= strcmp(entity->legacy_key.names[j], column->name) == 0;
		filled |= entity_mints_key(entity) &&
			  strcmp(entity->target_key.names[0], column->name) == 0;
		if (!filled && column->not_null && !column->has_default && !column->generated)
			complain(binder, bound, "$.columns",
				 "target column \"%s\" may not be NULL, has no default, and the "
				 "mapping does not fill it",
				 column->name);
	}
}

static void bind_target_key(struct binder *binder, struct bound_entity *bound,
			    const struct catalog_relation *relation)
{
	const struct entity *entity = bound->entity;

	for (size_t i = 0; i < entity->target_key.count; i++) {
		const char *name = entity->target_key.names[i];
		const struct catalog_column *column = catalog_column(relation, name);

		if (column == NULL) {
			complain(binder, bound, "$.target.key",
				 "target table \"%s\" has no column \"%s\"", relation->name, name);
			return;
		}
		bound->target_key_types[i] = text_copy(column->base_type);
		if (entity_mints_key(entity))
			bound_check_mint(binder->binding, bound, column);
	}
	if (!catalog_is_unique(relation, entity->target_key.names, entity->target_key.count))
		complain(binder, bound, "$.target.key",
			 "the key is not unique: target table \"%s\" has no primary key or unique "
			 "constraint on it",
			 relation->name);
}

static void bind_written(struct binder *binder, struct bound_entity *bound,
			 const struct catalog_relation *relation)
{
	const struct entity *entity = bound->entity;

	for (size_t i = 0; i < entity->column_count; i++)
		if (target_column_fits(binder, bound, relation, entity->columns[i].name,
				       entity->columns[i].path))
			bound_write(bound, &entity->columns[i],
				    catalog_column(relation, entity->columns[i].name));
	for (size_t i = 0; i < entity->legacy_key.count; i++)
		if (target_column_fits(binder, bound, relation, entity->legacy_key.names[i],
				       "$.target.legacy_key"))
			bound_write_legacy(bound, i,
					   catalog_column(relation, entity->legacy_key.names[i]));
	for (size_t i = 0; i < entity->mark_count; i++)
		target_column_fits(binder, bound, relation, entity->marks[i].column,
				   "$.on_delete.mark");
}

static void check_nullable(struct binder *binder, struct bound_entity *bound)
{
	for (size_t i = 0; i < bound->written_count; i++) {
		const struct column *column = bound->written[i].column;

		if (column == NULL || column->kind != COLUMN_REFERENCE ||
		    !bound->written[i].not_null)
			continue;
		if (column->if_missing == IF_MISSING_NULL)
			complain(binder, bound, column->path,
				 "target column \"%s\" may not be NULL, so this reference cannot "
				 "be filled in later",
				 column->name);
	}
}

static void bind_target(struct binder *binder, struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	const struct catalog_relation *relation = catalog_relation(&binder->binding->target,
								   entity->target_schema,
								   entity->target_table);

	bind_target_names(bound);
	if (!relation->found) {
		complain(binder, bound, "$.target.table",
			 "there is no table \"%s\" in schema \"%s\" of the target",
			 entity->target_table, entity->target_schema);
		return;
	}
	bind_target_key(binder, bound, relation);
	bind_written(binder, bound, relation);
	check_nullable(binder, bound);
	check_unfilled(binder, bound, relation);
	bound->legacy_unique = entity->legacy_key.count > 0 &&
			       catalog_is_unique(relation, entity->legacy_key.names,
						 entity->legacy_key.count);
}

/* --- types of what is shipped ------------------------------------------------------------------ */

/* What the source cannot send in a form that the target reads goes as text. */
static void set_shipped_type(struct shipped_column *shipped, Oid oid)
{
	const char *type = wire_type_name(oid);

	if (type == NULL)
		replace(&shipped->expression, text_format("(%s)::text", shipped->expression));
	replace(&shipped->type, text_copy(type != NULL ? type : "text"));
}

static void finish_types(struct binding *binding, struct bound_entity *bound,
			 const PGresult *description)
{
	for (size_t i = 0; i < bound->shipped_count; i++)
		set_shipped_type(&bound->shipped[i], PQftype(description, (int)i));
	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		replace(&bound->key_expressions[i], text_copy(bound->shipped[i].expression));
		replace(&bound->key_types[i], text_copy(bound->shipped[i].type));
	}
	bound->integer_key = bound->entity->source_key.count == 1 &&
			     is_integer(bound->key_types[0]);
	bound_set_mint(binding, bound);
	if (bound->updated_at != NULL)
		bound_set_changed_type(binding, bound,
				       PQftype(description, (int)bound->shipped_count));
	bound_set_identity(bound, binding->source_version, description,
			   bound->shipped_count + (bound->updated_at != NULL));
	if (bound->source_time != NULL)
		bound_set_source_time_type(binding, bound,
					   PQftype(description, PQnfields(description) - 1));
	bound_check_strategy(binding, bound);
}

char *binding_read(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->shipped_count; i++)
		text_appendf(&text, "%s%s AS %s", i == 0 ? "SELECT " : ",\n       ",
			     bound->shipped[i].expression, bound->shipped[i].name);
	if (bound->updated_at != NULL)
		text_appendf(&text, ",\n       %s", bound->updated_at);
	bound_append_identity(&text, bound);
	if (bound->source_time != NULL)
		text_appendf(&text, ",\n       %s", bound->source_time);
	text_appendf(&text, "\n  FROM %s\n WHERE %s", bound->source_relation, bound->source_filter);
	return text_steal(&text);
}

static void finish(struct binder *binder, const struct error *err)
{
	struct binding *binding = binder->binding;
	binding_on_done *on_done = binder->on_done;
	void *arg = binder->arg;

	free(binder);
	if (err != NULL) {
		binding_free(binding);
		binding = NULL;
	}
	on_done(arg, binding, err);
}

static bool is_refusal(const struct error *err)
{
	return err->kind == ERROR_STRUCTURE || err->kind == ERROR_DATA || err->kind == ERROR_DENIED;
}

/* What is asked for alone, behind all that is shipped. */
enum { ALONE_UPDATED_AT, ALONE_SOURCE_TIME, ALONE_RELATION, ALONE_COUNT };

/* One expression of the source, and where in the mapping it stands; NULL: there is none of this sort. */
static const char *expression_alone(const struct binder *binder, const struct bound_entity *bound,
				    const char **ret_path)
{
	if (binder->next_shipped < bound->shipped_count) {
		*ret_path = bound->shipped[binder->next_shipped].path;
		return bound->shipped[binder->next_shipped].expression;
	}
	switch (binder->next_shipped - bound->shipped_count) {
	case ALONE_UPDATED_AT:
		*ret_path = "$.detect.updated_at";
		return bound->updated_at;
	case ALONE_SOURCE_TIME:
		*ret_path = "$.on_conflict";
		return bound->source_time;
	default:
		*ret_path = "$.source";
		return "1";
	}
}

/* The whole read was refused: ask for each expression alone, to name every one that is at fault. */
static void on_described_alone(void *arg, const struct pg_answer *answer)
{
	struct binder *binder = arg;
	struct bound_entity *bound = &binder->binding->entities[binder->next];
	const char *path;

	if (answer->error != NULL && !is_refusal(answer->error)) {
		finish(binder, answer->error);
		return;
	}
	expression_alone(binder, bound, &path);
	if (answer->error != NULL)
		complain(binder, bound, path, "the source refuses it: %s", answer->error->message);
	/* The relation itself is the last one asked for, and the first at fault when all are. */
	do
		binder->next_shipped++;
	while (expression_alone(binder, bound, &path) == NULL);
	if (binder->next_shipped == bound->shipped_count + ALONE_COUNT) {
		binder->alone = false;
		binder->next++;
	}
	describe_next(binder);
}

/* As a condition, where there can be no aggregates: with others, one of these has the whole read refused, and alone it has not. */
static void describe_alone(struct binder *binder)
{
	struct bound_entity *bound = &binder->binding->entities[binder->next];
	const char *path;
	const char *expression = expression_alone(binder, bound, &path);
	_cleanup_free_ char *condition = binder->next_shipped ==
							 bound->shipped_count + ALONE_RELATION
						 ? text_copy(bound->source_filter)
						 : text_format("(%s) IS NOT NULL", expression);
	_cleanup_free_ char *sql = text_format("SELECT 1 FROM %s WHERE %s", bound->source_relation,
					       condition);

	pg_describe(binder->source, sql, on_described_alone, binder);
}

static void on_described(void *arg, const struct pg_answer *answer)
{
	struct binder *binder = arg;
	struct bound_entity *bound = &binder->binding->entities[binder->next];

	if (answer->error == NULL) {
		finish_types(binder->binding, bound, answer->results[answer->count - 1]);
		bound_fingerprint(bound, binder->binding->source_version);
		binder->next++;
	} else if (is_refusal(answer->error)) {
		bound->usable = false;
		binder->alone = true;
		binder->next_shipped = 0;
	} else {
		finish(binder, answer->error);
		return;
	}
	describe_next(binder);
}

/* A child cannot be resolved without its parents' id maps. A parent that only the source refuses, later, fails when a session
   runs, and its children with it. */
static void refuse_child(struct binding *binding, struct bound_entity *child,
			 const struct bound_entity *parent)
{
	_cleanup_free_ char *message = text_format(
		"it refers to \"%s\", which cannot be migrated as it is", parent->entity->name);

	binding_refuse(binding, child, "$.columns", message);
}

void binding_spread_unusable(struct binding *binding, const bool *only)
{
	_cleanup_free_ bool *reached = memory_new((binding->set->count + 1) * sizeof(*reached));
	bool changed = true;

	for (size_t i = 0; i < binding->set->count; i++) {
		struct bound_entity *bound = &binding->entities[i];

		reached[i] = !bound->usable && (only == NULL || only[i]);
	}
	while (changed) {
		changed = false;
		for (size_t i = 0; i < binding->set->count * binding->set->count; i++) {
			struct bound_entity *child = &binding->entities[i / binding->set->count];
			size_t parent = i % binding->set->count;

			if (!child->usable || !reached[parent] ||
			    !entity_refers_to(child->entity, binding->entities[parent].entity))
				continue;
			refuse_child(binding, child, &binding->entities[parent]);
			reached[i / binding->set->count] = changed = true;
		}
	}
}

static void on_base_tables(void *arg, const struct error *err)
{
	finish(arg, err);
}

/* Entities already known not to fit are not described: the source would only say again what is known. */
static void describe_next(struct binder *binder)
{
	struct binding *binding = binder->binding;

	if (binder->alone) {
		describe_alone(binder);
		return;
	}
	while (binder->next < binding->set->count && !binding->entities[binder->next].usable)
		binder->next++;
	if (binder->next == binding->set->count) {
		base_tables_find(binding, binder->source, on_base_tables, binder);
		return;
	}
	_cleanup_free_ char *sql = binding_read(&binding->entities[binder->next]);

	pg_describe(binder->source, sql, on_described, binder);
}

static void on_rules_described(void *arg, const struct error *err)
{
	struct binder *binder = arg;

	if (err != NULL) {
		finish(binder, err);
		return;
	}
	binding_spread_unusable(binder->binding, NULL);
	describe_next(binder);
}

static void on_target_catalog(void *arg, const struct error *err)
{
	struct binder *binder = arg;
	struct binding *binding = binder->binding;

	if (err != NULL) {
		finish(binder, err);
		return;
	}
	for (size_t i = 0; i < binding->set->count; i++) {
		struct bound_entity *bound = &binding->entities[i];

		bound->entity = &binding->set->entities[i];
		bound->usable = true;
		bind_source_relation(bound);
		bind_keys(bound);
		bound_ship_identity(bound, binding->source_version);
		check_source(binder, bound);
		bound_find_changed(binding, bound);
		bind_target(binder, bound);
		bound_find_times(binding, bound);
		bound_ship_rules(bound);
	}
	circle_order(binding);
	rules_describe(binding, binder->target, on_rules_described, binder);
}

static void on_source_catalog(void *arg, const struct error *err)
{
	struct binder *binder = arg;

	if (err != NULL) {
		finish(binder, err);
		return;
	}
	catalog_read(&binder->binding->target, binder->target, on_target_catalog, binder);
}

void binding_make(const struct entity_set *set, struct pg_connection *source,
		  struct pg_connection *target, binding_on_done *on_done, void *arg)
{
	struct binder *binder = memory_new(sizeof(*binder));
	struct binding *binding = memory_new(sizeof(*binding));

	*binder = (struct binder){ .binding = binding,
				   .source = source,
				   .target = target,
				   .on_done = on_done,
				   .arg = arg };
	binding->set = set;
	binding->source_version = pg_connection_server_version(source);
	binding->target_version = pg_connection_server_version(target);
	binding->entities = memory_new((set->count + 1) * sizeof(*binding->entities));
	for (size_t i = 0; i < set->count; i++) {
		const struct entity *entity = &set->entities[i];

		if (entity->source_table != NULL)
			catalog_want(&binding->source, entity->source_schema, entity->source_table);
		catalog_want(&binding->target, entity->target_schema, entity->target_table);
		binding->target.uuid_functions |= entity->uuid == UUID_V5;
	}
	catalog_read(&binding->source, source, on_source_catalog, binder);
}
