/*
 * An inspection: the checks of one entity, carried out on a lane one after another, chunk by chunk.
 *
 * Each check has its row in migrated.validation_entity, which every chunk moves on in its own transaction (verify/check.h); so an inspection
 * begins where an earlier one has stopped, whatever has stopped it. A validation (run/validation.h) inspects one entity after another;
 * a session may inspect an entity before and after it has carried its rows.
 */
#ifndef DAEMON_RUN_INSPECTION_H
#define DAEMON_RUN_INSPECTION_H

#include <event2/event.h>
#include <jansson.h>

#include "catalog/binding.h"
#include "config/config.h"
#include "run/lane.h"

enum inspected_state {
	INSPECTED_PENDING,
	INSPECTED_RUNNING,
	INSPECTED_DONE,	     /* all of it was looked at; it may differ */
	INSPECTED_UNCHECKED, /* it cannot be checked, and that is no pass */
	INSPECTED_FAILED,
};

/* "pending", "running", "done", "unchecked", "failed". */
extern const char *const inspected_state_names[];

/* How many checks there are, and their names in the order in which they run. */
#define INSPECTION_CHECKS 5
extern const char *const inspection_checks[INSPECTION_CHECKS];

/* How one check of the entity stands. */
struct inspected_check {
	bool wanted;
	enum inspected_state state;
	int64_t rows;	     /* looked at */
	int64_t waiting;     /* of these, merely waiting */
	int64_t differences; /* found */
	int64_t repaired;    /* of these, equal since */
	int64_t total;	     /* to look at, as far as it is known; 0: it is not */
	char *reason;	     /* why it was not checked, or failed */
};

struct inspected_entity {
	char *entity;
	struct inspected_check checks[INSPECTION_CHECKS];
};

/* From a row of sql_store_validation_checks or _check_begin, whose state stands in `column`. */
void inspected_check_read(struct inspected_check *check, const PGresult *result, int row,
			  int column);

void inspected_entity_done(struct inspected_entity *entity);

/* [{entity, check, position}] of the checks that are wanted, for sql_store_validation_insert; added to `array`. */
void inspected_entity_describe(const struct inspected_entity *entity, size_t place, json_t *array);

/* Marks the checks that are wanted; false with ERROR_USAGE when one of the names (an array of strings; NULL: all) is no check's. */
bool inspected_entity_want(struct inspected_entity *entity, const json_t *names,
			   struct error *err) _warn_unused_;

struct inspection;

struct inspection_request {
	struct event_base *base;
	const struct settings *settings;
	const struct binding *binding;
	const struct bound_entity *bound;
	struct lane *lane;	     /* taken, and the inspection's own until it is done */
	struct pg_connection *store; /* where the rows of the checks are begun and ended */
	int64_t epoch;
	const char *validation; /* its UUID; the rows of the checks are there */
	struct inspected_entity
		*entity; /* what is wanted of it, and how it stands; kept up to date */
	bool in_session; /* of a session that is about to carry the entity, or has just done so */
	/* Asked after each chunk, which took so long: for how long to let others have the databases; NULL: not at all. */
	int64_t (*rest_ms)(void *arg, int64_t took_ms);
	void (*on_progress)(void *arg); /* may be NULL */
	/* All is done, unchecked or failed (err NULL), or it cannot go on now: a connection was lost, the store has another owner, it was
	   cancelled. */
	void (*on_done)(void *arg, const struct error *err);
	void *arg;
};

/* What the request points to must outlive the inspection, which frees itself after on_done. No transaction is left open. */
struct inspection *inspection_start(const struct inspection_request *request);

/* Ends it soon, with ERROR_CANCELLED; what is running is cancelled over these connections. To be repeated until on_done. */
void inspection_cancel(struct inspection *inspection, struct pg_connection *beside_source,
		       struct pg_connection *beside_target);

/* It is forgotten at once, as its lane's connections are closed next; on_done is not called. */
void inspection_drop(struct inspection *inspection);

#endif
