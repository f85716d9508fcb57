/*
 * The audit: every call on the control socket goes into migrated.command_audit, by whichever daemon it was made to.
 *
 * Records are kept in memory (audit_buffer.h) and written about once a second, over a connection of their own, so that nothing
 * that a session does holds them up. A call that operates is written at once, and answered when its record is in the store; it
 * is answered without if the store cannot be reached, or takes longer than three seconds. What cannot be written, since the store is
 * away or there is no control schema yet, is written later.
 */
#ifndef DAEMON_CONTROL_AUDIT_H
#define DAEMON_CONTROL_AUDIT_H

#include <event2/event.h>

#include "control/control.h"
#include "postgres/connection.h"
#include "run/engine.h"

struct audit;

/* The engine is borrowed, for its configuration and for whether the target can be reached. */
struct audit *audit_new(struct event_base *base, struct engine *engine);
/* NULL is allowed. What is not written is lost, which is logged. */
void audit_free(struct audit *audit);

/* Is nothing asked of the store just now? Then the connection can be made anew, if the configuration's settings for it have changed. */
bool audit_is_still(const struct audit *audit);
void audit_renew(struct audit *audit);

/* For control_settings.on_record; arg is the audit. */
bool audit_record(void *audit, const struct control_record *record);

/* Answers whoever still waits; to be called before control_free(). */
void audit_let_go(struct audit *audit);

/* Turns the loop until everything is written, for a moment at most. */
void audit_finish(struct audit *audit);

/* Asks the store when what was recorded so far is written, or cannot be soon; over a connection of its own, as it may take long.
   Everything is copied. Answered with NULL when `relation`, which is asked about, is not there. */
struct audit_inquiry {
	const char *relation;
	const char *sql;
	size_t value_count;
	const char *const *values;
	pg_on_answer *on_answer;
	void *arg;
};
void audit_ask(struct audit *audit, const struct audit_inquiry *inquiry);

#endif
