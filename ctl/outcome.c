/*
 * The last word on a session.
 */
#include "ctl/outcome.h"

#include <string.h>

#include "ctl/format.h"
#include "ctl/hold.h"
#include "ctl/reply.h"

static void append_count(struct text *sentence, int64_t count, const char *one, const char *many)
{
	char number[32];

	if (count > 0)
		text_appendf(sentence, "; %s %s", text_thousands(number, count),
			     count == 1 ? one : many);
}

/* "; 3 rows were edited in the target: 2 overwritten, 1 held" */
static void append_edited(struct text *sentence, const json_t *session)
{
	static const char *const states[] = { "overwritten", "kept", "held" };
	int64_t edited = 0;
	const char *separator = ": ";
	char number[32];

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		edited += reply_integer(session, states[i]);
	append_count(sentence, edited, "row was edited in the target",
		     "rows were edited in the target");
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		int64_t count = reply_integer(session, states[i]);

		if (count == 0)
			continue;
		text_appendf(sentence, "%s%s %s", separator, text_thousands(number, count),
			     states[i]);
		separator = ", ";
	}
}

/* What was found before and after; not to have looked is no pass either. As of validate. */
static enum exit_status checked(const json_t *session, struct text *sentence)
{
	int64_t differences = reply_integer(session, "differences");
	int64_t unchecked = reply_integer(session, "unchecked");

	append_count(sentence, differences, "difference was found", "differences were found");
	append_count(sentence, unchecked, "check could not be made", "checks could not be made");
	if (differences + unchecked > 0)
		text_append(sentence, " (migratectl validate --show)");
	if (differences > 0)
		return EXIT_PAUSED;
	return unchecked > 0 ? EXIT_FAILED : EXIT_DONE;
}

/* What was not undone is no failure, but no success either. */
static enum exit_status rolled_back(const json_t *session, struct text *sentence)
{
	char done[32], left[32];
	int64_t rows_left = reply_integer(session, "failed");
	int64_t rows = reply_integer(session, "done") - rows_left;

	text_appendf(sentence, "completed, %s %s undone", text_thousands(done, rows),
		     rows == 1 ? "row" : "rows");
	if (rows_left == 0)
		return EXIT_DONE;
	text_appendf(sentence, "; %s %s (migratectl left)", text_thousands(left, rows_left),
		     rows_left == 1 ? "row was left as it is" : "rows were left as they are");
	return EXIT_PAUSED;
}

static enum exit_status completed(const json_t *session, struct text *sentence)
{
	char done[32];
	int64_t rows = reply_integer(session, "done");

	text_appendf(sentence, "completed, %s %s", text_thousands(done, rows),
		     rows == 1 ? "row" : "rows");
	append_count(sentence, reply_integer(session, "failed"),
		     "row could not be applied and was set aside",
		     "rows could not be applied and were set aside");
	append_count(sentence, reply_integer(session, "parked"), "row waits for its parent",
		     "rows wait for their parents");
	append_edited(sentence, session);
	append_count(sentence, reply_integer(session, "warned"),
		     "row was carried although it breaks a rule",
		     "rows were carried although they break a rule");
	return checked(session, sentence);
}

static const char *words_of(const char *state)
{
	static const struct {
		const char *state;
		const char *words;
	} all[] = {
		{ "paused", "is paused" },	   { "failed", "has failed" },
		{ "cancelled", "was cancelled" },  { "pending", "has not begun" },
		{ "running", "is still running" },
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i].state, state) == 0)
			return all[i].words;
	return "is in a state unknown here";
}

enum exit_status outcome_of(const json_t *session, struct text *sentence)
{
	const char *state = reply_string(session, "state");
	const char *reason = reply_string(session, "reason");
	char id[FORMAT_SIZE];

	if (!state)
		return EXIT_DONE;
	format_short_id(id, reply_string_or(session, "session", ""));
	text_appendf(sentence, "session %s ", id);
	if (strcmp(state, "completed") == 0)
		return strcmp(reply_string_or(session, "mode", ""), "rollback") == 0
			       ? rolled_back(session, sentence)
			       : completed(session, sentence);
	text_append(sentence, words_of(state));
	if (strcmp(state, "paused") == 0) {
		text_append(sentence, ": ");
		hold_append(sentence, session);
		return EXIT_PAUSED;
	}
	if (reason)
		text_appendf(sentence, ": %s", reason);
	return EXIT_FAILED;
}
