/*
 * The hashes by which versions of a source row are told apart, as one statement on the source: whoever compares rows without
 * shipping them whole reads them with this, so that all compare the same.
 */
#ifndef DAEMON_CATALOG_HASHED_H
#define DAEMON_CATALOG_HASHED_H

#include "catalog/binding.h"

/* SELECT of `selected` (over s.k1, …, the key) and two hashes of what is shipped, of each row of `from` (NULL: the source relation) that
   is not filtered out and meets `condition`; caller frees. */
char *hashed_rows(const struct binding *binding, const struct bound_entity *bound,
		  const char *selected, const char *from, const char *condition);

/* The same of the key, as COPY … TO STDOUT in binary; caller frees. */
char *hashed_copy(const struct binding *binding, const struct bound_entity *bound, const char *from,
		  const char *condition);

/* What the hashes are made of, for row_hash(), over the row `source`; caller frees. */
char *hashed_row(const struct bound_entity *bound, int source_version);

/* "k1 integer, k2 text, h1 bigint, h2 bigint": columns for what hashed_copy() ships; caller frees. */
char *hashed_columns(const struct bound_entity *bound);

#endif
