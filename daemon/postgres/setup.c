/*
 * What makes a new link fit for use: the end of the backends of links that were lost before it, the
 * statements its owner wants said (which may depend on that end: a lock), and who its backend is.
 *
 * Such a predecessor may hold locks that the work needs, or be in the middle of a COMMIT. It is
 * terminated, and waited for a moment: once it is gone, what it was doing is decided. One which is
 * frozen, or may not be terminated, stays. Lanes work nevertheless, since a batch is decided by its
 * row's lock; the store's own link does not (outlives_predecessors).
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "postgres/internal.h"
#include "sql_postgres.h"

#define PREDECESSOR_MS 1000
#define LOOK_MS 50

void pg_remember_backend(struct pg_connection *connection)
{
	struct pg_backend *list = connection->predecessors;

	if (connection->backend.pid == 0)
		return;
	if (connection->predecessor_count == PG_PREDECESSORS) { /* the oldest is forgotten */
		connection->predecessor_count--;
		for (size_t i = 0; i < connection->predecessor_count; i++)
			list[i] = list[i + 1];
	}
	list[connection->predecessor_count++] = connection->backend;
	connection->backend = (struct pg_backend){ 0 };
}

/* --- predecessors ------------------------------------------------------------------------------ */

static bool is_named(const PGresult *rows, int pid)
{
	for (int row = 0; row < PQntuples(rows); row++)
		if (atoi(PQgetvalue(rows, row, 0)) == pid)
			return true;
	return false;
}

/* Those that the server still names stay on the list. */
static void keep_living(struct pg_connection *connection, const PGresult *rows)
{
	size_t kept = 0;

	for (size_t i = 0; i < connection->predecessor_count; i++)
		if (is_named(rows, connection->predecessors[i].pid))
			connection->predecessors[kept++] = connection->predecessors[i];
	connection->predecessor_count = kept;
}

static void end_predecessors(struct pg_connection *connection);
static void say_setup(struct pg_connection *connection);

static void log_living(const struct pg_connection *connection)
{
	for (size_t i = 0; i < connection->predecessor_count; i++)
		log_event(LOG_WARNING, &(struct log_fields){ .database = pg_database(connection) },
			  "%s: backend %d of a connection that was lost does not end; what it "
			  "holds is waited for",
			  connection->settings.name, connection->predecessors[i].pid);
}

static void look_again(struct pg_connection *connection)
{
	static const struct timeval delay = { .tv_usec = LOOK_MS * 1000 };

	event_add(connection->tick, &delay);
}

static void refuse_to_outlive(struct pg_connection *connection)
{
	struct error err;

	error_set(&err, ERROR_CONNECTION,
		  "backend %d of a connection that was lost does not end, and may yet change what "
		  "is to be read",
		  connection->predecessors[0].pid);
	error_hint(&err, "SELECT pg_terminate_backend(%d), or end that process",
		   connection->predecessors[0].pid);
	pg_setup_done(connection, &err);
}

/* They were given their time. */
static void do_without_waiting(struct pg_connection *connection)
{
	if (connection->settings.outlives_predecessors) {
		refuse_to_outlive(connection);
		return;
	}
	log_living(connection);
	say_setup(connection);
}

static void note_refusal(struct pg_connection *connection, const struct error *refusal)
{
	struct error err = *refusal;

	error_context(&err, "%s: backends of lost connections cannot be ended, and are waited for",
		      connection->settings.name);
	log_error_of(LOG_WARNING, &(struct log_fields){ .database = pg_database(connection) },
		     &err);
	connection->may_not_end_them = true;
}

static void on_predecessors(void *arg, const struct pg_answer *answer)
{
	struct pg_connection *connection = arg;

	if (connection->state != PG_SETTING_UP)
		return; /* lost meanwhile, and answered for */
	if (answer->error && connection->may_not_end_them) {
		pg_setup_done(connection, answer->error);
		return;
	}
	if (answer->error)
		note_refusal(connection, answer->error);
	else
		keep_living(connection, pg_answer_rows(answer));
	if (connection->predecessor_count == 0)
		say_setup(connection);
	else if (clock_monotonic_ms() - connection->predecessor_ms < PREDECESSOR_MS)
		look_again(connection);
	else
		do_without_waiting(connection);
}

static void end_predecessors(struct pg_connection *connection)
{
	_cleanup_text_ struct text backends = TEXT_INIT;
	_cleanup_text_ struct text sql = TEXT_INIT;

	for (size_t i = 0; i < connection->predecessor_count; i++)
		text_appendf(&backends, "%s(%d, %lld::bigint)", i > 0 ? ", " : "",
			     connection->predecessors[i].pid,
			     (long long)connection->predecessors[i].start_us);
	text_fill(&sql,
		  connection->may_not_end_them ? sql_postgres_predecessors_living
					       : sql_postgres_predecessors,
		  (const struct text_hole[]){ { "backends", text_string(&backends) },
					      { NULL, NULL } });
	pg_queue_run_first(connection, text_string(&sql), on_predecessors, connection);
}

void pg_setup_tick(struct pg_connection *connection)
{
	end_predecessors(connection);
}

/* --- who it is --------------------------------------------------------------------------------- */

static void on_setup_answer(void *arg, const struct pg_answer *answer)
{
	struct pg_connection *connection = arg;
	const PGresult *rows = pg_answer_rows(answer);

	if (connection->state != PG_SETTING_UP)
		return; /* lost meanwhile, and answered for */
	if (answer->error) {
		pg_setup_done(connection, answer->error);
		return;
	}
	connection->round_trip_ms = clock_monotonic_ms() - connection->setup_sent_ms;
	if (rows && PQntuples(rows) == 1)
		connection->backend = (struct pg_backend){
			atoi(PQgetvalue(rows, 0, 0)), strtoll(PQgetvalue(rows, 0, 1), NULL, 10)
		};
	pg_setup_done(connection, NULL);
}

static void say_setup(struct pg_connection *connection)
{
	const char *wanted = connection->settings.setup_sql;
	_cleanup_free_ char *sql = text_format("%s\n;\n%s", wanted ? wanted : "",
					       sql_postgres_identity);

	connection->setup_sent_ms = clock_monotonic_ms();
	pg_queue_run_first(connection, sql, on_setup_answer, connection);
}

void pg_setup_start(struct pg_connection *connection)
{
	connection->predecessor_ms = clock_monotonic_ms();
	connection->may_not_end_them = false;
	if (connection->predecessor_count > 0)
		end_predecessors(connection);
	else
		say_setup(connection);
}
