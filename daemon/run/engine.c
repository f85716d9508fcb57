/*
 * See engine.h. What a database connection is told before it is used stands in connect.c.
 */
#include "run/engine.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/connect.h"
#include "run/selection.h"
#include "sql_store.h"
#include "store/store.h"

/* Connections a side that are not lanes: one for planning and the store, one for observing. */
#define CONNECTIONS_BESIDE_LANES 2

/* After this long a session that could not be resumed is looked for again. */
#define RESUME_AGAIN_S 5

struct engine_subscriber {
	void (*on_change)(void *arg);
	void *arg;
	struct engine_subscriber *next;
};

/* A request on its way to a session or a detection: control schema, binding, id maps, then what it asks for. */
struct request {
	struct engine *engine;
	json_t *options;
	char *analysis;
	struct binding *binding;
	session_on_started *on_started;	 /* migrate */
	engine_on_detected *on_detected; /* detect */
	char *resume; /* resume: the row is asked for again when all is prepared */
	void *arg;
};

struct engine {
	struct event_base *base;
	const struct config *config;
	struct connect_settings *settings;
	struct pg_connection *source;
	struct pg_connection *target;
	struct lane_pool *lanes;
	struct observatory *observatory;
	struct event *cycle;
	struct event *
		again; /* looks for an unfinished session once more, when it could not be resumed */
	int64_t next_cycle_us;

	struct request *request;     /* being prepared */
	struct detection *detection; /* of a detect request */
	struct session *session;
	bool resumed; /* the store was asked for an unfinished session */
	bool reached; /* both databases have answered once */
	bool lost;    /* one of the connections was lost since both were up */
	bool stopping;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
	struct engine_subscriber *subscribers;
};

static void look_for_unfinished(struct engine *engine);
static void look_again_later(struct engine *engine);

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

static void on_change(void *arg)
{
	struct engine *engine = arg;

	for (struct engine_subscriber *s = engine->subscribers, *next; s != NULL; s = next) {
		next = s->next;
		s->on_change(s->arg);
	}
}

/* --- stopping ---------------------------------------------------------------------------------- */

/* The store is waited for, too: that a session was paused, or has ended, must not be forgotten. */
static void stop_when_drained(struct engine *engine)
{
	void (*on_stopped)(void *arg) = engine->on_stopped;

	if (!engine->stopping || on_stopped == NULL || lane_pool_busy(engine->lanes) > 0 ||
	    pg_connection_state(engine->target) == PG_BUSY)
		return;
	engine->on_stopped = NULL;
	on_stopped(engine->on_stopped_arg);
}

void engine_stop(struct engine *engine, void (*on_stopped)(void *arg), void *arg)
{
	engine->stopping = true;
	engine->on_stopped = on_stopped;
	engine->on_stopped_arg = arg;
	lane_pool_wake(engine->lanes);
	stop_when_drained(engine);
}

/* --- lanes ------------------------------------------------------------------------------------- */

static void on_lane_idle(void *arg, struct lane *lane)
{
	struct engine *engine = arg;

	if (engine->stopping)
		stop_when_drained(engine);
	else if (engine->detection != NULL)
		detection_offer(engine->detection, lane);
	else if (engine->session != NULL)
		session_offer(engine->session, lane);
}

static size_t lane_count(const struct engine *engine, const json_t *options)
{
	const struct settings *settings = &engine->config->settings;
	int64_t asked = json_integer_value(json_object_get(options, "parallel"));
	int64_t count = asked > 0 ? asked : settings->max_concurrent_entities;
	int64_t most = settings->connection_pool_size - CONNECTIONS_BESIDE_LANES;

	return (size_t)(count < most ? count : most);
}

/* --- preparing a request -------------------------------------------------------------------------- */

static void request_free(struct request *request)
{
	json_decref(request->options);
	binding_free(request->binding);
	free(request->analysis);
	free(request);
}

static void refuse(struct request *request, const struct error *err)
{
	struct engine *engine = request->engine;

	if (engine->request == request)
		engine->request = NULL;
	if (request->on_started != NULL)
		request->on_started(request->arg, NULL, err);
	else if (request->on_detected != NULL)
		request->on_detected(request->arg, NULL, NULL, err);
	else
		log_error(LOG_WARNING, err);
	if (request->resume != NULL)
		look_again_later(engine);
	request_free(request);
	on_change(engine);
}

static void on_session_end(void *arg, struct session *session)
{
	struct engine *engine = arg;

	(void)session;
	if (engine->stopping)
		return;
	lane_pool_resize(engine->lanes, 0);
	on_change(engine);
}

static struct session_means session_means(struct engine *engine)
{
	return (struct session_means){
		.base = engine->base,
		.set = &engine->config->entities,
		.settings = &engine->config->settings,
		.source = engine->source,
		.target = engine->target,
		.lanes = engine->lanes,
		.on_change = on_change,
		.on_end = on_session_end,
		.arg = engine,
	};
}

/* The session's own answer; a session that was refused is not kept. */
static void on_session_started(void *arg, struct session *session, const struct error *err)
{
	struct request *request = arg;
	struct engine *engine = request->engine;

	engine->request = NULL;
	if (request->on_started != NULL)
		request->on_started(request->arg, err == NULL ? session : NULL, err);
	else if (err != NULL)
		log_error(LOG_WARNING, err);
	request_free(request);
	if (err == NULL)
		return;
	engine->session = NULL;
	/* The answer may be all that was lost: then it stands in the store, and is resumed. */
	if (err->kind == ERROR_CONNECTION)
		engine->resumed = false;
	session_free(session);
	lane_pool_resize(engine->lanes, 0);
	on_change(engine);
}

static void begin_session(struct request *request)
{
	struct engine *engine = request->engine;
	struct session_means means = session_means(engine);
	struct binding *binding = request->binding;
	json_t *options = json_incref(request->options);

	request->binding = NULL;
	session_free(engine->session);
	pg_submit(engine->target, sql_store_sessions_expire, 0, NULL, NULL, NULL);
	pg_submit(engine->target, sql_store_analyses_expire, 0, NULL, NULL, NULL);
	lane_pool_resize(engine->lanes, lane_count(engine, options));
	engine->session = session_new(&means, binding, options, request->analysis,
				      on_session_started, request);
}

static void on_unfinished_again(void *arg, const struct pg_answer *answer)
{
	struct request *request = arg;
	struct engine *engine = request->engine;
	const PGresult *result = pg_answer_rows(answer);
	struct session_means means = session_means(engine);
	struct binding *binding = request->binding;

	if (answer->error != NULL || PQntuples(result) == 0) {
		struct error err = { 0 };

		if (answer->error != NULL)
			err = *answer->error;
		refuse(request, &err);
		return;
	}
	request->binding = NULL;
	engine->request = NULL;
	session_free(engine->session);
	engine->session = session_resume_from(&means, binding, result);
	lane_pool_resize(engine->lanes, lane_count(engine, engine->session->options));
	request_free(request);
}

/* --- detection on its own ----------------------------------------------------------------------- */

static void tell_detected(struct request *request, struct detection *detection,
			  const PGresult *states)
{
	size_t count;
	const struct detection_entity *entities = detection_entities(detection, &count);
	_cleanup_free_ double *rates = memory_new((count + 1) * sizeof(*rates));

	for (size_t i = 0; i < count; i++)
		for (int row = 0; states != NULL && row < PQntuples(states); row++)
			if (strcmp(PQgetvalue(states, row, 0), entities[i].bound->entity->name) ==
			    0)
				rates[i] = strtod(PQgetvalue(states, row, 2), NULL);
	request->on_detected(request->arg, detection, rates, NULL);
}

static void end_detection(struct request *request)
{
	struct engine *engine = request->engine;
	struct detection *detection = engine->detection;

	engine->detection = NULL;
	engine->request = NULL;
	detection_free(detection);
	request_free(request);
	lane_pool_resize(engine->lanes, 0);
	on_change(engine);
}

static void on_states(void *arg, const struct pg_answer *answer)
{
	struct request *request = arg;

	if (answer->error != NULL)
		request->on_detected(request->arg, NULL, NULL, answer->error);
	else
		tell_detected(request, request->engine->detection, pg_answer_rows(answer));
	end_detection(request);
}

static void on_detection_done(void *arg, struct detection *detection, const struct error *err)
{
	struct request *request = arg;

	(void)detection;
	if (err != NULL) {
		request->on_detected(request->arg, NULL, NULL, err);
		end_detection(request);
		return;
	}
	pg_submit(request->engine->target, sql_store_entity_states, 0, NULL, on_states, request);
}

static void begin_detection(struct request *request)
{
	struct engine *engine = request->engine;
	struct error err;
	_cleanup_free_ bool *selected = selection_make(
		&engine->config->entities, json_object_get(request->options, "entities"),
		json_object_get(request->options, "exclude"), &err);

	if (selected == NULL) {
		refuse(request, &err);
		return;
	}
	pg_submit(engine->target, sql_store_analyses_expire, 0, NULL, NULL, NULL);
	lane_pool_resize(engine->lanes, lane_count(engine, NULL));
	engine->detection = detection_new(
		&(struct detection_request){
			.binding = request->binding,
			.selected = selected,
			.lanes = engine->lanes,
			.store = engine->target,
			.work_memory_kb = engine->config->settings.work_memory_kb,
		},
		on_detection_done, request);
	on_change(engine);
}

/* --- control schema, binding, id maps ------------------------------------------------------------- */

static void on_prepared(void *arg, const struct error *err)
{
	struct request *request = arg;

	if (err != NULL)
		refuse(request, err);
	else if (request->resume != NULL)
		pg_submit(request->engine->target, sql_store_session_unfinished, 0, NULL,
			  on_unfinished_again, request);
	else if (request->on_detected != NULL)
		begin_detection(request);
	else
		begin_session(request);
}

static void log_problems(const struct binding *binding)
{
	for (size_t i = 0; i < binding->problems.count; i++) {
		_cleanup_free_ char *line = problem_format(&binding->problems.problems[i]);

		log_warning("%s", line);
	}
}

static void on_bound(void *arg, struct binding *binding, const struct error *err)
{
	struct request *request = arg;

	if (err != NULL) {
		refuse(request, err);
		return;
	}
	log_problems(binding);
	request->binding = binding;
	store_prepare(request->engine->target, binding, on_prepared, request);
}

static void on_upgraded(void *arg, const struct error *err)
{
	struct request *request = arg;
	struct engine *engine = request->engine;

	if (err != NULL)
		refuse(request, err);
	else
		binding_make(&engine->config->entities, engine->source, engine->target, on_bound,
			     request);
}

/* Why no request can be taken now; false with the reason. */
static bool may_begin(const struct engine *engine, struct error *err)
{
	const struct pg_connection *down = !pg_connection_is_up(engine->source)	  ? engine->source
					   : !pg_connection_is_up(engine->target) ? engine->target
										  : NULL;

	if (engine->stopping)
		return error_set(err, ERROR_USAGE, "migrated is stopping");
	if (down != NULL) {
		const struct error *reason = pg_connection_last_error(down);

		error_set(err, ERROR_CONNECTION, "the %s database cannot be reached: %s",
			  pg_connection_name(down),
			  reason->kind != ERROR_NONE ? reason->message : "not connected yet");
		return error_hint(err, "migratectl status shows both connections");
	}
	if (engine_is_busy(engine))
		return error_set(err, ERROR_BUSY, "%s",
				 engine->detection != NULL || engine->request != NULL
					 ? "a detection or a session is just starting"
					 : "a session is under way");
	return true;
}

static void begin(struct request *request)
{
	struct engine *engine = request->engine;

	engine->request = request;
	store_upgrade(engine->target, on_upgraded, request);
	on_change(engine);
}

void engine_migrate(struct engine *engine, json_t *options, const char *analysis,
		    session_on_started *on_started, void *arg)
{
	struct request *request = memory_new(sizeof(*request));
	_cleanup_free_ bool *selected = NULL;
	struct error err;

	*request = (struct request){ .engine = engine,
				     .options = options,
				     .analysis = text_copy(analysis),
				     .on_started = on_started,
				     .arg = arg };
	selected = selection_make(&engine->config->entities, json_object_get(options, "entities"),
				  json_object_get(options, "exclude"), &err);
	if (selected == NULL || !may_begin(engine, &err))
		refuse(request, &err);
	else
		begin(request);
}

void engine_detect(struct engine *engine, json_t *options, engine_on_detected *on_detected,
		   void *arg)
{
	struct request *request = memory_new(sizeof(*request));
	struct error err;

	*request = (struct request){ .engine = engine,
				     .options = options,
				     .on_detected = on_detected,
				     .arg = arg };
	if (!may_begin(engine, &err))
		refuse(request, &err);
	else
		begin(request);
}

/* --- a session that an earlier life left unfinished ------------------------------------------------- */

static void on_unfinished(void *arg, const struct pg_answer *answer)
{
	struct engine *engine = arg;
	struct request *request;

	if (answer->error != NULL) {
		look_again_later(engine);
		return;
	}
	if (PQntuples(pg_answer_rows(answer)) == 0 || engine_is_busy(engine))
		return;
	request = memory_new(sizeof(*request));
	*request = (struct request){ .engine = engine, .resume = (char *)"unfinished" };
	begin(request);
}

static void on_schema_known(void *arg, const struct pg_answer *answer)
{
	struct engine *engine = arg;

	if (answer->error != NULL)
		look_again_later(engine);
	else if (PQgetvalue(pg_answer_rows(answer), 0, 0)[0] == 't')
		pg_submit(engine->target, sql_store_session_unfinished, 0, NULL, on_unfinished,
			  engine);
}

/* What stood in the way may pass by itself: a connection comes back, or an old backend lets go of its locks. */
static void look_again_later(struct engine *engine)
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
	else if (!engine->resumed && !engine_is_busy(engine) &&
		 pg_connection_is_up(engine->source) && pg_connection_is_up(engine->target))
		look_for_unfinished(engine);
}

static void look_for_unfinished(struct engine *engine)
{
	engine->resumed = true;
	pg_submit(engine->target, sql_store_schema_version, 0, NULL, on_schema_known, engine);
}

static void on_connection_state(void *arg, struct pg_connection *connection, enum pg_state state,
				const struct error *err)
{
	struct engine *engine = arg;

	(void)connection;
	(void)err;
	if (engine->stopping) {
		event_active(engine->again, 0, 0); /* when this connection's queue has moved on */
		return;
	}
	if (state != PG_READY) {
		engine->lost |= state != PG_BUSY;
		if (state != PG_BUSY)
			on_change(engine);
		return;
	}
	if (!engine->lost || !pg_connection_is_up(engine->source) ||
	    !pg_connection_is_up(engine->target))
		return;
	engine->lost = false;
	if (!engine->resumed && !engine_is_busy(engine))
		look_for_unfinished(engine);
	engine->reached = true;
	on_change(engine);
	if (engine->session != NULL && engine->session->phase < SESSION_ENDED)
		session_store_ready(engine->session);
}

/* --- cycles ------------------------------------------------------------------------------------ */

static void arm_cycle(struct engine *engine)
{
	int64_t every = engine->config->settings.schedule_every_ms;
	struct timeval delay = { .tv_sec = every / 1000, .tv_usec = every % 1000 * 1000 };

	if (every == 0)
		return;
	engine->next_cycle_us = clock_wall_us() + every * 1000;
	event_add(engine->cycle, &delay);
}

/* A cycle that outlasts its interval delays the next. */
static void on_cycle(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	struct error err;

	(void)fd;
	(void)what;
	if (may_begin(engine, &err))
		engine_migrate(engine, json_pack("{s:b}", "fresh", 1), NULL, NULL, engine);
	else
		log_debug("no cycle now: %s", err.message);
	arm_cycle(engine);
}

/* --- life and looks ---------------------------------------------------------------------------- */

struct engine *engine_new_observing(struct event_base *base, const struct config *config)
{
	struct engine *engine = memory_new(sizeof(*engine));

	engine->base = base;
	engine->config = config;
	engine->lost = true;
	engine->settings = connect_settings_new(config);
	engine->cycle = event_new(base, -1, 0, on_cycle, engine);
	engine->again = event_new(base, -1, 0, on_again, engine);
	engine->lanes = lane_pool_new(base, &(struct lane_pool_settings){
						    .source = *connect_source(engine->settings),
						    .target = *connect_target(engine->settings),
						    .on_idle = on_lane_idle,
						    .arg = engine,
					    });
	engine->observatory = observatory_new(base, &config->entities, engine->settings);
	engine->source = pg_connection_new(base, connect_source(engine->settings),
					   on_connection_state, engine);
	engine->target = pg_connection_new(base, connect_target(engine->settings),
					   on_connection_state, engine);
	return engine;
}

struct engine *engine_new(struct event_base *base, const struct config *config)
{
	struct engine *engine = engine_new_observing(base, config);

	pg_connection_open(engine->source);
	pg_connection_open(engine->target);
	arm_cycle(engine);
	return engine;
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	engine->stopping = true;
	engine->on_stopped = NULL;
	if (engine->session != NULL)
		session_abandon(engine->session);
	lane_pool_free(engine->lanes);
	observatory_free(engine->observatory);
	pg_connection_close(engine->source);
	pg_connection_close(engine->target);
	session_free(engine->session);
	detection_free(engine->detection);
	if (engine->request != NULL)
		request_free(engine->request);
	while (engine->subscribers != NULL)
		engine_unsubscribe(engine, engine->subscribers);
	event_free(engine->cycle);
	event_free(engine->again);
	connect_settings_free(engine->settings);
	free(engine);
}

struct session *engine_session(const struct engine *engine)
{
	return engine->session;
}

bool engine_is_busy(const struct engine *engine)
{
	return engine->request != NULL || engine->detection != NULL ||
	       (engine->session != NULL && engine->session->phase != SESSION_ENDED);
}

const char *engine_state(const struct engine *engine, const struct error **ret_reason)
{
	const struct pg_connection *down = !pg_connection_is_up(engine->source)	  ? engine->source
					   : !pg_connection_is_up(engine->target) ? engine->target
										  : NULL;

	*ret_reason = down != NULL ? pg_connection_last_error(down) : NULL;
	if (engine->stopping)
		return "stopping";
	if (down != NULL)
		return engine->reached || (*ret_reason)->kind != ERROR_NONE ? "unavailable"
									    : "starting";
	if (engine->session != NULL && engine->session->phase != SESSION_ENDED)
		return engine->session->paused			     ? "paused"
		       : engine->session->phase == SESSION_DETECTING ? "detecting"
								     : "running";
	return engine->detection != NULL || engine->request != NULL ? "detecting" : "idle";
}

struct observatory *engine_observatory(const struct engine *engine)
{
	return engine->observatory;
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
	return engine->next_cycle_us;
}
