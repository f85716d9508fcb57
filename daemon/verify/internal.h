/*
 * What the preflight's files share, and nobody else includes: its themes, what it has learnt of each side, and the judges
 * that make findings of the answers. preflight.c asks; preflight_server.c, preflight_access.c and preflight_mapping.c judge.
 */
#ifndef DAEMON_VERIFY_INTERNAL_H
#define DAEMON_VERIFY_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "verify/preflight.h"

/* SIDE_BOTH is about the two together; nothing is asked of it. */
enum side { SIDE_SOURCE, SIDE_TARGET, SIDE_BOTH, SIDE_COUNT };

/* In the order in which they are told. */
enum theme {
	THEME_CONNECTION,
	THEME_VERSION,
	THEME_ENCODING,
	THEME_POOLER,
	THEME_SAME_DATABASE,
	THEME_CONNECTION_LIMIT,
	THEME_MAPPING,
	THEME_PRIVILEGES,
	THEME_ROW_SECURITY,
	THEME_CONTROL_SCHEMA,
	THEME_SOURCE_KEY,
	THEME_LEGACY_KEY,
	THEME_FOREIGN_KEYS,
	THEME_INDEXES,
	THEME_TRIGGERS,
	THEME_PREPARED,
	THEME_STATISTICS,
	THEME_WATERMARKS,
	THEME_DISK,
	THEME_THROTTLE,
	THEME_COUNT,
};

/* A relation that the mapping names. */
struct table {
	const char *schema; /* borrowed from the entity set */
	const char *name;
	bool found;
	bool seen_through; /* not a plain table that may be read whole: only the planner knows what reading it takes */
};

/* Who a database is, to tell two from one. */
struct identity {
	bool known;
	char *system;	/* system identifier of the cluster */
	char *database; /* oid */
	char *started;
	bool recovering;
};

struct side_state {
	struct pg_connection *connection;
	bool lost;
	bool answered; /* role and database are known */
	char *role;
	char *database;
	int backend_pid; /* that marked the connection */
	bool looked;
	bool backend_changed;
	bool mark_lost;
	struct identity identity;
	struct table *tables;
	size_t table_count;
};

struct preflight {
	struct preflight_request request;
	struct side_state sides[2]; /* SIDE_SOURCE, SIDE_TARGET */
	struct finding_list found[THEME_COUNT][SIDE_COUNT];
	char *passed[THEME_COUNT][SIDE_COUNT];
	char *mark;	/* what is set on a connection to see whether it is still there */
	enum side side; /* whom the present step asks */
	size_t step;
	size_t next_entity;
	const struct bound_entity *bound; /* that the present question is about */
	preflight_on_done *on_done;
	void *arg;
};

extern const char *const side_names[SIDE_COUNT];

/* A finding of a theme. `action` is freed here, so that it can be formatted in place. */
void preflight_found(struct preflight *preflight, enum theme theme, enum side side,
		     const char *subject, enum finding_result result, char *action,
		     const char *format, ...) __attribute__((format(printf, 7, 8)));

/* The theme was verified on that side: if nothing is found, it passes with these words. Without, it is unknown. */
void preflight_passed(struct preflight *preflight, enum theme theme, enum side side,
		      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* --- preflight_server.c: results are of the section of preflight.sql of the same name; NULL where nothing was asked --- */

void judge_connection(struct preflight *preflight, const PGresult *result);
void judge_server(struct preflight *preflight, const PGresult *result);
void judge_identity(struct preflight *preflight, const PGresult *result);
void judge_same_database(struct preflight *preflight, const PGresult *result);
void judge_pooler_mark(struct preflight *preflight, const PGresult *result);
void judge_pooler_look(struct preflight *preflight, const PGresult *result);
void judge_poolers(struct preflight *preflight, const PGresult *result);
void judge_prepared(struct preflight *preflight, const PGresult *result);
void judge_statistics(struct preflight *preflight, const PGresult *result);
void judge_disk(struct preflight *preflight, const PGresult *result);

/* The throttle's query, if there is one; its transaction is ended by whichever judges. */
char *ask_throttle(const struct preflight *preflight, const struct bound_entity *bound);
void judge_throttle(struct preflight *preflight, const PGresult *result);
bool judge_throttle_refused(struct preflight *preflight, const struct error *err);

/* What a server_version_num (150018) of that side is worth. */
enum finding_result preflight_version_result(enum side side, int version);

enum sameness { DATABASES_DIFFER, DATABASES_SAME, DATABASES_COPIES, DATABASES_UNKNOWN };
enum sameness preflight_sameness(const struct side_state *source, const struct side_state *target);

/* Does a connection string name this port, alone or among others? */
bool preflight_names_port(const char *conninfo, const char *port);

/* --- preflight_tables.c --- */

void preflight_collect_tables(struct preflight *preflight);

struct table *preflight_table(const struct side_state *side, const char *schema, const char *name);
/* The table whose position, from 1, is the row's first column. */
struct table *preflight_table_of_row(struct preflight *preflight, const PGresult *result, int row);

/* public.orders, for people; "public"."orders", for SQL. Caller frees. */
char *table_plain_name(const struct table *table);
char *table_quoted_name(const struct table *table);
bool table_is_target_of(const struct table *table, const struct entity *entity);

/* Our role on the side that was asked, as an identifier; caller frees. */
char *preflight_role(const struct preflight *preflight);

/* --- preflight_access.c --- */

void judge_source_tables(struct preflight *preflight, const PGresult *result);
void judge_target_tables(struct preflight *preflight, const PGresult *result);
void judge_control_schema(struct preflight *preflight, const PGresult *result);

/* SQL for one entity, NULL when there is nothing to ask about it; caller frees. */
char *ask_read(const struct preflight *preflight, const struct bound_entity *bound);
/* What it means that the source refused that; false: nothing particular. */
bool judge_read_refused(struct preflight *preflight, const struct error *err);

/* --- preflight_mapping.c --- */

void judge_mapping(struct preflight *preflight, const PGresult *result);
char *ask_source_key(const struct preflight *preflight, const struct bound_entity *bound);
void judge_source_key(struct preflight *preflight, const PGresult *result);
void judge_source_keys(struct preflight *preflight, const PGresult *result);
void judge_legacy_keys(struct preflight *preflight, const PGresult *result);
void judge_foreign_keys(struct preflight *preflight, const PGresult *result);
void judge_triggers(struct preflight *preflight, const PGresult *result);
void judge_watermarks(struct preflight *preflight, const PGresult *result);

#endif
