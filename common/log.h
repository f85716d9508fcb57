/*
 * The log as every room sees it: a priority, a message, and the fields a journal can be searched by.
 *
 * This is an interface only. Each program links a sink of its own: the daemon writes to the journal
 * (daemon/base/journal.c), or to stderr when it is not started by systemd; the client to stderr
 * (ctl/log.c). A row's values are never logged.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <syslog.h>

#include "common/error.h"

/* Fields of one event; all may be NULL. Strings are borrowed for the call. */
struct log_fields {
	const char *session;
	const char *entity;
	const char *database; /* "source" or "target" */
	const char *legacy_key;
	const char *sqlstate;
	const char *phase;
};

/* Writes one event. The priority is one of syslog's: LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG. */
void log_event(int priority, const struct log_fields *fields, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Logs an error with its fields: message, SQLSTATE, entity, legacy key, phase and hint. */
void log_error(int priority, const struct error *err);

/* Likewise; what the error does not name is taken from these fields. */
void log_error_of(int priority, const struct log_fields *fields, const struct error *err);

#define log_warning(...) log_event(LOG_WARNING, NULL, __VA_ARGS__)
#define log_notice(...) log_event(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_info(...) log_event(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...) log_event(LOG_DEBUG, NULL, __VA_ARGS__)

#endif
