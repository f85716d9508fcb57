/*
 * What "on_conflict" says: who wins where a row was edited in the target, too. Part of entity_parse.c's work.
 */
#ifndef DAEMON_CONFIG_CONFLICT_PARSE_H
#define DAEMON_CONFIG_CONFLICT_PARSE_H

#include <jansson.h>

#include "common/json_decode.h"
#include "config/entity.h"

/* The decoder of the key "on_conflict"; `target` is the entity. */
void conflict_parse(struct json_report *report, const char *path, json_t *value,
		    const struct json_field *field, void *target);

#endif
