/*
 * A report as one page that needs nothing else: the template report.html, filled.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/report_page.h"
#include "page.h"

#ifndef MIGRATED_VERSION
#define MIGRATED_VERSION "unknown"
#endif

/* --- text ----------------------------------------------------------------------------------------- */

/* Control characters, and those that turn the direction of what comes after them, in UTF-8. */
static size_t unwanted_length(const char *string)
{
	const unsigned char *bytes = (const unsigned char *)string;

	if (bytes[0] < 0x20 || bytes[0] == 0x7f)
		return 1;
	if (bytes[0] == 0xc2 && bytes[1] >= 0x80 && bytes[1] <= 0x9f)
		return 2;
	if (bytes[0] == 0xe2 && bytes[1] == 0x80 && bytes[2] >= 0xaa && bytes[2] <= 0xae)
		return 3;
	return bytes[0] == 0xe2 && bytes[1] == 0x81 && bytes[2] >= 0xa6 && bytes[2] <= 0xa9 ? 3 : 0;
}

void page_append(struct text *out, const char *string)
{
	static const struct {
		char character;
		const char *entity;
	} entities[] = {
		{ '&', "&amp;" },  { '<', "&lt;" },   { '>', "&gt;" },
		{ '"', "&quot;" }, { '\'', "&#39;" },
	};

	while (*string) {
		size_t unwanted = unwanted_length(string);
		const char *entity = NULL;

		for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++)
			if (entities[i].character == *string)
				entity = entities[i].entity;
		if (unwanted > 0)
			text_append(out, "\xef\xbf\xbd");
		else if (entity)
			text_append(out, entity);
		else
			text_append_bytes(out, string, 1);
		string += unwanted > 0 ? unwanted : 1;
	}
}

void page_append_number(struct text *out, double number)
{
	char buffer[32];

	text_append(out, text_thousands(buffer, llround(number)));
}

char *page_short_number(char buffer[32], double number)
{
	static const struct {
		double unit;
		const char *suffix;
	} units[] = { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" }, { 1, "" } };
	size_t i = 0;

	while (units[i].unit > 1 && number < units[i].unit)
		i++;
	snprintf(buffer, 32, "%.3g%s", number / units[i].unit, units[i].suffix);
	return buffer;
}

char *page_short_time(char buffer[32], int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms == 0)
		snprintf(buffer, 32, "0");
	else if (ms % 1000 != 0)
		snprintf(buffer, 32, "%.3g s", (double)ms / 1000);
	else if (s < 60)
		snprintf(buffer, 32, "%d s", (int)s);
	else if (s < 3600 && s % 60 == 0)
		snprintf(buffer, 32, "%d min", (int)(s / 60));
	else if (s < 3600)
		snprintf(buffer, 32, "%d:%02d min", (int)(s / 60), (int)(s % 60));
	else if (s % 3600 == 0)
		snprintf(buffer, 32, "%d h", (int)(s / 3600));
	else
		snprintf(buffer, 32, "%d:%02d h", (int)(s / 3600), (int)(s % 3600 / 60));
	return buffer;
}

void page_append_time(struct text *out, const char *rfc3339)
{
	_cleanup_free_ char *time = text_format("%.10s %.8s", rfc3339,
						strlen(rfc3339) > 11 ? rfc3339 + 11 : "");

	page_append(out, time);
}

/* --- states --------------------------------------------------------------------------------------- */

const struct page_state *page_state_of(const char *state)
{
	static const struct page_state states[] = {
		{ "completed", "good", "✓" },
		{ "resolved", "good", "✓" },
		{ "pass", "good", "✓" },
		{ "running", "active", "▸" },
		{ "cancelling", "active", "▸" },
		{ "paused", "warning", "‖" },
		{ "open", "warning", "!" },
		{ "held", "warning", "!" },
		{ "overwritten", "warning", "!" },
		{ "kept", "warning", "!" },
		{ "unchecked", "warning", "?" },
		{ "failed", "bad", "✕" },
		{ "differs", "bad", "≠" },
		{ "cancelled", "still", "⊘" },
		{ "discarded", "still", "⊘" },
		{ "pending", "still", "○" },
		{ NULL, "still", "·" },
	};
	size_t i = 0;

	while (states[i].state && strcmp(states[i].state, state) != 0)
		i++;
	return &states[i];
}

const char *page_tone(enum report_severity severity)
{
	switch (severity) {
	case REPORT_GOOD:
		return "good";
	case REPORT_ACTIVE:
		return "active";
	case REPORT_WARNING:
		return "warning";
	case REPORT_BAD:
		return "bad";
	}
	return "still";
}

void page_append_state(struct text *out, const char *state)
{
	const struct page_state *shown = page_state_of(state);

	text_appendf(out, "<span class=\"state %s\">%s <span class=\"word\">", shown->tone,
		     shown->sign);
	page_append(out, state);
	text_append(out, "</span></span>");
}

/* --- the head ------------------------------------------------------------------------------------- */

static void append_headline(struct text *out, const json_t *session)
{
	char duration[FORMAT_SIZE], rows[32];
	int64_t done = reply_integer(session, "done");
	_cleanup_free_ char *headline =
		text_format("%s: %s %s in %s", reply_string_or(session, "state", "unknown"),
			    text_thousands(rows, done), format_rows(done),
			    format_short_duration(duration, reply_integer(session, "elapsed_ms")));

	if (headline[0] >= 'a' && headline[0] <= 'z')
		headline[0] = (char)(headline[0] - 'a' + 'A');
	page_append(out, headline);
}

static void append_fact(struct text *out, const char *name, const char *value)
{
	if (!value)
		return;
	text_appendf(out, "<span>%s <strong>", name);
	page_append(out, value);
	text_append(out, "</strong></span>\n");
}

static char *version_of(const json_t *session, const char *member)
{
	int64_t version = reply_integer(session, member);

	if (version == 0)
		return NULL;
	if (version >= 100000)
		return text_format("PostgreSQL %d.%d", (int)(version / 10000),
				   (int)(version % 10000));
	return text_format("PostgreSQL %d.%d.%d", (int)(version / 10000),
			   (int)(version / 100 % 100), (int)(version % 100));
}

static void append_facts(struct text *out, const json_t *session)
{
	const char *started = reply_string(session, "started");
	const char *finished = reply_string(session, "finished");
	_cleanup_text_ struct text when = TEXT_INIT;
	_cleanup_free_ char *source = version_of(session, "source_version");
	_cleanup_free_ char *target = version_of(session, "target_version");
	_cleanup_free_ char *lives = reply_integer(session, "lives") > 1
					     ? text_format("%d times",
							   (int)reply_integer(session, "lives") - 1)
					     : NULL;

	text_append(out, "<span>Session <code>");
	page_append(out, reply_string_or(session, "session", "-"));
	text_append(out, "</code></span>\n");
	append_fact(out, "Mode", reply_string(session, "mode"));
	if (started) {
		page_append_time(&when, started);
		if (finished) {
			text_append(&when, " to ");
			page_append_time(&when, finished);
		}
		text_append(&when, " UTC");
		append_fact(out, finished ? "From" : "Since", text_string(&when));
	}
	append_fact(out, "Source", source);
	append_fact(out, "Target", target);
	append_fact(out, "migrated", reply_string(session, "daemon_version"));
	append_fact(out, "Resumed by a daemon that started again", lives);
}

static void append_findings(struct text *out, const struct report_findings *findings)
{
	static const char *const signs[] = {
		[REPORT_GOOD] = "✓",
		[REPORT_ACTIVE] = "▸",
		[REPORT_WARNING] = "!",
		[REPORT_BAD] = "✕",
	};

	for (size_t i = 0; i < findings->count; i++) {
		const struct report_finding *finding = &findings->list[i];

		text_appendf(out, "<li class=\"%s\"><span class=\"mark\">%s</span><span>",
			     page_tone(finding->severity), signs[finding->severity]);
		if (finding->section)
			text_appendf(out, "<a href=\"#%s\">", finding->section);
		page_append(out, finding->sentence);
		text_appendf(out, "%s.</span></li>\n", finding->section ? "</a>" : "");
	}
	if (findings->count == 1 && findings->list[0].severity == REPORT_GOOD)
		text_append(out, "<li class=\"good\"><span class=\"mark\">✓</span>"
				 "<span>Nothing needs attention.</span></li>\n");
}

/* --- figures -------------------------------------------------------------------------------------- */

static void append_tile(struct text *out, const char *tone, const char *name, const char *value,
			const char *below)
{
	text_appendf(out,
		     "<div class=\"%s\"><dt>%s</dt><dd class=\"value\">%s</dd>"
		     "<dd class=\"below\">%s</dd></div>\n",
		     tone, name, value, below);
}

static void append_count_tile(struct text *out, const char *name, int64_t count, int64_t whole,
			      const char *below)
{
	char number[32], percent[FORMAT_SIZE];
	_cleanup_free_ char *share =
		count > 0 && whole > 0
			? text_format("%s of rows",
				      format_percent(percent, 100 * (double)count / (double)whole))
			: text_copy(below);

	append_tile(out, count > 0 ? "warning" : "", name, text_thousands(number, count), share);
}

static void append_validation_tile(struct text *out, const json_t *validations)
{
	int64_t differences = 0, unchecked = 0, passed = 0;
	char number[32];
	size_t i;
	json_t *check;

	json_array_foreach(validations, i, check) {
		const char *result = reply_string_or(check, "result", "");

		differences += reply_integer(check, "differences");
		passed += strcmp(result, "pass") == 0;
		unchecked += strcmp(result, "pass") != 0 && strcmp(result, "differs") != 0;
	}
	if (json_array_size(validations) == 0)
		append_tile(out, "", "Validation", "none", "not asked for");
	else if (differences > 0)
		append_tile(out, "bad", "Validation", text_thousands(number, differences),
			    differences == 1 ? "difference" : "differences");
	else if (unchecked > 0)
		append_tile(out, "warning", "Validation", text_thousands(number, unchecked),
			    "not checked, no pass");
	else
		append_tile(out, "", "Validation", "passed",
			    passed == 1 ? "one check" : "all checks");
}

static void append_tiles(struct text *out, const json_t *report)
{
	const json_t *session = json_object_get(report, "session");
	int64_t done = reply_integer(session, "done"), total = reply_integer(session, "total");
	int64_t stood = reply_integer(session, "stood_still_ms");
	char number[32], other[32], duration[FORMAT_SIZE], second[FORMAT_SIZE];
	double rate = 0;
	_cleanup_free_ char *of_all = done < total
					      ? text_format("of %s", text_thousands(other, total))
					      : text_copy(done > 0 ? "all of them"
								   : "nothing to do");
	_cleanup_free_ char *still = stood > 0 ? text_format("stood still for %s",
							     format_short_duration(second, stood))
					       : text_copy("without a pause");
	_cleanup_free_ char *batches = text_format("in %s batches",
						   text_thousands(other, reply_integer(session,
										       "batches")));

	append_tile(out, "", "Rows handled", text_thousands(number, done), of_all);
	append_tile(out, stood > 0 ? "warning" : "", "Time",
		    format_short_duration(duration, reply_integer(session, "elapsed_ms")), still);
	append_tile(out, "", "Rows a second",
		    reply_number(session, "rows_per_second", &rate)
			    ? text_thousands(number, llround(rate))
			    : "–",
		    "on average");
	append_count_tile(out, "Set aside", reply_integer(session, "failed"), done, "no row");
	append_count_tile(out, "Waiting", reply_integer(session, "parked"), done, "no row");
	append_tile(out, "", "Retries", text_thousands(number, reply_integer(session, "retries")),
		    batches);
	append_validation_tile(out, json_object_get(report, "validations"));
}

/* --- tables --------------------------------------------------------------------------------------- */

static bool is_zero(const struct report_column *column, const json_t *row)
{
	double number;

	return report_is_number(column->kind) && reply_number(row, column->member, &number) &&
	       number == 0;
}

static void append_cell_value(struct text *out, const struct report_column *column,
			      const json_t *row)
{
	_cleanup_text_ struct text cell = TEXT_INIT;
	const char *string = reply_string(row, column->member);

	if (column->kind == REPORT_TIME && string) {
		page_append_time(out, string);
	} else if (!report_cell(&cell, column, row)) {
		text_append(out, column->rare ? "" : "–");
	} else if (column->kind == REPORT_STATE) {
		page_append_state(out, text_string(&cell));
	} else if (column->kind == REPORT_NAME) {
		text_append(out, "<span class=\"name\">");
		page_append(out, text_string(&cell));
		text_append(out, "</span>");
	} else {
		page_append(out, text_string(&cell));
	}
}

static void append_cell(struct text *out, const struct report_column *column, const json_t *row,
			bool first)
{
	const char *class = report_is_number(column->kind) ? is_zero(column, row)
								     ? " class=\"number zero\""
								     : " class=\"number\""
			    : column->kind == REPORT_TEXT  ? " class=\"text\""
							   : "";

	text_appendf(out, first ? "<th scope=\"row\"%s>" : "<td%s>", class);
	append_cell_value(out, column, row);
	text_append(out, first ? "</th>" : "</td>");
}

/* What is not known of one of them is not known of all. */
static bool sum_of(const json_t *rows, const char *member, double *ret_sum)
{
	double number;
	size_t i;
	json_t *row;

	*ret_sum = 0;
	json_array_foreach(rows, i, row) {
		if (!reply_number(row, member, &number))
			return false;
		*ret_sum += number;
	}
	return true;
}

static void append_sums(struct text *out, const struct report_section *section, const json_t *rows)
{
	double sum;

	text_append(out, "<tfoot><tr><th scope=\"row\">All</th>");
	for (const struct report_column *column = section->columns + 1; column->header; column++) {
		if (!report_column_is_shown(column, rows))
			continue;
		text_append(out, "<td class=\"number\">");
		if (column->sum && sum_of(rows, column->sum, &sum)) {
			text_append(out, column->kind == REPORT_CHANGE && sum > 0 ? "+" : "");
			page_append_number(out, sum);
		}
		text_append(out, "</td>");
	}
	text_append(out, "</tr></tfoot>\n");
}

static bool has_sums(const struct report_section *section)
{
	for (const struct report_column *column = section->columns; column->header; column++)
		if (column->sum)
			return true;
	return false;
}

static void append_table(struct text *out, const struct report_section *section, const json_t *rows)
{
	size_t i;
	json_t *row;

	text_appendf(out,
		     "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n"
		     "<table><thead><tr>",
		     section->title);
	for (const struct report_column *column = section->columns; column->header; column++)
		if (report_column_is_shown(column, rows))
			text_appendf(out, "<th scope=\"col\"%s>%s</th>",
				     report_is_number(column->kind) ? " class=\"number\"" : "",
				     column->header);
	text_append(out, "</tr></thead>\n<tbody>\n");
	json_array_foreach(rows, i, row) {
		text_append(out, "<tr>");
		for (const struct report_column *column = section->columns; column->header;
		     column++)
			if (report_column_is_shown(column, rows))
				append_cell(out, column, row, column == section->columns);
		text_append(out, "</tr>\n");
	}
	text_append(out, "</tbody>\n");
	if (has_sums(section) && json_array_size(rows) > 1)
		append_sums(out, section, rows);
	text_append(out, "</table></div>\n");
}

static void begin_section(struct text *out, const char *id, const char *title, const char *remark)
{
	text_appendf(out, "<section id=\"%s\">\n<h2>%s</h2>\n", id, title);
	if (remark)
		text_appendf(out, "<p class=\"remark\">%s</p>\n", remark);
}

/* What is drawn above its table. */
static void append_above(struct text *out, const struct report_section *section, const json_t *rows)
{
	json_auto_t *sums = section == &report_letters ? report_sqlstates(rows) : NULL;

	if (json_array_size(sums) > 1)
		page_append_sqlstates(out, sums);
}

/* What each check came to, and of those that did not pass, more. */
static void append_validations(struct text *out, const json_t *report)
{
	const json_t *matters = json_object_get(report, report_validations.list);

	if (json_array_size(json_object_get(report, "validations")) == 0)
		return;
	begin_section(out, report_validations.id, report_validations.title,
		      report_validations.remark);
	page_append_checks(out, json_object_get(report, "validations"));
	if (json_array_size(matters) > 0)
		append_table(out, &report_validations, matters);
	text_append(out, "</section>\n");
}

static void append_section(struct text *out, const struct report_section *section,
			   const json_t *report)
{
	const json_t *rows = json_object_get(report, section->list);

	if (json_array_size(rows) == 0)
		return;
	begin_section(out, section->id, section->title, section->remark);
	append_above(out, section, rows);
	append_table(out, section, rows);
	text_append(out, "</section>\n");
}

static void append_nothing(struct text *out, const json_t *report)
{
	_cleanup_free_ char *nothing = report_nothing(report);

	if (!nothing[0])
		return;
	begin_section(out, "nothing", "Nothing to show", NULL);
	text_appendf(out, "<p class=\"none\">%s</p>\n</section>\n", nothing);
}

/* --- the page ------------------------------------------------------------------------------------- */

static void append_drawn(struct text *out, const char *id, const char *title, const char *remark,
			 void (*append)(struct text *out, const json_t *what), const json_t *what)
{
	begin_section(out, id, title, remark);
	append(out, what);
	text_append(out, "</section>\n");
}

static void append_body(struct text *out, const json_t *report)
{
	static const struct report_section *const aside[] = {
		&report_letters,
		&report_parked,
		&report_conflicts,
		&report_rules,
	};
	const json_t *entities = json_object_get(report, "entities");

	append_drawn(out, "course", "Course", NULL, page_append_charts, report);
	append_section(out, &report_carried, report);
	if (json_array_size(entities) > 0) {
		append_drawn(
			out, "shares", "Entity by entity",
			"Each entity's share of all rows, what was done with them, and when: the "
			"highest bar of a course is that entity's busiest moment.",
			page_append_shares, report);
		append_drawn(out, "order", "Order and states",
			     "An arrow leads from an entity to those that refer to it and so come "
			     "after it. Dashed ones are references that the second pass fills in.",
			     page_append_graph, entities);
	}
	append_section(out, &report_done, report);
	for (size_t i = 0; i < sizeof aside / sizeof aside[0]; i++)
		append_section(out, aside[i], report);
	append_validations(out, report);
	append_nothing(out, report);
	if (json_array_size(json_object_get(report, "phases")) > 0)
		append_drawn(out, "phases", "Phases", NULL, page_append_phases,
			     json_object_get(report, "phases"));
	append_section(out, &report_time, report);
	append_section(out, &report_holds, report);
	append_section(out, &report_options, report);
	append_section(out, &report_settings, report);
}

static void append_title(struct text *out, const json_t *session)
{
	char id[FORMAT_SIZE];
	_cleanup_free_ char *title =
		text_format("Migration %s, %s, %.10s",
			    format_short_id(id, reply_string_or(session, "session", "")),
			    reply_string_or(session, "state", "unknown"),
			    reply_string_or(session, "created", ""));

	page_append(out, title);
}

char *report_html(const json_t *report)
{
	const json_t *session = json_object_get(report, "session");
	_cleanup_text_ struct text title = TEXT_INIT, headline = TEXT_INIT, facts = TEXT_INIT;
	_cleanup_text_ struct text sentences = TEXT_INIT, tiles = TEXT_INIT, body = TEXT_INIT;
	_cleanup_text_ struct text made = TEXT_INIT, database = TEXT_INIT;
	struct report_findings findings;
	struct text page = TEXT_INIT;

	report_findings_make(&findings, report);
	append_title(&title, session);
	append_headline(&headline, session);
	append_facts(&facts, session);
	append_findings(&sentences, &findings);
	append_tiles(&tiles, report);
	append_body(&body, report);
	page_append_time(&made, reply_string_or(report, "made", ""));
	page_append(&database, reply_string_or(session, "target_database", "-"));
	text_fill(&page, page_report,
		  (const struct text_hole[]){
			  { "title", text_string(&title) },
			  { "tone", page_tone(report_findings_worst(&findings)) },
			  { "headline", text_string(&headline) },
			  { "facts", text_string(&facts) },
			  { "findings", text_string(&sentences) },
			  { "tiles", text_string(&tiles) },
			  { "body", text_string(&body) },
			  { "made", text_string(&made) },
			  { "version", MIGRATED_VERSION },
			  { "database", text_string(&database) },
			  { NULL, NULL } });
	report_findings_done(&findings);
	return text_steal(&page);
}
