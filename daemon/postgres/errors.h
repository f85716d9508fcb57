/*
 * From SQLSTATE to what is to be done: one table, and the words that are safe to repeat.
 *
 * Messages of PostgreSQL may quote values ('invalid input syntax for type integer: "…"'); what
 * leaves this file does not. DETAIL and CONTEXT, which quote whole rows, are never used.
 */
#ifndef DAEMON_POSTGRES_ERRORS_H
#define DAEMON_POSTGRES_ERRORS_H

#include <stddef.h>

#include "common/error.h"

/* The kind for a SQLSTATE; ERROR_INTERNAL for one that no row of the table matches. */
enum error_kind pg_error_kind(const char *sqlstate);

/* Copies a server's primary message without what it may quote of a row's values. */
void pg_error_message(char *buffer, size_t size, const char *sqlstate, const char *primary);

#endif
