/*
 * Which entities a request is about: those it names, less those it excludes; all when it names none.
 */
#ifndef DAEMON_RUN_SELECTION_H
#define DAEMON_RUN_SELECTION_H

#include <jansson.h>

#include "catalog/binding.h"

/* A flag for each entity of the set, in its order; the caller frees. NULL with ERROR_NOT_FOUND, err->entity being the
   name, when a name is no entity's. Either list may be NULL; both are arrays of strings. */
bool *selection_make(const struct entity_set *set, const json_t *entities, const json_t *exclude,
		     struct error *err) _warn_unused_;

#endif
