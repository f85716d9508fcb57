/*
 * The engine: connections to both databases, the lanes, and the one session or detection that is under way.
 *
 * It is what the control socket steers. One session runs at a time; observing (analyze, check, plan) goes
 * over a lane of its own and never waits for the session's.
 */
#ifndef DAEMON_RUN_ENGINE_H
#define DAEMON_RUN_ENGINE_H

#include "config/config.h"
#include "run/again.h"
#include "run/cycle.h"
#include "run/observe.h"
#include "run/session.h"
#include "run/tally.h"
#include "run/validation.h"

struct engine;

/* The configuration must outlive the engine, or engine_configure(). Connections are opened at once, in the background; an unfinished session of
   the store is resumed as soon as both databases answer. */
struct engine *engine_new(struct event_base *base, const struct config *config);

/* An engine that only observes: no session is looked for, resumed or scheduled. */
struct engine *engine_new_observing(struct event_base *base, const struct config *config);

/* Lets batches under way finish; calls on_stopped from the loop. Nothing new is started. */
void engine_stop(struct engine *engine, void (*on_stopped)(void *arg), void *arg);
void engine_free(struct engine *engine);

/*
 * Another configuration: what was made of the former one is taken down, and all is made of the new one, as at a start. Connections
 * that are to be as they were stay. The session that was the last remains to be seen; as long as it is, it refers to the former
 * configuration. Only while the engine is still, and not from within a callback of it. Requests are held back as long as they are
 * told to be, so that the engine becomes still.
 */
bool engine_is_still(const struct engine *engine);
void engine_hold_back(struct engine *engine, bool hold);
void engine_configure(struct engine *engine, const struct config *config, bool same_entities);
bool engine_refers_to(const struct engine *engine, const struct config *config);

/* Is work under way that nothing can bring on: no answer is awaited, no connection is being made, no timer runs, and nothing is said to
   stand in its way? For a moment that may be so. */
bool engine_is_stuck(const struct engine *engine);
/* How often a lane was offered to what is under way. */
uint64_t engine_offers(const struct engine *engine);

/* "session 78132aec", "the validation": what may go on for long; NULL: nothing does. The buffer is for that. */
#define ENGINE_UNDER_WAY_SIZE 40
const char *engine_under_way(const struct engine *engine, char buffer[ENGINE_UNDER_WAY_SIZE]);

/* Settings that count at once (EFFECT_AT_ONCE) are others now. */
void engine_settings_changed(struct engine *engine);

/* Starts a session. on_started is called once; the session is the engine's. Options: entities, exclude (arrays of strings),
   full (bool), batch_size, parallel (integers), fresh (bool: never take an older analysis), strategy ("sweep", "watermark");
   taken over. */
void engine_migrate(struct engine *engine, json_t *options, const char *analysis,
		    session_on_started *on_started, void *arg);

/* Detects changes and keeps them. Options: entities, exclude (arrays of strings), strategy ("sweep", "watermark"); taken over.
   The detection and the entities' rates (rows a second, 0: not known, by index in the
   detection) are borrowed for the callback. */
typedef void engine_on_detected(void *arg, const struct detection *detection, const double *rates,
				const struct error *err);
void engine_detect(struct engine *engine, json_t *options, engine_on_detected *on_detected,
		   void *arg);

/* For those who only look. */
struct observatory *engine_observatory(const struct engine *engine);

/* Who compares source and target, beside whatever session runs. */
struct validator *engine_validator(const struct engine *engine);

/* What bulk mode has set aside, as it was seen last: an array of SetAside; a new reference. */
json_t *engine_set_aside(const struct engine *engine);

/* The session under way, else the last one of this life, else NULL. */
struct session *engine_session(const struct engine *engine);

/* Is a session or a detection under way? */
bool engine_is_busy(const struct engine *engine);

/* "starting" (a database was never reached), "idle", "detecting", "running", "paused", "standby" (another daemon owns the control
   schema), "unavailable", "stopping". */
const char *engine_state(const struct engine *engine, const struct error **ret_reason);

struct pg_connection *engine_source(const struct engine *engine);
struct pg_connection *engine_target(const struct engine *engine);
const struct config *engine_config(const struct engine *engine);

/* When the next cycle begins (microseconds since the epoch); 0: none is scheduled. */
int64_t engine_next_cycle_us(const struct engine *engine);

/* Cycles: when the next begins, and how the last ones went; their settings are the configuration's. */
const struct cycles *engine_cycles(const struct engine *engine);

/* What has been done in this life of the daemon. */
const struct tally *engine_tally(const struct engine *engine);

/* Is the control schema this daemon's, and within reach? ret_made (may be NULL): does it exist yet? */
bool engine_has_store(const struct engine *engine, bool *ret_made);

/* May sessions be steered here? False with the reason: another daemon owns the control schema, or it has not been read yet, so that
   nobody knows whether there is one. */
bool engine_may_steer(const struct engine *engine, struct error *err);

/* Which other daemon owns the control schema, so that this one only observes; NULL: none does. */
const char *engine_standby(const struct engine *engine);

/* Why no batch is begun just now (a value on the target is too high); NULL: nothing stands in the way. */
const char *engine_throttled(const struct engine *engine);

/* Told of every change that one may wish to see; as often as they come. Removed with engine_unsubscribe(). */
struct engine_subscriber *engine_subscribe(struct engine *engine, void (*on_change)(void *arg),
					   void *arg);
void engine_unsubscribe(struct engine *engine, struct engine_subscriber *subscriber);

#endif
