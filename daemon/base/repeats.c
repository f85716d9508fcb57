/*
 * The lines of the last minute; see repeats.h. There are few, so they are simply looked through.
 */
#include "base/repeats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/journal.h"
#include "common/text.h"

struct line {
	struct journal_event event; /* the last of them */
	int64_t since_ms;	    /* 0: nothing stands here */
	int64_t count;		    /* of those that were not told */
};

struct repeats {
	repeats_tell *tell;
	struct line lines[REPEATS_KEPT];
};

struct repeats *repeats_new(repeats_tell *tell)
{
	struct repeats *repeats = memory_new(sizeof(*repeats));

	repeats->tell = tell;
	return repeats;
}

static enum event_repeats kind_of(const struct journal_event *event)
{
	const enum event_repeats kind = event_describe(event->kind)->repeats;
	const bool counted = event->priority == LOG_ERR || event->priority == LOG_WARNING ||
			     event->priority == LOG_INFO;

	if (kind == REPEATS_ANY_WORDS && event->priority >= LOG_ERR)
		return kind;
	return counted ? kind : REPEATS_ARE_TOLD;
}

static bool are_alike(const struct journal_event *a, const struct journal_event *b,
		      enum event_repeats kind)
{
	return a->kind == b->kind && a->priority == b->priority &&
	       (kind == REPEATS_ANY_WORDS || strcmp(a->message, b->message) == 0) &&
	       strcmp(a->session, b->session) == 0 && strcmp(a->entity, b->entity) == 0 &&
	       strcmp(a->database, b->database) == 0 && strcmp(a->legacy_key, b->legacy_key) == 0 &&
	       strcmp(a->sqlstate, b->sqlstate) == 0 && strcmp(a->phase, b->phase) == 0;
}

/* What was counted is told, and a new minute begins; a line that did not come again is forgotten. */
static void end_minute(struct repeats *repeats, struct line *line, int64_t now_ms)
{
	struct journal_event event = line->event;
	int64_t seconds = (now_ms - line->since_ms + 500) / 1000;
	int64_t count = line->count;
	char told[64];
	size_t length;

	line->since_ms = count > 0 ? now_ms : 0;
	line->count = 0;
	if (count == 0)
		return;
	snprintf(told, sizeof(told), " (repeated %" PRId64 " time%s in %" PRId64 " s)", count,
		 count == 1 ? "" : "s", seconds);
	length = strlen(event.message);
	if (length > sizeof(event.message) - sizeof(told))
		length = sizeof(event.message) - sizeof(told);
	snprintf(event.message + length, sizeof(event.message) - length, "%s", told);
	repeats->tell(&event);
}

void repeats_expire(struct repeats *repeats, int64_t now_ms, bool all)
{
	for (size_t i = 0; i < REPEATS_KEPT; i++) {
		struct line *line = &repeats->lines[i];

		if (line->since_ms != 0 && (all || now_ms - line->since_ms >= REPEATS_WINDOW_MS))
			end_minute(repeats, line, now_ms);
	}
}

/* A free place, or the one of the oldest line. */
static struct line *place(struct repeats *repeats, int64_t now_ms)
{
	struct line *oldest = repeats->lines;

	for (size_t i = 0; i < REPEATS_KEPT; i++)
		if (repeats->lines[i].since_ms < oldest->since_ms)
			oldest = &repeats->lines[i];
	if (oldest->since_ms != 0)
		end_minute(repeats, oldest, now_ms);
	return oldest;
}

bool repeats_count(struct repeats *repeats, const struct journal_event *event, int64_t now_ms)
{
	const enum event_repeats kind = kind_of(event);
	struct line *line;

	repeats_expire(repeats, now_ms, false);
	if (kind == REPEATS_ARE_TOLD)
		return false;
	for (size_t i = 0; i < REPEATS_KEPT; i++) {
		line = &repeats->lines[i];
		if (line->since_ms == 0 || !are_alike(&line->event, event, kind))
			continue;
		line->event = *event;
		line->count++;
		return true;
	}
	line = place(repeats, now_ms);
	*line = (struct line){ .event = *event, .since_ms = now_ms };
	return false;
}
