/*
 * The parts of a report's page (report.html): what they share is how text becomes markup, and how states look. Of report_*.c only.
 */
#ifndef CTL_REPORT_PAGE_H
#define CTL_REPORT_PAGE_H

#include <jansson.h>

#include "common/text.h"
#include "ctl/report.h"

/* Appends a string as text: whatever it holds is no markup, and no control characters are left in it. */
void page_append(struct text *out, const char *string);

/* "12,345" */
void page_append_number(struct text *out, double number);

/* "12.3k", "1.2M": an axis has little room. */
char *page_short_number(char buffer[32], double number);

/* "0", "30 s", "1 min 30 s", "2 h": likewise. */
char *page_short_time(char buffer[32], int64_t ms);

/* RFC 3339 as "2026-01-05 09:12:44", in UTC. */
void page_append_time(struct text *out, const char *rfc3339);

/* A state's class ("good"), the sign that stands beside its word, so that it is not told by colour alone, and the word. */
struct page_state {
	const char *state;
	const char *tone;
	const char *sign;
};
const struct page_state *page_state_of(const char *state);
const char *page_tone(enum report_severity severity);

/* A state as a word with its sign and colour. */
void page_append_state(struct text *out, const char *state);

/* The charts: rows handled over time, and rows a second; nothing when no rows were. */
void page_append_charts(struct text *out, const json_t *report);

/* Each entity's share of all rows, what was done with them, and when. */
void page_append_shares(struct text *out, const json_t *report);

/* How many rows were set aside for each SQLSTATE, of report_sqlstates(). */
void page_append_sqlstates(struct text *out, const json_t *sums);

/* What each check of each entity came to; a table for each validation. */
void page_append_checks(struct text *out, const json_t *validations);

/* Where the session's time went. */
void page_append_phases(struct text *out, const json_t *phases);

/* Which entity waits for which, with their states: as a drawing, and as a list where there is no room for it. */
void page_append_graph(struct text *out, const json_t *entities);

#endif
