/*
 * What happens when a piece of a session's work fails: one table from kind of error and SQLSTATE to an action.
 *
 *   RECONNECT     put back; it is taken again as soon as there is a connection. No attempt is counted
 *   BACK_OFF      put back; taken again after a growing pause, for as long as it takes
 *   RETRY         the same, max_retry_attempts times; then HALVE
 *   HALVE         the batch is split in two (run/plan.h); a single row is held: tried again every probe_every
 *   HOLD_SESSION  the session stands still, and one batch on one lane is tried every probe_every until it succeeds
 *   STOP_ENTITY   the entity fails, and those that depend on it
 *   STOP_SESSION  the session fails; the daemon stays
 *   PUT_DOWN      another daemon has it now
 *
 * A row that the target refuses never comes here: it has been set aside by then (apply/). Nothing is dropped: what is put
 * back is in the store, undone, all along.
 */
#ifndef DAEMON_RUN_RECOVERY_H
#define DAEMON_RUN_RECOVERY_H

#include "common/error.h"
#include "run/session.h"

enum recovery_action {
	RECOVERY_RECONNECT,
	RECOVERY_BACK_OFF,
	RECOVERY_RETRY,
	RECOVERY_HALVE,
	RECOVERY_HOLD_SESSION,
	RECOVERY_STOP_ENTITY,
	RECOVERY_STOP_SESSION,
	RECOVERY_PUT_DOWN,
};

enum recovery_action recovery_action(const struct error *err);

/* The next pause: min(cap, random(base, 3 × previous)), with 100 ms and 30 s. Decorrelated jitter, from "Exponential Backoff
   And Jitter", AWS Architecture Blog, 2015. `random` is any 32 bits; previous is 0 for the first. */
int64_t recovery_backoff_ms(int64_t previous_ms, uint32_t random);

/* The lane a piece of work failed on: made anew when the next one could not do better on it. */
void recovery_lane_failed(struct lane *lane, const struct error *err);

/* A batch failed; its spec is taken over: put back, split, or dropped with its entity. */
void recovery_batch_failed(struct entity_run *run, struct batch_spec *spec,
			   const struct error *err);

/* Anything else of an entity failed: its planning, a round of its second pass. It may be tried again when
   entity_run_waits() no longer says so. False: it may not, the entity or the session is over. */
bool recovery_step_failed(struct entity_run *run, const struct error *err);

/* A batch (`attempts`: how often it had failed before) or a round of the second pass has succeeded; so has planning. */
void recovery_succeeded(struct entity_run *run, unsigned attempts);
void recovery_planned(struct entity_run *run);

/* Something of the environment stands in the session's way: it stands still, and tries again by itself. */
void recovery_hold(struct session *session, const struct error *err);

/* The session could not ask the store for what it needs before it runs. A lost connection comes back
   (session_store_ready), a full disk passes; anything else ends it. */
void recovery_session_failed(struct session *session, const struct error *err);

/* Its end could not be kept in the store. True: that is tried again, too. */
bool recovery_may_end_later(struct session *session, const struct error *err);

/* What holds the session up is to be tried again now: by one batch on one lane, or by planning if that was what failed; and
   that is being done. */
bool recovery_may_probe(const struct session *session);
bool recovery_may_plan(const struct session *session);
void recovery_probe(struct session *session, enum probing what);

/* What the session works with was read-only, and remains so for as long as its connections last: makes new ones. True: it does. */
bool recovery_renews_connection(struct session *session);

/* The databases are back: nothing waits for its time any more. */
void recovery_database_is_back(struct session *session);

/* Wakes the session when the next pause is over. */
void recovery_arm(struct session *session);

/* When the next try of an entity's work is due (microseconds since the epoch); 0: nothing of it waits. */
int64_t recovery_retry_at_us(const struct entity_run *run);

#endif
