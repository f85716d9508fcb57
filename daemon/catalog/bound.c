/*
 * Looking things up in a binding, and freeing it; see binding.h.
 */
#include "catalog/binding.h"

#include <stdlib.h>
#include <string.h>

const struct bound_entity *binding_find(const struct binding *binding, const char *entity)
{
	for (size_t i = 0; i < binding->set->count; i++)
		if (strcmp(binding->set->entities[i].name, entity) == 0)
			return &binding->entities[i];
	return NULL;
}

bool bound_is_reference(const struct written_column *written)
{
	return written->column != NULL && written->column->kind == COLUMN_REFERENCE;
}

bool bound_is_deferrable(const struct written_column *written)
{
	return bound_is_reference(written) &&
	       (written->deferred || written->column->if_missing == IF_MISSING_NULL);
}

bool bound_depends_on(const struct bound_entity *child, const struct bound_entity *parent)
{
	for (size_t i = 0; i < child->written_count; i++) {
		const struct written_column *written = &child->written[i];

		for (size_t j = 0; bound_is_reference(written) && !written->deferred &&
				   j < written->column->reference_count;
		     j++)
			if (written->column->references[j].entity == parent->entity)
				return true;
	}
	return false;
}

static void free_strings(char **strings, size_t count)
{
	for (size_t i = 0; strings != NULL && i < count; i++)
		free(strings[i]);
	free(strings);
}

static void bound_done(struct bound_entity *bound)
{
	if (bound->entity == NULL)
		return;
	free_strings(bound->key_expressions, bound->entity->source_key.count);
	free_strings(bound->key_types, bound->entity->source_key.count);
	free_strings(bound->target_key_quoted, bound->entity->target_key.count);
	free_strings(bound->target_key_types, bound->entity->target_key.count);
	for (size_t i = 0; i < bound->shipped_count; i++) {
		free(bound->shipped[i].name);
		free(bound->shipped[i].expression);
		free(bound->shipped[i].type);
		free(bound->shipped[i].path);
	}
	for (size_t i = 0; i < bound->written_count; i++) {
		free(bound->written[i].name);
		free(bound->written[i].quoted);
		free(bound->written[i].type);
		free(bound->written[i].expression);
		free(bound->written[i].raw);
		free(bound->written[i].fault);
		if (bound_is_reference(&bound->written[i])) {
			const struct column *column = bound->written[i].column;

			free_strings(bound->written[i].parent_keys,
				     column->reference_count * column->from.count);
			free_strings(bound->written[i].parent_texts, column->from.count);
		}
	}
	free(bound->shipped);
	free(bound->written);
	free(bound->source_relation);
	free(bound->source_filter);
	free(bound->source_time);
	free(bound->target_time);
	free(bound->updated_at);
	free_strings(bound->tables, bound->table_count);
	free(bound->target_relation);
	free(bound->id_map);
	free(bound->change_log);
	free(bound->seen);
	free(bound->stage);
	free(bound->written_hash);
	free(bound->mint);
}

void binding_free(struct binding *binding)
{
	if (binding == NULL)
		return;
	for (size_t i = 0; i < binding->set->count; i++)
		bound_done(&binding->entities[i]);
	free(binding->entities);
	free(binding->order);
	catalog_done(&binding->source);
	catalog_done(&binding->target);
	problem_list_done(&binding->problems);
	free(binding);
}
