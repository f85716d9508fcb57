/*
 * The entity model: one mapping from a source relation to a target table, as its file in entities.d
 * says.
 *
 * The model is what was written, checked for sense on its own and against the other entities. What
 * the databases say (types, keys, columns) is learnt later, by the rooms that talk to them. The
 * whole model is owned by struct entity_set and does not change once loaded; entities refer to each
 * other by pointer.
 */
#ifndef DAEMON_CONFIG_ENTITY_H
#define DAEMON_CONFIG_ENTITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define ENTITY_NAME_MAX 48
#define RULE_NAME_MAX 63

/* A list of names, owned by whoever holds it. */
struct name_list {
	char **names;
	size_t count;
};

enum column_kind {
	COLUMN_SOURCE,	  /* a source column as it is: "notes" or {"from": "notes"} */
	COLUMN_SQL,	  /* an expression of the source row, evaluated on the source */
	COLUMN_CONSTANT,  /* the same value in every row */
	COLUMN_VALUES,	  /* a source column through a value table */
	COLUMN_JSON,	  /* an object assembled of other forms */
	COLUMN_PARSE,	  /* text that should hold JSON */
	COLUMN_REFERENCE, /* another entity's target key, by its legacy key */
};

enum if_missing { IF_MISSING_PARK, IF_MISSING_NULL, IF_MISSING_DEAD_LETTER };
enum if_invalid { IF_INVALID_NULL, IF_INVALID_DEAD_LETTER, IF_INVALID_WRAP };
enum on_delete { ON_DELETE_IGNORE, ON_DELETE_MARK, ON_DELETE_DELETE };
enum on_conflict { ON_CONFLICT_SOURCE_WINS, ON_CONFLICT_LAST_WRITER_WINS, ON_CONFLICT_HOLD };
enum uuid_kind { UUID_RANDOM, UUID_V5, UUID_V7 };

/* May an empty target table be filled in bulk mode (apply/bulk_sql.h)? */
enum bulk_mode { BULK_AUTO, BULK_OFF };

/* "auto" and "off"; ends with NULL. */
extern const char *const bulk_mode_names[];

/* One alternative of a reference; a plain reference is one alternative without a condition. */
struct reference {
	char *entity_name;
	const struct entity *entity; /* set when the graph is built */
	char *when;		     /* condition over the source row; NULL: always */
};

/* One row of a value table: text form of the source value → value (a JSON scalar). */
struct value_pair {
	char *from;
	json_t *to;
};

struct column {
	char *name; /* of the target column; of the key within an assembled object */
	enum column_kind kind;
	char *path; /* where it stands: "$.columns.status" */

	struct name_list from; /* SOURCE, VALUES, PARSE: one; REFERENCE: the parent's key columns */
	char *sql;	       /* SQL */
	json_t *constant;      /* CONSTANT: a scalar */

	struct value_pair *values; /* VALUES */
	size_t value_count;
	json_t *default_value; /* VALUES: NULL when there is none */

	struct column *members; /* JSON */
	size_t member_count;

	enum if_invalid if_invalid; /* PARSE */

	struct reference *references; /* REFERENCE */
	size_t reference_count;
	enum if_missing if_missing;
};

/* A target column and the constant that marks a row as gone. */
struct mark {
	char *column;
	json_t *value;
};

enum rule_action { RULE_REJECT, RULE_WARN };

/* What must hold of a row. As with a CHECK, only FALSE breaks it. */
struct rule {
	char *name;
	char *path; /* where its condition stands: "$.rules.price_is_positive.before" */
	bool after; /* asked of the target's row, once it is written; else of the source's */
	char *sql;  /* the condition */
	enum rule_action action;
};

/* How changes of an entity are looked for; daemon/migrated.json.5 says what each may miss. */
enum strategy {
	STRATEGY_HYBRID, /* a sweep when people ask, else the best watermark its table offers */
	STRATEGY_SWEEP,
	STRATEGY_TIMESTAMP,
	STRATEGY_ID,
	STRATEGY_XMIN,
};

/* As they are written: "hybrid"; ends with NULL. */
extern const char *const strategy_names[];

struct detect_config {
	enum strategy strategy;
	char *updated_at;   /* a column of the source; NULL: one of that name, if there is one */
	int64_t overlap_ms; /* by how much a look at updated_at reaches back behind the watermark */
};

/* As they are written: "source_wins"; ends with NULL. */
extern const char *const on_conflict_names[];

/* Who wins where a row was edited in the target, too. */
struct conflict_config {
	enum on_conflict policy;
	char *source_time; /* LAST_WRITER_WINS: column of the source; NULL: detect.updated_at, or "updated_at" */
	char *target_time; /* and of the target; NULL: "updated_at" */
};

/* When an entity is checked by a session that carries it. */
enum validate_step { VALIDATE_BEFORE = 1, VALIDATE_AFTER = 2 };

/* What its file says of that; what it does not say, the settings do (validate.h). */
struct validate_config {
	bool says_steps;
	unsigned steps;	 /* bits of enum validate_step */
	unsigned checks; /* bits by the places of validate_check_names; 0: it does not say */
	bool says_stop;
	bool stop; /* what differs stops the entity */
};

struct entity {
	char *name;
	char *file;    /* for messages */
	char *written; /* what the file says, however it is spaced; NULL: it could not be read */

	char *source_schema;
	char *source_table; /* NULL when the source is a query */
	char *source_query;
	struct name_list source_key;
	char *source_where; /* NULL: all rows */

	char *target_schema;
	char *target_table;
	struct name_list target_key;
	struct name_list legacy_key; /* target columns that hold the legacy key; may be empty */

	struct column *columns;
	size_t column_count;

	struct rule *rules; /* in the order of the file */
	size_t rule_count;

	struct detect_config detect;
	struct name_list
		identity; /* columns of the source that tell whether a key is still that of the same thing; may be empty */

	enum on_delete on_delete;
	struct mark *marks; /* ON_DELETE_MARK */
	size_t mark_count;
	struct conflict_config conflict;
	struct validate_config validate;
	enum bulk_mode bulk;
	enum uuid_kind uuid;
	char *uuid_namespace; /* UUID_V5: NULL for ours (catalog/mint.c) */

	/* Set when the graph is built. */
	size_t index; /* in the set */
	size_t depth; /* 0: refers to nobody; circles count as one; see catalog/order.h for the truth */
};

/* Parents before children, as far as there are no circles; else by name. Owns them all. */
struct entity_set {
	struct entity *entities;
	size_t count;
};

const struct entity *entity_find(const struct entity_set *set, const char *name);

/* True when a column of `child` refers to `parent`. */
bool entity_refers_to(const struct entity *child, const struct entity *parent);

/* True when the target key is one column that the mapping does not fill: a UUID that migrated
 * mints. */
bool entity_mints_key(const struct entity *entity);

/* The column that fills this target column; NULL when the mapping does not. */
const struct column *entity_column(const struct entity *entity, const char *target_column);

/* True when it has a rule that is asked before (or after) writing, of this action. */
bool entity_has_rules(const struct entity *entity, bool after, enum rule_action action);

/* "reject" and "warn"; ends with NULL. */
extern const char *const rule_action_names[];

bool name_list_has(const struct name_list *list, const char *name);
void name_list_done(struct name_list *list);

void entity_set_done(struct entity_set *set);

#endif
