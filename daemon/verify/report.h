/*
 * The report of one session, made from the control schema alone: what was there before and after, what was done, how fast, what was set
 * aside and why, what it was made with. It holds names and counts, never a row's value or key.
 */
#ifndef DAEMON_VERIFY_REPORT_H
#define DAEMON_VERIFY_REPORT_H

#include <jansson.h>

#include "postgres/connection.h"

/* Exactly one of report and err is there; the report, the reply of io.migrated.Report, is the callee's to free. Of a session that
   is not there err is ERROR_NOT_FOUND; of several, ERROR_USAGE. */
typedef void report_on_done(void *arg, json_t *report, const struct error *err);

/* Makes the report of the session that begins with `session`; NULL: of the last one. One statement on the store makes it. */
void report_start(struct pg_connection *store, const char *session, report_on_done *on_done,
		  void *arg);

#endif
