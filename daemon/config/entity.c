/*
 * Looking things up in the entity model, and freeing it.
 */
#include "config/entity.h"

#include <stdlib.h>
#include <string.h>

const char *const strategy_names[] = {
	[STRATEGY_HYBRID] = "hybrid",	    [STRATEGY_SWEEP] = "sweep",
	[STRATEGY_TIMESTAMP] = "timestamp", [STRATEGY_ID] = "id",
	[STRATEGY_XMIN] = "xmin",	    NULL,
};

const char *const rule_action_names[] = {
	[RULE_REJECT] = "reject",
	[RULE_WARN] = "warn",
	NULL,
};

const char *const bulk_mode_names[] = { "auto", "off", NULL };

const char *const on_conflict_names[] = {
	[ON_CONFLICT_SOURCE_WINS] = "source_wins",
	[ON_CONFLICT_LAST_WRITER_WINS] = "last_writer_wins",
	[ON_CONFLICT_HOLD] = "hold",
	NULL,
};

const struct entity *entity_find(const struct entity_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->entities[i].name, name) == 0)
			return &set->entities[i];
	return NULL;
}

bool entity_refers_to(const struct entity *child, const struct entity *parent)
{
	for (size_t i = 0; i < child->column_count; i++)
		for (size_t j = 0; j < child->columns[i].reference_count; j++)
			if (child->columns[i].references[j].entity == parent)
				return true;
	return false;
}

bool entity_mints_key(const struct entity *entity)
{
	return entity->target_key.count == 1 && !entity_column(entity, entity->target_key.names[0]);
}

const struct column *entity_column(const struct entity *entity, const char *target_column)
{
	for (size_t i = 0; i < entity->column_count; i++)
		if (strcmp(entity->columns[i].name, target_column) == 0)
			return &entity->columns[i];
	return NULL;
}

bool entity_has_rules(const struct entity *entity, bool after, enum rule_action action)
{
	for (size_t i = 0; i < entity->rule_count; i++)
		if (entity->rules[i].after == after && entity->rules[i].action == action)
			return true;
	return false;
}

bool name_list_has(const struct name_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->names[i], name) == 0)
			return true;
	return false;
}

void name_list_done(struct name_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	*list = (struct name_list){ 0 };
}

/* Members are columns, too; how deep they nest was bounded when they were read. */
static void column_done(struct column *column)
{
	free(column->name);
	free(column->path);
	name_list_done(&column->from);
	free(column->sql);
	json_decref(column->constant);
	for (size_t i = 0; i < column->value_count; i++) {
		free(column->values[i].from);
		json_decref(column->values[i].to);
	}
	free(column->values);
	json_decref(column->default_value);
	for (size_t i = 0; i < column->member_count; i++)
		column_done(&column->members[i]);
	free(column->members);
	for (size_t i = 0; i < column->reference_count; i++) {
		free(column->references[i].entity_name);
		free(column->references[i].when);
	}
	free(column->references);
}

static void entity_done(struct entity *entity)
{
	free(entity->name);
	free(entity->file);
	free(entity->written);
	free(entity->source_schema);
	free(entity->source_table);
	free(entity->source_query);
	name_list_done(&entity->source_key);
	free(entity->source_where);
	free(entity->target_schema);
	free(entity->target_table);
	name_list_done(&entity->target_key);
	name_list_done(&entity->legacy_key);
	free(entity->conflict.source_time);
	free(entity->conflict.target_time);
	for (size_t i = 0; i < entity->column_count; i++)
		column_done(&entity->columns[i]);
	free(entity->columns);
	for (size_t i = 0; i < entity->rule_count; i++) {
		free(entity->rules[i].name);
		free(entity->rules[i].path);
		free(entity->rules[i].sql);
	}
	free(entity->rules);
	free(entity->detect.updated_at);
	name_list_done(&entity->identity);
	free(entity->uuid_namespace);
	for (size_t i = 0; i < entity->mark_count; i++) {
		free(entity->marks[i].column);
		json_decref(entity->marks[i].value);
	}
	free(entity->marks);
}

void entity_set_done(struct entity_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		entity_done(&set->entities[i]);
	free(set->entities);
	*set = (struct entity_set){ 0 };
}
