/*
 * check: the findings of the preflight, what to do about them, and the sum.
 */
#include <string.h>

#include "ctl/reply.h"
#include "ctl/view.h"

static const char *const results[] = { "pass", "warn", "fail", "unknown" };
enum { PASS, WARN, FAIL, UNKNOWN, RESULT_COUNT };

/* A result we do not know is not a pass. */
static size_t result_of(const json_t *finding)
{
	const char *result = reply_string_or(finding, "result", "unknown");

	for (size_t i = 0; i < RESULT_COUNT; i++)
		if (strcmp(results[i], result) == 0)
			return i;
	return UNKNOWN;
}

static int subject_width(const json_t *findings)
{
	int width = 0;
	size_t i;
	json_t *finding;

	json_array_foreach(findings, i, finding) {
		int finding_width = look_width(reply_string_or(finding, "subject", "-"));

		if (finding_width > width)
			width = finding_width;
	}
	return width;
}

static void print_finding(const struct look *look, struct text *out, const json_t *finding,
			  int width)
{
	const char *result = results[result_of(finding)];
	const char *subject = reply_string_or(finding, "subject", "-");
	const char *action = reply_string(finding, "action");

	text_append(out, "  ");
	look_append(look, out, look_style_of(result), result);
	text_appendf(out, "%*s", 9 - look_width(result), "");
	look_append(look, out, STYLE_PLAIN, subject);
	text_appendf(out, "%*s", width + 2 - look_width(subject), "");
	look_append(look, out, STYLE_PLAIN, reply_string_or(finding, "message", "-"));
	text_append(out, "\n");
	if (action) {
		text_appendf(out, "%*s%s ", width + 13, "", look->utf8 ? "→" : "->");
		look_append(look, out, STYLE_PLAIN, action);
		text_append(out, "\n");
	}
}

static const char *check_of(const json_t *finding)
{
	return reply_string_or(finding, "check", "-");
}

static bool is_first_of_its_check(const json_t *findings, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(check_of(json_array_get(findings, i)),
			   check_of(json_array_get(findings, index))) == 0)
			return false;
	return true;
}

/* All findings of one check, wherever they stand. */
static void print_group(const struct look *look, struct text *out, const json_t *findings,
			const char *check, int width)
{
	size_t i;
	json_t *finding;

	look_append(look, out, STYLE_BOLD, check);
	text_append(out, "\n");
	json_array_foreach(findings, i, finding)
		if (strcmp(check_of(finding), check) == 0)
			print_finding(look, out, finding, width);
}

static void count_results(const json_t *findings, size_t counts[RESULT_COUNT])
{
	size_t i;
	json_t *finding;

	json_array_foreach(findings, i, finding) {
		counts[result_of(finding)]++;
	}
}

/* What could not be verified is no failure (free disk room never can be), but it is no pass either,
   and is said. */
static enum exit_status judge(const json_t *reply)
{
	size_t counts[RESULT_COUNT] = { 0 };

	count_results(json_object_get(reply, "findings"), counts);
	return reply_bool(reply, "passed") && counts[FAIL] == 0 ? EXIT_DONE : EXIT_FAILED;
}

static void print_sum(const struct look *look, struct text *out, const json_t *reply)
{
	size_t counts[RESULT_COUNT] = { 0 };

	count_results(json_object_get(reply, "findings"), counts);
	if (judge(reply) != EXIT_DONE)
		look_append(look, out, STYLE_BAD, "Not ready");
	else if (counts[UNKNOWN] > 0)
		look_append(look, out, STYLE_WARNING, "Ready, as far as it could be verified");
	else
		look_append(look, out, STYLE_GOOD, "Ready");
	text_appendf(out, ": %zu passed, %zu warned, %zu failed, %zu could not be verified\n",
		     counts[PASS], counts[WARN], counts[FAIL], counts[UNKNOWN]);
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const json_t *findings = json_object_get(reply, "findings");
	int width = subject_width(findings);
	size_t i;
	json_t *finding;

	(void)arguments;
	json_array_foreach(findings, i, finding)
		if (is_first_of_its_check(findings, i))
			print_group(look, out, findings, check_of(finding), width);
	print_sum(look, out, reply);
}

const struct view view_check = { .verb = "check", .print = print, .judge = judge };
