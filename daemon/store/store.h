/*
 * The control schema: making it, upgrading it, and preparing it for the entities of a binding.
 *
 * The queries of the control schema stand in store.sql and are submitted by those who need them (sql_store.h).
 */
#ifndef DAEMON_STORE_STORE_H
#define DAEMON_STORE_STORE_H

#include "catalog/binding.h"
#include "postgres/connection.h"

/* What a statement is refused with when another daemon owns the control schema: migrated.hold_epoch(). */
#define STORE_TAKEN_OVER "MG004"

typedef void store_on_done(void *arg, const struct error *err);

/* Creates the schema `migrated` in the target or upgrades it, one numbered migration a transaction. An error when it was
   made by a newer version, or may not be made. */
void store_upgrade(struct pg_connection *target, store_on_done *on_done, void *arg);

/* Refuses, in the binding, every entity whose id map was dropped, has lost rows, or no longer has the columns and the key
   that it must have, and what refers to it: were it made or filled anew, everything would be minted a second time. Changes
   nothing in the target; a target without a control schema is fine. */
void store_check_id_maps(struct pg_connection *target, struct binding *binding,
			 store_on_done *on_done, void *arg);

/* Does the same, then creates the id maps and views of every entity that is usable, and adopts rows that carry a legacy key
   already. */
void store_prepare(struct pg_connection *target, struct binding *binding, store_on_done *on_done,
		   void *arg);

/* SQL: keeps how many rows the id map has now that all of the entity was read; caller frees. */
char *store_id_map_filled_sql(const struct bound_entity *bound);

/* SQL: puts parked rows whose parents have arrived, and dead letters worth another try, into the change set of `analysis`;
   caller frees. */
char *store_unpark_sql(const struct binding *binding, const struct bound_entity *bound,
		       const char *analysis);

/* SQL: plans batches of parked rows whose parents within the entity have arrived, of `size` rows each, and answers with them;
   `within`: in a transaction that may have asked before. Caller frees. */
char *store_follow_sql(const struct bound_entity *bound, const char *session, const char *analysis,
		       int64_t size, bool within);

/* SQL: puts deletions that were refused for the sake of rows of the same entity into the change set once more, and says how many;
   caller frees. */
char *store_release_sql(const struct bound_entity *bound, const char *session,
			const char *analysis);

/* A text[] literal of one value a part: {"a","b"}; caller frees. */
char *store_key_literal(const char *const *parts, size_t count);

/* Splits a text[] value as the server prints it into its parts; both the array and the strings are the caller's. */
char **store_key_parse(const char *literal, size_t *ret_count);

/* Splits a key of `count` columns as people write it: "A,B", or as lists show it, "(A, B)"; a part that holds a comma, or begins with a blank
   or a quote, in double quotes, as in CSV. A key of one column is taken as it is. How many parts there are is for the caller to judge, who
   frees them with store_key_free(). */
char **store_key_split(const char *key, size_t count, size_t *ret_count);
void store_key_free(char **parts, size_t count);

#endif
