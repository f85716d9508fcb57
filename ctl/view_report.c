/*
 * report: what a session has done, as text, as JSON, or as a page (--html).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "ctl/format.h"
#include "ctl/look.h"
#include "ctl/reply.h"
#include "ctl/report.h"
#include "ctl/table.h"
#include "ctl/view.h"

#define SPARKS 60 /* at most so many columns of a line of rates */

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "session", arguments->session);
	return parameters;
}

/* --- the head ------------------------------------------------------------------------------------- */

static void print_head(const struct look *look, struct text *out, const json_t *session)
{
	const char *state = reply_string_or(session, "state", "unknown");
	const char *started = reply_string(session, "started");
	const char *finished = reply_string(session, "finished");
	char buffer[FORMAT_SIZE];

	text_append(out, "Session ");
	look_append(look, out, STYLE_BOLD, reply_string_or(session, "session", "-"));
	text_append(out, "  ");
	look_append(look, out, STYLE_PLAIN, reply_string_or(session, "mode", "-"));
	text_append(out, "  ");
	look_append(look, out, look_style_of(state), state);
	text_append(out, "\n");
	if (started)
		text_appendf(out, "%s", format_time(buffer, started));
	if (started && finished)
		text_appendf(out, " to %s", format_time(buffer, finished));
	text_appendf(out, "%s%s", started ? ", " : "",
		     format_short_duration(buffer, reply_integer(session, "elapsed_ms")));
	if (reply_integer(session, "stood_still_ms") > 0)
		text_appendf(out, ", of which it stood still for %s",
			     format_short_duration(buffer,
						   reply_integer(session, "stood_still_ms")));
	text_append(out, "\n");
}

static void append_version(struct text *out, const char *name, int64_t version)
{
	if (version >= 100000)
		text_appendf(out, ", %s PostgreSQL %d.%d", name, (int)(version / 10000),
			     (int)(version % 10000));
	else if (version > 0)
		text_appendf(out, ", %s PostgreSQL %d.%d.%d", name, (int)(version / 10000),
			     (int)(version / 100 % 100), (int)(version % 100));
}

static void print_circumstances(struct text *out, const json_t *session)
{
	const char *version = reply_string(session, "daemon_version");
	int64_t lives = reply_integer(session, "lives");

	if (!version)
		return;
	text_appendf(out, "migrated %s", version);
	append_version(out, "source", reply_integer(session, "source_version"));
	append_version(out, "target", reply_integer(session, "target_version"));
	if (lives > 1)
		text_appendf(out, ", resumed %s by a daemon that started again",
			     lives == 2 ? "once" : "several times");
	text_append(out, "\n");
}

static void print_findings(const struct look *look, struct text *out, const json_t *report)
{
	static const enum style styles[] = {
		[REPORT_GOOD] = STYLE_GOOD,
		[REPORT_ACTIVE] = STYLE_ACTIVE,
		[REPORT_WARNING] = STYLE_WARNING,
		[REPORT_BAD] = STYLE_BAD,
	};
	struct report_findings findings;

	report_findings_make(&findings, report);
	text_append(out, "\n");
	for (size_t i = 0; i < findings.count; i++) {
		look_append(look, out, styles[findings.list[i].severity],
			    findings.list[i].sentence);
		text_append(out, ".\n");
	}
	report_findings_done(&findings);
}

/* --- the course ----------------------------------------------------------------------------------- */

static void print_figures(struct text *out, const json_t *session)
{
	char rows[32], rate[32], batches[32], retries[32];
	double per_second = 0;
	int64_t tried = reply_integer(session, "retries");

	reply_number(session, "rows_per_second", &per_second);
	text_appendf(out, "\n%s %s, %s a second, %s batches, %s %s\n",
		     text_thousands(rows, reply_integer(session, "done")),
		     format_rows(reply_integer(session, "done")),
		     text_thousands(rate, llround(per_second)),
		     text_thousands(batches, reply_integer(session, "batches")),
		     text_thousands(retries, tried), tried == 1 ? "retry" : "retries");
}

static void print_phases(struct text *out, const json_t *phases)
{
	char buffer[FORMAT_SIZE];
	size_t i;
	json_t *phase;

	json_array_foreach(phases, i, phase) {
		text_appendf(out, "%s%s %s", i == 0 ? "Time: " : ", ",
			     report_phase_name(reply_string_or(phase, "phase", "-")),
			     format_short_duration(buffer, reply_integer(phase, "ms")));
	}
	if (json_array_size(phases) > 0)
		text_append(out, "\n");
}

static void print_sparks(const struct look *look, struct text *out, const json_t *timeline)
{
	static const char *const sparks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	const json_t *rows = json_object_get(timeline, "rows");
	int64_t step_ms = reply_integer(timeline, "step_ms");
	int64_t most = 0;
	char number[32];
	size_t i;
	json_t *count;

	json_array_foreach(rows, i, count) {
		if (json_integer_value(count) > most)
			most = json_integer_value(count);
	}
	if (!look->utf8 || most == 0 || step_ms <= 0 || json_array_size(rows) < 3)
		return;
	text_append(out, "Rows a second: ");
	json_array_foreach(rows, i, count) {
		int64_t height = json_integer_value(count) * 8;

		if (i < SPARKS)
			text_append(out, sparks[height > 0 ? (height + most - 1) / most : 0]);
	}
	text_appendf(out, " at most %s\n", text_thousands(number, most * 1000 / step_ms));
}

/* --- tables --------------------------------------------------------------------------------------- */

static enum style style_of(const struct report_column *column, const char *cell)
{
	if (strcmp(cell, "differs") == 0 || strcmp(cell, "unchecked") == 0)
		return STYLE_WARNING;
	return column->kind == REPORT_STATE ? look_style_of(cell) : STYLE_PLAIN;
}

static void print_rows(const struct look *look, struct text *out,
		       const struct report_section *section, const json_t *rows)
{
	const struct report_column *shown[REPORT_COLUMNS_MOST];
	struct table_column columns[REPORT_COLUMNS_MOST];
	_cleanup_table_ struct table table = { 0 };
	size_t count = 0, i;
	json_t *row;

	for (const struct report_column *column = section->columns; column->header; column++) {
		if (!report_column_is_shown(column, rows))
			continue;
		shown[count] = column;
		columns[count++] = (struct table_column){ column->header,
							  report_is_number(column->kind), 0 };
	}
	table_init(&table, columns, count);
	json_array_foreach(rows, i, row) {
		for (size_t j = 0; j < count; j++) {
			_cleanup_text_ struct text cell = TEXT_INIT;

			if (report_cell(&cell, shown[j], row))
				table_add_styled(&table, style_of(shown[j], text_string(&cell)),
						 text_string(&cell));
			else
				table_add(&table, shown[j]->rare ? "" : NULL);
		}
	}
	table_print(&table, look, out);
}

static void print_section(const struct look *look, struct text *out,
			  const struct report_section *section, const json_t *report)
{
	const json_t *rows = json_object_get(report, section->list);

	if (json_array_size(rows) == 0)
		return;
	text_append(out, "\n");
	look_append(look, out, STYLE_BOLD, section->title);
	text_append(out, "\n");
	print_rows(look, out, section, rows);
}

static void print_passed(struct text *out, const json_t *report)
{
	int64_t passed = reply_integer(report, "checks_passed");
	char number[32];

	if (passed > 0)
		text_appendf(out, "\nValidation: %s %s passed.\n", text_thousands(number, passed),
			     passed == 1 ? "check" : "checks");
}

static void print_nothing(struct text *out, const json_t *report)
{
	_cleanup_free_ char *nothing = report_nothing(report);

	if (nothing[0])
		text_appendf(out, "\n%s\n", nothing);
}

/* --- the order ------------------------------------------------------------------------------------ */

static void print_order(const struct look *look, struct text *out, const json_t *entities)
{
	size_t i;
	json_t *entity;

	if (json_array_size(entities) < 2)
		return;
	text_append(out, "\n");
	look_append(look, out, STYLE_BOLD, "Order");
	text_append(out, "\n");
	json_array_foreach(entities, i, entity) {
		const char *state = reply_string_or(entity, "state", "-");
		_cleanup_free_ char *parents = reply_join(json_object_get(entity, "refers_to"));
		_cleanup_free_ char *later = reply_join(json_object_get(entity, "deferred_to"));

		text_appendf(out, "%2d  ", (int)reply_integer(entity, "level"));
		look_append(look, out, STYLE_PLAIN, reply_string_or(entity, "entity", "-"));
		text_append(out, " (");
		look_append(look, out, look_style_of(state), state);
		text_append(out, ")");
		if (parents[0])
			text_append(out, " after ");
		look_append(look, out, STYLE_PLAIN, parents);
		if (later[0])
			text_append(out, ", filled in later: ");
		look_append(look, out, STYLE_PLAIN, later);
		text_append(out, "\n");
	}
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	static const struct report_section *const sections[] = {
		&report_carried, &report_done,	      &report_time,
		&report_letters, &report_parked,      &report_conflicts,
		&report_rules,	 &report_validations, &report_holds,
	};
	json_auto_t *report = json_deep_copy(reply);
	const json_t *session = json_object_get(report, "session");

	(void)arguments;
	report_complete(report);
	print_head(look, out, session);
	print_circumstances(out, session);
	print_findings(look, out, report);
	print_figures(out, session);
	print_phases(out, json_object_get(report, "phases"));
	print_sparks(look, out, json_object_get(report, "timeline"));
	for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
		print_section(look, out, sections[i], report);
	print_passed(out, report);
	print_nothing(out, report);
	print_order(look, out, json_object_get(report, "entities"));
	print_section(look, out, &report_options, report);
	print_section(look, out, &report_settings, report);
}

/* --- the page ------------------------------------------------------------------------------------- */

static bool write_page(const char *file, const json_t *reply, struct error *err)
{
	json_auto_t *report = json_deep_copy(reply);
	FILE *stream = strcmp(file, "-") == 0 ? stdout : fopen(file, "we");
	_cleanup_free_ char *page = NULL;
	bool written;

	if (!stream)
		return error_set(err, ERROR_USAGE, "cannot write %s: %s", file, strerror(errno));
	report_complete(report);
	page = report_html(report);
	written = fputs(page, stream) >= 0 && fflush(stream) == 0;
	if (stream != stdout && fclose(stream) != 0)
		written = false;
	return written ||
	       error_set(err, ERROR_ENVIRONMENT, "cannot write %s: %s", file, strerror(errno));
}

static enum exit_status run(const struct view *view, const struct arguments *arguments,
			    struct client *client)
{
	json_auto_t *parameters = parameters_of(arguments);
	_cleanup_text_ struct text out = TEXT_INIT;
	struct failure failure;
	struct error err;

	if (!arguments->html)
		return view_call(view, arguments, client);
	json_auto_t *reply = client_call(client, arguments->command->method, parameters, &failure);

	if (!reply)
		return view_fail(&failure);
	if (!write_page(arguments->html, reply, &err)) {
		log_error(LOG_ERR, &err);
		return EXIT_FAILED;
	}
	if (arguments->json)
		view_append_json(&out, reply, false);
	fputs(text_string(&out), stdout);
	return EXIT_DONE;
}

const struct view view_report = {
	.verb = "report",
	.parameters = parameters_of,
	.print = print,
	.run = run,
};
