/*
 * See engine.h: connections, lanes, the session under way, life. What is asked for begins in request.c; what a database
 * connection is told before it is used stands in connect.c.
 */
#include "run/engine_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/connect.h"
#include "run/record.h"
#include "sql_store.h"

/* Connections a side that are not lanes: one for planning and the store, one for observing. */
#define CONNECTIONS_BESIDE_LANES 2

/* After this long a session that could not be resumed is looked for again. */
#define RESUME_AGAIN_S 5

struct engine_subscriber {
	void (*on_change)(void *arg);
	void *arg;
	struct engine_subscriber *next;
};

static void go_on(struct engine *engine);
static void look_for_unfinished(struct engine *engine);
static struct lane_pool *make_lanes(struct engine *engine);

/* --- subscribers ------------------------------------------------------------------------------- */

struct engine_subscriber *engine_subscribe(struct engine *engine, void (*on_change)(void *arg),
					   void *arg)
{
	struct engine_subscriber *subscriber = memory_new(sizeof(*subscriber));

	*subscriber = (struct engine_subscriber){ on_change, arg, engine->subscribers };
	engine->subscribers = subscriber;
	return subscriber;
}

void engine_unsubscribe(struct engine *engine, struct engine_subscriber *subscriber)
{
	struct engine_subscriber **link = &engine->subscribers;

	while (*link != NULL && *link != subscriber)
		link = &(*link)->next;
	if (*link != NULL)
		*link = subscriber->next;
	free(subscriber);
}

void engine_changed(struct engine *engine)
{
	for (struct engine_subscriber *s = engine->subscribers, *next; s != NULL; s = next) {
		next = s->next;
		s->on_change(s->arg);
	}
}

/* Does what is under way need no source? */
static bool goes_without_source(const struct engine *engine)
{
	return engine->without_source && engine_is_busy(engine);
}

/* --- whose the store is ------------------------------------------------------------------------ */

static bool stands_by(const struct engine *engine, struct error *err)
{
	const char *holder = engine_standby(engine);

	if (holder == NULL)
		return false;
	error_set(err, ERROR_BUSY, "this daemon stands by: %s", holder);
	error_hint(err, "ask that daemon, or stop it, and this one takes over");
	return true;
}

bool engine_owns(const struct engine *engine, struct error *err)
{
	const struct error *reason = owner_reason(engine->owner);

	if (stands_by(engine, err))
		return false;
	if (owner_state(engine->owner) == OWNER_OURS)
		return true;
	return error_set(err, ERROR_CONNECTION, "%s",
			 reason->kind != ERROR_NONE
				 ? reason->message
				 : "the target has just been reached; try again");
}

bool engine_may_steer(const struct engine *engine, struct error *err)
{
	const struct error *reason;

	if (stands_by(engine, err))
		return false;
	if (engine->session != NULL || engine->known)
		return true;
	engine_state(engine, &reason);
	error_set(err, ERROR_BUSY, "it is not known yet whether a session was left unfinished: %s",
		  reason != NULL && reason->kind != ERROR_NONE ? reason->message
							       : "the store is being read");
	return error_hint(err, "ask again when migratectl status shows both databases as ready");
}

static void drop_dry_run(struct engine *engine, const char *reason)
{
	struct error err;

	error_set(&err, ERROR_CONNECTION, "%s", reason);
	if (engine->dry_run != NULL)
		dry_run_drop(engine->dry_run, &err);
}

/* Both connections begin anew, so that nothing is on its way any more to what is dropped here. */
static void on_put_down(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;

	(void)fd;
	(void)what;
	event_log(EVENT_OWNERSHIP_LOST, NULL, "the control schema has another owner now");
	drop_dry_run(engine, "another daemon has taken over the target");
	if (engine->session != NULL)
		session_put_down(engine->session);
	event_del(engine->put_down);
	lane_pool_free(engine->lanes);
	engine->lanes = make_lanes(engine);
	pg_connection_reset(engine->source, "another daemon has taken over");
	pg_connection_reset(engine->target, "another daemon has taken over");
	request_put_down(engine);
	validator_put_down(engine->validator);
	cycle_put_down(engine->cycle, "another daemon has taken over the target");
	session_free(engine->session);
	engine->session = NULL;
	engine->resumed = false;
	go_on(engine);
	engine_changed(engine);
}

void engine_put_down(struct engine *engine)
{
	event_active(engine->put_down, 0, 0);
}

static void on_owner_change(void *arg)
{
	struct engine *engine = arg;
	const struct session *session = engine->session;

	if (engine->stopping)
		return;
	if (session != NULL && session->phase != SESSION_ENDED &&
	    owner_state(engine->owner) != OWNER_UNKNOWN &&
	    session->means.epoch != owner_epoch(engine->owner))
		engine_put_down(engine);
	else
		go_on(engine);
	engine_changed(engine);
}

/* --- stopping ---------------------------------------------------------------------------------- */

/* The store is waited for, too: that a session was paused, or has ended, must not be forgotten. */
static void stop_when_drained(struct engine *engine)
{
	void (*on_stopped)(void *arg) = engine->on_stopped;

	if (!engine->stopping || on_stopped == NULL || engine->dry_run != NULL ||
	    lane_pool_busy(engine->lanes) > 0 || pg_connection_state(engine->target) == PG_BUSY)
		return;
	engine->on_stopped = NULL;
	on_stopped(engine->on_stopped_arg);
}

void engine_stop(struct engine *engine, void (*on_stopped)(void *arg), void *arg)
{
	engine->stopping = true;
	engine->on_stopped = on_stopped;
	engine->on_stopped_arg = arg;
	restorer_stop(engine->restorer);
	if (engine->dry_run != NULL)
		dry_run_cancel(engine->dry_run, false);
	lane_pool_wake(engine->lanes);
	engine_changed(engine);
	stop_when_drained(engine);
}

/* --- lanes ------------------------------------------------------------------------------------- */

static void on_lane_idle(void *arg, struct lane *lane)
{
	struct engine *engine = arg;

	if (fault_point("lane.offered"))
		return;
	engine->offers++;
	if (engine->stopping)
		event_active(engine->again, 0,
			     0); /* when its session has said what is to be kept */
	else if (engine_is_busy(engine) && !throttle_may_begin(engine->throttle))
		return; /* on_throttle_free() */
	else if (engine->detection != NULL)
		detection_offer(engine->detection, lane);
	else if (engine->session != NULL)
		session_offer(engine->session, lane);
}

static bool has_work(void *arg)
{
	const struct engine *engine = arg;

	if (validator_is_busy(engine->validator) && !engine->stopping)
		return true;
	return engine_is_busy(engine) && !engine->stopping &&
	       (engine->session == NULL || engine->session->hold == HOLD_NONE ||
		engine->session->hold == HOLD_ENVIRONMENT);
}

static void on_throttle_change(void *arg)
{
	engine_changed(arg);
}

static void on_throttle_free(void *arg)
{
	struct engine *engine = arg;

	lane_pool_wake(engine->lanes);
	if (engine->dry_run != NULL)
		dry_run_wake(engine->dry_run);
}

static struct throttle *make_throttle(struct engine *engine)
{
	return throttle_new(engine->base,
			    &(struct throttle_means){ .settings = &engine->config->settings,
						      .target = engine->target,
						      .is_wanted = has_work,
						      .on_change = on_throttle_change,
						      .on_free = on_throttle_free,
						      .arg = engine });
}

static struct lane_pool *make_lanes(struct engine *engine)
{
	return lane_pool_new(engine->base, &(struct lane_pool_settings){
						   .source = *connect_source(engine->settings),
						   .target = *connect_target(engine->settings),
						   .on_idle = on_lane_idle,
						   .arg = engine,
					   });
}

static int64_t connections_to(const struct settings *settings, int64_t side)
{
	return side > 0 && side < settings->connection_pool_size ? side
								 : settings->connection_pool_size;
}

/* A lane needs a connection to each side: the smaller one decides. */
size_t engine_lane_count(const struct engine *engine, const json_t *options)
{
	const struct settings *settings = &engine->config->settings;
	int64_t asked = json_integer_value(json_object_get(options, "parallel"));
	int64_t count = asked > 0 ? asked : settings->max_concurrent_entities;
	int64_t source = connections_to(settings, settings->source_connections);
	int64_t target = connections_to(settings, settings->target_connections);
	int64_t most = (source < target ? source : target) - CONNECTIONS_BESIDE_LANES;

	if (most < 1)
		most = 1;
	return (size_t)(count < most ? count : most);
}

/* --- a session that an earlier life left unfinished ------------------------------------------------- */

static void on_unfinished(void *arg, const struct pg_answer *answer)
{
	struct engine *engine = arg;

	if (answer->error != NULL) {
		engine_look_again_later(engine);
	} else if (PQntuples(pg_answer_rows(answer)) == 0) {
		engine->known = true;
		again_look_for_left(engine);
	} else if (!engine_is_busy(engine)) {
		request_resume(engine,
			       strcmp(PQgetvalue(pg_answer_rows(answer), 0, 1), "rollback") == 0);
	}
}

static void on_schema_known(void *arg, const struct pg_answer *answer)
{
	struct engine *engine = arg;

	if (answer->error != NULL)
		engine_look_again_later(engine);
	else if (PQgetvalue(pg_answer_rows(answer), 0, 0)[0] == 't')
		pg_submit(engine->target, sql_store_session_is_unfinished, 0, NULL, on_unfinished,
			  engine);
	else
		engine->known = true;
}

/* What stood in the way may pass by itself: a connection comes back, or an old backend lets go of its locks. */
void engine_look_again_later(struct engine *engine)
{
	engine->resumed = false;
	event_add(engine->again, &(struct timeval){ .tv_sec = RESUME_AGAIN_S });
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;

	(void)fd;
	(void)what;
	if (engine->stopping)
		stop_when_drained(engine);
	else if (!engine->resumed && !engine_is_busy(engine) && engine_down(engine) == NULL &&
		 owner_state(engine->owner) == OWNER_OURS)
		look_for_unfinished(engine);
}

static void look_for_unfinished(struct engine *engine)
{
	engine->resumed = true;
	pg_submit(engine->target, sql_store_schema_version, 0, NULL, on_schema_known, engine);
}

/* Both databases are there, and the store is ours: whatever waited for that goes on. */
static void go_on(struct engine *engine)
{
	struct error err;

	if (engine_down(engine) == NULL && owner_state(engine->owner) != OWNER_UNKNOWN)
		engine->reached = true;
	if (!engine->lost || engine_lacks(engine, goes_without_source(engine)) != NULL ||
	    !engine_owns(engine, &err))
		return;
	engine->lost = false;
	cycle_engine_ready(engine->cycle);
	validator_ready(engine->validator);
	restorer_look(engine->restorer);
	if (!engine->resumed && !engine_is_busy(engine))
		look_for_unfinished(engine);
	engine_changed(engine);
	if (engine->session != NULL && engine->session->phase < SESSION_ENDED &&
	    engine->dry_run == NULL)
		session_store_ready(engine->session);
}

static void on_connection_state(void *arg, struct pg_connection *connection, enum pg_state state,
				const struct error *err)
{
	struct engine *engine = arg;

	(void)err;
	if (connection == engine->target)
		owner_on_connection(engine->owner, connection, state);
	if (engine->stopping) {
		event_active(engine->again, 0, 0); /* when this connection's queue has moved on */
	} else if (state == PG_READY) {
		go_on(engine);
	} else if (state != PG_BUSY) {
		engine->lost = true;
		engine_changed(engine);
	}
}

/* --- life and looks ---------------------------------------------------------------------------- */

static void make_links(struct engine *engine)
{
	engine->source = pg_connection_new(engine->base, connect_source(engine->settings),
					   on_connection_state, engine);
	engine->owner = owner_new(engine->base, connect_store(engine->settings), on_owner_change,
				  engine);
	engine->target = pg_connection_new(engine->base, owner_connection(engine->owner),
					   on_connection_state, engine);
	engine->lost = true;
}

static void free_links(struct engine *engine)
{
	pg_connection_close(engine->source);
	pg_connection_close(engine->target);
	owner_free(engine->owner);
	connect_settings_free(engine->settings);
}

/* Whatever knows the mapping, or a setting from when it was made. */
static void make_parts(struct engine *engine)
{
	engine->cycle = cycle_driver_new(engine->base, engine);
	engine->lanes = make_lanes(engine);
	engine->throttle = make_throttle(engine);
	engine->validator = validator_new(engine);
	engine->restorer = restorer_new(engine);
}

struct engine *engine_new_observing(struct event_base *base, const struct config *config)
{
	struct engine *engine = memory_new(sizeof(*engine));

	engine->base = base;
	engine->config = config;
	tally_init(&engine->tally);
	engine->settings = connect_settings_new(config);
	engine->again = event_new(base, -1, 0, on_again, engine);
	engine->settled = event_new(base, -1, 0, request_on_settled, engine);
	engine->put_down = event_new(base, -1, 0, on_put_down, engine);
	engine->observatory = observatory_new(base, &config->entities, engine->settings);
	make_links(engine);
	make_parts(engine);
	return engine;
}

static void open_links(struct engine *engine)
{
	pg_connection_open(engine->source);
	pg_connection_open(engine->target);
}

struct engine *engine_new(struct event_base *base, const struct config *config)
{
	struct engine *engine = engine_new_observing(base, config);

	open_links(engine);
	cycle_driver_start(engine->cycle);
	return engine;
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	engine->stopping = true;
	engine->on_stopped = NULL;
	cycle_driver_stop(engine->cycle);
	drop_dry_run(engine, "migrated is stopping");
	if (engine->session != NULL)
		session_abandon(engine->session);
	throttle_free(engine->throttle);
	validator_free(engine->validator);
	restorer_free(engine->restorer);
	lane_pool_free(engine->lanes);
	observatory_free(engine->observatory);
	free_links(engine);
	cycle_driver_free(engine->cycle);
	session_free(engine->session);
	detection_free(engine->detection);
	request_free_all(engine);
	while (engine->subscribers != NULL)
		engine_unsubscribe(engine, engine->subscribers);
	event_free(engine->again);
	event_free(engine->settled);
	event_free(engine->put_down);
	tally_done(&engine->tally);
	free(engine);
}

/* --- another configuration --------------------------------------------------------------------- */

static void take_down(struct engine *engine)
{
	engine->kept = *cycle_driver_cycles(engine->cycle);
	cycle_driver_stop(engine->cycle);
	pg_forget(engine->target, engine->cycle);
	cycle_driver_free(engine->cycle);
	throttle_free(engine->throttle);
	validator_free(engine->validator);
	restorer_free(engine->restorer);
	lane_pool_free(engine->lanes);
	if (engine->session != NULL)
		session_let_go(engine->session);
}

/* Connections that would be made just as they are stay, and with them what they hold: the ownership of the store. */
static bool renew_links(struct engine *engine)
{
	struct connect_settings *settings = connect_settings_new(engine->config);

	if (connect_settings_equal(settings, engine->settings)) {
		connect_settings_free(settings);
		return false;
	}
	engine->tally.source_links += pg_connection_times_made(engine->source);
	engine->tally.target_links += pg_connection_times_made(engine->target);
	free_links(engine);
	engine->settings = settings;
	engine->resumed = engine->known = engine->reached = false;
	make_links(engine);
	return true;
}

void engine_configure(struct engine *engine, const struct config *config, bool same_entities)
{
	bool renewed;

	take_down(engine);
	engine->config = config;
	engine->without_source = false;
	renewed = renew_links(engine);
	make_parts(engine);
	observatory_renew(engine->observatory, &config->entities, engine->settings);
	if (engine->session != NULL)
		session_take_up(engine->session, engine->source, engine->target, engine->lanes);
	if (!same_entities)
		engine->kept.in_step_us = 0;
	cycle_driver_recall(engine->cycle, &engine->kept);
	if (renewed)
		open_links(engine);
	cycle_driver_start(engine->cycle);
	engine->lost = true; /* what waits for both databases looks anew */
	go_on(engine);
	engine_changed(engine);
}

bool engine_refers_to(const struct engine *engine, const struct config *config)
{
	return engine->config == config ||
	       (engine->session != NULL && engine->session->means.settings == &config->settings);
}

void engine_hold_back(struct engine *engine, bool hold)
{
	engine->held_back = hold;
	observatory_hold(engine->observatory, hold && !engine_is_busy(engine));
}

void engine_settings_changed(struct engine *engine)
{
	const struct session *session = engine->session;

	throttle_settings_changed(engine->throttle);
	if (session != NULL && session->phase != SESSION_ENDED && engine->dry_run == NULL)
		record_settings(session);
	engine_changed(engine);
}

struct session *engine_session(const struct engine *engine)
{
	return engine->session;
}

bool engine_is_busy(const struct engine *engine)
{
	return engine->request != NULL || engine->detection != NULL || engine->dry_run != NULL ||
	       (engine->session != NULL && engine->session->phase != SESSION_ENDED);
}

const struct pg_connection *engine_down(const struct engine *engine)
{
	return !pg_connection_is_up(engine->source)   ? engine->source
	       : !pg_connection_is_up(engine->target) ? engine->target
						      : NULL;
}

const struct pg_connection *engine_lacks(const struct engine *engine, bool without_source)
{
	const struct pg_connection *target = engine->target;

	if (without_source)
		return pg_connection_is_up(target) ? NULL : target;
	return engine_down(engine);
}

void engine_needs_source(struct engine *engine, bool needs_source)
{
	engine->without_source = !needs_source;
	lane_pool_needs_source(engine->lanes, needs_source);
}

const char *engine_state(const struct engine *engine, const struct error **ret_reason)
{
	const struct pg_connection *down = engine_lacks(engine, goes_without_source(engine));
	enum owner_state owner = owner_state(engine->owner);

	*ret_reason = owner != OWNER_OURS ? owner_reason(engine->owner) : NULL;
	if (down != NULL && owner != OWNER_STANDBY)
		*ret_reason = pg_connection_last_error(down);
	if (engine->stopping)
		return "stopping";
	if (owner == OWNER_STANDBY)
		return "standby";
	if (down != NULL || owner == OWNER_UNKNOWN)
		return engine->reached || (*ret_reason)->kind != ERROR_NONE ? "unavailable"
									    : "starting";
	if (engine->session != NULL && engine->session->phase != SESSION_ENDED)
		return engine->session->hold != HOLD_NONE	     ? "paused"
		       : engine->session->phase == SESSION_DETECTING ? "detecting"
								     : "running";
	if (engine->dry_run != NULL)
		return "running";
	return engine->detection != NULL || engine->request != NULL ? "detecting" : "idle";
}

struct observatory *engine_observatory(const struct engine *engine)
{
	return engine->observatory;
}

json_t *engine_set_aside(const struct engine *engine)
{
	return restorer_describe(engine->restorer);
}

struct validator *engine_validator(const struct engine *engine)
{
	return engine->validator;
}

struct pg_connection *engine_source(const struct engine *engine)
{
	return engine->source;
}

struct pg_connection *engine_target(const struct engine *engine)
{
	return engine->target;
}

const struct config *engine_config(const struct engine *engine)
{
	return engine->config;
}

int64_t engine_next_cycle_us(const struct engine *engine)
{
	return engine_cycles(engine)->next_us;
}

const struct cycles *engine_cycles(const struct engine *engine)
{
	return cycle_driver_cycles(engine->cycle);
}

const struct tally *engine_tally(const struct engine *engine)
{
	return &engine->tally;
}

bool engine_has_store(const struct engine *engine, bool *ret_made)
{
	if (ret_made != NULL)
		*ret_made = owner_epoch(engine->owner) > 0;
	return owner_state(engine->owner) == OWNER_OURS && pg_connection_is_up(engine->target);
}

const char *engine_standby(const struct engine *engine)
{
	return owner_state(engine->owner) == OWNER_STANDBY ? owner_reason(engine->owner)->message
							   : NULL;
}

const char *engine_throttled(const struct engine *engine)
{
	return throttle_reason(engine->throttle);
}
