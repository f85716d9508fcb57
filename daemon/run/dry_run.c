/*
 * The life of a dry run; see dry_run.h. Callbacks record what happened and go on; what ends something that may just be calling us is
 * left to on_turn(), which the loop calls.
 */
#include "run/dry_run.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/deferred.h"
#include "common/log.h"
#include "common/text.h"
#include "postgres/transaction.h"
#include "run/connect.h"
#include "run/dry_rows.h"
#include "run/engine_internal.h"
#include "run/selection.h"
#include "sql_run.h"
#include "store/store.h"

/* The longest that it waits for somebody's lock. */
#define LOCK_TIMEOUT_MS 2000

/* The transaction is idle while the source is asked; what that may take is statement_timeout's business. */
#define IDLE_MS (15 * 60 * INT64_C(1000))

struct dry_run {
	struct engine *engine;
	char *analysis;
	json_t *options;
	bool rows;
	json_t *keys;
	engine_on_dry_run *on_done; /* NULL: nobody is to be told */
	void *arg;

	struct pg_connection *source;
	struct pg_connection *target;
	struct pg_connection
		*planner; /* a guest on the source, for what the session asks beside its lane */
	struct pg_connection *store; /* on the target, likewise */
	struct lane_pool *lanes;
	struct binding *binding; /* until the session has it */
	int64_t epoch;
	struct session *session; /* the engine's, once it is begun */
	struct session *refused; /* it never began */

	struct event *turn;
	bool begun; /* the transaction */
	bool ended; /* the session */
	struct dry_rows *shown_rows;
	bool showing;
	bool rolled_back;
	bool cancelled;
	bool closing;
	struct error error;
	json_t *shown;
};

static void begin_transaction(struct dry_run *dry);

/* --- life -------------------------------------------------------------------------------------- */

static void dry_run_free(void *object)
{
	struct dry_run *dry = object;

	if (dry->turn != NULL)
		event_free(dry->turn);
	binding_free(dry->binding);
	json_decref(dry->options);
	json_decref(dry->keys);
	json_decref(dry->shown);
	free(dry->analysis);
	free(dry);
}

static void go_on(struct dry_run *dry)
{
	if (!dry->closing)
		event_active(dry->turn, 0, 0);
}

static void fail(struct dry_run *dry, const struct error *err)
{
	if (dry->error.kind == ERROR_NONE)
		dry->error = *err;
	go_on(dry);
}

/* Did this step fail? Then nothing more is to be done here. */
static bool failed(struct dry_run *dry, const struct error *err)
{
	if (err != NULL)
		fail(dry, err);
	return err != NULL || dry->error.kind != ERROR_NONE;
}

/* --- connections of its own ---------------------------------------------------------------------- */

static bool are_up(const struct dry_run *dry)
{
	return pg_connection_is_up(dry->source) && pg_connection_is_up(dry->target);
}

static void on_state(void *arg, struct pg_connection *connection, enum pg_state state,
		     const struct error *err)
{
	struct dry_run *dry = arg;

	(void)connection;
	if (state == PG_DOWN && err != NULL) {
		fail(dry, err);
	} else if (state == PG_READY && dry->lanes != NULL) {
		lane_pool_wake(dry->lanes);
	} else if (state == PG_READY && !dry->begun && are_up(dry)) {
		dry->begun = true;
		begin_transaction(dry);
	}
}

static struct pg_connection *connect_to(struct dry_run *dry,
					const struct pg_connection_settings *settings)
{
	struct pg_connection_settings own = *settings;
	struct pg_connection *connection;

	own.reconnect = false;
	own.comes_and_goes = true;
	connection = pg_connection_new(dry->engine->base, &own, on_state, dry);
	pg_connection_open(connection);
	return connection;
}

/* Whatever is under way ends here; the server undoes what was not rolled back. The session is told before, so that it begins nothing
   more on account of the errors; but a detection still has its answers to come. */
static void close_connections(struct dry_run *dry)
{
	struct engine *engine = dry->engine;

	dry->closing = true;
	dry_rows_free(dry->shown_rows);
	if (pg_connection_is_up(engine->target))
		pg_cancel_by(dry->target, engine->target);
	if (pg_connection_is_up(engine->source))
		pg_cancel_by(dry->source, engine->source);
	if (dry->session != NULL && dry->session->detection == NULL)
		session_lose(dry->session, &dry->error);
	pg_connection_close(dry->source);
	pg_connection_close(dry->target);
	if (dry->session != NULL) {
		session_lose(dry->session, &dry->error);
		session_abandon(dry->session);
	}
	session_free(dry->refused);
	lane_pool_free(dry->lanes);
	pg_connection_close(dry->planner);
	pg_connection_close(dry->store);
}

/* --- the end ----------------------------------------------------------------------------------- */

static void finish(struct dry_run *dry)
{
	struct engine *engine = dry->engine;
	bool unfinished = dry->session == NULL || dry->shown == NULL;

	if (dry->session != NULL)
		error_context(&dry->error, "the dry run has ended, and nothing was changed");
	if (unfinished && (dry->session == NULL || dry->ended))
		log_error_of(LOG_WARNING, &(struct log_fields){ .phase = "dry run" },
			     &dry->error); /* else the session does */
	close_connections(dry);
	engine->dry_run = NULL;
	if (dry->on_done != NULL)
		dry->on_done(dry->arg, dry->session, dry->shown, unfinished ? &dry->error : NULL);
	/* Not before the connections, on which late answers may still come. */
	deferred_free(engine->base, dry_run_free, dry);
	engine_changed(engine);
	if (engine->stopping)
		event_active(engine->again, 0, 0);
	else
		again_go_on(engine);
}

static void on_rolled_back(void *arg, const struct pg_answer *answer)
{
	struct dry_run *dry = arg;

	(void)answer; /* with the connection gone it is rolled back, too */
	dry->rolled_back = true;
	go_on(dry);
}

static void roll_back(struct dry_run *dry)
{
	pg_continue(dry->target, "ROLLBACK", on_rolled_back, dry);
}

/* --- what came of it --------------------------------------------------------------------------- */

static void on_rows(void *arg, json_t *rows, const struct error *err)
{
	struct dry_run *dry = arg;

	if (err != NULL)
		log_error_of(LOG_WARNING, &(struct log_fields){ .session = dry->session->id }, err);
	json_object_set_new(dry->shown, "rows", rows != NULL ? rows : json_array());
	roll_back(dry);
}

static json_t *text_or_null(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? json_null()
						: json_string(PQgetvalue(result, row, column));
}

static json_t *describe_set_aside(const PGresult *result)
{
	json_t *array = json_array();

	for (int row = 0; row < PQntuples(result); row++)
		json_array_append_new(
			array,
			json_pack("{s:s, s:s, s:s, s:o, s:o, s:I}", "entity",
				  PQgetvalue(result, row, 0), "sqlstate",
				  PQgetvalue(result, row, 1), "phase", PQgetvalue(result, row, 2),
				  "constraint", text_or_null(result, row, 3), "column",
				  text_or_null(result, row, 4), "rows",
				  (json_int_t)strtoll(PQgetvalue(result, row, 5), NULL, 10)));
	return array;
}

/* Entities of which what is gone is marked, not deleted. */
static json_t *describe_marking(const struct session *session)
{
	json_t *array = json_array();

	for (size_t i = 0; i < session->run_count; i++) {
		const struct entity *entity = session->runs[i].bound->entity;

		if (entity->on_delete == ON_DELETE_MARK)
			json_array_append_new(array, json_string(entity->name));
	}
	return array;
}

static void on_set_aside(void *arg, const struct pg_answer *answer)
{
	struct dry_run *dry = arg;
	const struct session *session = dry->session;

	if (failed(dry, answer->error))
		return;
	dry->shown = json_pack("{s:o, s:o, s:s, s:o}", "set_aside",
			       describe_set_aside(pg_answer_rows(answer)), "remarks",
			       session->remarks != NULL ? json_incref(session->remarks)
							: json_array(),
			       "mode", session->mode, "marking", describe_marking(session));
	if (!dry->rows) {
		on_rows(dry, json_array(), NULL);
		return;
	}
	dry->shown_rows = dry_rows_new(&(struct dry_rows_request){ .session = session,
								   .within = dry->store,
								   .outside = dry->engine->target,
								   .keys = dry->keys },
				       on_rows, dry);
	dry_rows_start(dry->shown_rows);
}

static void show(struct dry_run *dry)
{
	dry->showing = true;
	pg_submit(dry->store, sql_run_dry_set_aside, 1, (const char *const[]){ dry->session->id },
		  on_set_aside, dry);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct dry_run *dry = arg;

	(void)fd;
	(void)what;
	if (dry->error.kind != ERROR_NONE || dry->rolled_back)
		finish(dry);
	else if (dry->ended && !dry->showing)
		show(dry);
}

/* --- the session ------------------------------------------------------------------------------- */

static bool is_ready(void *arg)
{
	const struct dry_run *dry = arg;

	return !dry->closing && are_up(dry);
}

static bool is_stopping(void *arg)
{
	const struct dry_run *dry = arg;

	return dry->closing || dry->engine->stopping;
}

static void on_session_change(void *arg)
{
	const struct dry_run *dry = arg;

	if (!dry->closing)
		engine_changed(dry->engine);
}

static void on_session_end(void *arg, struct session *session)
{
	struct dry_run *dry = arg;

	(void)session;
	dry->ended = true;
	go_on(dry);
}

static void on_taken_over(void *arg)
{
	struct error err;

	error_set(&err, ERROR_CONNECTION, "another migrated has taken over the target");
	fail(arg, &err);
}

static void on_started(void *arg, struct session *session, const struct error *err)
{
	struct dry_run *dry = arg;

	if (!failed(dry, err))
		return;
	dry->session = NULL;
	dry->refused = session;
	dry->engine->session = NULL;
}

/* A failure that no savepoint was around has spoilt the transaction, or something has ended it; nothing more can come of it. */
static void on_lane_idle(void *arg, struct lane *lane)
{
	struct dry_run *dry = arg;
	struct error err;

	if (pg_connection_transaction(dry->target) != PQTRANS_INTRANS) {
		error_set(&err, ERROR_INTERNAL, "its transaction is not as it was left");
		fail(dry, &err);
	} else if (!dry->closing && throttle_may_begin(dry->engine->throttle)) {
		session_offer(dry->session, lane);
	}
}

static void begin_session(struct dry_run *dry)
{
	struct engine *engine = dry->engine;
	struct binding *binding = dry->binding;
	const struct session_means means = {
		.base = engine->base,
		.set = &engine->config->entities,
		.settings = &engine->config->settings,
		.source = dry->planner,
		.target = dry->store,
		.source_beside = engine->source,
		.target_beside = engine->target,
		.lanes = dry->lanes = lane_pool_over(engine->base, dry->source, dry->target,
						     on_lane_idle, dry),
		.dry = true,
		.epoch = dry->epoch,
		.is_ready = is_ready,
		.is_stopping = is_stopping,
		.on_change = on_session_change,
		.on_end = on_session_end,
		.on_taken_over = on_taken_over,
		.arg = dry,
	};

	dry->binding = NULL;
	session_free(engine->session);
	engine->session = NULL;
	dry->session = session_new(&means, binding, json_incref(dry->options), dry->analysis,
				   on_started, dry);
	engine->session = dry->session;
}

/* --- up to it ------------------------------------------------------------------------------------ */

static void on_prepared(void *arg, const struct error *err)
{
	struct dry_run *dry = arg;

	if (!failed(dry, err))
		begin_session(dry);
}

static void on_bound(void *arg, struct binding *binding, const struct error *err)
{
	struct dry_run *dry = arg;

	dry->binding = binding;
	if (!failed(dry, err))
		store_prepare(dry->store, binding, on_prepared, dry);
}

static void on_sequences(void *arg, const struct pg_answer *answer)
{
	struct dry_run *dry = arg;

	if (failed(dry, answer->error))
		return;
	dry->epoch = strtoll(PQgetvalue(pg_answer_rows(answer), 0, 0), NULL, 10);
	binding_make(&dry->engine->config->entities, dry->planner, dry->store, on_bound, dry);
}

static void on_upgraded(void *arg, const struct error *err)
{
	struct dry_run *dry = arg;

	if (!failed(dry, err))
		pg_submit(dry->store, sql_run_dry_sequences, 0, NULL, on_sequences, dry);
}

static void on_begun(void *arg, const struct pg_answer *answer)
{
	struct dry_run *dry = arg;

	if (!failed(dry, answer->error))
		store_upgrade(dry->store, on_upgraded, dry);
}

static void begin_transaction(struct dry_run *dry)
{
	const struct settings *settings = &dry->engine->config->settings;
	int64_t statement = settings->statement_timeout_ms;
	int64_t lock = settings->lock_timeout_ms;
	_cleanup_text_ struct text sql = TEXT_INIT;
	_cleanup_free_ char *wait = NULL;
	_cleanup_free_ char *idle = text_format("%" PRId64,
						statement > 0 ? statement + IDLE_MS : 0);

	wait = text_format("%" PRId64, lock > 0 && lock < LOCK_TIMEOUT_MS ? lock : LOCK_TIMEOUT_MS);
	text_fill(&sql, sql_run_dry_begin,
		  (const struct text_hole[]){ { "lock_timeout", wait },
					      { "idle", idle },
					      { NULL, NULL } });
	pg_begin_around(dry->target, text_string(&sql), on_begun, dry);
}

void dry_run_begin(struct dry_run *dry)
{
	struct engine *engine = dry->engine;

	engine->dry_run = dry;
	dry->turn = event_new(engine->base, -1, 0, on_turn, dry);
	dry->source = connect_to(dry, connect_source(engine->settings));
	dry->target = connect_to(dry, connect_target(engine->settings));
	dry->planner = pg_guest_new(dry->source);
	dry->store = pg_guest_new(dry->target);
	if (dry->cancelled)
		dry_run_cancel(dry, false);
}

/* --- for others ---------------------------------------------------------------------------------- */

void engine_dry_run(struct engine *engine, const struct dry_run_question *question,
		    engine_on_dry_run *on_done, void *arg, struct dry_run **ret_dry_run)
{
	struct dry_run *dry = memory_new(sizeof(*dry));

	*dry = (struct dry_run){ .engine = engine,
				 .analysis = text_copy(question->analysis),
				 .options = question->options,
				 .rows = question->rows,
				 .keys = question->keys,
				 .on_done = on_done,
				 .arg = arg };
	*ret_dry_run = dry;
	request_dry_run(engine, dry, dry->options);
}

const struct session *dry_run_session(const struct dry_run *dry)
{
	return dry->session;
}

void dry_run_refuse(struct dry_run *dry, const struct error *err)
{
	if (dry->on_done != NULL)
		dry->on_done(dry->arg, NULL, NULL, err);
	dry_run_free(dry);
}

void dry_run_cancel(struct dry_run *dry, bool forget)
{
	struct error err;

	if (forget)
		dry->on_done = NULL;
	dry->cancelled = true;
	if (dry->turn == NULL || dry->ended)
		return;
	error_set(&err, ERROR_CANCELLED, "the dry run was cancelled");
	if (dry->session == NULL)
		fail(dry, &err);
	else if (!session_cancel(dry->session, NULL, &err))
		log_debug("%s", err.message); /* it is ending already */
}

void dry_run_wake(struct dry_run *dry)
{
	if (dry->lanes != NULL)
		lane_pool_wake(dry->lanes);
}

void dry_run_drop(struct dry_run *dry, const struct error *err)
{
	if (dry->error.kind == ERROR_NONE)
		dry->error = *err;
	finish(dry);
}
