/*
 * Validations: what was asked to be compared, entity by entity, on a lane of its own beside whatever session runs.
 *
 *   STARTING ──▶ CHECKING ──▶ (REPAIRING ──▶ LOOKING AGAIN) ──▶ ENDING ──▶ ENDED
 *   its rows     an inspection   what differs     is it equal     its end
 *   are kept     an entity       is carried again now?            is kept
 *
 * One at a time. Where each check stands is in the store, so a daemon that starts goes on with a validation that was not ended. While a
 * session or a detection runs, it rests after each chunk for as long as that took.
 */
#ifndef DAEMON_RUN_VALIDATION_H
#define DAEMON_RUN_VALIDATION_H

#include <jansson.h>

#include "common/uuid.h"
#include "run/inspection.h"

struct engine;
struct validator;

enum validation_phase {
	VALIDATION_STARTING,
	VALIDATION_CHECKING,
	VALIDATION_REPAIRING,
	VALIDATION_LOOKING_AGAIN,
	VALIDATION_ENDING,
	VALIDATION_ENDED,
};

struct validation {
	char id[UUID_TEXT_SIZE];
	enum validation_phase phase;
	const char *state; /* "running", "completed", "failed", "cancelled" */
	char reason[512];  /* why it failed, or what it waits for; "" */
	json_t *options;   /* entities, exclude, checks (arrays of strings), repair (bool) */
	int64_t created_us;
	int64_t finished_us; /* 0: it is under way */
	struct inspected_entity *entities;
	size_t count;
	size_t current; /* the entity that is looked at */
};

/* Differences that were found and not repaired; whether there are checks that could not be made. */
int64_t validation_differences(const struct validation *validation);
bool validation_is_incomplete(const struct validation *validation);

/* A validation of these entities, whose checks are wanted as the options say, which it takes over; NULL with the error. */
struct validation *validation_new(const struct entity_set *set, json_t *options,
				  struct error *err) _warn_unused_;
void validation_free(struct validation *validation);

/* How its checks stand, from sql_store_validation_checks. Those whose entity is not in the configuration any more are left out: they are
   unchecked when it ends. */
void validation_read(struct validation *validation, const PGresult *result);

struct validator *validator_new(struct engine *engine);
void validator_free(struct validator *validator);

/* Starts a validation; takes the options over. on_started is called once, when it stands in the store or why it does not. */
typedef void validation_on_started(void *arg, const struct validation *validation,
				   const struct error *err);
void validator_start(struct validator *validator, json_t *options,
		     validation_on_started *on_started, void *arg);

/* Ends the one under way; `id` (may be NULL) is how its id begins. False: there is no such one. */
bool validator_cancel(struct validator *validator, const char *id, struct error *err);

/* The one under way, else the last of this life, else NULL. */
const struct validation *validator_current(const struct validator *validator);
bool validator_is_busy(const struct validator *validator);

/* --- for the engine ---------------------------------------------------------------------------- */

/* Both databases are there and the store is ours: what was interrupted goes on, or what an earlier life has left. */
void validator_ready(struct validator *validator);

/* The store has another owner: what is under way is dropped without a word. */
void validator_put_down(struct validator *validator);

#endif
