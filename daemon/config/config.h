/*
 * Loading the configuration: migrated.json, entities.d/, the environment; and every problem in one
 * go.
 *
 * A problem is what an administrator can find and mend: file, line or JSON path, what is wrong,
 * what to write instead. Loading goes on after a problem, so that one run names them all.
 */
#ifndef DAEMON_CONFIG_CONFIG_H
#define DAEMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "config/entity.h"
#include "config/problem.h"
#include "config/settings.h"

struct config {
	char *file;
	struct settings settings;
	struct entity_set entities;
	struct problem_list warnings; /* what is allowed but must be said aloud at every start */
};

/*
 * Reads `file` and every *.json of entities.d beside it, then the environment (`environ`-like,
 * NULL-terminated), and builds the reference graph. False when there was any problem; `problems`
 * then holds at least one and *config is to be freed with config_done() all the same.
 */
bool config_load(struct config *config, const char *file, char *const *environment,
		 struct problem_list *problems);
void config_done(struct config *config);

#endif
