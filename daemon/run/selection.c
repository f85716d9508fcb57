/*
 * Which entities a request is about; see selection.h.
 */
#include "run/selection.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/text.h"

static bool mark_named(bool *selected, const struct entity_set *set, const json_t *names,
		       bool value, struct error *err)
{
	size_t i;
	json_t *name;

	json_array_foreach(names, i, name) {
		const struct entity *entity = entity_find(set, json_string_value(name));

		if (entity == NULL) {
			error_set(err, ERROR_NOT_FOUND, "there is no entity \"%s\"",
				  json_string_value(name));
			snprintf(err->entity, sizeof(err->entity), "%s", json_string_value(name));
			return error_hint(err, "migratectl plan lists the entities");
		}
		selected[entity->index] = value;
	}
	return true;
}

bool *selection_make(const struct entity_set *set, const json_t *entities, const json_t *exclude,
		     struct error *err)
{
	bool *selected = memory_new(set->count + 1);

	for (size_t i = 0; i < set->count; i++)
		selected[i] = json_array_size(entities) == 0;
	if (mark_named(selected, set, entities, true, err) &&
	    mark_named(selected, set, exclude, false, err))
		return selected;
	free(selected);
	return NULL;
}
