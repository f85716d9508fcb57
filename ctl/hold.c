/*
 * Holds and attempts as sentences.
 */
#include "ctl/hold.h"

#include <string.h>

#include "ctl/format.h"
#include "ctl/reply.h"

/* The kinds of the interface's Session.hold; {id} is the beginning of the session's. */
static const struct hold_words {
	const char *kind;
	const char *otherwise; /* the reason, when none is given */
	const char *way_on;
} hold_words[] = {
	{ "operator", "paused by an operator", "migratectl resume {id} goes on with it" },
	{ "breaker", "a breaker has opened", "migratectl resume {id} approves it and goes on" },
	{ "timeout", "the migration timeout is over", "migratectl resume {id} goes on with it" },
	{ "environment", "something is in the way", "it is tried again by itself" },
	{ NULL, "no reason is given", "migratectl resume {id} goes on with it" },
};

static const struct hold_words *hold_of(const json_t *session)
{
	const char *kind = reply_string_or(session, "hold", "");
	const struct hold_words *hold = hold_words;

	while (hold->kind && strcmp(hold->kind, kind) != 0)
		hold++;
	return hold;
}

void hold_append(struct text *out, const json_t *session)
{
	static const char said_already[] = "paused ";
	const struct hold_words *hold = hold_of(session);
	const char *reason = reply_string_or(session, "reason", hold->otherwise);
	char id[FORMAT_SIZE];
	const struct text_hole holes[] = {
		{ "id", format_short_id(id, reply_string_or(session, "session", "")) },
		{ NULL, NULL },
	};

	if (strcmp(reply_string_or(session, "state", ""), "paused") != 0)
		return;
	if (strncmp(reason, said_already, strlen(said_already)) == 0)
		reason += strlen(said_already);
	text_append(out, reason);
	if (strstr(reason, "migratectl "))
		return; /* it says itself what to do */
	text_append(out, "; ");
	text_fill(out, hold->way_on, holes);
}

char *hold_entity_reason(const json_t *entity)
{
	struct text out = TEXT_INIT;
	int64_t attempts = reply_integer(entity, "attempts");
	const char *retry_at = reply_string(entity, "retry_at");
	const char *reason = reply_string(entity, "reason");
	char at[FORMAT_SIZE];

	if (attempts > 0)
		text_appendf(&out, "%lld attempt%s failed", (long long)attempts,
			     attempts == 1 ? "" : "s");
	if (retry_at) {
		text_separate(&out, ", ");
		text_appendf(&out, "again at %s", format_time_of_day(at, retry_at));
	}
	if (reason) {
		text_separate(&out, ": ");
		text_append(&out, reason);
	}
	return out.length > 0 ? text_steal(&out) : text_copy("");
}
