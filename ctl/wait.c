/*
 * See wait.h. A row a kind; what is not known here (the daemon may be younger) is shown as it is.
 */
#include "ctl/wait.h"

#include <string.h>

#include "ctl/format.h"
#include "ctl/hold.h"
#include "ctl/reply.h"

static const struct wait_words {
	const char *kind;
	const char *words;
	bool reason;  /* is told after the words */
	bool trouble; /* somebody should look into it */
	bool of_all;  /* of a session: said once, not of each entity */
} all_words[] = {
	{ "source", "reconnecting to source", false, true, true },
	{ "target", "reconnecting to target", false, true, true },
	{ "connections", "no connections to work on", true, true, true },
	{ "throttled", "throttled", true, true, true },
	{ "paused", "paused", true, true, true },
	{ "stalled", "stalled", false, true, false },
	{ "retry", "tried again", true, true, false },
	{ "ending", "ending", false, false, true },
	{ "checking", "checking rows", false, false, false },
	{ "rebuilding", "rebuilding indexes", false, false, false },
	{ "filling", "filling in references", false, false, false },
	{ "planning", "planning", false, false, false },
	{ "detecting", "looking for changes", false, false, true },
	{ "preparing", "preparing", false, false, true },
	{ "children", "waiting for children", false, false, false },
	{ "others", "waiting for the others", false, false, false },
	{ "parents", "waiting for parents", false, false, false },
	{ "turn", "waiting for its turn", false, false, false },
	{ NULL, NULL, true, false, false },
};

static const struct wait_words *words_of(const json_t *wait)
{
	const char *kind = reply_string_or(wait, "kind", "");
	const struct wait_words *words = all_words;

	while (words->kind && strcmp(words->kind, kind) != 0)
		words++;
	return words;
}

static bool says_again(const char *reason, const char *words)
{
	size_t length = strlen(words);

	return strncmp(reason, words, length) == 0 && reason[length] == ' ';
}

/* "stalled since 10:02:11", "paused: disk full on target: …", "paused by an operator". */
static void append_wait(struct text *out, const json_t *wait)
{
	const struct wait_words *words = words_of(wait);
	const char *since = reply_string(wait, "since");
	const char *reason = reply_string(wait, "reason");
	const char *said = words->words ? words->words : reply_string_or(wait, "kind", "");
	char at[FORMAT_SIZE];

	if (words->reason && reason && says_again(reason, said)) {
		text_append(out, reason);
		return;
	}
	text_append(out, said);
	if (since)
		text_appendf(out, " since %s", format_time_of_day(at, since));
	if (words->reason && reason)
		text_appendf(out, ": %s", reason);
}

char *wait_of_session_in_words(const json_t *session)
{
	const json_t *wait = json_object_get(session, "wait");
	struct text out = TEXT_INIT;
	char left[FORMAT_SIZE];
	double eta_ms;

	if (json_is_object(wait))
		append_wait(&out, wait);
	else if (reply_number(session, "eta_ms", &eta_ms))
		text_appendf(&out, "%s left", format_duration(left, (int64_t)eta_ms));
	return out.length > 0 ? text_steal(&out) : NULL;
}

static bool is_said_of_all(const json_t *wait, const json_t *session)
{
	const json_t *of_session = json_object_get(session, "wait");

	return words_of(wait)->of_all && words_of(of_session) == words_of(wait);
}

char *wait_of_entity_in_words(const json_t *entity, const json_t *session)
{
	const json_t *wait = json_object_get(entity, "wait");
	const char *kind = reply_string_or(wait, "kind", "");
	_cleanup_free_ char *reason = hold_entity_reason(entity);
	struct text out = TEXT_INIT;
	char left[FORMAT_SIZE];
	double eta_ms;

	if (json_is_object(wait) && strcmp(kind, "retry") != 0 && !is_said_of_all(wait, session))
		append_wait(&out, wait);
	else if (reason[0])
		text_append(&out, reason);
	else if (reply_number(entity, "eta_ms", &eta_ms))
		text_append(&out, format_duration(left, (int64_t)eta_ms));
	return out.length > 0 ? text_steal(&out) : text_copy("");
}

bool wait_is_trouble(const json_t *object)
{
	return words_of(json_object_get(object, "wait"))->trouble;
}
