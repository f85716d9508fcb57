/*
 * A session: one run of a migration, from the request to its end.
 *
 * PREPARING ──▶ DETECTING ──▶ OPENING ──▶ RUNNING ──▶ ENDING ──▶ ended
 *   bindings,     unless an      entities     moving all, then    state
 *   id maps,      analysis was   of the       filling, then       kept
 *   session kept  given          analysis     deleting
 *
 * The session decides what runs next; entities run in dependency order, and those that do not depend on each
 * other share the lanes. Its state is in the store, so that a daemon that starts again goes on with it.
 */
#ifndef DAEMON_RUN_SESSION_H
#define DAEMON_RUN_SESSION_H

#include <jansson.h>

#include "base/event.h"
#include "common/uuid.h"
#include "run/detection.h"
#include "run/entity_run.h"
#include "run/hold.h"

enum session_phase {
	SESSION_PREPARING,
	SESSION_DETECTING,
	SESSION_OPENING,
	SESSION_RUNNING,
	SESSION_ENDING,
	SESSION_ENDED,
};

/* What is tried while the environment holds a session. */
enum probing { PROBING_NOTHING, PROBING_PLAN, PROBING_BATCH };

/* What a session needs of the engine that owns it. */
struct session_means {
	struct event_base *base;
	const struct entity_set *set;
	const struct settings *settings;
	struct pg_connection *source;	     /* for planning */
	struct pg_connection *target;	     /* for the store */
	struct pg_connection *source_beside; /* to cancel what the others run */
	struct pg_connection *target_beside;
	struct lane_pool *lanes;
	/* All of it is within one transaction that is rolled back (dry_run.h): it waits for nobody, and keeps nothing. */
	bool dry;
	int64_t epoch;	     /* under which the daemon owns the store */
	struct tally *tally; /* where its work is counted; NULL: nowhere */
	/* Are both connections up, and is the store still known to be ours? */
	bool (*is_ready)(void *arg);
	bool (*is_stopping)(
		void *arg); /* the daemon ends: what can go on in its next life need not now */
	/* Why nothing is begun just now, though it could; NULL: nothing stands in the way. The function may be NULL, too. */
	const char *(*throttled)(void *arg);
	void (*on_change)(void *arg); /* something one may wish to see has changed */
	void (*on_aside)(void *arg);  /* something was set aside, or stands again */
	/* It is over; the owner frees it, not before the callback has returned. */
	void (*on_end)(void *arg, struct session *session);
	void (*on_taken_over)(void *arg); /* the store has another owner; the session is put down */
	void *arg;
};

/* Told once, when the session stands in the store (or was refused). */
typedef void session_on_started(void *arg, struct session *session, const struct error *err);

struct session {
	struct session_means means;
	char id[UUID_TEXT_SIZE];
	int number;
	char analysis[UUID_TEXT_SIZE]; /* "" until known */
	char mode[16];		       /* initial, differential, full, again, rollback */
	json_t *options; /* of the request: entities, exclude, full, batch_size, parallel, strategy */
	enum session_phase phase;
	bool resumed;	  /* by a daemon that started again */
	json_t *steered;  /* entity → "paused" or "cancelled": asked for before its part began */
	json_t *breach;	  /* what a breaker holds it for; NULL: nothing. See breaker.h */
	json_t *approved; /* what was approved; NULL: nothing */
	json_t *remarks;  /* of a dry one: where another would have stood still, in words */
	json_t *letter_kinds; /* why rows were set aside, as far as the log has it (letters.h) */
	json_t *undetected;   /* entity → why its detection failed; NULL: all went well */
	bool analysis_by_default; /* nobody named it: it must cover every entity, or a new one is made */
	bool analysis_settled; /* a later life is to take the same */
	bool asking;	       /* the analysis is being read */
	enum hold_kind hold;   /* why it stands still */
	bool environment;      /* paused by what a database lacks: probed, and resumed by itself */
	enum probing probing;  /* what tries whether it may go on */
	bool planning_held;    /* it is planning that the environment stands in the way of */
	int64_t probe_at_ms;   /* monotonic: not before */
	bool stale;	       /* the connection to the store was read-only when it was made */
	bool cancelled;
	bool abandoned;
	char reason[512];
	char final_state[16]; /* completed, failed, cancelled; once over */
	struct error failure;

	struct binding *binding;
	struct detection *detection;
	struct entity_run *runs; /* in dependency order */
	size_t run_count;
	session_on_started *on_started; /* until told */
	void *on_started_arg;
	struct event *retry; /* wakes the lanes when a backoff is over */
	size_t batches_active;
	bool unkept;		  /* what holds it could not be kept yet */
	struct event *keep_again; /* tries that again */
	struct event *timeout;	  /* when migration_timeout is over */
	int64_t active_ms;	  /* counted against it, before the present stretch */
	int64_t active_since_ms;  /* monotonic; of this stretch; 0: it stands still */
	unsigned opening;	  /* rows still to be kept before it runs */
	bool opening_failed;	  /* one of them could not be */

	int64_t created_us;
	int64_t started_us;
	int64_t finished_us;
	int64_t started_ms;	   /* monotonic; of this life */
	int64_t elapsed_before_ms; /* in earlier lives */
	struct rate rate;	   /* over all entities */
};

/* A new session of a binding, which it takes over. `analysis` may be NULL: the last that was not carried out, else a new
   one. `options` is taken over too. */
struct session *session_new(const struct session_means *means, struct binding *binding,
			    json_t *options, const char *analysis, session_on_started *on_started,
			    void *arg);

/* A session of an earlier life, from its row of the store (sql_store_session_unfinished). */
struct session *session_resume_from(const struct session_means *means, struct binding *binding,
				    const PGresult *row);

void session_free(struct session *session);

/* It is over and is only looked at from now on: it asks nothing any more of what the engine has lent it; and then it is told what the
   engine has instead, to be described by. */
void session_let_go(struct session *session);
void session_take_up(struct session *session, struct pg_connection *source,
		     struct pg_connection *target, struct lane_pool *lanes);

/* The daemon goes: nothing is done or kept any more, so that a later life finds the session as it is. */
void session_abandon(struct session *session);

/* The connections of a dry one are closed: it has failed, unless it was over. */
void session_lose(struct session *session, const struct error *err);

/* The store belongs to another daemon: likewise, and the owner of the session is told, who frees it later. */
void session_put_down(struct session *session);

/* A lane is idle. */
void session_offer(struct session *session, struct lane *lane);

/* The store can be reached again: whatever a lost connection interrupted is asked again. */
void session_store_ready(struct session *session);

/* One entity of it, or all (NULL), in whatever phase it is. False: no such entity in this session, or it is over. */
bool session_pause(struct session *session, const char *entity, struct error *err);
bool session_continue(struct session *session, const char *entity, struct error *err);
bool session_cancel(struct session *session, const char *entity, struct error *err);

/* "initial", "differential", "full", "again"; "dry run" whatever it would be. */
const char *session_mode(const struct session *session);

/* "pending", "running", "paused", "completed", "failed", "cancelled". */
const char *session_state(const struct session *session);

int64_t session_elapsed_ms(const struct session *session);

/* Is this error one of a connection that was lost, or cannot be made yet, whatever the server says of it (starting up, too many
   connections)? Then session_store_ready() follows when both are up again. */
bool session_will_reconnect(const struct session *session, const struct error *err);

/* Goes on where it stands, if nothing holds it; ends it if it was cancelled. */
void session_proceed(struct session *session);

/* For the other files of a session. */
void session_log(const struct session *session, int priority, const char *what);
void session_tell(const struct session *session, enum event_kind kind, const char *what);
void session_set_phase(struct session *session, enum session_phase phase);
bool session_is_full(const struct session *session);
/* Does it carry only what was asked for again, without detection? (again.h) */
bool session_is_again(const struct session *session);
/* Does it undo another session? Then it needs no source. (rollback.h) */
bool session_is_rollback(const struct session *session);
/* As selection_make(), of its options. */
bool *session_selection(const struct session *session, struct error *err);
/* Answers that are still on their way to `arg` find nobody. */
void session_forget(struct session *session, const void *arg);
/* Could the store not be asked? What comes of it is recovery.h's business. */
bool session_store_failed(struct session *session, const struct error *err);

/* Ends the session, in the state its entities are in; batches under way are let finish. */
void session_finish(struct session *session);
/* The same, before its time. */
void session_fail(struct session *session, const struct error *err);

/* Called by entity_run.c: its planning has gone on (err NULL) or has failed. */
void session_entity_planned(struct entity_run *run, const struct error *err);

/* What it stood still for is over: how fast it was says nothing of how it goes on. */
void session_begin_rates(struct session *session);
/* How much of it is done, from 0 to 1. */
double session_progress(const struct session *session);

/* As the control protocol's types Session and EntityProgress; the caller owns them. */
json_t *session_describe(const struct session *session);
json_t *session_describe_entities(const struct session *session);

#endif
