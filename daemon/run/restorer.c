/*
 * See restorer.h.
 *
 *   IDLE ──▶ LOOKING ──▶ CONNECTING ──▶ WORKING ──▶ LOOKING ──▶ IDLE
 *                                          └─ failed: IDLE, and again after probe_every
 */
#include "run/restorer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bulk_sql.h"
#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "common/uuid.h"
#include "run/connect.h"
#include "run/engine_internal.h"
#include "sql_store.h"

/* When something else is under way, it looks again after this long. */
#define BUSY_MS 2000

enum restorer_state { RESTORER_IDLE, RESTORER_LOOKING, RESTORER_CONNECTING, RESTORER_WORKING };

struct restorer {
	struct engine *engine;
	enum restorer_state state;
	struct pg_connection *connection; /* CONNECTING and WORKING only */
	struct event *wake;		  /* looks; or drops the connection first */
	bool again;			  /* was asked for meanwhile */
	bool failed;			  /* the last try */
	bool stopped;
	json_t *left;
	char life[UUID_TEXT_SIZE];
};

static void work(struct restorer *restorer);

static void look_later(struct restorer *restorer, int64_t ms)
{
	if (!restorer->stopped)
		event_add(restorer->wake,
			  &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 });
}

static void rest(struct restorer *restorer)
{
	restorer->state = RESTORER_IDLE;
	if (restorer->failed)
		look_later(restorer, restorer->engine->config->settings.probe_every_ms);
	else if (restorer->again)
		look_later(restorer, 0);
}

/* The connection is closed from the loop, not from its own callbacks: on_wake(). */
static void give_up(struct restorer *restorer, const struct error *err)
{
	struct error told = *err;

	error_context(&told, "what bulk mode had set aside cannot be put back now");
	log_error(LOG_WARNING, &told);
	if (pg_connection_is_up(restorer->engine->target))
		pg_submit(restorer->engine->target, sql_store_set_aside_problem, 1,
			  (const char *const[]){ err->message }, NULL, NULL);
	restorer->failed = true;
	restorer->again = true;
	look_later(restorer, 0);
}

/* --- putting back --------------------------------------------------------------------------------- */

static void say_put_back(const PGresult *result)
{
	bool problem = !PQgetisnull(result, 0, BULK_BACK_PROBLEM);

	log_event(problem ? LOG_ERR : LOG_NOTICE, &(struct log_fields){ 0 },
		  "%s %s of %s, set aside by bulk mode: %s", PQgetvalue(result, 0, BULK_BACK_KIND),
		  PQgetvalue(result, 0, BULK_BACK_NAME), PQgetvalue(result, 0, BULK_BACK_TABLE),
		  problem ? PQgetvalue(result, 0, BULK_BACK_PROBLEM) : "put back");
}

static void on_put_back(void *arg, const struct pg_answer *answer)
{
	struct restorer *restorer = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (restorer->state != RESTORER_WORKING)
		return;
	if (answer->error != NULL) {
		give_up(restorer, answer->error);
		return;
	}
	fault_point("bulk.put_back");
	if (PQntuples(result) > 0 && !PQgetisnull(result, 0, BULK_BACK_KIND)) {
		say_put_back(result);
		if (!engine_is_busy(restorer->engine)) {
			work(restorer);
			return;
		}
	}
	restorer->again = true;
	look_later(restorer, 0);
}

static void work(struct restorer *restorer)
{
	const struct engine *engine = restorer->engine;
	const struct settings *settings = &engine->config->settings;
	_cleanup_free_ char *sql = bulk_sql_put_back(&(struct bulk_back){
		.life = restorer->life,
		.epoch = owner_epoch(engine->owner),
		.lock_timeout_ms = settings->lock_timeout_ms,
		.memory_kb = settings->rebuild_memory_kb,
		.workers = settings->rebuild_workers,
	});

	restorer->state = RESTORER_WORKING;
	pg_submit(restorer->connection, sql, 0, NULL, on_put_back, restorer);
	fault_point("bulk.sent");
}

static void on_state(void *arg, struct pg_connection *connection, enum pg_state state,
		     const struct error *err)
{
	struct restorer *restorer = arg;

	(void)connection;
	if (state == PG_READY && restorer->state == RESTORER_CONNECTING)
		work(restorer);
	else if (state == PG_DOWN && err != NULL && restorer->state == RESTORER_CONNECTING)
		give_up(restorer, err);
}

static void begin(struct restorer *restorer)
{
	restorer->state = RESTORER_CONNECTING;
	restorer->connection = pg_connection_new(restorer->engine->base,
						 connect_target(restorer->engine->settings),
						 on_state, restorer);
	pg_connection_open(restorer->connection);
}

/* --- looking ---------------------------------------------------------------------------------------- */

static void keep_left(struct restorer *restorer, const PGresult *result)
{
	json_decref(restorer->left);
	restorer->left = json_array();
	for (int row = 0; row < PQntuples(result); row++) {
		char since[CLOCK_RFC3339_SIZE];
		bool has_problem = !PQgetisnull(result, row, 5);

		clock_format_rfc3339(since, strtoll(PQgetvalue(result, row, 4), NULL, 10));
		json_array_append_new(
			restorer->left,
			json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "entity",
				  PQgetvalue(result, row, 0), "table", PQgetvalue(result, row, 1),
				  "kind", PQgetvalue(result, row, 2), "name",
				  PQgetvalue(result, row, 3), "since", since, "problem",
				  has_problem ? json_string(PQgetvalue(result, row, 5))
					      : json_null()));
	}
	engine_changed(restorer->engine);
}

/* Something that nobody is at, and that was not found impossible in this life. */
static bool has_work(const struct restorer *restorer, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++)
		if (PQgetvalue(result, row, 6)[0] != 't' &&
		    strcmp(PQgetvalue(result, row, 7), restorer->life) != 0)
			return true;
	return false;
}

static void on_left(void *arg, const struct pg_answer *answer)
{
	struct restorer *restorer = arg;
	struct error err;

	if (restorer->state != RESTORER_LOOKING)
		return;
	if (answer->error != NULL) {
		rest(restorer);
		return;
	}
	keep_left(restorer, pg_answer_rows(answer));
	if (restorer->failed || !has_work(restorer, pg_answer_rows(answer)) ||
	    !engine_owns(restorer->engine, &err)) {
		rest(restorer);
	} else if (engine_is_busy(restorer->engine)) {
		rest(restorer);
		look_later(restorer, BUSY_MS);
	} else {
		begin(restorer);
	}
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct restorer *restorer = arg;

	if (restorer->state != RESTORER_LOOKING)
		return;
	if (answer->error != NULL || PQgetvalue(pg_answer_rows(answer), 0, 0)[0] != 't')
		rest(restorer);
	else
		pg_submit(restorer->engine->target, sql_store_set_aside_left, 0, NULL, on_left,
			  restorer);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct restorer *restorer = arg;
	struct error err;

	(void)fd;
	(void)what;
	if (restorer->connection != NULL) {
		pg_connection_close(restorer->connection);
		restorer->connection = NULL;
		restorer->state = RESTORER_IDLE;
	} else {
		restorer->failed = false;
	}
	if (restorer->stopped || restorer->state != RESTORER_IDLE ||
	    !pg_connection_is_up(restorer->engine->target) || !engine_owns(restorer->engine, &err))
		return;
	restorer->again = false;
	restorer->state = RESTORER_LOOKING;
	pg_submit(restorer->engine->target, sql_store_set_aside_known, 0, NULL, on_known, restorer);
}

/* --- life ------------------------------------------------------------------------------------------- */

void restorer_look(struct restorer *restorer)
{
	restorer->again = true;
	if (restorer->state == RESTORER_IDLE)
		look_later(restorer, 0);
}

struct restorer *restorer_new(struct engine *engine)
{
	struct restorer *restorer = memory_new(sizeof(*restorer));

	restorer->engine = engine;
	restorer->left = json_array();
	restorer->wake = event_new(engine->base, -1, 0, on_wake, restorer);
	uuid_make(restorer->life);
	return restorer;
}

void restorer_stop(struct restorer *restorer)
{
	restorer->stopped = true;
	event_del(restorer->wake);
	if (restorer->connection != NULL)
		event_active(restorer->wake, 0, 0);
}

void restorer_free(struct restorer *restorer)
{
	if (restorer == NULL)
		return;
	event_free(restorer->wake);
	if (restorer->connection != NULL)
		pg_connection_close(restorer->connection);
	pg_forget(restorer->engine->target, restorer);
	json_decref(restorer->left);
	free(restorer);
}

json_t *restorer_describe(const struct restorer *restorer)
{
	return json_incref(restorer->left);
}
