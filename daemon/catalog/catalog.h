/*
 * What a database says of the relations the mapping names: columns, types, unique and foreign keys.
 *
 * Read in three queries a database, or four, whatever the number of relations. A catalog is a snapshot: a session reads
 * it afresh before it starts, so that drift is seen then.
 */
#ifndef DAEMON_CATALOG_CATALOG_H
#define DAEMON_CATALOG_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "postgres/connection.h"

struct catalog_column {
	char *name;
	char *type; /* as declared: "character varying(20)" */
	char *base_type; /* to cast to: with a modifier that rounds ("numeric(12,2)"), without one that shortens */
	bool not_null;
	bool has_default;
	bool generated; /* may not be written: from other columns, or always from its sequence */
	bool identity_always; /* the latter */
	bool no_equality; /* its type's equality is not identity (numeric, interval …), or is none (json …): compared as text */
	int length;	  /* varchar(n): the type's modifier; -1: any length */
	char *minted;	  /* how the database fills it where nothing is given; NULL: not at all */
	char *sequence;	  /* the one that this takes from; NULL: none */
	bool may_use_sequence;
	bool readable; /* our role may select it */
	bool indexed;  /* an index that can be read by range begins with it */
};

struct catalog_key {
	char **columns;
	size_t count;
};

/* One column of a foreign key. */
struct catalog_foreign_key {
	char *name; /* of the constraint */
	char *column;
	bool deferrable;
	bool yields; /* of this column alone: when the parent is deleted the row is, too, or is changed */
	char *parent_schema;
	char *parent_table;
	char *parent_column; /* of several, the first */
};

struct catalog_relation {
	char *schema;
	char *name;
	bool found;
	char kind;	   /* pg_class.relkind */
	bool has_children; /* tables inherit from it, or are its partitions */
	bool heap; /* a table whose rows say which transaction wrote them (xmin), and our role may ask */
	int64_t estimated_rows;
	struct catalog_column *columns;
	size_t column_count;
	struct catalog_key *unique_keys;
	size_t unique_key_count;
	struct catalog_foreign_key *foreign_keys;
	size_t foreign_key_count;
};

struct catalog {
	struct catalog_relation *relations;
	size_t count;
	bool uuid_functions;	/* to be asked for: */
	char *uuid_generate_v5; /* functions of extensions, where our role may call them; else NULL */
	char *digest;
};

/* Adds a relation to be read; its index is returned (the same for the same relation). */
size_t catalog_want(struct catalog *catalog, const char *schema, const char *name);

/* Reads all wanted relations; calls on_done once, with an error or NULL. The catalog must outlive the call. */
typedef void catalog_on_done(void *arg, const struct error *err);
void catalog_read(struct catalog *catalog, struct pg_connection *connection,
		  catalog_on_done *on_done, void *arg);

const struct catalog_relation *catalog_relation(const struct catalog *catalog, const char *schema,
						const char *name);
const struct catalog_column *catalog_column(const struct catalog_relation *relation,
					    const char *name);

/* Is there a unique key whose columns are exactly, or a part of, these? */
bool catalog_is_unique(const struct catalog_relation *relation, char *const *columns, size_t count);

void catalog_done(struct catalog *catalog);

#endif
