/*
 * What each form of the mapping language means in SQL: what the source ships for it, and what the target makes of that.
 * Used by binding.c only.
 */
#ifndef DAEMON_CATALOG_EXPRESSION_H
#define DAEMON_CATALOG_EXPRESSION_H

#include <stdint.h>

#include "catalog/binding.h"

/* Adds a column to what the source ships; strings are copied. */
void bound_ship(struct bound_entity *bound, const char *name, const char *expression,
		const char *path);

/* Adds a target column, and what must be shipped for it. */
void bound_write(struct bound_entity *bound, const struct column *column,
		 const struct catalog_column *target);

/* Adds the target column that holds part `part` (from 0) of the legacy key. */
void bound_write_legacy(struct bound_entity *bound, size_t part,
			const struct catalog_column *target);

/* SQL of the mapping in parentheses, which a comment at its end does not swallow; caller frees. */
char *bound_enclosed(const char *sql);

/* A JSON scalar as a literal for a column of this type: JSON columns take JSON, all others the text form; caller frees. */
char *bound_typed_literal(const json_t *value, const char *type);

/* A short name for a text, the same for the same text. */
uint64_t bound_name_of_text(const char *text);

/* Sets the hash by which a target row is known as we wrote it, once all columns are known. */
void bound_set_written_hash(struct bound_entity *bound, int target_version);

/* Sets the fingerprint, once all is known. */
void bound_fingerprint(struct bound_entity *bound, int source_version);

#endif
