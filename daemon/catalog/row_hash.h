/*
 * The hash of a row, made by the server that has the row: how source rows are told from what was handled of them (h1, h2 of the
 * id map), and target rows from what we wrote (w1).
 *
 * From PostgreSQL 14 on it is hash_record_extended(), which hashes values as they are, for less than half of what making the row's
 * text costs. A type's hash function may call values equal that are not (1.0 and 1.00), or fold 64 bits into 32 (bigint,
 * timestamps); so values of such types are hashed as the bytes of their binary form, and types that are not known here
 * as their text. Before, it is hashtextextended() of the row's text, and before PostgreSQL 11 halves of its md5.
 */
#ifndef DAEMON_CATALOG_ROW_HASH_H
#define DAEMON_CATALOG_ROW_HASH_H

#include "common/text.h"

/* Appends one more value, an expression of `type` (as format_type() or wire_type.h calls it), to the list that row_hash_row() takes. */
void row_hash_value(struct text *values, int server_version, const char *expression,
		    const char *type);

/* SQL: what row_hash() takes, of all values; caller frees. It is worth making once for both seeds. */
char *row_hash_row(int server_version, const char *values);

/* SQL: a bigint made of a row that row_hash_row() has made; another one for another seed (0 or 1). Where rows change, so does the sum of
   theirs, whatever it is that has changed. Caller frees. */
char *row_hash(int server_version, const char *row, int seed);

/* SQL: likewise, for a row that is compared by itself: 64 bits, of which sums say nothing. Caller frees. */
char *row_hash_alone(int server_version, const char *row);

/* Likewise of a text, on any server; caller frees. */
char *row_hash_text(int server_version, const char *text, int seed);

#endif
