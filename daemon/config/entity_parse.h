/*
 * From an entity's file to struct entity. Only the file itself is judged here; how entities fit
 * together is the graph's business.
 */
#ifndef DAEMON_CONFIG_ENTITY_PARSE_H
#define DAEMON_CONFIG_ENTITY_PARSE_H

#include <jansson.h>

#include "config/entity.h"
#include "config/problem.h"

/*
 * Reads one entity. `name` is its file's name without directory and ".json", which must be the
 * entity's, too; `root` is NULL when the file could not be read: the entity is then nothing but its
 * name, so that others may refer to it. *ret_entity is always filled, to be freed with its set.
 */
void entity_parse(json_t *root, const char *file, const char *name, struct problem_list *problems,
		  struct entity *ret_entity);

#endif
