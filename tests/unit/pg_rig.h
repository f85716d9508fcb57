/*
 * What the tests of daemon/postgres stand on: a loop with a time limit, connections whose events
 * are recorded, and a relay before the real server, by which a test breaks, stalls or stops it at a
 * moment of its choice.
 *
 * The servers are named by MIGRATED_TEST_PG_SOURCE and MIGRATED_TEST_PG_TARGET (conninfo); a test
 * that needs one skips when it is not there. Nothing but temporary tables is made on them.
 */
#ifndef TESTS_UNIT_PG_RIG_H
#define TESTS_UNIT_PG_RIG_H

#include "tests/unit/testing.h"

#include <event2/event.h>
#include <stdbool.h>

#include "postgres/connection.h"

/* The variable's value; skips the test when it is unset. */
const char *rig_server(const char *variable);
#define RIG_SOURCE "MIGRATED_TEST_PG_SOURCE"
#define RIG_TARGET "MIGRATED_TEST_PG_TARGET"

/* Runs the loop until *counter is at least `wanted`; fails the test after a minute. */
void rig_wait(struct event_base *base, const int *counter, int wanted);
/* Runs the loop for so long, whatever happens. */
void rig_run(struct event_base *base, int ms);

/* Setup and teardown of a test whose state is an event base; closed objects get their last turn. */
int rig_make_base(void **state);
int rig_free_base(void **state);
void rig_base_free(struct event_base *base);

/* Logs from here on, where nobody sees it but the journal's ring; returns its last number
   before. */
uint64_t rig_begin_log(int max_priority);
void rig_end_log(void);

/* --- a connection and what it told ------------------------------------------------------------ */

struct rig_link {
	struct event_base *base;
	struct pg_connection *connection;
	int entered[PG_CLOSED + 1]; /* how often each state was told */
	struct error last;	    /* the last error told */
};

/* Opens a connection and waits until it is READY. With `reconnect`, quickly. */
void rig_open(struct rig_link *link, struct event_base *base, const char *name,
	      const char *conninfo);
/* The same without waiting. */
void rig_begin(struct rig_link *link, struct event_base *base, const char *name,
	       const char *conninfo, const char *setup_sql, int connect_timeout_ms);

/* --- answers ---------------------------------------------------------------------------------- */

struct rig_answer {
	int count; /* how often the callback was called: 1 is right */
	size_t results;
	char value[256]; /* first column of the first row of the last rows */
	struct error error;
};

pg_on_answer rig_on_answer; /* arg: struct rig_answer */

/* Submits a simple query and waits for its answer. */
void rig_query(struct rig_link *link, const char *sql, struct rig_answer *ret_answer);
/* The same for one that must succeed, and for one whose value is known. */
void rig_must(struct rig_link *link, const char *sql);
void rig_assert_value(struct rig_link *link, const char *sql, const char *expected);

/* --- the relay -------------------------------------------------------------------------------- */

struct rig_relay;

/* Listens on a loopback port of its own and passes on to the server of `conninfo`. */
struct rig_relay *rig_relay_new(struct event_base *base, const char *conninfo);
void rig_relay_free(struct rig_relay *relay);
/* The conninfo by which the relay is reached; the relay's. */
const char *rig_relay_conninfo(const struct rig_relay *relay);
/* Cuts every connection. */
void rig_relay_cut(struct rig_relay *relay);
/* Refuses connections from now on, or accepts them again. */
void rig_relay_refuse(struct rig_relay *relay, bool refuse);
/* Reads nothing of what clients send, or reads again. */
void rig_relay_stall(struct rig_relay *relay, bool stall);
/* Cuts a connection as soon as its client has sent something (the startup packet). */
void rig_relay_cut_at_startup(struct rig_relay *relay, bool cut);
/* Answers the startup packet itself, with an ErrorResponse of this SQLSTATE and message, or
   (NULL) not at all. */
void rig_relay_answer(struct rig_relay *relay, bool answer, const char *sqlstate,
		      const char *message);
/* The number of connections that were made to it. */
int rig_relay_accepted(const struct rig_relay *relay);

#endif
