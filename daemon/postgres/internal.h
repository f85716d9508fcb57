/*
 * What the files of this room share, and nobody else includes: the inside of a connection, and how
 * a driver takes hold of its link.
 *
 * connection.c owns the link, its events and its state; setup.c makes a new link fit for use, and
 * watch.c notices that a busy one has died or stands still. None of them knows what is said on the
 * link: that is the driver's, of which there is at most one at a time: the query that is running
 * (query.c) or a pump (pump.c).
 */
#ifndef DAEMON_POSTGRES_INTERNAL_H
#define DAEMON_POSTGRES_INTERNAL_H

#include <sys/queue.h>

#include "postgres/connection.h"

struct query;
TAILQ_HEAD(query_list, query);

/* Who speaks on the link. None of these is called after pg_release() or after on_lost. */
struct pg_driver {
	void (*on_input)(void *arg); /* libpq has new input */
	void (*on_flushed)(
		void *arg); /* everything that waited to be sent has been sent; may be NULL */
	void (*on_lost)(void *arg, const struct error *err); /* the link is gone already */
	/* Is it the server's turn to say something? NULL: always. */
	bool (*awaits)(void *arg);
};

/* A server process of ours; pid 0: not known. */
struct pg_backend {
	int pid;
	int64_t start_us;
};

#define PG_PREDECESSORS 8

/* Failed attempts in a row, so that they need not be logged one by one. */
struct pg_failures {
	int64_t count;
	int64_t first_ms;
	int64_t logged_ms;
};

struct pg_connection {
	struct pg_connection *host; /* of a guest, which is nothing but that; NULL: none is */
	struct event_base *base;
	struct pg_connection_settings settings;
	pg_on_state *on_state;
	void *arg;

	enum pg_state state;
	struct error last_error;
	struct pg_failures failures;
	int64_t delay_ms;   /* before the next attempt; grows with every failure */
	int64_t attempt_ms; /* when the last attempt began */
	int64_t ready_ms;   /* when it was last made */
	int64_t times_made;
	int64_t setup_sent_ms;
	int64_t round_trip_ms; /* of the setup; no more than that is known of the way */
	int64_t since_us;      /* when it came into its state, READY and BUSY being one */
	int64_t away_us;       /* since when there is none; 0: it is up */

	PGconn *link;		/* NULL in DOWN, WAITING and CLOSED */
	struct event *io_event; /* for both directions: see watch() in link.c */
	short watched;		/* what io_event is pending for, once connected */
	struct event *timer;	/* of the state: the deadline of connecting, or the backoff */
	struct event *kick;	/* something to do that must not be done on the caller's stack */
	struct error parting;	/* the FATAL message after which the server closes the link */
	uint64_t notice_count;
	bool link_is_dead; /* libpq has closed the socket; pg_lose() follows from the loop */

	/* Setup (setup.c). */
	struct pg_backend backend; /* of the present link, once it has said who it is */
	struct pg_backend predecessors[PG_PREDECESSORS]; /* of lost links; may live on */
	size_t predecessor_count;
	int64_t predecessor_ms; /* since when this link waits for them to go */
	bool may_not_end_them;

	/* Watching (watch.c). */
	bool owes_acknowledgements; /* no tcp_user_timeout of the administrator's sees to it */
	struct event *tick;	    /* while BUSY; and of the setup */
	int64_t moved_ms;	    /* when a byte last moved, or was not awaited */
	int64_t acknowledged_ms;    /* until when nothing was owed an acknowledgement */
	struct inquiry *inquiry;    /* somebody is asking what the backend does */
	int64_t asked_ms;	    /* when the last answer to that came */
	const char *stall_reason;   /* what the answer was, if it is fatal unless something moves */

	const struct pg_driver *driver;
	void *driver_arg;

	/* Taking turns (transaction.c). */
	bool within;   /* a transaction around all others has begun */
	bool reserved; /* what guests submit waits in `deferred` */

	struct query *running;
	struct query_list sent;	    /* behind it, in a pipeline: they are answered next */
	bool piped;		    /* the running one is in a pipeline */
	struct query_list queue;    /* submitted */
	struct query_list deferred; /* submitted by guests while it is reserved */
	struct query_list finished; /* their answers are known, their callbacks not called yet */
};

/* Itself, or the connection whose guest it is. */
static inline struct pg_connection *pg_host(const struct pg_connection *connection)
{
	return connection->host ? connection->host : (struct pg_connection *)connection;
}

/* --- connection.c --- */

/* The one place where the state changes. `err` says why when it is for the worse. */
void pg_set_state(struct pg_connection *connection, enum pg_state state, const struct error *err);

/* Gives the link up and answers for it: the driver and every query get `err`. */
void pg_lose(struct pg_connection *connection, const struct error *err);

/* Makes the caller the driver. The link is idle: between queries, or READY. */
void pg_hold(struct pg_connection *connection, const struct pg_driver *driver, void *arg);
/* Back from the driver, who has read every result: the connection is READY unless queries wait. */
void pg_release(struct pg_connection *connection);

/* --- setup.c --- */

/* Tells a new link what it has to know, learns who its backend is, and ends those before it;
   on_done with an error when it cannot be used. */
void pg_setup_start(struct pg_connection *connection);
/* The end of it. */
void pg_setup_done(struct pg_connection *connection, const struct error *err);
/* The timer, while SETTING_UP. */
void pg_setup_tick(struct pg_connection *connection);
/* The link is going without having said goodbye. */
void pg_remember_backend(struct pg_connection *connection);

/* --- watch.c --- */

/* The link is BUSY from now on; it is watched until it is no more. */
void pg_watch_begin(struct pg_connection *connection);
void pg_watch_tick(struct pg_connection *connection);
/* The link is gone. */
void pg_watch_end(struct pg_connection *connection);
/* Something was sent or has arrived. */
void pg_watch_moved(struct pg_connection *connection);

/* --- link.c --- */

/* Begins a link as PQconnectStart() does. False when not even that was possible. */
bool pg_link_start(struct pg_connection *connection, struct error *err) _warn_unused_;
/* Ends it; nobody is told. */
void pg_link_drop(struct pg_connection *connection);

/* Reads what has arrived. False: the link is dead; what it still said can be parsed, and pg_lose()
   follows from the loop. */
bool pg_consume(struct pg_connection *connection);
/* Sends what is waiting. False: not all of it could be sent, and on_flushed will follow, or
   on_lost. */
bool pg_flush(struct pg_connection *connection);
/* Starts and stops reading: a driver that cannot take more input holds the sender back this way. */
void pg_read_resume(struct pg_connection *connection);
void pg_read_pause(struct pg_connection *connection);

/* Did libpq make this result up, because the link is gone? Then pg_lose() follows, in better
   words. */
bool pg_is_made_up(const struct pg_connection *connection, const PGresult *result);
/* Keeps the message after which the server closes the link: it tells more than the end itself
   does. */
void pg_note_fatal(struct pg_connection *connection, const PGresult *result);

/* Which database it leads to, for the log: "source" or "target". */
const char *pg_database(const struct pg_connection *connection);

/* --- query.c --- */

/* Starts the next query if the link is free for it. */
void pg_queue_advance(struct pg_connection *connection);
/* Runs a statement of the setup, ahead of the queue. */
void pg_queue_run_first(struct pg_connection *connection, const char *sql, pg_on_answer *on_answer,
			void *arg);
/* Gives every unanswered query this error, to be answered by pg_queue_answer(). */
void pg_queue_fail(struct pg_connection *connection, const struct error *err);
/* Calls the callbacks that are due. A callback may close the connection. */
void pg_queue_answer(struct pg_connection *connection);
/* What guests have submitted meanwhile takes its turn. */
void pg_queue_admit(struct pg_connection *connection);
bool pg_queue_is_empty(const struct pg_connection *connection);
/* Throws away whatever was submitted to a connection that is closed already. */
void pg_queue_done(struct pg_connection *connection);

/* --- errors.c --- */

/* What libpq says of a connection that could not be made, with verbosity PQERRORS_VERBOSE: kind
   by the SQLSTATE in it, and only words that cannot hold a part of the connection string. */
void pg_error_from_connecting(struct error *err, const char *libpq_message);
/* What libpq says of a link that is gone; always ERROR_CONNECTION. */
void pg_error_from_link(struct error *err, const char *libpq_message);

/* As pg_error_from_result(); what is wrong with the server itself (a full disk) says of which. */
void pg_error_of_connection(const struct pg_connection *connection, struct error *err,
			    const PGresult *result);

#endif
