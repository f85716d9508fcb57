/*
 * An entity as the two databases see it: the mapping bound to real columns and types.
 *
 * A bound entity knows what the source ships (the stage's columns, in order) and how each target column
 * is made of them. The rooms below write their SQL from it and from nothing else. Bindings are made from fresh catalogs
 * before a session; an entity whose mapping does not fit is not usable, and problems say why, by file, path, and
 * column; the others are.
 */
#ifndef DAEMON_CATALOG_BINDING_H
#define DAEMON_CATALOG_BINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "catalog/catalog.h"
#include "config/config.h"
#include "postgres/connection.h"

/* One column of the stage: what the source ships and where it is kept until it is resolved. */
struct shipped_column {
	char *name; /* in the stage: k1 (key), i1 (identity), c3 (value), f4_1 (part of a reference), w4 (its alternative) */
	char *expression; /* over the row `source`, on the source */
	char *type;	  /* of the stage; what the source sends in binary */
	char *path;	  /* in the mapping */
};

/* How one column of the target is made: an expression over the stage `s` and the parents' maps `rN_M`. */
struct written_column {
	const struct column *column; /* NULL: the legacy key, or part of it */
	char *name;
	char *quoted;	  /* the name as an identifier */
	char *type;	  /* of the target */
	char *expression; /* its value */
	char *raw; /* NULL exactly when the value is, and cheaper; NULL when there is no such thing */
	char *fault; /* condition under which the value cannot be made (no row in the value table, invalid JSON); may be NULL */
	const char *fault_sqlstate;
	const char *fault_message;
	char **parent_keys; /* of a reference: for each alternative, each part of the parent's legacy key, in the parent's type */
	char **parent_texts; /* each part as text */
	int length;	     /* varchar(n): the type's modifier; -1: any length */
	bool not_null;
	bool no_equality;
	bool deferred; /* a reference that is left NULL when its parent is missing, and filled in a second pass; see circle.h */
	bool kin; /* a reference to the same entity that must have a value: its parent may come in the same batch */
	size_t number; /* from 1; names fN_M, wN, rN_M of a reference */
};

struct bound_entity {
	const struct entity *entity;
	bool usable;
	size_t level; /* 0: waits for nobody; else one more than the highest it waits for */
	bool kin;     /* has a reference that is */

	char *source_relation; /* `"public"."dispatch_office" AS source` or `(SELECT …) AS source` */
	char *source_filter;	/* a condition; "TRUE" when there is none */
	char **key_expressions; /* over the row `source`; as many as the source key has columns */
	char **key_types;	/* in the stage and in the id map */
	bool integer_key;	/* one column of an integer type: swept by leaves */
	struct shipped_column *shipped; /* the key first, then the identity */
	size_t shipped_count;

	/* Where the last writer wins: when the row was written last, as a timestamptz. NULL with other policies. */
	char *source_time; /* over the row `source`, on the source */
	char *target_time; /* over the target row `t` */

	/* What the source offers to find changed rows by. */
	char *updated_at; /* over the row `source`: when the row was changed last; NULL: no such column is known */
	bool updated_at_zoned;	 /* a timestamptz; else a timestamp, taken as UTC */
	bool updated_at_indexed; /* an index begins with it */
	bool heap;		 /* its rows say which transaction wrote them (xmin) */
	char **tables; /* what its rows are made of, when all of that are such tables; else none */
	size_t table_count;

	char *target_relation; /* `"public"."offices"` */
	char *id_map;	       /* `migrated.id_map_offices` */
	char *change_log;      /* `migrated.change_log_offices` */
	char *seen;	       /* `migrated.seen_offices` */
	char *stage;	       /* `pg_temp.stage_offices` */
	char **target_key_quoted;
	char **target_key_types;
	struct written_column *written;
	size_t written_count;
	char *written_hash; /* a bigint made of what we write of the target row `t`, as it stands there (w1 of the id map; 0: of no row) */
	char *mint;	/* a new target key, over the stage `s`; NULL when the mapping fills it */
	bool overrides; /* it is an identity column that takes a value only OVERRIDING SYSTEM VALUE */
	bool legacy_unique; /* the target's legacy key columns are unique: rows that are there already can be found by them */

	char identity
		[17]; /* what the hashes of its identity (i1) are made with; "": the mapping names none */
	char fingerprint[17]; /* of everything that the hashes and the target's values depend on */
};

struct binding {
	const struct entity_set *set;
	struct bound_entity *entities; /* as many as the set, in its order */
	size_t *order;		       /* their positions, by level and name */
	size_t level_count;
	int source_version; /* server_version_num */
	int target_version;
	struct catalog source;
	struct catalog target;
	struct problem_list problems;
};

typedef void binding_on_done(void *arg, struct binding *binding, const struct error *err);

/* Reads both catalogs and binds every entity. Calls on_done once, with a binding that the caller owns, or with an error
   when a database could not be asked. */
void binding_make(const struct entity_set *set, struct pg_connection *source,
		  struct pg_connection *target, binding_on_done *on_done, void *arg);

/* A binding of names alone, for those who need no more than which tables there are: neither database is asked, and every entity is
   usable. */
struct binding *binding_of_names(const struct entity_set *set);

void binding_free(struct binding *binding);

/* An entity cannot be migrated as it is: it is not usable any more, and this problem says why. */
void binding_refuse(struct binding *binding, struct bound_entity *bound, const char *path,
		    const char *message);
/* Nor can those that refer to one that is not usable; with `only`, to one that is marked there. */
void binding_spread_unusable(struct binding *binding, const bool *only);
/* Why this entity is not usable: the message of its first problem. */
const char *binding_refusal(const struct binding *binding, const struct bound_entity *bound);

const struct bound_entity *binding_find(const struct binding *binding, const char *entity);

/* Does it refer to `parent` by a reference that is not deferred, so that the parent goes first? */
bool bound_depends_on(const struct bound_entity *child, const struct bound_entity *parent);

bool bound_is_reference(const struct written_column *written);
/* When its parent is missing, only the column waits, not the row. */
bool bound_is_deferrable(const struct written_column *written);

/* "s.k1, s.k2" and the like: for each part of the source key, `format` with %zu for its number (from 1). */
char *bound_key_list(const struct bound_entity *bound, const char *format, const char *separator);

/* SQL: one row of all that is shipped for each row of the source, and its time of change if that is known; caller frees. */
char *binding_read(const struct bound_entity *bound);

/* SQL literal of a JSON scalar: 'text', 42, TRUE, NULL; caller frees. */
char *binding_literal(const json_t *value);

#endif
