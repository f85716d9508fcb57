/*
 * What explain's files share, and nobody else includes: the run, its steps, and the SQL that they ask.
 */
#ifndef DAEMON_VERIFY_EXPLAIN_INTERNAL_H
#define DAEMON_VERIFY_EXPLAIN_INTERNAL_H

#include "postgres/pump.h"
#include "verify/explain.h"

/* Rows that are listed of each kind; how far up rows that wait are followed; changes that are shown. */
#define EXPLAIN_SOME 10
#define EXPLAIN_MOST_WAITS 50
#define EXPLAIN_MOST_CHANGES 50

/* What is known before the row is asked for. Strings are the run's. */
struct explain_names {
	const struct entity *entity;
	const struct binding *binding;	  /* NULL: none */
	const struct bound_entity *bound; /* NULL: none, or it does not fit */
	char *id_map;			  /* relations, quoted */
	char *target;
	char *source;	  /* with its alias, `source` */
	char *filter;	  /* over it */
	char **key_types; /* of the id map, as many as the source's key has columns; NULL: not known */
	char **target_types; /* likewise of the target's key */
	char **parts;	     /* of the legacy key; NULL: not known */
	bool has_map;	     /* the entity's id map is there */
	bool has_target;     /* its target table is there, with the columns that we need of it */
	bool has_store;	     /* there is a control schema */
	bool has_log;	     /* the control schema keeps a change log */
};

enum { SOURCE, TARGET, SIDES };

struct explain_run {
	struct explain_request request;
	struct pg_connection *sides[SIDES]; /* NULL: is not asked, or not any more */
	struct explain_names names;
	char **target_parts; /* of the key that was asked for, by_target */
	char *key;	     /* as it was given */
	json_t *explanation;
	size_t step;
	int asking; /* the side of the step under way */
	struct pump *pump;
	bool cancelled;
	unsigned closing;
	struct error error;
	explain_on_done *on_done;
	void *arg;
};

/* --- the run (explain.c) -------------------------------------------------------------------------- */

json_t *explain_side(struct explain_run *run, int side);
/* The side is asked no more. */
void explain_set_trouble(struct explain_run *run, int side, const char *message);
/* A query on a side that can be asked; the SQL is taken over. */
void explain_ask(struct explain_run *run, int side, char *sql, pg_on_answer *on_answer);
/* There is nothing to be made of the answer; then the run goes on without it, or ends. */
bool explain_failed(struct explain_run *run, const struct error *err);
bool explain_is_true(const PGresult *result, int row, int column);
void explain_go_on(struct explain_run *run);
void explain_fail(struct explain_run *run, const struct error *err);
void explain_end(struct explain_run *run);

/* --- what the target knows (explain_target.c) ------------------------------------------------------ */

/* False: the run has ended, since it is no key. */
bool explain_split_key(struct explain_run *run);
bool explain_is_no_key(const struct pg_answer *answer);
void explain_refuse_key(struct explain_run *run);
/* Steps. */
void explain_learn_names(struct explain_run *run);
void explain_find_by_target(struct explain_run *run);
void explain_normalize_key(struct explain_run *run);
void explain_learn_facts(struct explain_run *run);

/* --- SQL (explain_sql.c) --------------------------------------------------------------------------- */

/* All of it is the caller's to free. */
char *explain_sql_known(const struct explain_names *names);
char *explain_sql_key(const struct explain_names *names);
char *explain_sql_by_target(const struct explain_names *names, char *const *target_parts);
char *explain_sql_target_row(const struct explain_names *names, char *const *target_parts);
char *explain_sql_facts(const struct explain_names *names);
char *explain_sql_source(const struct explain_names *names);
char *explain_sql_standing(const struct explain_names *names);
char *explain_sql_history(const struct explain_names *names, bool values);

/* Has what is waited for arrived, does the source have it? One SELECT for each parent of `waits` and `deferred` of which
   nothing is known; NULL when there is none of these. */
char *explain_sql_parents(const struct explain_names *names, const json_t *explanation,
			  bool on_source);
/* The object of the explanation that is number `place` of these; NULL: there are not so many. */
json_t *explain_parent_at(const json_t *explanation, size_t place);

/* The condition that source rows have this key; where they are read from. */
char *explain_sql_which(const struct explain_names *names);
char *explain_source_relation(const struct entity *entity);

#endif
