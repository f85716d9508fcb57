/*
 * See details.h. A line a subject; what there is nothing to say of is left out.
 */
#include "ctl/details.h"

#include <string.h>

#include "ctl/format.h"
#include "ctl/hold.h"
#include "ctl/progress.h"
#include "ctl/reply.h"
#include "ctl/wait.h"

#define LABEL_WIDTH 14
#define LETTERS_SHOWN 4

static void append_field(const struct look *look, struct text *out, enum style style,
			 const char *label, const struct text *value)
{
	if (value->length == 0)
		return;
	text_appendf(out, "  %-*s", LABEL_WIDTH, label);
	look_append(look, out, style, text_string(value));
	text_append(out, "\n");
}

static void append_count(struct text *line, const json_t *entity, const char *key,
			 const char *words)
{
	int64_t count = reply_integer(entity, key);
	char number[32];

	if (count == 0)
		return;
	text_separate(line, ", ");
	text_appendf(line, "%s %s", text_thousands(number, count), words);
}

static void append_head(const struct look *look, struct text *out, const json_t *entity)
{
	const char *status = reply_string_or(entity, "status", "unknown");
	const char *stage = reply_string(entity, "stage");
	char bar[FORMAT_SIZE], done[32], total[32];

	look_append(look, out, STYLE_BOLD, reply_string_or(entity, "entity", "-"));
	text_append(out, "  ");
	look_append(look, out, look_style_of(status), status);
	if (stage && strcmp(status, "running") == 0)
		text_appendf(out, " (%s)", stage);
	text_appendf(out, "  %s  %s of %s rows\n",
		     format_bar(bar, progress_percent(entity), look->utf8),
		     text_thousands(done, reply_integer(entity, "done")),
		     text_thousands(total, reply_integer(entity, "total")));
}

/* The words of all entities, too: here they do not repeat anything. */
static void append_left(const struct look *look, struct text *out, const json_t *entity)
{
	_cleanup_free_ char *words = wait_of_entity_in_words(entity, NULL);
	const json_t *wait = json_object_get(entity, "wait");
	bool waits = strcmp(reply_string_or(wait, "kind", ""), "parents") == 0;
	_cleanup_text_ struct text line = TEXT_INIT;

	text_append(&line, words);
	if (waits && reply_string(wait, "reason"))
		text_appendf(&line, ": %s", reply_string(wait, "reason"));
	append_field(look, out,
		     strcmp(reply_string_or(entity, "status", ""), "failed") == 0 ? STYLE_BAD
		     : wait_is_trouble(entity)					  ? STYLE_WARNING
										  : STYLE_PLAIN,
		     json_is_object(wait)	      ? "Now"
		     : reply_string(entity, "reason") ? "Why"
						      : "Left",
		     &line);
}

static void append_rate(const struct look *look, struct text *out, const json_t *entity)
{
	_cleanup_text_ struct text line = TEXT_INIT;
	char number[32];
	double rate;

	if (reply_number(entity, "rows_per_second", &rate))
		text_appendf(&line, "%s rows/s", text_thousands(number, (int64_t)rate));
	append_field(look, out, STYLE_PLAIN, "Rate", &line);
}

static void append_rows(const struct look *look, struct text *out, const json_t *entity)
{
	static const char *const carried[] = { "inserted", "updated", "deleted", "unchanged" };
	static const struct {
		const char *key, *words;
	} set_aside[] = {
		{ "failed", "failed" },
		{ "parked", "wait for their parents" },
		{ "held", "held (edited in the target)" },
		{ "kept", "kept as edited" },
		{ "overwritten", "overwritten" },
		{ "warned", "break a rule" },
	};
	_cleanup_text_ struct text rows = TEXT_INIT, aside = TEXT_INIT, checked = TEXT_INIT;

	for (size_t i = 0; i < sizeof carried / sizeof carried[0]; i++)
		append_count(&rows, entity, carried[i], carried[i]);
	for (size_t i = 0; i < sizeof set_aside / sizeof set_aside[0]; i++)
		append_count(&aside, entity, set_aside[i].key, set_aside[i].words);
	append_count(&checked, entity, "differences", "differ");
	append_count(&checked, entity, "unchecked", "checks could not be made");
	append_field(look, out, STYLE_PLAIN, "Rows", &rows);
	append_field(look, out, STYLE_WARNING, "Set aside", &aside);
	append_field(look, out, STYLE_BAD, "Checked", &checked);
}

/* "5 of 22P02 (birth_date)": the cause by its name, as the list of dead letters has it. */
static void append_letter_count(struct text *line, const json_t *count)
{
	const char *column = reply_string(count, "column");
	const char *constraint = reply_string(count, "constraint");
	char number[32];

	text_appendf(line, "%s of %s", text_thousands(number, reply_integer(count, "rows")),
		     reply_string_or(count, "sqlstate", "-"));
	if (constraint || column)
		text_appendf(line, " (%s)", constraint ? constraint : column);
}

static void append_letters(const struct look *look, struct text *out, const json_t *letters)
{
	const json_t *counts = json_object_get(letters, "counts");
	size_t i;
	json_t *count;

	json_array_foreach(counts, i, count) {
		_cleanup_text_ struct text line = TEXT_INIT;

		if (i == LETTERS_SHOWN)
			text_appendf(&line, "and %zu kinds more; migratectl dead-letters list",
				     json_array_size(counts) - i);
		else
			append_letter_count(&line, count);
		append_field(look, out, STYLE_BAD, i == 0 ? "Dead letters" : "", &line);
		if (i == LETTERS_SHOWN)
			return;
	}
}

static void append_batches(const struct look *look, struct text *out, const json_t *entity)
{
	int64_t batches = reply_integer(entity, "batches");
	int64_t size = reply_integer(entity, "batch_size");
	const char *went_on = reply_string(entity, "went_on");
	_cleanup_text_ struct text line = TEXT_INIT;
	char number[32], at[FORMAT_SIZE];

	if (batches > 0)
		text_appendf(&line, "%lld under way", (long long)batches);
	if (batches > 0 && size > 0)
		text_appendf(&line, ", of %s %s", text_thousands(number, size), format_rows(size));
	if (went_on) {
		text_separate(&line, ", ");
		text_appendf(&line, "the last went through at %s", format_time_of_day(at, went_on));
	}
	append_field(look, out, STYLE_PLAIN, "Batches", &line);
}

static void append_errors(const struct look *look, struct text *out, const json_t *entity)
{
	const char *error = reply_string(entity, "last_error");
	const char *sqlstate = reply_string(entity, "last_sqlstate");
	const char *error_at = reply_string(entity, "last_error_at");
	_cleanup_text_ struct text retries = TEXT_INIT, last = TEXT_INIT;
	char at[FORMAT_SIZE];

	append_count(&retries, entity, "retries", "in all");
	if (error)
		text_append(&last, error);
	if (error && sqlstate)
		text_appendf(&last, " (%s)", sqlstate);
	if (error && error_at)
		text_appendf(&last, ", at %s", format_time_of_day(at, error_at));
	append_field(look, out, STYLE_PLAIN, "Retries", &retries);
	append_field(look, out, STYLE_WARNING, "Last error", &last);
}

void details_append(const struct look *look, struct text *out, const json_t *entity,
		    const json_t *session, const json_t *letters)
{
	(void)session;
	if (!entity) {
		text_append(out, "It takes no part in this session.\n");
		return;
	}
	append_head(look, out, entity);
	append_left(look, out, entity);
	append_rate(look, out, entity);
	append_rows(look, out, entity);
	append_letters(look, out, letters);
	append_batches(look, out, entity);
	append_errors(look, out, entity);
}
