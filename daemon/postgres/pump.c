/*
 * The pump as two sides, each driving one link through STARTING ▶ COPYING ▶ ENDING ▶ DONE, and
 * one advance() that decides, after whatever happened, what can be done next.
 *
 * Rows come from libpq one by one; they go on in chunks, because a COPY's messages need not be
 * aligned with its rows on the way in, and larger ones go faster (64 KiB a third faster than 8).
 * Between two readings of the source libpq is emptied of rows, so that its input buffer does not
 * outgrow the widest row; and when the target's socket is full nothing is read at all.
 */
#include "postgres/pump.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/deferred.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "postgres/internal.h"

#define CHUNK_BYTES 65536
#define TURN_BYTES (256 * 1024) /* one turn of the loop, so that others get theirs */
#define TURN_MS 5
#define DISCARD_BYTES (INT64_C(64) * 1024 * 1024)
#define DISCARD_MS 2000
#define SUSPICION_MS 20

/* Our reason in the target's "COPY from stdin failed: …" when we only wanted to see what it has
   to say. */
#define ASK_REASON "input arrived during the copy"

enum side_state { SIDE_STARTING, SIDE_COPYING, SIDE_ENDING, SIDE_DONE };

struct side {
	struct pump *pump;
	struct pg_connection *connection; /* NULL: lost or given back */
	ExecStatusType copy_status;	  /* that its COPY begins with */
	enum side_state state;
	int format;
	int columns;
	int64_t rows; /* by the command tag; -1: none yet */
};

struct pump {
	struct event_base *base;
	struct side source, target;
	pump_on_done *on_done;
	void *arg;

	struct event *turn;	 /* goes on in the next turn of the loop */
	struct event *suspicion; /* looks at what the target may have said */
	struct event *patience;	 /* with the rest of the source after a failure */
	bool advancing;
	bool finished;

	char *chunk;
	size_t chunk_length;
	int64_t bytes;
	int64_t moved_ms;
	bool target_is_full;
	uint64_t seen_notices;

	struct error error; /* the first one */
	bool source_failed, target_failed;
	int64_t discarded_bytes;
	int64_t failed_ms;
};

static void advance(struct pump *pump);

static PGconn *side_link(const struct side *side)
{
	return side->connection ? side->connection->link : NULL;
}

/* By a timer, not event_active(): that would run us again in this very turn, before anybody
   else. */
static void go_on_next_turn(struct pump *pump)
{
	static const struct timeval now = { 0, 0 };

	event_add(pump->turn, &now);
}

static bool has_failed(const struct pump *pump)
{
	return pump->error.kind != ERROR_NONE;
}

/* The first error is the cause; what follows from it is not worth telling. */
static void fail(struct pump *pump, const struct side *side, const struct error *err)
{
	if (has_failed(pump))
		return;
	pump->error = *err;
	pump->source_failed = side == &pump->source;
	pump->target_failed = side == &pump->target;
	pump->failed_ms = clock_monotonic_ms();
}

/* --- results ---------------------------------------------------------------------------------- */

static void begin_copy(struct side *side, const PGresult *result)
{
	side->state = SIDE_COPYING;
	side->format = PQbinaryTuples(result);
	side->columns = PQnfields(result);
	if (side == &side->pump->target)
		side->pump->seen_notices = side->connection->notice_count;
}

static void take_error(struct side *side, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	struct error err;

	pg_note_fatal(side->connection, result);
	pg_error_of_connection(side->connection, &err, result);
	if (message && strstr(message, ASK_REASON)) /* it had nothing to say */
		error_set(&err, ERROR_TRANSIENT,
			  "the target sent something unexpected during a COPY");
	fail(side->pump, side, &err);
}

/* A COPY of the wrong kind, or a second one. */
static void refuse_copy(struct side *side)
{
	struct error err;

	error_set(&err, ERROR_INTERNAL, "a statement of the pump is not the COPY it should be");
	fail(side->pump, side, &err);
	pg_connection_reset(side->connection, "unexpected COPY");
}

static void take_result(struct side *side, const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	switch (status) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
		if (side->state == SIDE_ENDING &&
		    strncmp(PQcmdStatus((PGresult *)result), "COPY ", 5) == 0)
			side->rows = strtoll(PQcmdTuples((PGresult *)result), NULL, 10);
		break;
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		if (status == side->copy_status && side->state == SIDE_STARTING)
			begin_copy(side, result);
		else
			refuse_copy(side);
		break;
	default:
		take_error(side, result);
		break;
	}
}

static void end_of_results(struct side *side)
{
	struct error err;

	if (side->state == SIDE_STARTING) {
		error_set(&err, ERROR_INTERNAL, "a statement of the pump is no COPY");
		fail(side->pump, side, &err);
	} else if (side->rows < 0) {
		error_set(&err, ERROR_PROTOCOL, "a COPY ended without a word about its end");
		fail(side->pump, side, &err);
	}
	side->state = SIDE_DONE;
}

static void take_results(struct side *side)
{
	while (side_link(side) && (side->state == SIDE_STARTING || side->state == SIDE_ENDING) &&
	       !PQisBusy(side_link(side))) {
		PGresult *result = PQgetResult(side_link(side));
		bool lost = result && pg_is_made_up(side->connection, result);

		if (!result)
			end_of_results(side);
		else if (!lost)
			take_result(side, result);
		PQclear(result);
		if (lost)
			return;
	}
}

/* --- the target ------------------------------------------------------------------------------- */

/* Ends the target's COPY: as complete, or with the reason why it is not to be. */
static void end_target(struct pump *pump, const char *reason)
{
	struct side *target = &pump->target;

	target->state = SIDE_ENDING;
	PQputCopyEnd(side_link(target), reason); /* what goes wrong here is told by the results */
	pg_flush(target->connection);
	take_results(target);
}

/*
 * Something arrived from the target in the middle of its COPY. libpq parses notices then, but
 * leaves an error alone until the COPY is ended (pqParseInput3), so that a load could go on for
 * hours that failed at its first row. What was no notice is most likely an error; after a moment,
 * in which the rest of a notice would have come, the COPY is ended on purpose to hear it.
 */
static void note_target_input(struct pump *pump)
{
	const struct pg_connection *connection = pump->target.connection;
	struct timeval delay = { .tv_usec = SUSPICION_MS * 1000 };

	PQisBusy(connection->link);
	if (connection->notice_count != pump->seen_notices) {
		pump->seen_notices = connection->notice_count;
		event_del(pump->suspicion);
	} else if (!event_pending(pump->suspicion, EV_TIMEOUT, NULL)) {
		event_add(pump->suspicion, &delay);
	}
}

static void on_suspicion(evutil_socket_t fd, short what, void *arg)
{
	struct pump *pump = arg;

	(void)fd;
	(void)what;
	if (pump->target.state == SIDE_COPYING && side_link(&pump->target) &&
	    pump->target.connection->notice_count == pump->seen_notices)
		end_target(pump, ASK_REASON);
	advance(pump);
}

static bool has_input(PGconn *link)
{
	int waiting = 0;

	return ioctl(PQsocket(link), FIONREAD, &waiting) == 0 && waiting > 0;
}

static void put(struct pump *pump, const char *data, size_t length)
{
	struct side *target = &pump->target;
	struct error err;

	/* When the socket is full libpq reads, too, and then no event tells of what it has read. */
	if (has_input(side_link(target)) && pg_consume(target->connection))
		note_target_input(pump);
	if (PQputCopyData(side_link(target), data, (int)length) != 1 &&
	    PQstatus(side_link(target)) == CONNECTION_OK) {
		pg_error_from_link(&err, PQerrorMessage(side_link(target)));
		err.kind = ERROR_INTERNAL;
		fail(pump, target, &err);
		return;
	}
	pump->bytes += (int64_t)length;
	pump->moved_ms = clock_monotonic_ms();
	pump->target_is_full = !pg_flush(target->connection);
}

static void put_chunk(struct pump *pump)
{
	if (pump->chunk_length > 0 && !has_failed(pump))
		put(pump, pump->chunk, pump->chunk_length);
	pump->chunk_length = 0;
}

/* --- the source ------------------------------------------------------------------------------- */

static void pass_on(struct pump *pump, const char *row, size_t length)
{
	if (pump->chunk_length + length > CHUNK_BYTES)
		put_chunk(pump);
	if (has_failed(pump)) {
		pump->discarded_bytes += (int64_t)length;
	} else if (length > CHUNK_BYTES) {
		put(pump, row, length);
	} else {
		memcpy(pump->chunk + pump->chunk_length, row, length);
		pump->chunk_length += length;
	}
}

/* The next row, after reading more input if need be: its length, 0 when there is none yet,
   negative at the end. */
static int next_row(struct side *source, char **row)
{
	int length = PQgetCopyData(side_link(source), row, 1);

	if (length != 0)
		return length;
	pg_consume(source->connection);
	return PQgetCopyData(side_link(source), row, 1);
}

static bool may_pass_on(const struct pump *pump)
{
	return has_failed(pump) || !pump->target_is_full;
}

/* Moves rows until there are none, the target's socket is full, or it is somebody else's turn. */
static void move_rows(struct pump *pump)
{
	int64_t until = clock_monotonic_ms() + TURN_MS;
	size_t moved = 0;

	while (may_pass_on(pump)) {
		char *row;
		int length = next_row(&pump->source, &row);

		if (length <= 0) {
			put_chunk(pump);
			if (length < 0)
				pump->source.state = SIDE_ENDING;
			return;
		}
		pass_on(pump, row, (size_t)length);
		PQfreemem(row);
		moved += (size_t)length;
		if (moved >= TURN_BYTES || clock_monotonic_ms() >= until) {
			go_on_next_turn(pump);
			return;
		}
	}
}

/* --- both ------------------------------------------------------------------------------------- */

static bool are_compatible(struct pump *pump)
{
	const struct side *source = &pump->source, *target = &pump->target;
	struct error err;

	if (source->format == target->format && source->columns == target->columns)
		return true;
	error_set(&err, ERROR_INTERNAL,
		  "the source sends %d columns as %s, the target expects %d as %s", source->columns,
		  source->format ? "binary" : "text", target->columns,
		  target->format ? "binary" : "text");
	fail(pump, NULL, &err);
	return false;
}

static void copy(struct pump *pump)
{
	struct side *source = &pump->source, *target = &pump->target;

	if (target->state != SIDE_COPYING)
		return;
	if (source->state == SIDE_COPYING && are_compatible(pump)) {
		move_rows(pump);
		take_results(source);
	}
	if (source->state == SIDE_DONE && !has_failed(pump))
		end_target(pump, NULL);
}

/* After a failure the source is read to its end only if that is near. */
static void discard_rest(struct pump *pump)
{
	struct side *source = &pump->source;
	int64_t rest_ms = pump->failed_ms + DISCARD_MS - clock_monotonic_ms();

	if (source->state == SIDE_COPYING)
		move_rows(pump);
	take_results(source);
	if (source->state == SIDE_DONE)
		return;
	if (pump->discarded_bytes > DISCARD_BYTES || rest_ms <= 0) {
		pg_connection_reset(source->connection,
				    "the copy has failed, and its rest would take too long");
	} else {
		struct timeval rest = { .tv_sec = rest_ms / 1000,
					.tv_usec = rest_ms % 1000 * 1000 };

		event_add(pump->patience, &rest);
	}
}

static void wind_up(struct pump *pump)
{
	if (pump->target.state == SIDE_COPYING)
		end_target(pump, pump->error.message);
	if (pump->source.state != SIDE_DONE)
		discard_rest(pump);
}

/* Does not read from the source what could not be passed on. */
static void regulate_source(const struct pump *pump)
{
	bool held_back = !has_failed(pump) && pump->source.state == SIDE_COPYING &&
			 (pump->target.state != SIDE_COPYING || pump->target_is_full);

	if (!pump->source.connection)
		return;
	if (held_back)
		pg_read_pause(pump->source.connection);
	else
		pg_read_resume(pump->source.connection);
}

static void compare_counts(struct pump *pump)
{
	struct error err;

	if (pump->source.rows == pump->target.rows)
		return;
	error_set(&err, ERROR_INTERNAL, "the source sent %lld rows, the target took %lld",
		  (long long)pump->source.rows, (long long)pump->target.rows);
	fail(pump, NULL, &err);
}

/* The connection's owner is told that it is READY, and may close the other one on hearing it. */
static void give_back(struct side *side)
{
	struct pg_connection *connection = side->connection;

	side->connection = NULL;
	if (connection)
		pg_release(connection);
}

static void release_pump(void *object)
{
	struct pump *pump = object;

	event_free(pump->turn);
	event_free(pump->suspicion);
	event_free(pump->patience);
	free(pump->chunk);
	free(pump);
}

static void finish(struct pump *pump)
{
	struct pump_result result = { .bytes = pump->bytes };

	pump->finished = true;
	event_del(pump->turn);
	event_del(pump->suspicion);
	event_del(pump->patience);
	if (!has_failed(pump))
		compare_counts(pump);
	give_back(&pump->source);
	give_back(&pump->target);
	result.rows = pump->target.rows > 0 ? pump->target.rows : 0;
	result.source_failed = pump->source_failed;
	result.target_failed = pump->target_failed;
	result.error = has_failed(pump) ? &pump->error : NULL;
	pump->on_done(pump->arg, &result);
	deferred_free(pump->base, release_pump, pump);
}

static void advance(struct pump *pump)
{
	if (pump->advancing || pump->finished)
		return;
	pump->advancing = true;
	if (!has_failed(pump))
		copy(pump);
	if (has_failed(pump))
		wind_up(pump);
	regulate_source(pump);
	pump->advancing = false;
	if (pump->source.state == SIDE_DONE && pump->target.state == SIDE_DONE)
		finish(pump);
}

/* --- what happens to it ----------------------------------------------------------------------- */

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	advance(arg);
}

static void on_input(void *arg)
{
	struct side *side = arg;

	if (side == &side->pump->target && side->state == SIDE_COPYING)
		note_target_input(side->pump);
	else
		take_results(side);
	advance(side->pump);
}

static void on_flushed(void *arg)
{
	struct side *side = arg;

	if (side == &side->pump->target)
		side->pump->target_is_full = false;
	advance(side->pump);
}

static void on_lost(void *arg, const struct error *err)
{
	struct side *side = arg;

	side->connection = NULL;
	side->state = SIDE_DONE;
	fail(side->pump, side, err);
	advance(side->pump);
}

/* While rows pass, only the source has something to say; and not while it is held back, which
   nobody reads then. */
static bool awaits(void *arg)
{
	const struct side *side = arg;

	return side->state == SIDE_STARTING || side->state == SIDE_ENDING ||
	       (side->state == SIDE_COPYING && side == &side->pump->source);
}

static const struct pg_driver side_driver = {
	.on_input = on_input,
	.on_flushed = on_flushed,
	.on_lost = on_lost,
	.awaits = awaits,
};

/* --- for everybody ---------------------------------------------------------------------------- */

static bool is_idle(const struct pg_connection *connection)
{
	return connection->state == PG_READY && !connection->driver &&
	       pg_queue_is_empty(connection);
}

static void start_side(struct side *side, const char *sql)
{
	struct pump *pump = side->pump;
	PGconn *link = side_link(side);
	struct error err;

	if (!link)
		return;
	if (!PQsendQuery(link, sql) && PQstatus(link) == CONNECTION_OK) {
		pg_error_from_link(&err, PQerrorMessage(link));
		err.kind = ERROR_INTERNAL;
		fail(pump, side, &err);
		side->state = SIDE_DONE;
		return;
	}
	pg_flush(side->connection);
}

static void hold_side(struct side *side, struct pg_connection *connection)
{
	side->connection = connection;
	side->state = SIDE_STARTING;
	pg_hold(connection, &side_driver, side);
}

static struct pump *pump_new(struct event_base *base, pump_on_done *on_done, void *arg)
{
	struct pump *pump = memory_new(sizeof *pump);

	pump->base = base;
	pump->on_done = on_done;
	pump->arg = arg;
	pump->source = (struct side){ pump, NULL, PGRES_COPY_OUT, SIDE_DONE, 0, 0, -1 };
	pump->target = (struct side){ pump, NULL, PGRES_COPY_IN, SIDE_DONE, 0, 0, -1 };
	pump->turn = evtimer_new(base, on_turn, pump);
	pump->patience = evtimer_new(base, on_turn, pump);
	pump->suspicion = evtimer_new(base, on_suspicion, pump);
	pump->chunk = memory_new(CHUNK_BYTES);
	pump->moved_ms = clock_monotonic_ms();
	return pump;
}

struct pump *pump_start(struct pg_connection *source, const char *source_sql,
			struct pg_connection *target, const char *target_sql, pump_on_done *on_done,
			void *arg)
{
	struct pump *pump = pump_new(source->base, on_done, arg);
	struct error err;

	pump->advancing = true; /* nothing is answered before this returns */
	if (source != target && is_idle(source) && is_idle(target)) {
		hold_side(&pump->source, source);
		hold_side(&pump->target, target);
		start_side(&pump->source, source_sql);
		start_side(&pump->target, target_sql);
	} else {
		error_set(&err, ERROR_CONNECTION,
			  "a copy needs two idle connections, the %s is %s, the %s %s",
			  source->settings.name, pg_state_name(source->state),
			  target->settings.name, pg_state_name(target->state));
		fail(pump, NULL, &err);
	}
	pump->advancing = false;
	go_on_next_turn(pump);
	return pump;
}

void pump_cancel(struct pump *pump, const char *reason)
{
	struct error err;

	error_set(&err, ERROR_CANCELLED, "%s", reason);
	fail(pump, NULL, &err);
	go_on_next_turn(pump);
}

int64_t pump_bytes(const struct pump *pump)
{
	return pump->bytes;
}

int64_t pump_idle_ms(const struct pump *pump)
{
	return clock_monotonic_ms() - pump->moved_ms;
}
