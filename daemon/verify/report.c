/*
 * See report.h. The store is asked what it keeps at all, then which session is meant, then for everything at once.
 */
#include "verify/report.h"

#include <stdlib.h>

#include "common/text.h"
#include "sql_verify.h"

struct report {
	struct pg_connection *store;
	char *session; /* as it was asked for; NULL: the last one */
	bool knows_validations;
	report_on_done *on_done;
	void *arg;
};

static void finish(struct report *report, json_t *made, const struct error *err)
{
	report_on_done *on_done = report->on_done;
	void *arg = report->arg;

	free(report->session);
	free(report);
	on_done(arg, made, err);
}

static void fail(struct report *report, const struct error *cause)
{
	struct error err = *cause;

	error_context(&err, "report");
	finish(report, NULL, &err);
}

/* --- the report ----------------------------------------------------------------------------------- */

static void on_made(void *arg, const struct pg_answer *answer)
{
	struct report *report = arg;
	json_t *made;
	struct error err;

	if (answer->error != NULL) {
		fail(report, answer->error);
		return;
	}
	made = json_loads(PQgetvalue(pg_answer_rows(answer), 0, 0), 0, NULL);
	if (made != NULL) {
		finish(report, made, NULL);
		return;
	}
	error_set(&err, ERROR_INTERNAL, "the store's answer is not JSON");
	fail(report, &err);
}

static char *make_sql(const struct report *report)
{
	struct text text = TEXT_INIT;

	text_fill(&text, sql_verify_report_make,
		  (const struct text_hole[]){
			  { "timeline", sql_verify_report_timeline },
			  { "session", sql_verify_report_session },
			  { "phases", sql_verify_report_phases },
			  { "holds", sql_verify_report_holds },
			  { "options", sql_verify_report_options },
			  { "settings", sql_verify_report_settings },
			  { "entities", sql_verify_report_entities },
			  { "dead_letters", sql_verify_report_dead_letters },
			  { "parked", sql_verify_report_parked },
			  { "conflicts", sql_verify_report_conflicts },
			  { "rules", sql_verify_report_rules },
			  { "validations", report->knows_validations
						   ? sql_verify_report_validations
						   : sql_verify_report_no_validations },
			  { NULL, NULL } });
	return text_steal(&text);
}

static void no_session_yet(struct report *report)
{
	struct error err;

	error_set(&err, ERROR_NOT_FOUND, "there has been no session yet");
	error_hint(&err, "migratectl migrate begins one");
	finish(report, NULL, &err);
}

/* --- which session -------------------------------------------------------------------------------- */

static void fail_to_find(struct report *report, const PGresult *found)
{
	struct error err;

	if (PQntuples(found) > 0) {
		error_set(&err, ERROR_USAGE, "more than one session begins with %s",
			  report->session);
		error_hint(&err, "give more digits; migratectl list shows the sessions");
		finish(report, NULL, &err);
		return;
	}
	if (report->session == NULL) {
		no_session_yet(report);
		return;
	}
	error_set(&err, ERROR_NOT_FOUND, "there is no session %s", report->session);
	error_hint(&err, "migratectl list shows the sessions");
	finish(report, NULL, &err);
}

static void on_found(void *arg, const struct pg_answer *answer)
{
	struct report *report = arg;
	const PGresult *found = pg_answer_rows(answer);
	_cleanup_free_ char *sql = NULL;

	if (answer->error != NULL) {
		fail(report, answer->error);
		return;
	}
	if (PQntuples(found) != 1) {
		fail_to_find(report, found);
		return;
	}
	sql = make_sql(report);
	pg_submit(report->store, sql, 1, (const char *const[]){ PQgetvalue(found, 0, 0) }, on_made,
		  report);
}

/* --- what the store keeps ------------------------------------------------------------------------- */

enum { HAS_SESSIONS, HAS_REPORTS, HAS_VALIDATIONS };

static bool says_yes(const struct pg_answer *answer, int column)
{
	return PQgetvalue(pg_answer_rows(answer), 0, column)[0] == 't';
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct report *report = arg;
	struct error err;

	if (answer->error != NULL) {
		fail(report, answer->error);
	} else if (!says_yes(answer, HAS_SESSIONS)) {
		no_session_yet(report);
	} else if (!says_yes(answer, HAS_REPORTS)) {
		error_set(&err, ERROR_STRUCTURE,
			  "the control schema is of an older version, which keeps too little for a "
			  "report");
		error_hint(&err, "this daemon upgrades it when it comes to own it");
		finish(report, NULL, &err);
	} else {
		report->knows_validations = says_yes(answer, HAS_VALIDATIONS);
		pg_submit(report->store, sql_verify_report_find, 1,
			  (const char *const[]){ report->session }, on_found, report);
	}
}

void report_start(struct pg_connection *store, const char *session, report_on_done *on_done,
		  void *arg)
{
	struct report *report = memory_new(sizeof(*report));

	*report = (struct report){ .store = store,
				   .session = text_copy(session),
				   .on_done = on_done,
				   .arg = arg };
	pg_submit(store, sql_verify_report_known, 0, NULL, on_known, report);
}
