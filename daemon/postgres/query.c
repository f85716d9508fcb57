/*
 * The queue of a connection: what is submitted waits here, runs, and is answered exactly once.
 *
 * A query is in one place at a time: in `queue` (or `deferred`, while a guest has to wait), in
 * `running`, or in `finished` when its answer is known and its callback is about to be called. A
 * callback may close the connection, which empties all of them.
 *
 * Where a transaction is around all others, a query that is one of its own is sent in three steps: a
 * savepoint, the query, and what ends or undoes it.
 *
 * Queries that wait together need not wait for each other's answers: those of one statement are sent as
 * a pipeline, with a point of synchronisation behind each, so that each is a transaction of its
 * own and fails alone.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "postgres/internal.h"
#include "postgres/transaction.h"

enum query_kind { QUERY_SIMPLE, QUERY_WITH_VALUES, QUERY_DESCRIBE };

enum query_step { STEP_SAVEPOINT, STEP_QUERY, STEP_DESCRIPTION, STEP_END, STEP_DONE };

#define SAVEPOINT "SAVEPOINT alone"
#define KEEP "RELEASE SAVEPOINT alone"
#define UNDO "ROLLBACK TO SAVEPOINT alone; RELEASE SAVEPOINT alone"

struct query {
	TAILQ_ENTRY(query) entry;
	enum query_kind kind;
	char *sql;
	char **values;
	size_t value_count;
	pg_on_answer *on_answer; /* NULL: forgotten */
	void *arg;

	bool continues; /* a transaction that its submitter has begun */
	bool enclosed;	/* between savepoints */
	enum query_step step;
	bool discarding; /* reads and forgets what an unexpected COPY sends */
	PGresult **results;
	size_t result_count;
	struct error error;
};

/* --- a query ---------------------------------------------------------------------------------- */

static struct query *query_new(enum query_kind kind, const char *sql, pg_on_answer *on_answer,
			       void *arg)
{
	struct query *query = memory_new(sizeof *query);

	query->kind = kind;
	query->sql = text_copy(sql);
	query->on_answer = on_answer;
	query->arg = arg;
	return query;
}

static void clear_results(struct query *query)
{
	for (size_t i = 0; i < query->result_count; i++)
		PQclear(query->results[i]);
	query->result_count = 0;
}

static void query_free(struct query *query)
{
	clear_results(query);
	free(query->results);
	for (size_t i = 0; i < query->value_count; i++)
		free(query->values[i]);
	free(query->values);
	free(query->sql);
	free(query);
}

static void query_answer(struct query *query)
{
	struct pg_answer answer = {
		.results = query->results,
		.count = query->result_count,
		.error = query->error.kind != ERROR_NONE ? &query->error : NULL,
	};

	if (query->on_answer)
		query->on_answer(query->arg, &answer);
	query_free(query);
}

static void keep_result(struct query *query, PGresult *result)
{
	query->results = memory_grow(query->results, query->result_count + 1,
				     sizeof *query->results);
	query->results[query->result_count++] = result;
}

/* --- running it ------------------------------------------------------------------------------- */

static bool send_query(PGconn *link, const struct query *query)
{
	switch (query->kind) {
	case QUERY_SIMPLE:
		return PQsendQuery(link, query->sql);
	case QUERY_WITH_VALUES:
		return PQsendQueryParams(link, query->sql, (int)query->value_count, NULL,
					 (const char *const *)query->values, NULL, NULL, 0);
	case QUERY_DESCRIBE:
		return PQsendPrepare(link, "", query->sql, 0, NULL);
	}
	return false;
}

static bool send_step(PGconn *link, const struct query *query)
{
	switch (query->step) {
	case STEP_SAVEPOINT:
		return PQsendQuery(link, SAVEPOINT);
	case STEP_QUERY:
		return send_query(link, query);
	case STEP_DESCRIPTION:
		return PQsendDescribePrepared(link, "");
	case STEP_END:
		return PQsendQuery(link, query->error.kind == ERROR_NONE ? KEEP : UNDO);
	case STEP_DONE:
		break;
	}
	return false;
}

/* A savepoint that could not be made leaves nothing to be undone. */
static enum query_step next_step(const struct query *query)
{
	bool failed = query->error.kind != ERROR_NONE;
	enum query_step end = query->enclosed ? STEP_END : STEP_DONE;

	switch (query->step) {
	case STEP_SAVEPOINT:
		return failed ? STEP_DONE : STEP_QUERY;
	case STEP_QUERY:
		return query->kind == QUERY_DESCRIBE && !failed ? STEP_DESCRIPTION : end;
	case STEP_DESCRIPTION:
		return end;
	case STEP_END:
	case STEP_DONE:
		break;
	}
	return STEP_DONE;
}

/* The results of this step are the query's answer. */
static bool step_answers(const struct query *query)
{
	return query->step == (query->kind == QUERY_DESCRIBE ? STEP_DESCRIPTION : STEP_QUERY);
}

/* False when libpq would not take the query; a link that failed under it is another matter, and
   told later. */
static bool query_send(struct pg_connection *connection, struct query *query)
{
	if (!send_step(connection->link, query) && PQstatus(connection->link) == CONNECTION_OK) {
		pg_error_from_link(&query->error, PQerrorMessage(connection->link));
		query->error.kind = ERROR_INTERNAL;
		return false;
	}
	pg_flush(connection);
	return true;
}

static void refuse_copy(struct pg_connection *connection, struct query *query,
			ExecStatusType status)
{
	if (query->error.kind == ERROR_NONE)
		error_set(&query->error, ERROR_INTERNAL,
			  "a COPY was submitted as a query; only the pump carries one");
	if (status == PGRES_COPY_IN) {
		PQputCopyEnd(connection->link, "nothing was to be copied");
		pg_flush(connection);
	} else {
		query->discarding = true;
	}
}

static void take_result(struct pg_connection *connection, struct query *query, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	switch (status) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
		if (!step_answers(query))
			break;
		keep_result(query, result);
		return;
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		refuse_copy(connection, query, status);
		break;
	case PGRES_PIPELINE_ABORTED: /* by the error before, which is the query's */
		break;
	default:
		pg_note_fatal(connection, result);
		if (query->error.kind == ERROR_NONE)
			pg_error_of_connection(connection, &query->error, result);
		break;
	}
	PQclear(result);
}

/* False while more is to come. */
static bool discard_copy(PGconn *link)
{
	char *row;
	int length;

	while ((length = PQgetCopyData(link, &row, 1)) > 0)
		PQfreemem(row);
	return length < 0;
}

static void query_finish(struct pg_connection *connection)
{
	struct query *query = connection->running;

	while ((query->step = next_step(query)) != STEP_DONE)
		if (query_send(connection, query))
			return;
	connection->running = NULL;
	TAILQ_INSERT_TAIL(&connection->finished, query, entry);
	pg_release(connection);
	pg_queue_answer(connection);
	pg_queue_advance(connection);
}

/* --- several at once -------------------------------------------------------------------------- */

/* A server answers each before it reads the next, so what waits to be read must not grow too much. */
#define MOST_PIPED 64

static bool begins_with(const char *sql, const char *word)
{
	size_t length = strlen(word);

	return strncmp(sql, word, length) == 0 && isspace((unsigned char)sql[length]);
}

/* The protocol of a pipeline takes one statement each. A semicolon in a literal is taken for the end of one. */
static bool is_one_statement(const char *sql)
{
	static const char *const words[] = { "SELECT", "WITH", "INSERT", "UPDATE", "DELETE" };

	while (isspace((unsigned char)*sql))
		sql++;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (begins_with(sql, words[i]))
			return strchr(sql, ';') == NULL;
	return false;
}

static bool may_be_piped(const struct pg_connection *connection, const struct query *query)
{
	if (!query || connection->within || query->continues)
		return false;
	return query->kind != QUERY_SIMPLE || is_one_statement(query->sql);
}

static bool pipe_query(PGconn *link, const struct query *query)
{
	bool sent = false;

	switch (query->kind) {
	case QUERY_SIMPLE:
		sent = PQsendQueryParams(link, query->sql, 0, NULL, NULL, NULL, NULL, 0);
		break;
	case QUERY_WITH_VALUES:
		sent = send_query(link, query);
		break;
	case QUERY_DESCRIBE:
		sent = send_query(link, query) && PQsendDescribePrepared(link, "");
		break;
	}
	return sent && PQpipelineSync(link);
}

/* The others follow the running one, unless libpq will not take one: that is told when it is its turn. */
static void send_piped(struct pg_connection *connection)
{
	struct query *next = TAILQ_FIRST(&connection->queue);

	for (int i = 1; i < MOST_PIPED && may_be_piped(connection, next); i++) {
		if (!pipe_query(connection->link, next))
			break;
		TAILQ_REMOVE(&connection->queue, next, entry);
		TAILQ_INSERT_TAIL(&connection->sent, next, entry);
		next->step = STEP_QUERY;
		next = TAILQ_FIRST(&connection->queue);
	}
	pg_flush(connection);
}

/* The running query is answered, and the next one in the pipeline runs. False: there is none, or the link is gone. */
static bool piped_query_finish(struct pg_connection *connection)
{
	struct query *query = connection->running;
	struct query *next = TAILQ_FIRST(&connection->sent);

	connection->running = next;
	TAILQ_INSERT_TAIL(&connection->finished, query, entry);
	if (next) {
		TAILQ_REMOVE(&connection->sent, next, entry);
		pg_queue_answer(connection);
		return connection->piped && connection->running == next;
	}
	connection->piped = false;
	if (!PQexitPipelineMode(connection->link)) {
		pg_connection_reset(connection, "a pipeline did not end");
		return false;
	}
	pg_release(connection);
	pg_queue_answer(connection);
	pg_queue_advance(connection);
	return false;
}

/* Each command's results end with a NULL, and each query with its point of synchronisation. */
static void on_piped_input(struct pg_connection *connection)
{
	bool ended = false;

	while (!PQisBusy(connection->link)) {
		PGresult *result = PQgetResult(connection->link);
		struct query *query = connection->running;

		if (!result && ended)
			return; /* nothing more is there */
		ended = !result;
		if (!result) {
			if (query->kind == QUERY_DESCRIBE)
				query->step = STEP_DESCRIPTION;
		} else if (pg_is_made_up(connection, result)) {
			PQclear(result);
			return;
		} else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			if (!piped_query_finish(connection))
				return;
		} else {
			take_result(connection, query, result);
		}
	}
}

/* --- what has arrived ------------------------------------------------------------------------- */

static void on_input(void *arg)
{
	struct pg_connection *connection = arg;
	struct query *query = connection->running;
	PGconn *link = connection->link;

	if (connection->piped) {
		on_piped_input(connection);
		return;
	}
	for (;;) {
		PGresult *result;

		if (query->discarding && !discard_copy(link))
			return;
		query->discarding = false;
		if (PQisBusy(link))
			return;
		result = PQgetResult(link);
		if (!result)
			break;
		if (pg_is_made_up(connection, result)) {
			PQclear(result);
			return;
		}
		take_result(connection, query, result);
	}
	query_finish(connection);
}

/* A lost link needs no driver's word: pg_lose() answers for the running query with the others. */
static const struct pg_driver query_driver = { .on_input = on_input };

/* --- the queue -------------------------------------------------------------------------------- */

bool pg_queue_is_empty(const struct pg_connection *connection)
{
	return TAILQ_EMPTY(&connection->queue);
}

static bool is_free(const struct pg_connection *connection)
{
	return (connection->state == PG_READY || connection->state == PG_BUSY) &&
	       !connection->driver && !connection->link_is_dead;
}

/* Alone it needs no pipeline; neither does one that libpq refuses there, and then anywhere. */
static bool begin_pipeline(struct pg_connection *connection, const struct query *query)
{
	PGconn *link = connection->link;

	if (!may_be_piped(connection, query) ||
	    !may_be_piped(connection, TAILQ_FIRST(&connection->queue)) ||
	    !PQenterPipelineMode(link))
		return false;
	if (pipe_query(link, query))
		return true;
	PQexitPipelineMode(link);
	return false;
}

static void run(struct pg_connection *connection, struct query *query)
{
	connection->running = query;
	query->enclosed = connection->within && !query->continues;
	query->step = query->enclosed ? STEP_SAVEPOINT : STEP_QUERY;
	pg_hold(connection, &query_driver, connection);
	if (connection->running != query)
		return; /* on_state has closed or reset the connection */
	connection->piped = connection->state == PG_BUSY && begin_pipeline(connection, query);
	if (connection->piped)
		send_piped(connection);
	else if (!query_send(connection, query))
		query_finish(connection);
}

void pg_queue_advance(struct pg_connection *connection)
{
	struct query *query = TAILQ_FIRST(&connection->queue);

	if (!query || !is_free(connection))
		return;
	TAILQ_REMOVE(&connection->queue, query, entry);
	run(connection, query);
}

void pg_queue_run_first(struct pg_connection *connection, const char *sql, pg_on_answer *on_answer,
			void *arg)
{
	run(connection, query_new(QUERY_SIMPLE, sql, on_answer, arg));
}

void pg_queue_fail(struct pg_connection *connection, const struct error *err)
{
	struct query *query;

	if (connection->running)
		TAILQ_INSERT_HEAD(&connection->sent, connection->running, entry);
	connection->running = NULL;
	connection->piped = false;
	TAILQ_CONCAT(&connection->sent, &connection->queue, entry);
	TAILQ_CONCAT(&connection->queue, &connection->sent, entry);
	TAILQ_CONCAT(&connection->queue, &connection->deferred, entry);
	while ((query = TAILQ_FIRST(&connection->queue))) {
		TAILQ_REMOVE(&connection->queue, query, entry);
		query->error = *err;
		TAILQ_INSERT_TAIL(&connection->finished, query, entry);
	}
}

void pg_queue_answer(struct pg_connection *connection)
{
	struct query *query;

	while ((query = TAILQ_FIRST(&connection->finished))) {
		TAILQ_REMOVE(&connection->finished, query, entry);
		query_answer(query);
	}
}

void pg_queue_done(struct pg_connection *connection)
{
	struct query *query;
	struct error err;

	error_set(&err, ERROR_CANCELLED, "the connection to the %s was closed",
		  connection->settings.name);
	pg_queue_fail(connection, &err);
	pg_queue_answer(connection);
	while ((query = TAILQ_FIRST(&connection->queue))) {
		TAILQ_REMOVE(&connection->queue, query, entry);
		query_free(query);
	}
}

void pg_queue_admit(struct pg_connection *connection)
{
	TAILQ_CONCAT(&connection->queue, &connection->deferred, entry);
	if (!pg_queue_is_empty(connection))
		event_active(connection->kick, EV_TIMEOUT, 0);
}

/* --- for everybody ---------------------------------------------------------------------------- */

static void enqueue(struct pg_connection *of, struct query *query)
{
	struct pg_connection *connection = pg_host(of);

	if (of->host && connection->reserved) {
		TAILQ_INSERT_TAIL(&connection->deferred, query, entry);
		return;
	}
	TAILQ_INSERT_TAIL(&connection->queue, query, entry);
	if (is_free(connection))
		event_active(connection->kick, EV_TIMEOUT, 0);
}

void pg_submit(struct pg_connection *connection, const char *sql, size_t value_count,
	       const char *const *values, pg_on_answer *on_answer, void *arg)
{
	struct query *query = query_new(value_count > 0 ? QUERY_WITH_VALUES : QUERY_SIMPLE, sql,
					on_answer, arg);

	query->value_count = value_count;
	query->values = memory_new((value_count + 1) * sizeof *query->values);
	for (size_t i = 0; i < value_count; i++)
		query->values[i] = text_copy(values[i]);
	enqueue(connection, query);
}

void pg_describe(struct pg_connection *connection, const char *sql, pg_on_answer *on_answer,
		 void *arg)
{
	enqueue(connection, query_new(QUERY_DESCRIBE, sql, on_answer, arg));
}

void pg_continue(struct pg_connection *connection, const char *sql, pg_on_answer *on_answer,
		 void *arg)
{
	struct query *query = query_new(QUERY_SIMPLE, sql, on_answer, arg);

	query->continues = true;
	enqueue(connection, query);
}

static void forget_in(struct query_list *list, const void *arg)
{
	struct query *query;

	TAILQ_FOREACH(query, list, entry)
		if (query->arg == arg)
			query->on_answer = NULL;
}

void pg_forget(struct pg_connection *of, const void *arg)
{
	struct pg_connection *connection = pg_host(of);

	forget_in(&connection->sent, arg);
	forget_in(&connection->queue, arg);
	forget_in(&connection->deferred, arg);
	forget_in(&connection->finished, arg);
	if (connection->running && connection->running->arg == arg)
		connection->running->on_answer = NULL;
}

const PGresult *pg_answer_rows(const struct pg_answer *answer)
{
	for (size_t i = answer->count; i > 0; i--)
		if (PQnfields(answer->results[i - 1]) > 0)
			return answer->results[i - 1];
	return NULL;
}

static void on_cancelled(void *arg, const struct pg_answer *answer)
{
	(void)arg;
	if (answer->error)
		log_error(LOG_WARNING, answer->error);
}

void pg_cancel_by(struct pg_connection *of, struct pg_connection *side)
{
	struct pg_connection *victim = pg_host(of);
	_cleanup_free_ char *pid = NULL;

	if (victim->state != PG_BUSY)
		return;
	pid = text_format("%d", PQbackendPID(victim->link));
	pg_submit(side, "SELECT pg_catalog.pg_cancel_backend($1)", 1, (const char *const[]){ pid },
		  on_cancelled, NULL);
}
