/*
 * The charts of a report. Shapes stretch with the page, so they are drawn in units of their own; what is to be read stands beside them
 * as text, and so has its size on a telephone, too. Each drawing has a title and a description, and its figures in a table.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/report_page.h"

#define WIDTH 1000.0
#define HEIGHT 300.0

/* What is drawn over time. */
struct course {
	const json_t *rows; /* in each interval */
	size_t count;
	int64_t step_ms;
	int64_t length_ms;
	const json_t *holds;
	bool stands_still; /* a hold is to be seen */
};

static struct course course_of(const json_t *report)
{
	const json_t *timeline = json_object_get(report, "timeline");
	struct course course = {
		.rows = json_object_get(timeline, "rows"),
		.step_ms = reply_integer(timeline, "step_ms"),
		.holds = json_object_get(report, "holds"),
	};

	course.count = json_array_size(course.rows);
	course.length_ms = (int64_t)course.count * course.step_ms;
	course.stands_still = json_array_size(course.holds) > 0;
	return course;
}

static int64_t rows_at(const struct course *course, size_t i)
{
	return json_integer_value(json_array_get(course->rows, i));
}

static double x_of(const struct course *course, double ms)
{
	double x = ms * WIDTH / (double)course->length_ms;

	return x < 0 ? 0 : x > WIDTH ? WIDTH : x;
}

/* --- axes ----------------------------------------------------------------------------------------- */

/* The next of 1, 2, 2.5, 5, 10 … that needs no more than `most` steps up to the value. */
static double nice_step(double value, int most)
{
	static const double factors[] = { 1, 2, 2.5, 5, 10 };
	double unit = pow(10, floor(log10(value / most)));

	for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++)
		if (value / (factors[i] * unit) <= most)
			return factors[i] * unit;
	return 10 * unit;
}

static int64_t nice_time(int64_t length_ms, int most)
{
	static const int64_t steps[] = {
		100,	 200,	  500,	   1000,     2000,     5000,	 10000,
		15000,	 30000,	  60000,   120000,   300000,   600000,	 900000,
		1800000, 3600000, 7200000, 10800000, 21600000, 43200000, 86400000,
	};
	size_t i = 0;

	while (i + 1 < sizeof steps / sizeof steps[0] && length_ms / steps[i] > most)
		i++;
	return length_ms / steps[i] > most ? length_ms / most : steps[i];
}

/* The labels at the left, and the lines that they belong to. Returns the value at the top. */
static double append_y_axis(struct text *labels, struct text *lines, double most)
{
	double step = nice_step(most, 4);
	double top = ceil(most / step - 1e-9) * step;
	char number[32];

	for (int i = 0; i * step <= top * (1 + 1e-9); i++) {
		double share = i * step / top;

		text_appendf(labels, "<span style=\"bottom:%.2f%%\">%s</span>", 100 * share,
			     page_short_number(number, i * step));
		text_appendf(lines,
			     "<line class=\"%s\" x1=\"0\" x2=\"%g\" y1=\"%.2f\" y2=\"%.2f\"/>",
			     i == 0 ? "axis" : "grid", WIDTH, HEIGHT * (1 - share),
			     HEIGHT * (1 - share));
	}
	return top;
}

static void append_x_axis(struct text *out, const struct course *course)
{
	int64_t step = nice_time(course->length_ms, 5);
	char time[32];

	for (int64_t ms = 0; ms <= course->length_ms * 97 / 100 || ms == 0; ms += step)
		text_appendf(out, "<span style=\"left:%.2f%%\">%s</span>",
			     x_of(course, (double)ms) * 100 / WIDTH, page_short_time(time, ms));
}

static void append_holds(struct text *out, const struct course *course)
{
	size_t i;
	json_t *hold;

	json_array_foreach(course->holds, i, hold) {
		double from = x_of(course, (double)reply_integer(hold, "from_ms"));
		double to = x_of(course, (double)(reply_integer(hold, "from_ms") +
						  reply_integer(hold, "ms")));
		char duration[FORMAT_SIZE];

		text_appendf(out, "<g><title>Stood still for %s: ",
			     format_short_duration(duration, reply_integer(hold, "ms")));
		page_append(out, reply_string_or(hold, "hold", "-"));
		text_appendf(out,
			     "</title><rect class=\"stood\" x=\"%.2f\" y=\"0\" width=\"%.2f\" "
			     "height=\"%g\"/><line class=\"stood-edge\" x1=\"%.2f\" x2=\"%.2f\" "
			     "y1=\"0\" y2=\"%g\"/><line class=\"stood-edge\" x1=\"%.2f\" "
			     "x2=\"%.2f\" y1=\"0\" y2=\"%g\"/></g>",
			     from, to - from, HEIGHT, from, from, HEIGHT, to, to, HEIGHT);
	}
}

/* --- a chart -------------------------------------------------------------------------------------- */

struct chart {
	const char *id;
	const char *title;
	const char *description; /* what it shows, in a sentence */
	const char *legend;	 /* further items of it */
	struct text labels;
	struct text lines;
	struct text shapes;
};

static void append_chart(struct text *out, const struct course *course, const struct chart *chart)
{
	text_appendf(out,
		     "<figure class=\"card\">\n<h3>%s</h3>\n<p class=\"remark\">%s</p>\n"
		     "<div class=\"plot\"><div class=\"y\" aria-hidden=\"true\">%s</div>\n"
		     "<svg viewBox=\"0 0 %g %g\" preserveAspectRatio=\"none\" role=\"img\" "
		     "aria-labelledby=\"%s-title %s-text\"><title id=\"%s-title\">%s</title>"
		     "<desc id=\"%s-text\">%s</desc>\n",
		     chart->title, chart->description, text_string(&chart->labels), WIDTH, HEIGHT,
		     chart->id, chart->id, chart->id, chart->title, chart->id, chart->description);
	append_holds(out, course);
	text_appendf(out, "%s%s</svg>\n<div class=\"x\" aria-hidden=\"true\">",
		     text_string(&chart->lines), text_string(&chart->shapes));
	append_x_axis(out, course);
	text_append(out, "</div></div>\n");
	if (course->stands_still || chart->legend[0]) {
		text_appendf(out, "<ul class=\"legend\">%s", chart->legend);
		if (course->stands_still)
			text_append(
				out,
				"<li><span class=\"swatch still-band\"></span>stood still</li>");
		text_append(out, "</ul>\n");
	}
}

static void chart_done(struct chart *chart)
{
	text_done(&chart->labels);
	text_done(&chart->lines);
	text_done(&chart->shapes);
}

/* --- rows over time ------------------------------------------------------------------------------- */

static void append_progress(struct text *out, const struct course *course, int64_t total)
{
	char done_text[32], total_text[32];
	_cleanup_text_ struct text points = TEXT_INIT;
	int64_t done = 0;
	double top;

	for (size_t i = 0; i < course->count; i++)
		done += rows_at(course, i);
	_cleanup_free_ char *description =
		text_format("Rows handled since the session began: %s of %s.",
			    text_thousands(done_text, done), text_thousands(total_text, total));
	struct chart chart = { .id = "progress",
			       .title = "Progress",
			       .description = description,
			       .legend = total > done
						 ? "<li><span class=\"swatch goal-line\"></span>"
						   "all that is to be done</li>"
						 : "" };

	top = append_y_axis(&chart.labels, &chart.lines, (double)(total > done ? total : done));
	text_appendf(&points, "0,%g", HEIGHT);
	done = 0;
	for (size_t i = 0; i < course->count; i++) {
		done += rows_at(course, i);
		text_appendf(&points, " %.2f,%.2f",
			     x_of(course, (double)(course->step_ms * (int64_t)(i + 1))),
			     HEIGHT * (1 - (double)done / top));
	}
	text_appendf(&chart.shapes,
		     "<polygon class=\"area\" points=\"%s %g,%g\"/>"
		     "<polyline class=\"line\" points=\"%s\"/>",
		     text_string(&points), WIDTH, HEIGHT, text_string(&points));
	if (total > done)
		text_appendf(&chart.shapes,
			     "<line class=\"goal\" x1=\"0\" x2=\"%g\" y1=\"%.2f\" y2=\"%.2f\"/>",
			     WIDTH, HEIGHT * (1 - (double)total / top),
			     HEIGHT * (1 - (double)total / top));
	append_chart(out, course, &chart);
	text_append(out, "</figure>\n");
	chart_done(&chart);
}

/* --- rows a second -------------------------------------------------------------------------------- */

static double rate_at(const struct course *course, size_t i)
{
	return (double)rows_at(course, i) * 1000 / (double)course->step_ms;
}

static void append_bars(struct text *out, const struct course *course, double top)
{
	double width = WIDTH / (double)course->count;
	char from[32], to[32], rate[32];

	for (size_t i = 0; i < course->count; i++) {
		double height = HEIGHT * rate_at(course, i) / top;

		if (height <= 0)
			continue;
		text_appendf(
			out,
			"<rect class=\"bar\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\">"
			"<title>%s to %s: %s rows a second</title></rect>",
			width * (double)i + width * 0.08, HEIGHT - height, width * 0.84, height,
			page_short_time(from, course->step_ms * (int64_t)i),
			page_short_time(to, course->step_ms * (int64_t)(i + 1)),
			text_thousands(rate, llround(rate_at(course, i))));
	}
}

/* What the drawing shows, as a table, for those who cannot see it or want to be exact. */
static void append_figures(struct text *out, const struct course *course)
{
	int64_t done = 0;
	char from[32], to[32];

	text_append(
		out,
		"<details><summary>The figures of both charts</summary>"
		"<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"The figures of both "
		"charts\"><table><thead><tr><th scope=\"col\">Time</th><th scope=\"col\" "
		"class=\"number\">Rows</th><th scope=\"col\" class=\"number\">Rows/s</th>"
		"<th scope=\"col\" class=\"number\">So far</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < course->count; i++) {
		done += rows_at(course, i);
		text_appendf(out, "<tr><th scope=\"row\">%s to %s</th><td class=\"number\">",
			     page_short_time(from, course->step_ms * (int64_t)i),
			     page_short_time(to, course->step_ms * (int64_t)(i + 1)));
		page_append_number(out, (double)rows_at(course, i));
		text_append(out, "</td><td class=\"number\">");
		page_append_number(out, rate_at(course, i));
		text_append(out, "</td><td class=\"number\">");
		page_append_number(out, (double)done);
		text_append(out, "</td></tr>\n");
	}
	text_append(out, "</tbody></table></div></details>\n");
}

static void append_rates(struct text *out, const struct course *course, double mean)
{
	double most = 0, top;
	char peak_text[32], mean_text[32];

	for (size_t i = 0; i < course->count; i++)
		most = rate_at(course, i) > most ? rate_at(course, i) : most;
	_cleanup_free_ char *description =
		mean > 0 ? text_format("Rows handled a second: %s on average, %s at most.",
				       text_thousands(mean_text, llround(mean)),
				       text_thousands(peak_text, llround(most)))
			 : text_format("Rows handled a second: %s at most.",
				       text_thousands(peak_text, llround(most)));
	struct chart chart = { .id = "rate",
			       .title = "Rows a second",
			       .description = description,
			       .legend = mean > 0 ? "<li><span class=\"swatch goal-line\"></span>"
						    "average, pauses left out</li>"
						  : "" };

	top = append_y_axis(&chart.labels, &chart.lines, most > mean ? most : mean);
	append_bars(&chart.shapes, course, top);
	if (mean > 0)
		text_appendf(&chart.shapes,
			     "<line class=\"goal\" x1=\"0\" x2=\"%g\" y1=\"%.2f\" y2=\"%.2f\"/>",
			     WIDTH, HEIGHT * (1 - mean / top), HEIGHT * (1 - mean / top));
	append_chart(out, course, &chart);
	append_figures(out, course);
	text_append(out, "</figure>\n");
	chart_done(&chart);
}

void page_append_charts(struct text *out, const json_t *report)
{
	const json_t *session = json_object_get(report, "session");
	struct course course = course_of(report);
	double mean = 0;
	int64_t done = 0;

	for (size_t i = 0; i < course.count; i++)
		done += rows_at(&course, i);
	if (done == 0 || course.length_ms <= 0) {
		text_append(out, "<p class=\"none\">No rows were handled, so there is no course to "
				 "draw.</p>\n");
		return;
	}
	reply_number(session, "rows_per_second", &mean);
	text_append(out, "<div class=\"pair\">\n");
	append_progress(out, &course, reply_integer(session, "total"));
	append_rates(out, &course, mean);
	text_append(out, "</div>\n");
}

/* --- entity by entity ----------------------------------------------------------------------------- */

static const struct part {
	const char *member; /* of the entity, and the class of its colour */
	const char *name;
} parts[] = {
	{ "inserted", "inserted" },   { "updated", "updated" },	 { "deleted", "deleted" },
	{ "unchanged", "unchanged" }, { "failed", "set aside" }, { "parked", "waiting" },
};

enum { PART_COUNT = sizeof parts / sizeof parts[0] };

/* Every part that is there is to be seen, however small. */
#define PART_LEAST 0.6

static void append_track(struct text *out, const json_t *entity, int64_t most)
{
	double x = 0;
	char number[32];

	text_append(out, "<svg class=\"track\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" "
			 "role=\"img\"><title>");
	for (size_t i = 0, named = 0; i < PART_COUNT; i++) {
		int64_t count = reply_integer(entity, parts[i].member);

		if (count > 0)
			text_appendf(out, "%s%s %s", named++ > 0 ? ", " : "",
				     text_thousands(number, count), parts[i].name);
	}
	text_append(out, "</title>");
	for (size_t i = 0; i < PART_COUNT; i++) {
		int64_t count = reply_integer(entity, parts[i].member);
		double width = 100 * (double)count / (double)most;

		if (count == 0)
			continue;
		width = width < PART_LEAST ? PART_LEAST : width;
		text_appendf(out, "<rect class=\"%s\" x=\"%.3f\" width=\"%.3f\" height=\"10\"/>",
			     parts[i].member, x + width > 100 ? 100 - width : x, width);
		x += width;
	}
	text_append(out, "</svg>\n");
}

static const json_t *series_of(const json_t *timeline, const char *name)
{
	size_t i;
	json_t *series;

	json_array_foreach(json_object_get(timeline, "entities"), i, series) {
		if (strcmp(reply_string_or(series, "entity", ""), name) == 0)
			return json_object_get(series, "rows");
	}
	return NULL;
}

static void append_course(struct text *out, const json_t *rows, int64_t step_ms)
{
	int64_t most = 1, first = -1, last = 0;
	char from[32], to[32];
	size_t i;
	json_t *count;

	json_array_foreach(rows, i, count) {
		if (json_integer_value(count) == 0)
			continue;
		most = json_integer_value(count) > most ? json_integer_value(count) : most;
		first = first < 0 ? (int64_t)i : first;
		last = (int64_t)i + 1;
	}
	text_appendf(out,
		     "<svg class=\"course\" viewBox=\"0 0 %zu 10\" preserveAspectRatio=\"none\" "
		     "role=\"img\"><title>Between %s and %s</title><rect class=\"rest\" y=\"9.6\" "
		     "width=\"%zu\" height=\"0.4\"/>",
		     json_array_size(rows), page_short_time(from, first > 0 ? first * step_ms : 0),
		     page_short_time(to, last * step_ms), json_array_size(rows));
	json_array_foreach(rows, i, count) {
		double height = 9.6 * (double)json_integer_value(count) / (double)most;

		if (json_integer_value(count) > 0)
			text_appendf(out,
				     "<rect class=\"bar\" x=\"%zu\" y=\"%.2f\" width=\"1\" "
				     "height=\"%.2f\"/>",
				     i, 10 - (height < 0.6 ? 0.6 : height),
				     height < 0.6 ? 0.6 : height);
	}
	text_append(out, "</svg>\n");
}

static int by_rows(const void *a, const void *b)
{
	int64_t rows_a = reply_integer(*(json_t *const *)a, "done");
	int64_t rows_b = reply_integer(*(json_t *const *)b, "done");

	return rows_a < rows_b ? 1 : rows_a > rows_b ? -1 : 0;
}

static void append_share(struct text *out, const json_t *entity, int64_t most, int64_t all,
			 const json_t *timeline)
{
	const char *name = reply_string_or(entity, "entity", "-");
	int64_t done = reply_integer(entity, "done");
	char percent[FORMAT_SIZE];

	text_append(out, "<li><span class=\"name\">");
	page_append(out, name);
	text_append(out, "</span>\n");
	append_track(out, entity, most);
	text_append(out, "<span class=\"count\">");
	page_append_number(out, (double)done);
	text_appendf(out, " · %s</span>\n",
		     format_percent(percent, 100 * (double)done / (double)all));
	append_course(out, series_of(timeline, name), reply_integer(timeline, "step_ms"));
	text_append(out, "</li>\n");
}

static void append_legend(struct text *out, const json_t *entities)
{
	text_append(out, "<ul class=\"legend\">");
	for (size_t i = 0; i < PART_COUNT; i++) {
		int64_t count = 0;
		size_t j;
		json_t *entity;

		json_array_foreach(entities, j, entity) {
			count += reply_integer(entity, parts[i].member);
		}
		if (count > 0)
			text_appendf(
				out,
				"<li><span class=\"swatch\" style=\"--it:var(--%s)\"></span>%s</li>",
				parts[i].member, parts[i].name);
	}
	text_append(out, "</ul>\n");
}

static void append_idle(struct text *out, json_t **sorted, size_t from, size_t count)
{
	if (from == count)
		return;
	text_append(out, "<p class=\"remark\">Without any row: ");
	for (size_t i = from; i < count; i++) {
		text_append(out, i > from ? ", " : "");
		page_append(out, reply_string_or(sorted[i], "entity", "-"));
	}
	text_append(out, ".</p>\n");
}

void page_append_shares(struct text *out, const json_t *report)
{
	const json_t *entities = json_object_get(report, "entities");
	const json_t *timeline = json_object_get(report, "timeline");
	size_t count = json_array_size(entities), busy = 0;
	json_t **sorted = memory_new((count + 1) * sizeof *sorted);
	int64_t all = 0;

	for (size_t i = 0; i < count; i++) {
		sorted[i] = json_array_get(entities, i);
		all += reply_integer(sorted[i], "done");
		busy += reply_integer(sorted[i], "done") > 0;
	}
	qsort(sorted, count, sizeof *sorted, by_rows);
	text_append(out, "<div class=\"card\">\n");
	if (busy > 0) {
		text_append(out,
			    "<ul class=\"shares\">\n<li class=\"heading\" aria-hidden=\"true\">"
			    "<span>Entity</span><span>Share</span><span class=\"count\">Rows</span>"
			    "<span>Course</span></li>\n");
		for (size_t i = 0; i < busy; i++)
			append_share(out, sorted[i], reply_integer(sorted[0], "done"), all,
				     timeline);
		text_append(out, "</ul>\n");
		append_legend(out, entities);
	}
	append_idle(out, sorted, busy, count);
	text_append(out, "</div>\n");
	free(sorted);
}

/* --- dead letters --------------------------------------------------------------------------------- */

static int by_count(const void *a, const void *b)
{
	int64_t rows_a = reply_integer(*(json_t *const *)a, "rows");
	int64_t rows_b = reply_integer(*(json_t *const *)b, "rows");

	return rows_a < rows_b ? 1 : rows_a > rows_b ? -1 : 0;
}

static void append_sqlstate(struct text *out, const json_t *kind, int64_t most)
{
	text_append(out, "<li><span class=\"name\">");
	page_append(out, reply_string_or(kind, "sqlstate", "-"));
	text_append(out, "</span><span>");
	page_append(out, reply_string_or(kind, "meaning", ""));
	text_appendf(
		out,
		"</span><svg class=\"track\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" "
		"aria-hidden=\"true\"><rect class=\"failed\" width=\"%.2f\" height=\"10\"/></svg>"
		"<span class=\"count\">",
		100 * (double)reply_integer(kind, "rows") / (double)(most > 0 ? most : 1));
	page_append_number(out, (double)reply_integer(kind, "rows"));
	text_append(out, "</span></li>\n");
}

void page_append_sqlstates(struct text *out, const json_t *sums)
{
	size_t count = json_array_size(sums);
	json_t **sorted = memory_new((count + 1) * sizeof *sorted);

	for (size_t i = 0; i < count; i++)
		sorted[i] = json_array_get(sums, i);
	qsort(sorted, count, sizeof *sorted, by_count);
	text_append(out, "<div class=\"card\"><ul class=\"shares bars\">\n");
	for (size_t i = 0; i < count; i++)
		append_sqlstate(out, sorted[i], reply_integer(sorted[0], "rows"));
	text_append(out, "</ul></div>\n");
	free(sorted);
}

/* --- phases --------------------------------------------------------------------------------------- */

/* Standing still is part of the others. */
static bool is_beside(const json_t *phase)
{
	return strcmp(reply_string_or(phase, "phase", ""), "standing_still") == 0;
}

static int place_of_phase(const char *phase)
{
	static const char *const phases[] = { "detecting", "preparing", "moving",
					      "filling",   "deleting",	"undoing" };

	for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++)
		if (strcmp(phases[i], phase) == 0)
			return (int)i;
	return 1;
}

void page_append_phases(struct text *out, const json_t *phases)
{
	double all = 0, x = 0;
	char duration[FORMAT_SIZE];
	size_t i;
	json_t *phase;

	json_array_foreach(phases, i, phase) {
		all += is_beside(phase) ? 0 : (double)reply_integer(phase, "ms");
	}
	text_append(out, "<div class=\"card\">\n");
	if (all > 0)
		text_append(
			out,
			"<div class=\"phases\"><svg viewBox=\"0 0 100 10\" "
			"preserveAspectRatio=\"none\" role=\"img\" aria-labelledby=\"phases-title\">"
			"<title id=\"phases-title\">The phases of the session, by how long they "
			"took</title>");
	json_array_foreach(phases, i, phase) {
		double width = all > 0 && !is_beside(phase)
				       ? 100 * (double)reply_integer(phase, "ms") / all
				       : 0;

		if (width > 0)
			text_appendf(
				out,
				"<rect class=\"phase-%d\" x=\"%.3f\" width=\"%.3f\" height=\"10\"/>",
				place_of_phase(reply_string_or(phase, "phase", "")), x, width);
		x += width;
	}
	text_append(out, all > 0 ? "</svg></div>\n<ul class=\"legend\">" : "<ul class=\"legend\">");
	json_array_foreach(phases, i, phase) {
		if (is_beside(phase))
			text_append(out, "<li><span class=\"swatch still-band\"></span>of it ");
		else
			text_appendf(out, "<li><span class=\"swatch phase-%d\"></span>",
				     place_of_phase(reply_string_or(phase, "phase", "")));
		page_append(out, report_phase_name(reply_string_or(phase, "phase", "-")));
		text_appendf(out, " %s</li>",
			     format_short_duration(duration, reply_integer(phase, "ms")));
	}
	text_append(out, "</ul>\n</div>\n");
}
