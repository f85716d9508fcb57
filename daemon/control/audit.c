/*
 * Writes what the buffer holds, one INSERT at a time; see audit.h. Its statements stand in store/audit.sql.
 */
#include "control/audit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/event.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "common/uuid.h"
#include "control/audit_buffer.h"
#include "control/audit_users.h"
#include "run/connect.h"
#include "sql_store.h"

#define TICK_MS 1000
#define PATIENCE_MS 3000 /* for those who wait for the store */
#define FINISH_MS 1000
#define FINISH_LOOK_MS 50
#define TROUBLE_MS 5000		/* until it is tried again what the store has refused */
#define RECORDS_A_STATEMENT 250 /* made in one go: a few milliseconds */

static const struct audit_limits limits = { .bytes = (size_t)4 * 1024 * 1024,
					    .burst = 1000,
					    .a_second = 10 };

/* Somebody who waits until the record of this number is written. */
struct audit_waiter {
	TAILQ_ENTRY(audit_waiter) link;
	int64_t number;
	int64_t since_ms;
	void (*go_on)(struct audit *audit, void *arg);
	void *arg;
};

TAILQ_HEAD(audit_waiters, audit_waiter);
TAILQ_HEAD(audit_questions, audit_question);

struct audit {
	struct event_base *base;
	struct engine *engine;
	struct connect_settings *settings;
	struct pg_connection_settings target;
	struct pg_connection *connection;
	struct audit_buffer *buffer;
	struct audit_users *users;
	struct audit_waiters waiters;
	struct event *tick;
	struct event *patience;
	char life[UUID_TEXT_SIZE]; /* numbers count within it */
	bool present;		   /* there is a table to write to */
	bool under_way;
	bool urgent;	       /* what came meanwhile is written at once, too */
	int64_t last_number;   /* of a record */
	int64_t not_before_ms; /* what the store has refused is not tried again earlier */
	struct error trouble;  /* what was logged last */
	struct audit_questions questions;
};

static void flush(struct audit *audit);

/* --- those who wait ------------------------------------------------------------------------------ */

static void let_go(struct audit *audit, struct audit_waiter *waiter)
{
	TAILQ_REMOVE(&audit->waiters, waiter, link);
	waiter->go_on(audit, waiter->arg);
	free(waiter);
}

/* Those whose record is written: numbers come in order. */
static void let_go_up_to(struct audit *audit, int64_t number)
{
	struct audit_waiter *first;

	while ((first = TAILQ_FIRST(&audit->waiters)) != NULL && first->number <= number)
		let_go(audit, first);
}

void audit_let_go(struct audit *audit)
{
	let_go_up_to(audit, INT64_MAX);
}

static void watch_patience(struct audit *audit)
{
	const struct audit_waiter *first = TAILQ_FIRST(&audit->waiters);
	int64_t rest;

	if (first == NULL)
		return;
	rest = first->since_ms + PATIENCE_MS - clock_monotonic_ms();
	if (rest < 0)
		rest = 0;
	event_add(audit->patience,
		  &(struct timeval){ .tv_sec = rest / 1000, .tv_usec = rest % 1000 * 1000 });
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	struct audit *audit = arg;
	int64_t now = clock_monotonic_ms();
	struct audit_waiter *first;

	(void)fd;
	(void)what;
	while ((first = TAILQ_FIRST(&audit->waiters)) != NULL &&
	       first->since_ms + PATIENCE_MS <= now)
		let_go(audit, first);
	watch_patience(audit);
}

static void wait_for(struct audit *audit, int64_t number,
		     void (*go_on)(struct audit *audit, void *arg), void *arg)
{
	struct audit_waiter *waiter = memory_new(sizeof(*waiter));

	*waiter = (struct audit_waiter){ .number = number,
					 .since_ms = clock_monotonic_ms(),
					 .go_on = go_on,
					 .arg = arg };
	TAILQ_INSERT_TAIL(&audit->waiters, waiter, link);
	watch_patience(audit);
}

/* --- writing ------------------------------------------------------------------------------------- */

static void tick_later(struct audit *audit)
{
	if (!evtimer_pending(audit->tick, NULL))
		event_add(audit->tick, &(struct timeval){ .tv_sec = TICK_MS / 1000 });
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct audit *audit = arg;

	(void)fd;
	(void)what;
	audit_buffer_window(audit->buffer);
	flush(audit);
	if (!audit_buffer_is_empty(audit->buffer))
		tick_later(audit);
}

/* Said once, until it is something else. A connection that is lost is its own to say. */
static void log_trouble(struct audit *audit, const struct error *err)
{
	if (err->kind != ERROR_CONNECTION && strcmp(err->message, audit->trouble.message) != 0) {
		struct error why = *err;

		error_context(&why, "calls on the control socket cannot be recorded yet");
		event_log_error(EVENT_AUDIT_DELAYED, NULL, &why);
	}
	audit->trouble = *err;
}

/* Nobody waits for what may take long. */
static void not_written(struct audit *audit, const struct error *err)
{
	log_trouble(audit, err);
	audit->present = false;
	if (err->kind == ERROR_DATA)
		audit_buffer_refused(audit->buffer);
	else
		audit_buffer_not_stored(audit->buffer);
	audit->not_before_ms = clock_monotonic_ms() +
			       (err->kind == ERROR_CONNECTION ? TICK_MS : TROUBLE_MS);
	audit_let_go(audit);
}

static void on_inserted(void *arg, const struct pg_answer *answer)
{
	struct audit *audit = arg;

	audit->under_way = false;
	if (answer->error != NULL) {
		not_written(audit, answer->error);
		return;
	}
	audit->trouble = (struct error){ 0 };
	let_go_up_to(audit, audit_buffer_stored(audit->buffer));
	if (audit->urgent)
		flush(audit);
}

static void insert(struct audit *audit)
{
	json_auto_t *records = audit_buffer_take(audit->buffer, RECORDS_A_STATEMENT);
	_cleanup_free_ char *text = NULL;
	json_t *record;
	size_t i;

	audit->urgent |= json_array_size(records) == RECORDS_A_STATEMENT;
	json_array_foreach(records, i, record) {
		const json_t *uid = json_object_get(record, "uid");
		const char *name = json_is_integer(uid)
					   ? audit_users_name(audit->users,
							      (uid_t)json_integer_value(uid))
					   : NULL;

		if (name != NULL)
			json_object_set_new(record, "user_name", json_string(name));
	}
	text = json_dumps(records, JSON_COMPACT);
	pg_submit(audit->connection, sql_store_audit_insert, 2,
		  (const char *const[]){ audit->life, text }, on_inserted, audit);
}

/* Before there is a control schema, or while it is an older one, there is nothing to wait for. */
static void on_present(void *arg, const struct pg_answer *answer)
{
	struct audit *audit = arg;

	if (answer->error == NULL && PQgetvalue(pg_answer_rows(answer), 0, 0)[0] == 't') {
		audit->present = true;
		insert(audit);
		return;
	}
	audit->under_way = false;
	if (answer->error != NULL) {
		not_written(audit, answer->error);
		return;
	}
	audit_let_go(audit);
}

/* False: the store cannot be reached. It is the engine's connection that tries again and again, and says why it cannot. */
static bool is_reachable(struct audit *audit)
{
	if (pg_connection_state(audit->connection) != PG_DOWN)
		return true;
	if (!pg_connection_is_up(engine_target(audit->engine)))
		return false;
	pg_connection_open(audit->connection);
	return true;
}

static void flush(struct audit *audit)
{
	if (audit->under_way || audit_buffer_is_empty(audit->buffer) ||
	    clock_monotonic_ms() < audit->not_before_ms || !is_reachable(audit))
		return;
	audit->under_way = true;
	audit->urgent = false;
	if (audit->present)
		insert(audit);
	else
		pg_submit(audit->connection, sql_store_audit_present, 1,
			  (const char *const[]){ "migrated.command_audit" }, on_present, audit);
}

/* --- recording ----------------------------------------------------------------------------------- */

static void release_call(struct audit *audit, void *arg)
{
	(void)audit;
	control_call_release(arg);
}

bool audit_record(void *arg, const struct control_record *record)
{
	struct audit *audit = arg;
	int64_t number = audit_buffer_add(audit->buffer, record, clock_monotonic_ms());

	if (number > audit->last_number)
		audit->last_number = number;
	tick_later(audit);
	if (!record->operates)
		return false;
	audit->urgent = true;
	flush(audit);
	if (record->call == NULL || number == 0 || !audit->under_way)
		return false;
	wait_for(audit, number, release_call, record->call);
	return true;
}

/* Its queries are answered with what becomes of it. */
static void on_state(void *arg, struct pg_connection *connection, enum pg_state state,
		     const struct error *err)
{
	(void)arg;
	(void)connection;
	(void)state;
	(void)err;
}

/* --- asking -------------------------------------------------------------------------------------- */

/* An inquiry with its connection, which it has once what it is to see is written. */
struct audit_question {
	TAILQ_ENTRY(audit_question) link;
	struct audit *audit;
	char *relation;
	char *sql;
	char **values;
	size_t value_count;
	pg_on_answer *on_answer;
	void *arg;
	struct pg_connection *connection;
};

static void question_free(struct audit_question *question)
{
	for (size_t i = 0; i < question->value_count; i++)
		free(question->values[i]);
	free(question->values);
	free(question->relation);
	free(question->sql);
	free(question);
}

static void answer_question(struct audit_question *question, const struct pg_answer *answer)
{
	TAILQ_REMOVE(&question->audit->questions, question, link);
	question->on_answer(question->arg, answer);
	pg_connection_close(question->connection);
	question_free(question);
}

static void on_answered(void *arg, const struct pg_answer *answer)
{
	answer_question(arg, answer);
}

static void on_looked(void *arg, const struct pg_answer *answer)
{
	struct audit_question *question = arg;

	if (answer->error != NULL)
		answer_question(question, answer);
	else if (PQgetvalue(pg_answer_rows(answer), 0, 0)[0] != 't')
		answer_question(question, NULL);
	else
		pg_submit(question->connection, question->sql, question->value_count,
			  (const char *const *)question->values, on_answered, question);
}

static void begin_question(struct audit *audit, void *arg)
{
	struct audit_question *question = arg;

	question->connection = pg_connection_new(audit->base, &audit->target, on_state, NULL);
	TAILQ_INSERT_TAIL(&audit->questions, question, link);
	pg_connection_open(question->connection);
	pg_submit(question->connection, sql_store_audit_present, 1,
		  (const char *const[]){ question->relation }, on_looked, question);
}

void audit_ask(struct audit *audit, const struct audit_inquiry *inquiry)
{
	struct audit_question *question = memory_new(sizeof(*question));

	question->audit = audit;
	question->relation = text_copy(inquiry->relation);
	question->sql = text_copy(inquiry->sql);
	question->on_answer = inquiry->on_answer;
	question->arg = inquiry->arg;
	question->values = memory_new(inquiry->value_count * sizeof(*question->values) + 1);
	for (size_t i = 0; i < inquiry->value_count; i++)
		question->values[question->value_count++] = text_copy(inquiry->values[i]);
	flush(audit);
	if (audit->under_way)
		wait_for(audit, audit->last_number, begin_question, question);
	else
		begin_question(audit, question);
}

/* --- life ---------------------------------------------------------------------------------------- */

static void make_connection(struct audit *audit)
{
	audit->target = *connect_target(audit->settings);
	audit->target.name = "target for the audit";
	audit->target.application_name = "migrated audit";
	audit->target.comes_and_goes = true;
	audit->target.reconnect = false;
	audit->connection = pg_connection_new(audit->base, &audit->target, on_state, audit);
}

bool audit_is_still(const struct audit *audit)
{
	return !audit->under_way && TAILQ_EMPTY(&audit->questions);
}

void audit_renew(struct audit *audit)
{
	struct connect_settings *settings = connect_settings_new(engine_config(audit->engine));

	if (connect_settings_equal(settings, audit->settings)) {
		connect_settings_free(settings);
		return;
	}
	pg_connection_close(audit->connection);
	connect_settings_free(audit->settings);
	audit->settings = settings;
	audit->present = false;
	make_connection(audit);
}

struct audit *audit_new(struct event_base *base, struct engine *engine)
{
	struct audit *audit = memory_new(sizeof(*audit));

	audit->base = base;
	audit->engine = engine;
	audit->settings = connect_settings_new(engine_config(engine));
	make_connection(audit);
	audit->buffer = audit_buffer_new(&limits);
	audit->users = audit_users_new("/etc/passwd");
	TAILQ_INIT(&audit->waiters);
	TAILQ_INIT(&audit->questions);
	audit->tick = evtimer_new(base, on_tick, audit);
	audit->patience = evtimer_new(base, on_patience, audit);
	uuid_make(audit->life);
	return audit;
}

void audit_finish(struct audit *audit)
{
	int64_t end_ms = clock_monotonic_ms() + FINISH_MS;

	audit->urgent = true;
	audit->not_before_ms = 0;
	flush(audit);
	while (audit->under_way && clock_monotonic_ms() < end_ms) {
		event_add(audit->tick, &(struct timeval){ .tv_usec = FINISH_LOOK_MS * 1000 });
		event_base_loop(audit->base, EVLOOP_ONCE);
	}
}

static void log_rest(const struct audit *audit)
{
	int64_t calls = audit_buffer_calls(audit->buffer);

	if (calls > 0 && audit->trouble.kind != ERROR_NONE)
		event_log(EVENT_AUDIT_LOST, NULL,
			  "the store does not know of %" PRId64 " calls on the control socket: %s",
			  calls, audit->trouble.message);
	else if (calls > 0)
		log_notice("the store does not know of %" PRId64
			   " calls on the control socket: it has "
			   "not been there for them",
			   calls);
}

void audit_free(struct audit *audit)
{
	if (audit == NULL)
		return;
	audit_let_go(audit);
	while (!TAILQ_EMPTY(&audit->questions))
		pg_connection_close(TAILQ_FIRST(&audit->questions)->connection);
	pg_forget(audit->connection, audit);
	pg_connection_close(audit->connection);
	log_rest(audit);
	audit_buffer_free(audit->buffer);
	audit_users_free(audit->users);
	event_free(audit->tick);
	event_free(audit->patience);
	connect_settings_free(audit->settings);
	free(audit);
}
