/*
 * A report of a session (the reply of io.migrated.Report), as text and as a page: what both have in common, which is the tables and
 * the last word.
 */
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"
#include "ctl/exit.h"

/* How a member of the reply is read by people. */
enum report_kind {
	REPORT_TEXT,
	REPORT_NAME, /* of an entity, a table, a setting */
	REPORT_COUNT,
	REPORT_FIGURE, /* a count that is text already */
	REPORT_CHANGE, /* a count with its sign */
	REPORT_RATE,
	REPORT_DURATION,
	REPORT_TIME,
	REPORT_STATE,
};

struct report_column {
	const char *header;
	const char *
		member; /* of a row; what is not a member of the reply is made by report_complete() */
	enum report_kind kind;
	bool rare;	 /* left out when it would be empty, or 0, in every row */
	const char *sum; /* the member that the last line sums up; NULL: none */
};

#define REPORT_COLUMNS_MOST 12

/* A table: a row for each object of a list of the reply. */
struct report_section {
	const char *id; /* of the page's anchor */
	const char *title;
	const char *list;   /* the member of the reply */
	const char *remark; /* NULL: none */
	const char *whole;  /* the list of which `list` has a part; NULL: it is all */
	const char
		*none; /* what is said instead of an empty table; NULL: the section is left out */
	struct report_column columns[REPORT_COLUMNS_MOST + 1]; /* ends without a header */
};

extern const struct report_section report_carried, report_done, report_time, report_letters,
	report_parked, report_conflicts, report_rules, report_validations, report_holds,
	report_options, report_settings;

/* Adds the members that the columns want and that follow from others: the change of rows, what an SQLSTATE means, and so on. */
void report_complete(json_t *report);

/* Is it read from the right? */
bool report_is_number(enum report_kind kind);

bool report_column_is_shown(const struct report_column *column, const json_t *rows);

/* The cell as text, without colour or markup; false when it is not known. */
bool report_cell(struct text *out, const struct report_column *column, const json_t *row);

/* Sentences about the sections that are empty: "" when none is. The caller frees. */
char *report_nothing(const json_t *report);

/* "detecting" and so on, as people say it. */
const char *report_phase_name(const char *phase);

/* What a SQLSTATE means, in a few words; NULL when it is none of those that one meets. */
const char *report_sqlstate_meaning(const char *sqlstate);

/* How many dead letters there are of each SQLSTATE: a list of { sqlstate, meaning, rows }, which the caller owns. */
json_t *report_sqlstates(const json_t *letters);

enum report_severity { REPORT_GOOD, REPORT_ACTIVE, REPORT_WARNING, REPORT_BAD };

/* One thing that somebody should look at, and where it stands. */
struct report_finding {
	enum report_severity severity;
	char *sentence;
	const char *section; /* its id; NULL: none */
};

/* What the session came to; the first is the state it is in. The caller frees with report_findings_done(). */
struct report_findings {
	struct report_finding *list;
	size_t count;
};

void report_findings_make(struct report_findings *findings, const json_t *report);
void report_findings_done(struct report_findings *findings);

/* The worst of them. */
enum report_severity report_findings_worst(const struct report_findings *findings);

/* The page; NULL is never returned, the caller frees. */
char *report_html(const json_t *report);

#endif
