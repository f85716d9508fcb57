/*
 * Rows as a dry run has left them, and as they stand in the target: before and after. The transaction of the dry run says what is
 * after; everybody else still sees what is before, so another connection is asked for that.
 *
 * Values go from here to whoever asked, and nowhere else.
 */
#ifndef DAEMON_RUN_DRY_ROWS_H
#define DAEMON_RUN_DRY_ROWS_H

#include "run/session.h"

struct dry_rows_request {
	const struct session *session;
	struct pg_connection *within;  /* the dry run's transaction */
	struct pg_connection *outside; /* another connection to the target */
	const json_t *keys;	       /* as in struct dry_run_question; borrowed */
};

/* `rows` (the control protocol's []DryRow) is the caller's; with an error it is NULL. */
typedef void dry_rows_on_done(void *arg, json_t *rows, const struct error *err);

struct dry_rows;

struct dry_rows *dry_rows_new(const struct dry_rows_request *request, dry_rows_on_done *on_done,
			      void *arg);

/* Calls on_done once, perhaps at once, unless it is freed before. */
void dry_rows_start(struct dry_rows *rows);
void dry_rows_free(struct dry_rows *rows);

#endif
