/*
 * The machine of owner.h: look whether the lock is ours; if so, whether the row is, and take it; if not, say whose it is and
 * look again. The statements stand in owner.sql. One question is under way at a time, or the timer waits.
 */
#include "run/owner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "common/uuid.h"
#include "sql_run.h"

/* 'migr' and 'ated' as numbers. */
#define LOCK_KEY "1835624306, 1635018084"

/* A backend whose client has just gone may need a moment to go, too; only then somebody else is believed to own. */
#define GRACE_MS 1000
#define GRACE_LOOK_MS 50
#define STANDBY_LOOK_MS 2000

/* A take waits so long at a time for batches of the former owner, and so long before it ends them. */
#define TAKE_WAIT_MS "500"
#define TAKE_PATIENCE_MS 5000

#define LOCK_NOT_AVAILABLE "55P03"

struct owner {
	struct pg_connection_settings settings;
	char *setup_sql;
	void (*on_change)(void *arg);
	void *arg;
	struct pg_connection *connection;
	struct event *again;

	enum owner_state state;
	bool linked;
	bool waits;	  /* a take has met batches of the former owner */
	int64_t since_ms; /* since when it is looked for the lock, or waited for those batches */
	int64_t epoch;
	struct error reason;
	char instance[UUID_TEXT_SIZE];
	char host[256];
	char backend[64]; /* pid and start of the present link's */
	char former[64];  /* of the last link's that had the lock */

	void (*on_settled)(void *arg, const struct error *err);
	void *on_settled_arg;
};

static void ask_row(struct owner *owner);

/* --- states ------------------------------------------------------------------------------------ */

static void tell(enum owner_state state, const struct error *reason)
{
	const struct log_fields fields = { .database = "target" };

	if (state == OWNER_STANDBY)
		event_log(EVENT_STANDBY, &fields, "standing by: %s", reason->message);
	else
		log_error_of(LOG_WARNING, &fields, reason);
}

static void set_state(struct owner *owner, enum owner_state state, const struct error *reason)
{
	bool same = state == owner->state && strcmp(owner->reason.message, reason->message) == 0;

	owner->state = state;
	owner->reason = *reason;
	if (same)
		return;
	if (reason->kind != ERROR_NONE)
		tell(state, reason);
	owner->on_change(owner->arg);
}

static void look_in(struct owner *owner, int64_t ms)
{
	event_add(owner->again,
		  &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 });
}

static void settled(struct owner *owner, const struct error *err)
{
	void (*on_settled)(void *arg, const struct error *err) = owner->on_settled;

	owner->on_settled = NULL;
	if (on_settled != NULL)
		on_settled(owner->on_settled_arg, err);
}

/* An answer with an error: true, and what follows from it is done. */
static bool failed(struct owner *owner, const struct error *err)
{
	struct error why;

	if (err == NULL)
		return false;
	why = *err;
	if (pg_connection_is_up(owner->connection)) {
		error_context(&why, "the control schema's owner cannot be told");
		set_state(owner, OWNER_UNKNOWN, &why);
		look_in(owner, STANDBY_LOOK_MS);
	}
	settled(owner, &why);
	return true;
}

static void become_ours(struct owner *owner, int64_t epoch)
{
	static const struct error none = { 0 };

	pg_submit(owner->connection, sql_run_owner_free_writing, 0, NULL, NULL, NULL);
	owner->epoch = epoch;
	owner->waits = false;
	snprintf(owner->former, sizeof(owner->former), "%s", owner->backend);
	set_state(owner, OWNER_OURS, &none);
	settled(owner, NULL);
}

/* --- somebody else has it ---------------------------------------------------------------------- */

static void stand_by(struct owner *owner, const char *who, const char *since)
{
	struct error reason;

	error_set(&reason, ERROR_BUSY, "another migrated owns the target: %s, since %s", who,
		  since);
	set_state(owner, OWNER_STANDBY, &reason);
	look_in(owner, STANDBY_LOOK_MS);
}

static void on_holder_row(void *arg, const struct pg_answer *answer)
{
	struct owner *owner = arg;
	const PGresult *row = pg_answer_rows(answer);
	_cleanup_free_ char *who = NULL;

	if (failed(owner, answer->error))
		return;
	if (PQntuples(row) == 0 || PQgetisnull(row, 0, 2)) {
		look_in(owner, GRACE_LOOK_MS); /* it is just about to take the row */
		return;
	}
	who = text_format("process %s on %s", PQgetvalue(row, 0, 3), PQgetvalue(row, 0, 2));
	stand_by(owner, who, PQgetvalue(row, 0, 4));
}

static void not_held(struct owner *owner, const PGresult *look)
{
	bool known = !PQgetisnull(look, 0, 3);
	bool former = known && strcmp(PQgetvalue(look, 0, 3), owner->former) == 0;

	/* Our own backend of a link that was lost has been told to end when the new one was made. */
	if (former || !known ||
	    (owner->state != OWNER_STANDBY && clock_monotonic_ms() - owner->since_ms < GRACE_MS))
		look_in(owner, GRACE_LOOK_MS);
	else if (PQgetvalue(look, 0, 1)[0] == 't')
		pg_submit(owner->connection, sql_run_owner_row, 1,
			  (const char *const[]){ owner->instance }, on_holder_row, owner);
	else
		stand_by(owner, PQgetvalue(look, 0, 5), PQgetvalue(look, 0, 6));
}

/* --- the lock is ours -------------------------------------------------------------------------- */

static void on_evicted(void *arg, const struct pg_answer *answer)
{
	struct owner *owner = arg;

	if (failed(owner, answer->error))
		return;
	log_notice("ended %d backend(s) of the former owner, in the middle of a batch",
		   PQntuples(pg_answer_rows(answer)));
	owner->waits = false;
	ask_row(owner);
}

static void on_gave_way(void *arg, const struct pg_answer *answer)
{
	struct owner *owner = arg;
	int64_t now = clock_monotonic_ms();
	struct error reason;

	if (failed(owner, answer->error))
		return;
	if (!owner->waits)
		owner->since_ms = now;
	owner->waits = true;
	if (now - owner->since_ms >= TAKE_PATIENCE_MS) {
		pg_submit(owner->connection, sql_run_owner_evict, 0, NULL, on_evicted, owner);
		return;
	}
	error_set(&reason, ERROR_BUSY, "taking over: batches of the former owner are under way");
	set_state(owner, OWNER_STANDBY, &reason);
	ask_row(owner);
}

static void on_take_refused(void *arg, const struct pg_answer *answer)
{
	struct owner *owner = arg;

	if (!failed(owner, answer->error))
		look_in(owner, STANDBY_LOOK_MS);
}

static void on_taken(void *arg, const struct pg_answer *answer)
{
	struct owner *owner = arg;
	int64_t epoch;

	if (answer->error != NULL && pg_connection_is_up(owner->connection)) {
		bool busy = strcmp(answer->error->sqlstate, LOCK_NOT_AVAILABLE) == 0;

		if (!busy)
			set_state(owner, OWNER_UNKNOWN, answer->error);
		pg_submit(owner->connection, "ROLLBACK", 0, NULL,
			  busy ? on_gave_way : on_take_refused, owner);
		return;
	}
	if (failed(owner, answer->error))
		return;
	fault_point("owner.taken");
	epoch = strtoll(PQgetvalue(pg_answer_rows(answer), 0, 0), NULL, 10);
	event_log(EVENT_OWNERSHIP_TAKEN, NULL,
		  "this daemon owns the control schema, epoch %" PRId64, epoch);
	become_ours(owner, epoch);
}

static void take(struct owner *owner)
{
	_cleanup_text_ struct text text = TEXT_INIT;
	_cleanup_free_ char *instance = pg_quote_literal(owner->instance);
	_cleanup_free_ char *host = pg_quote_literal(owner->host);
	_cleanup_free_ char *pid = text_format("%d", (int)getpid());

	text_fill(&text, sql_run_owner_take,
		  (const struct text_hole[]){ { "wait", TAKE_WAIT_MS },
					      { "instance", instance },
					      { "host", host },
					      { "pid", pid },
					      { NULL, NULL } });
	pg_submit(owner->connection, text_string(&text), 0, NULL, on_taken, owner);
}

/* A server that lets nobody write may do so by a setting that only new connections get. */
static void wait_until_writable(struct owner *owner)
{
	struct error reason;

	error_set(&reason, ERROR_ENVIRONMENT,
		  "the target is read-only, so the control schema cannot be taken over");
	error_hint(&reason,
		   "it is tried again by itself; is the target a standby, or its disk full?");
	set_state(owner, OWNER_UNKNOWN, &reason);
	settled(owner, &reason);
	look_in(owner, STANDBY_LOOK_MS);
}

static void on_row(void *arg, const struct pg_answer *answer)
{
	struct owner *owner = arg;
	const PGresult *row = pg_answer_rows(answer);
	struct error err;

	if (failed(owner, answer->error))
		return;
	if (PQntuples(row) == 0) {
		error_set(&err, ERROR_INTERNAL, "migrated.owner has lost its row");
		error_hint(&err, "INSERT INTO migrated.owner (epoch) VALUES (a number higher than "
				 "any before)");
		failed(owner, &err);
	} else if (PQgetvalue(row, 0, 1)[0] == 't') {
		become_ours(owner, strtoll(PQgetvalue(row, 0, 0), NULL, 10));
	} else if (PQgetvalue(row, 0, 5)[0] == 't') {
		wait_until_writable(owner);
	} else {
		take(owner);
	}
}

static void ask_row(struct owner *owner)
{
	pg_submit(owner->connection, sql_run_owner_row, 1, (const char *const[]){ owner->instance },
		  on_row, owner);
}

/* --- looking ----------------------------------------------------------------------------------- */

static void on_look(void *arg, const struct pg_answer *answer)
{
	struct owner *owner = arg;
	const PGresult *look = pg_answer_rows(answer);

	if (failed(owner, answer->error))
		return;
	snprintf(owner->backend, sizeof(owner->backend), "%s", PQgetvalue(look, 0, 2));
	if (PQgetvalue(look, 0, 0)[0] != 't')
		not_held(owner, look);
	else if (PQgetvalue(look, 0, 1)[0] == 't')
		ask_row(owner);
	else
		become_ours(owner, 0);
}

static void look(struct owner *owner)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	text_fill(&text, sql_run_owner_look,
		  (const struct text_hole[]){ { "key", LOCK_KEY }, { NULL, NULL } });
	pg_submit(owner->connection, text_string(&text), 0, NULL, on_look, owner);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct owner *owner = arg;

	(void)fd;
	(void)what;
	if (owner->reason.kind == ERROR_ENVIRONMENT)
		pg_connection_reset(owner->connection, owner->reason.message);
	else
		look(owner);
}

void owner_on_connection(struct owner *owner, struct pg_connection *connection, enum pg_state state)
{
	static const struct error none = { 0 };
	bool up = state == PG_READY || state == PG_BUSY;

	owner->connection = connection;
	if (up == owner->linked)
		return;
	owner->linked = up;
	owner->waits = false;
	owner->since_ms = clock_monotonic_ms();
	event_del(owner->again);
	if (up) {
		look(owner);
		return;
	}
	owner->epoch = 0;
	owner->state = OWNER_UNKNOWN;
	owner->reason = none;
}

void owner_settle(struct owner *owner, void (*on_done)(void *arg, const struct error *err),
		  void *arg)
{
	if (owner->state != OWNER_OURS || owner->epoch > 0) {
		on_done(arg, owner->state == OWNER_OURS ? NULL : &owner->reason);
		return;
	}
	owner->on_settled = on_done;
	owner->on_settled_arg = arg;
	ask_row(owner);
}

/* --- life and looks ---------------------------------------------------------------------------- */

struct owner *owner_new(struct event_base *base, const struct pg_connection_settings *target,
			void (*on_change)(void *arg), void *arg)
{
	struct owner *owner = memory_new(sizeof(*owner));
	struct text text = TEXT_INIT;
	_cleanup_free_ char *instance = NULL;

	owner->on_change = on_change;
	owner->arg = arg;
	owner->again = event_new(base, -1, 0, on_again, owner);
	uuid_make(owner->instance);
	if (gethostname(owner->host, sizeof(owner->host) - 1) != 0)
		snprintf(owner->host, sizeof(owner->host), "an unnamed host");
	instance = pg_quote_literal(owner->instance);
	text_append(&text, target->setup_sql);
	text_fill(&text, sql_run_owner_setup,
		  (const struct text_hole[]){ { "key", LOCK_KEY },
					      { "instance", instance },
					      { NULL, NULL } });
	owner->setup_sql = text_steal(&text);
	owner->settings = *target;
	owner->settings.setup_sql = owner->setup_sql;
	return owner;
}

void owner_free(struct owner *owner)
{
	if (owner == NULL)
		return;
	event_free(owner->again);
	free(owner->setup_sql);
	free(owner);
}

const struct pg_connection_settings *owner_connection(const struct owner *owner)
{
	return &owner->settings;
}

enum owner_state owner_state(const struct owner *owner)
{
	return owner->state;
}

int64_t owner_epoch(const struct owner *owner)
{
	return owner->epoch;
}

const struct error *owner_reason(const struct owner *owner)
{
	return &owner->reason;
}
