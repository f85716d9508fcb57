/*
 * An error as it travels from the place that noticed it to the one that answers for it.
 *
 * Callees fill it, callers add context, and only the boundary of a request or of a run logs it.
 * It owns no memory, so it can be copied, kept in an object and thrown away freely. It never holds
 * a row's values, a password or a connection string.
 */
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

#include <stdbool.h>

/* What an error asks of whoever receives it. */
enum error_kind {
	ERROR_NONE = 0,
	ERROR_USAGE,	   /* a request that makes no sense: say so to its sender */
	ERROR_CONFIG,	   /* the configuration is wrong: an administrator edits it */
	ERROR_NOT_FOUND,   /* no such session, entity, analysis */
	ERROR_DENIED,	   /* the peer, or our database role, may not do this */
	ERROR_CONNECTION,  /* the connection is gone: reconnect, resolve the commit, resume */
	ERROR_TRANSIENT,   /* deadlock, serialization, lock timeout: try the transaction again */
	ERROR_BUSY,	   /* server starting, too many connections: back off */
	ERROR_ENVIRONMENT, /* disk full, read-only: pause with the reason and probe */
	ERROR_DATA,	   /* a row is at fault: isolate it */
	ERROR_STRUCTURE,   /* the schema does not fit the mapping: stop the entity */
	ERROR_CANCELLED,   /* somebody asked for it */
	ERROR_PROTOCOL,	   /* a peer does not speak as it should */
	ERROR_INTERNAL,	   /* ours, or a corrupted database */
};

struct error {
	enum error_kind kind;
	char sqlstate[6];
	char entity[64];
	char legacy_key[128];
	char phase[32];
	char message[512];
	char hint[256];
};

/* Sets kind and message, clears the rest. Always returns false: `return error_set(err, ...);`.
   A NULL err is allowed and drops the message. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message. Always returns false. */
bool error_context(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Says what to do next. Always returns false. */
bool error_hint(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

void error_clear(struct error *err);

/* The kind's name as it stands in JSON and journal fields: "data", "structure". */
const char *error_kind_name(enum error_kind kind);

#define _warn_unused_ __attribute__((warn_unused_result))

#endif
