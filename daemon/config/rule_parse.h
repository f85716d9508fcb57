/*
 * The business rules of an entity: from "rules" in its file to struct rule.
 */
#ifndef DAEMON_CONFIG_RULE_PARSE_H
#define DAEMON_CONFIG_RULE_PARSE_H

#include <jansson.h>

#include "common/json_decode.h"
#include "config/entity.h"

/* Reads the object of rules that stands at `path`, in the order of the file. What was understood is in *ret_rules in any
   case; the caller frees it with the entity. */
void rules_parse(struct json_report *report, const char *path, json_t *value,
		 struct rule **ret_rules, size_t *ret_count);

#endif
