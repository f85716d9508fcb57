/*
 * Cycles: looking for changes and carrying them over again and again, by the clock.
 *
 *   waits until the next is due and the window is open
 *     ──▶ looks: is a sweep due? else, may anything have changed since the watermarks?   (no session, a few milliseconds)
 *           ──▶ quiet, or a session                                       ──▶ waits
 *
 * One at a time: a cycle that outlasts its interval delays the next. While something is held, or a database is away, cycles
 * are skipped, with the reason, and the next begins soon after. What people ask for goes before.
 */
#ifndef DAEMON_RUN_CYCLE_H
#define DAEMON_RUN_CYCLE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/uuid.h"

/* So many cycles that are over are remembered. */
#define CYCLES_KEPT 10

enum cycle_result {
	CYCLE_QUIET,	/* nothing had changed */
	CYCLE_MIGRATED, /* a session has carried over what had */
	CYCLE_FAILED,
	CYCLE_SKIPPED, /* it could not begin; the reason says why */
	CYCLE_RESULT_COUNT,
};

/* quiet, migrated, failed, skipped */
const char *cycle_result_name(enum cycle_result result);

/* A cycle that is over. */
struct cycle {
	int64_t started_us; /* microseconds since the epoch */
	int64_t elapsed_ms; /* skipped: for how long there have been none for this reason */
	enum cycle_result result;
	bool sweep;
	int64_t changed;	      /* rows that were found new, modified or deleted */
	char session[UUID_TEXT_SIZE]; /* "": none was needed */
	char reason[512];	      /* "": none */
};

/* What there is to see of them. */
struct cycles {
	int64_t next_us; /* when the next begins; 0: none is scheduled */
	int64_t in_step_us; /* all that was committed in the source before is in the target; 0: not known */
	struct cycle last[CYCLES_KEPT]; /* the newest first */
	size_t count;
};

struct engine;
struct session;
struct cycle_driver;

/* Cycles of an engine, when its settings ask for any. Freed after the engine's connections are closed. */
struct cycle_driver *cycle_driver_new(struct event_base *base, struct engine *engine);
void cycle_driver_free(struct cycle_driver *driver);

const struct cycles *cycle_driver_cycles(const struct cycle_driver *driver);

/* The databases have been reached and the store is ours: if the last session was longer ago than an interval when the daemon
   started, the first cycle begins soon. */
void cycle_engine_ready(struct cycle_driver *driver);

/* The clock runs from now on; and never again. */
void cycle_driver_start(struct cycle_driver *driver);
void cycle_driver_stop(struct cycle_driver *driver);

/* Is it looking? Then the engine's connections are its own for a few milliseconds, and request_go_on() follows. */
bool cycle_is_looking(const struct cycle_driver *driver);

/* Is there none under way? */
bool cycle_is_waiting(const struct cycle_driver *driver);

/* What another driver, of an earlier configuration, has seen. */
void cycle_driver_recall(struct cycle_driver *driver, const struct cycles *cycles);

/* A session is over, its own or another. */
void cycle_session_over(struct cycle_driver *driver, const struct session *session);

/* What it was about was dropped. */
void cycle_put_down(struct cycle_driver *driver, const char *reason);

#endif
