/*
 * A request on its way: may it begin, then control schema, binding and id maps, then the session or the detection that was
 * asked for. One at a time; whoever asks is told once, that it has begun (or has been detected) or why not.
 */
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/engine_internal.h"
#include "run/images.h"
#include "run/selection.h"
#include "sql_store.h"
#include "store/store.h"

/* How long a request waits for the databases' first word, and how often it is looked for. */
#define SETTLING_MS 3000
#define SETTLING_LOOK_MS 20

/* --- life -------------------------------------------------------------------------------------- */

void request_free(struct request *request)
{
	again_free(request->again);
	rollback_asked_free(request->rollback);
	json_decref(request->options);
	binding_free(request->binding);
	free(request->analysis);
	free(request);
}

void request_refuse(struct request *request, const struct error *err)
{
	struct engine *engine = request->engine;

	if (engine->request == request)
		engine->request = NULL;
	if (request->on_started != NULL)
		request->on_started(request->arg, NULL, err);
	else if (request->on_detected != NULL)
		request->on_detected(request->arg, NULL, NULL, err);
	else if (request->dry_run != NULL)
		dry_run_refuse(request->dry_run, err);
	else if (request->again != NULL)
		again_begun(request->again, NULL, err);
	else if (request->on_prepared != NULL)
		request->on_prepared(request->arg, err);
	else if (request->rollback != NULL)
		rollback_refused(request->rollback, err);
	else
		log_error(LOG_WARNING, err);
	if (request->resume)
		engine_look_again_later(engine);
	request_free(request);
	engine_changed(engine);
}

void request_free_all(struct engine *engine)
{
	for (struct request *request = engine->waiting, *next; request != NULL; request = next) {
		next = request->waiting;
		request_free(request);
	}
	if (engine->request != NULL)
		request_free(engine->request);
}

/* --- a session ------------------------------------------------------------------------------- */

static bool is_ready(void *arg)
{
	struct error err;

	const struct engine *engine = arg;

	return engine_lacks(engine, engine->without_source) == NULL && engine_owns(engine, &err);
}

static bool is_stopping(void *arg)
{
	const struct engine *engine = arg;

	return engine->stopping;
}

static void on_session_change(void *arg)
{
	engine_changed(arg);
}

static void on_session_end(void *arg, struct session *session)
{
	struct engine *engine = arg;

	tally_session(&engine->tally, session);
	if (engine->stopping)
		return;
	cycle_session_over(engine->cycle, session);
	lane_pool_resize(engine->lanes, 0);
	engine_changed(engine);
	images_expire(engine);
	restorer_look(engine->restorer);
	again_go_on(engine);
}

static void on_aside(void *arg)
{
	struct engine *engine = arg;

	restorer_look(engine->restorer);
}

static void on_taken_over(void *arg)
{
	engine_put_down(arg);
}

static const char *throttled(void *arg)
{
	return engine_throttled(arg);
}

static struct session_means session_means(struct engine *engine)
{
	return (struct session_means){
		.base = engine->base,
		.set = &engine->config->entities,
		.settings = &engine->config->settings,
		.source = engine->source,
		.target = engine->target,
		.source_beside = engine->source,
		.target_beside = engine->target,
		.lanes = engine->lanes,
		.epoch = owner_epoch(engine->owner),
		.tally = &engine->tally,
		.is_ready = is_ready,
		.is_stopping = is_stopping,
		.throttled = throttled,
		.on_change = on_session_change,
		.on_end = on_session_end,
		.on_aside = on_aside,
		.on_taken_over = on_taken_over,
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
	else if (request->again != NULL)
		again_begun(request->again, session, err);
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
	engine_changed(engine);
}

void request_begin_session(struct request *request)
{
	struct engine *engine = request->engine;
	struct session_means means = session_means(engine);
	struct binding *binding = request->binding;
	json_t *options = json_incref(request->options);

	request->binding = NULL;
	session_free(engine->session);
	engine->session = NULL;
	pg_submit(engine->target, sql_store_sessions_expire, 0, NULL, NULL, NULL);
	pg_submit(engine->target, sql_store_analyses_expire, 0, NULL, NULL, NULL);
	engine_needs_source(engine, request->rollback == NULL);
	lane_pool_resize(engine->lanes, engine_lane_count(engine, options));
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
		request_refuse(request, &err);
		return;
	}
	request->binding = NULL;
	engine->request = NULL;
	session_free(engine->session);
	engine->session = NULL;
	engine->session = session_resume_from(&means, binding, result);
	restorer_look(engine->restorer); /* what it has set aside is said */
	engine_needs_source(engine, !session_is_rollback(engine->session));
	lane_pool_resize(engine->lanes, engine_lane_count(engine, engine->session->options));
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
	engine_changed(engine);
	again_go_on(engine);
}

void request_put_down(struct engine *engine)
{
	struct request *request = engine->request;
	struct error err;

	if (request == NULL || engine->detection == NULL)
		return; /* what it waits for is answered with an error */
	error_set(&err, ERROR_CONNECTION, "another migrated has taken over the target");
	request->on_detected(request->arg, NULL, NULL, &err);
	pg_forget(engine->target, request);
	end_detection(request);
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

/* No more than there are entities to look at. */
static size_t lanes_for(const struct engine *engine, const bool *selected)
{
	size_t most = engine_lane_count(engine, NULL);
	size_t count = 0;

	for (size_t i = 0; i < engine->config->entities.count; i++)
		count += selected[i];
	return count < most ? count : most;
}

static void begin_detection(struct request *request)
{
	struct engine *engine = request->engine;
	struct error err;
	_cleanup_free_ bool *selected = selection_make(
		&engine->config->entities, json_object_get(request->options, "entities"),
		json_object_get(request->options, "exclude"), &err);

	if (selected == NULL) {
		request_refuse(request, &err);
		return;
	}
	pg_submit(engine->target, sql_store_analyses_expire, 0, NULL, NULL, NULL);
	lane_pool_resize(engine->lanes, lanes_for(engine, selected));
	engine->detection = detection_new(
		&(struct detection_request){
			.base = engine->base,
			.binding = request->binding,
			.selected = selected,
			.lanes = engine->lanes,
			.source = engine->source,
			.store = engine->target,
			.source_beside = engine->source,
			.target_beside = engine->target,
			.depth = detection_depth(
				json_string_value(json_object_get(request->options, "strategy"))),
			.work_memory_kb = engine->config->settings.work_memory_kb,
		},
		on_detection_done, request);
	engine_changed(engine);
}

/* --- control schema, binding, id maps ------------------------------------------------------------- */

static const char *entity_of(const struct binding *binding, const struct problem *problem)
{
	for (size_t i = 0; i < binding->set->count; i++)
		if (strcmp(binding->set->entities[i].file, problem->file) == 0)
			return binding->set->entities[i].name;
	return NULL;
}

static void log_problems(const struct binding *binding)
{
	for (size_t i = 0; i < binding->problems.count; i++) {
		const struct problem *problem = &binding->problems.problems[i];
		_cleanup_free_ char *line = problem_format(problem);

		if (strcmp(problem->path, "$.entity") == 0)
			continue; /* a damaged id map, which is an event of its own */
		event_log(EVENT_MAPPING_PROBLEM,
			  &(struct log_fields){ .entity = entity_of(binding, problem) }, "%s",
			  line);
	}
}

static void on_prepared(void *arg, const struct error *err)
{
	struct request *request = arg;

	log_problems(request->binding);
	if (err != NULL)
		request_refuse(request, err);
	else if (request->resume)
		pg_submit(request->engine->target, sql_store_session_unfinished, 0, NULL,
			  on_unfinished_again, request);
	else if (request->on_detected != NULL)
		begin_detection(request);
	else if (request->again != NULL)
		again_ask(request);
	else
		request_begin_session(request);
}

static void on_bound(void *arg, struct binding *binding, const struct error *err)
{
	struct request *request = arg;

	if (err != NULL) {
		request_refuse(request, err);
		return;
	}
	request->binding = binding;
	store_prepare(request->engine->target, binding, on_prepared, request);
}

static void tell_prepared(struct request *request)
{
	struct engine *engine = request->engine;
	engine_on_prepared *told = request->on_prepared;
	void *arg = request->arg;

	request_end(request);
	told(arg, NULL);
	again_go_on(engine); /* what came meanwhile was left */
}

/* A rollback goes by the log alone. */
static void resume_by_names(struct request *request)
{
	struct engine *engine = request->engine;

	request->binding = binding_of_names(&engine->config->entities);
	pg_submit(engine->target, sql_store_session_unfinished, 0, NULL, on_unfinished_again,
		  request);
}

static void on_owned(void *arg, const struct error *err)
{
	struct request *request = arg;
	struct engine *engine = request->engine;

	if (err != NULL)
		request_refuse(request, err);
	else if (request->again != NULL && again_only_asks(request->again))
		again_ask(request);
	else if (request->on_prepared != NULL)
		tell_prepared(request);
	else if (request->rollback != NULL)
		rollback_ask(request);
	else if (request->names_only)
		resume_by_names(request);
	else
		binding_make(&engine->config->entities, engine->source, engine->target, on_bound,
			     request);
}

static void on_upgraded(void *arg, const struct error *err)
{
	struct request *request = arg;
	struct engine *engine = request->engine;

	if (err != NULL)
		request_refuse(request, err);
	else
		owner_settle(engine->owner, on_owned, request);
}

/* The databases are there, and the store is ours. */
static bool may_ask(const struct request *request, struct error *err)
{
	const struct engine *engine = request->engine;
	const struct pg_connection *down = engine_lacks(engine, request->rollback != NULL);

	if (engine->stopping) {
		error_set(err, ERROR_USAGE, "migrated is stopping");
		return error_hint(err, "ask again when it has been started again");
	}
	if (down != NULL) {
		const struct error *reason = pg_connection_last_error(down);

		error_set(err, ERROR_CONNECTION, "the %s database cannot be reached: %s",
			  pg_connection_name(down),
			  reason->kind != ERROR_NONE ? reason->message : "not connected yet");
		return error_hint(err, "migratectl status shows both connections");
	}
	return engine_owns(engine, err);
}

static bool may_begin(const struct request *request, struct error *err)
{
	const struct engine *engine = request->engine;

	if (!may_ask(request, err))
		return false;
	if (engine->dry_run != NULL) {
		error_set(err, ERROR_BUSY, "a dry run is under way");
		return error_hint(err, "migratectl cancel ends it");
	}
	if (engine->detection != NULL || engine->request != NULL) {
		error_set(err, ERROR_BUSY, "a detection or a session is just starting");
		return error_hint(err,
				  "ask again when migratectl status shows what has come of it");
	}
	if (engine_is_busy(engine)) {
		error_set(err, ERROR_BUSY, "a session is under way");
		return error_hint(err, "migratectl watch follows it, migratectl cancel ends it");
	}
	return true;
}

/* The control schema may just be brought up to date for another request. */
static bool is_preparing(const struct engine *engine)
{
	bool session = engine->session != NULL && engine->session->phase != SESSION_ENDED;

	return engine->request != NULL && engine->detection == NULL && !session;
}

/* Rows may be asked for beside what is under way. */
static bool goes_beside(const struct request *request)
{
	return (request->again != NULL || request->on_prepared != NULL) &&
	       engine_is_busy(request->engine) && request->engine->dry_run == NULL &&
	       !is_preparing(request->engine);
}

static void prepare(struct request *request)
{
	struct dry_run *dry = request->dry_run;

	if (dry == NULL) {
		store_upgrade(request->engine->target, on_upgraded, request);
		return;
	}
	dry_run_begin(dry);
	request_end(request);
}

static void begin(struct request *request)
{
	struct engine *engine = request->engine;

	engine->request = request;
	if (!cycle_is_looking(engine->cycle))
		prepare(request);
	engine_changed(engine);
}

bool request_go_on(struct engine *engine)
{
	if (engine->request == NULL)
		return false;
	prepare(engine->request);
	return true;
}

/* One of the databases, or the owner of the store, has yet to say a first word, good or bad. */
static bool is_settling(const struct engine *engine)
{
	const struct pg_connection *down = engine_down(engine);

	if (engine->stopping)
		return false;
	if (down != NULL)
		return pg_connection_last_error(down)->kind == ERROR_NONE;
	return owner_state(engine->owner) == OWNER_UNKNOWN &&
	       owner_reason(engine->owner)->kind == ERROR_NONE;
}

/* Who asks right after the start (in a script, say) is not sent away: the request waits for that word. */
static bool is_to_wait(const struct request *request)
{
	if ((request->again != NULL || request->on_prepared != NULL) &&
	    is_preparing(request->engine))
		return true;
	/* Not what a validation waits for, which is under way itself. */
	if (request->engine->held_back && request->on_prepared == NULL &&
	    !request->engine->stopping && !engine_is_busy(request->engine))
		return true;
	return is_settling(request->engine) &&
	       clock_monotonic_ms() - request->since_ms < SETTLING_MS;
}

static void wait_until_settled(struct request *request)
{
	struct engine *engine = request->engine;
	struct request **last = &engine->waiting;

	while (*last != NULL)
		last = &(*last)->waiting;
	*last = request;
	event_add(engine->settled, &(struct timeval){ .tv_usec = SETTLING_LOOK_MS * 1000 });
}

void request_submit(struct request *request)
{
	struct error err;

	if (is_to_wait(request))
		wait_until_settled(request);
	else if (goes_beside(request) && may_ask(request, &err))
		request->again != NULL ? again_ask(request) : tell_prepared(request);
	else if (!may_begin(request, &err))
		request_refuse(request, &err);
	else
		begin(request);
}

void request_end(struct request *request)
{
	struct engine *engine = request->engine;

	if (engine->request == request)
		engine->request = NULL;
	request_free(request);
	engine_changed(engine);
}

void request_on_settled(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	struct request *request = engine->waiting;

	(void)fd;
	(void)what;
	engine->waiting = NULL;
	for (struct request *next; request != NULL; request = next) {
		next = request->waiting;
		request->waiting = NULL;
		request_submit(request);
	}
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
				     .arg = arg,
				     .since_ms = clock_monotonic_ms() };
	selected = selection_make(&engine->config->entities, json_object_get(options, "entities"),
				  json_object_get(options, "exclude"), &err);
	if (selected == NULL)
		request_refuse(request, &err);
	else
		request_submit(request);
}

void request_dry_run(struct engine *engine, struct dry_run *dry, const json_t *options)
{
	struct request *request = memory_new(sizeof(*request));
	_cleanup_free_ bool *selected = NULL;
	struct error err;

	*request = (struct request){ .engine = engine,
				     .dry_run = dry,
				     .since_ms = clock_monotonic_ms() };
	selected = selection_make(&engine->config->entities, json_object_get(options, "entities"),
				  json_object_get(options, "exclude"), &err);
	if (selected == NULL)
		request_refuse(request, &err);
	else
		request_submit(request);
}

void engine_detect(struct engine *engine, json_t *options, engine_on_detected *on_detected,
		   void *arg)
{
	struct request *request = memory_new(sizeof(*request));

	*request = (struct request){ .engine = engine,
				     .options = options,
				     .on_detected = on_detected,
				     .arg = arg,
				     .since_ms = clock_monotonic_ms() };
	request_submit(request);
}

void request_prepare(struct engine *engine, engine_on_prepared *told, void *arg)
{
	struct request *request = memory_new(sizeof(*request));

	*request = (struct request){ .engine = engine,
				     .on_prepared = told,
				     .arg = arg,
				     .since_ms = clock_monotonic_ms() };
	request_submit(request);
}

void request_resume(struct engine *engine, bool rollback)
{
	struct request *request = memory_new(sizeof(*request));

	*request = (struct request){ .engine = engine, .resume = true, .names_only = rollback };
	begin(request);
}
