/*
 * What a validation is made of, and how it is read from the store; its life is validation.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "run/selection.h"
#include "run/validation.h"

int64_t validation_differences(const struct validation *validation)
{
	int64_t left = 0;

	for (size_t i = 0; i < validation->count; i++)
		for (size_t j = 0; j < INSPECTION_CHECKS; j++)
			left += validation->entities[i].checks[j].differences -
				validation->entities[i].checks[j].repaired;
	return left;
}

bool validation_is_incomplete(const struct validation *validation)
{
	for (size_t i = 0; i < validation->count; i++)
		for (size_t j = 0; j < INSPECTION_CHECKS; j++)
			if (validation->entities[i].checks[j].wanted &&
			    validation->entities[i].checks[j].state != INSPECTED_DONE)
				return true;
	return false;
}

void validation_free(struct validation *validation)
{
	if (validation == NULL)
		return;
	for (size_t i = 0; i < validation->count; i++)
		inspected_entity_done(&validation->entities[i]);
	free(validation->entities);
	json_decref(validation->options);
	free(validation);
}

struct validation *validation_new(const struct entity_set *set, json_t *options, struct error *err)
{
	struct validation *validation = memory_new(sizeof(*validation));
	_cleanup_free_ bool *selected = selection_make(set, json_object_get(options, "entities"),
						       json_object_get(options, "exclude"), err);

	*validation = (struct validation){ .state = "running", .options = options };
	validation->entities = memory_new((set->count + 1) * sizeof(*validation->entities));
	for (size_t i = 0; selected != NULL && i < set->count; i++) {
		struct inspected_entity *entity = &validation->entities[validation->count];

		if (!selected[i])
			continue;
		validation->count++;
		entity->entity = text_copy(set->entities[i].name);
		if (!inspected_entity_want(entity, json_object_get(options, "checks"), err))
			break;
	}
	if (selected != NULL && err->kind == ERROR_NONE)
		return validation;
	validation_free(validation);
	return NULL;
}

static struct inspected_entity *entity_of(struct validation *validation, const char *name)
{
	for (size_t i = 0; i < validation->count; i++)
		if (strcmp(validation->entities[i].entity, name) == 0)
			return &validation->entities[i];
	return NULL;
}

void validation_read(struct validation *validation, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct inspected_entity *entity = entity_of(validation, PQgetvalue(result, row, 0));

		for (size_t i = 0; entity != NULL && i < INSPECTION_CHECKS; i++)
			if (strcmp(PQgetvalue(result, row, 1), inspection_checks[i]) == 0)
				inspected_check_read(&entity->checks[i], result, row, 2);
	}
}
