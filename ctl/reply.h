/*
 * Reading members of a reply. What is absent, null or of another type is "not known", never an
 * error: the daemon may be a little older or younger than we are.
 */
#ifndef CTL_REPLY_H
#define CTL_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/table.h"

const char *reply_string(const json_t *object, const char *key); /* NULL when not known */
const char *reply_string_or(const json_t *object, const char *key, const char *otherwise);
bool reply_bool(const json_t *object, const char *key);
int64_t reply_integer(const json_t *object, const char *key); /* 0 when not known */
bool reply_number(const json_t *object, const char *key, double *ret_number);

/* Table cells; "-" when not known. */
void reply_cell_string(struct table *table, const json_t *object, const char *key);
void reply_cell_state(struct table *table, const json_t *object, const char *key);
void reply_cell_integer(struct table *table, const json_t *object, const char *key);
void reply_cell_duration(struct table *table, const json_t *object, const char *key);
void reply_cell_time(struct table *table, const json_t *object, const char *key);

/* "a, b, c" of a list of strings; the caller frees. */
char *reply_join(const json_t *list);

/* A legacy key: "13", or "(1, de)" of several parts; the caller frees. */
char *reply_key(const json_t *object, const char *member);

#endif
