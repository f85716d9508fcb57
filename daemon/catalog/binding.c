/*
 * Binds the mapping to two live databases: catalogs first, then each entity's read is described by the source (describe.c), so that
 * the types of its expressions are what the source says they are, then the target is asked whether it takes them (probe.c); see
 * binding.h.
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
#include "catalog/describe.h"
#include "catalog/expression.h"
#include "catalog/identity.h"
#include "catalog/mint.h"
#include "catalog/probe.h"
#include "catalog/reference.h"
#include "catalog/rules.h"
#include "common/text.h"

/* One binding under way. */
struct binder {
	struct binding *binding;
	struct pg_connection *source;
	struct pg_connection *target;
	int catalogs;	    /* so many are still being read */
	struct error error; /* of the first that could not be */
	bool failed;
	binding_on_done *on_done;
	void *arg;
};

static char **string_array(size_t count)
{
	return memory_new((count > 0 ? count : 1) * sizeof(char *));
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
		_cleanup_free_ char *query = bound_enclosed(entity->source_query);

		bound->source_relation = text_format("%s AS source", query);
	} else {
		_cleanup_free_ char *schema = pg_quote_identifier(entity->source_schema);
		_cleanup_free_ char *table = pg_quote_identifier(entity->source_table);

		bound->source_relation = text_format("%s.%s AS source", schema, table);
	}
	bound->source_filter = entity->source_where != NULL ? bound_enclosed(entity->source_where)
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
	bound->change_log = text_format("migrated.change_log_%s", entity->name);
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

static void on_probed(void *arg, const struct error *err)
{
	struct binder *binder = arg;

	if (err != NULL) {
		finish(binder, err);
		return;
	}
	binding_spread_unusable(binder->binding, NULL);
	base_tables_find(binder->binding, binder->source, on_base_tables, binder);
}

/* Now that all types are known, the target says whether it takes them. */
static void on_described(void *arg, const struct error *err)
{
	struct binder *binder = arg;
	struct binding *binding = binder->binding;

	if (err != NULL) {
		finish(binder, err);
		return;
	}
	bound_resolve_references(binding);
	for (size_t i = 0; i < binding->set->count; i++) {
		struct bound_entity *bound = &binding->entities[i];

		if (!bound->usable)
			continue;
		bound_set_written_hash(bound, binding->target_version);
		bound_fingerprint(bound, binding->source_version);
	}
	probe_target(binding, binder->target, on_probed, binder);
}

static void on_rules_described(void *arg, const struct error *err)
{
	struct binder *binder = arg;

	if (err != NULL) {
		finish(binder, err);
		return;
	}
	binding_spread_unusable(binder->binding, NULL);
	describe_source(binder->binding, binder->source, on_described, binder);
}

static void bind_entities(struct binder *binder)
{
	struct binding *binding = binder->binding;

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

/* Both are read at once. What cannot go on waits for the other, which still answers to it. */
static void on_catalog(void *arg, const struct error *err)
{
	struct binder *binder = arg;

	if (err != NULL && !binder->failed)
		binder->error = *err;
	binder->failed |= err != NULL;
	if (--binder->catalogs > 0)
		return;
	if (binder->failed) {
		struct error error = binder->error;

		finish(binder, &error);
	} else {
		bind_entities(binder);
	}
}

struct binding *binding_of_names(const struct entity_set *set)
{
	struct binding *binding = memory_new(sizeof(*binding));

	binding->set = set;
	binding->entities = memory_new((set->count + 1) * sizeof(*binding->entities));
	binding->order = memory_new((set->count + 1) * sizeof(*binding->order));
	for (size_t i = 0; i < set->count; i++) {
		binding->entities[i].entity = &set->entities[i];
		binding->entities[i].usable = true;
		binding->order[i] = i;
		bind_target_names(&binding->entities[i]);
	}
	return binding;
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
	binder->catalogs = 2;
	catalog_read(&binding->source, source, on_catalog, binder);
	catalog_read(&binding->target, target, on_catalog, binder);
}
