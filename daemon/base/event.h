/*
 * The events that are worth a page: each with a name, a MESSAGE_ID by which the journal finds it and its text in the
 * message catalog (systemd/migrated.catalog), the priority it is logged with, and whether people are alerted of it.
 *
 * Priorities: err, somebody must act; warning, somebody should look; notice, normal but significant. What is no row here is
 * logged by common/log.h: progress, and what goes with an event.
 */
#ifndef DAEMON_BASE_EVENT_H
#define DAEMON_BASE_EVENT_H

#include <stdbool.h>

#include "common/log.h"

enum event_kind {
	EVENT_NONE, /* a line like others */

	/* The daemon. */
	EVENT_STARTED,
	EVENT_STOPPED,
	EVENT_START_FAILED,
	EVENT_STOP_FORCED,
	EVENT_RELOADED,
	EVENT_RELOAD_REFUSED,
	EVENT_CONFIGURATION_WARNING,
	EVENT_WATCHDOG_UNHEALTHY,
	EVENT_ALERT_FAILED,

	/* The databases. */
	EVENT_DATABASE_LOST,
	EVENT_DATABASE_DENIED,
	EVENT_DATABASE_BACK,
	EVENT_LINK_STALLED,
	EVENT_SOURCE_CHANGED,
	EVENT_SCHEMA_UPGRADED,
	EVENT_MAPPING_PROBLEM,
	EVENT_ID_MAP_DAMAGED,
	EVENT_THROTTLED,
	EVENT_THROTTLE_RELEASED,

	/* Whose the control schema is. */
	EVENT_STANDBY,
	EVENT_OWNERSHIP_TAKEN,
	EVENT_OWNERSHIP_LOST,

	/* Sessions. */
	EVENT_SESSION_STARTED,
	EVENT_SESSION_TAKEN_UP,
	EVENT_SESSION_COMPLETED,
	EVENT_SESSION_COMPLETED_WITH_FINDINGS,
	EVENT_SESSION_FAILED,
	EVENT_SESSION_CANCELLED,
	EVENT_SESSION_PAUSED_BY_OPERATOR,
	EVENT_SESSION_PAUSED_BY_BREAKER,
	EVENT_SESSION_PAUSED_BY_TIMEOUT,
	EVENT_SESSION_PAUSED_BY_ENVIRONMENT,
	EVENT_SESSION_RESUMED,
	EVENT_SESSION_RECOVERED,
	EVENT_ENTITY_STOPPED,

	/* Rows. */
	EVENT_DEAD_LETTER_KIND,
	EVENT_DEAD_LETTER,
	EVENT_RULE_BROKEN,

	/* Validations and cycles. */
	EVENT_VALIDATION_DIFFERENCES,
	EVENT_VALIDATION_FAILED,
	EVENT_CYCLE_FAILED,
	EVENT_LAG_EXCEEDED,
	EVENT_IN_STEP_AGAIN,

	/* The control socket. */
	EVENT_ACCESS_REFUSED,
	EVENT_CONNECTION_LIMIT,
	EVENT_DESCRIPTORS_EXHAUSTED,
	EVENT_AUDIT_DELAYED,
	EVENT_AUDIT_LOST,

	EVENT_COUNT,
};

/* Within a minute, which ones of the same event and the same fields are counted instead of told (base/repeats.h). */
enum event_repeats {
	REPEATS_SAME_WORDS, /* those that say the same */
	REPEATS_ANY_WORDS,  /* all: what may come often, in ever other words */
	REPEATS_ARE_TOLD,   /* none: the last of them says how things stand */
};

struct event_description {
	const char *name; /* "session-failed" */
	const char *
		message_id; /* 128 bits in hex; made once, never changed, never used for anything else */
	int priority;	    /* syslog's */
	bool alerts;	    /* the alert command is run */
	enum event_repeats repeats;
};

/* EVENT_NONE has neither name nor id. */
const struct event_description *event_describe(enum event_kind kind);

/* EVENT_NONE: there is none of that name. */
enum event_kind event_of_name(const char *name);

/* Logs an event with its priority. Fields may be NULL. (base/journal.c) */
void event_log(enum event_kind kind, const struct log_fields *fields, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Logs an error as an event, with its own fields where it has them, else with these. */
void event_log_error(enum event_kind kind, const struct log_fields *fields,
		     const struct error *err);

#endif
