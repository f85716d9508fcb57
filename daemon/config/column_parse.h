/*
 * The forms of a column: from JSON to struct column. Part of entity_parse.c's work, apart for its
 * size.
 */
#ifndef DAEMON_CONFIG_COLUMN_PARSE_H
#define DAEMON_CONFIG_COLUMN_PARSE_H

#include <jansson.h>

#include "common/json_decode.h"
#include "config/entity.h"

/* Reads the column that stands at `path` under `name`. What was understood is in *ret_column in any
 * case. */
void column_parse(struct json_report *report, const char *path, const char *name, json_t *value,
		  struct column *ret_column);

/* Reads "id" or ["a", "b"]: names that are neither empty, too long nor there twice. */
void name_list_parse(struct json_report *report, const char *path, json_t *value,
		     struct name_list *ret_list);

/* Says so when PostgreSQL cannot have a column (or table, or schema) of that name. */
void name_check(struct json_report *report, const char *path, const char *name);

/* Says so when a piece of SQL cannot be built into a statement. NULL is good. */
void sql_check(struct json_report *report, const char *path, const char *sql);

#endif
