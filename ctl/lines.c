/*
 * See lines.h. What was told is kept by name: of entities by theirs; other names have a slash, which no entity has.
 */
#include "ctl/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "ctl/cycles.h"
#include "ctl/format.h"
#include "ctl/hold.h"
#include "ctl/progress.h"
#include "ctl/reply.h"
#include "ctl/trouble.h"

#define STATUS_WIDTH 9 /* "completed" */

void lines_init(struct lines *lines, const struct look *look)
{
	*lines = (struct lines){ .look = look, .told = json_object() };
}

void lines_done(struct lines *lines)
{
	json_decref(lines->told);
}

static const json_t *session_of(const json_t *frame)
{
	return json_object_get(frame, "session");
}

/* True when this has not been told under this name yet; it counts as told then. */
static bool is_news(struct lines *lines, const char *name, const char *otherwise, const char *now)
{
	bool news = strcmp(reply_string_or(lines->told, name, otherwise), now) != 0;

	json_object_set_new(lines->told, name, json_string(now));
	return news;
}

/* --- entities ------------------------------------------------------------------------------------ */

static void append_padded(const struct look *look, struct text *out, enum style style,
			  const char *string, int width)
{
	look_append(look, out, style, string);
	text_appendf(out, "%*s  ", width - look_width(string), "");
}

static void print_entity(const struct lines *lines, const char *clock, const json_t *entity,
			 int name_width)
{
	_cleanup_text_ struct text line = TEXT_INIT;
	const char *status = reply_string_or(entity, "status", "unknown");
	_cleanup_free_ char *reason = hold_entity_reason(entity);
	char done[32], total[32], failed[32], parked[32];

	text_appendf(&line, "%s  ", clock);
	append_padded(lines->look, &line, STYLE_PLAIN, reply_string_or(entity, "entity", "-"),
		      name_width);
	append_padded(lines->look, &line, look_style_of(status), status, STATUS_WIDTH);
	text_appendf(&line, "%s of %s rows, %s failed, %s parked",
		     text_thousands(done, reply_integer(entity, "done")),
		     text_thousands(total, reply_integer(entity, "total")),
		     text_thousands(failed, reply_integer(entity, "failed")),
		     text_thousands(parked, reply_integer(entity, "parked")));
	if (reason[0] != '\0') {
		text_append(&line, ": ");
		look_append(lines->look, &line, STYLE_PLAIN, reason);
	}
	puts(text_string(&line));
}

/* What makes a line worth it: another status, or that its attempts begin to fail. */
static char *standing_of(const json_t *entity)
{
	return text_format("%s%s", reply_string_or(entity, "status", "unknown"),
			   reply_integer(entity, "attempts") > 0 ? " (failing)" : "");
}

/* Entities of which there is news, but not those that have always been pending. */
static void print_changed_entities(struct lines *lines, const json_t *frame, const char *clock)
{
	const json_t *entities = json_object_get(frame, "entities");
	int name_width = progress_name_width(entities);
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity) {
		_cleanup_free_ char *standing = standing_of(entity);

		if (is_news(lines, reply_string_or(entity, "entity", "-"), "pending", standing))
			print_entity(lines, clock, entity, name_width);
	}
}

/* --- circumstances ------------------------------------------------------------------------------- */

/* Those lines of what is wrong that were not told the last time. */
static void print_new_lines(const char *clock, const char *text, const char *told)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		_cleanup_free_ char *line = text_format("%.*s\n", (int)length, text);

		if (!strstr(told, line))
			printf("%s  %s", clock, line);
		text += length + (text[length] == '\n');
	}
}

static void print_changed_circumstances(struct lines *lines, const json_t *frame, const char *clock)
{
	_cleanup_text_ struct text hold = TEXT_INIT, shown_hold = TEXT_INIT, trouble = TEXT_INIT;
	_cleanup_free_ char *told = text_copy(reply_string_or(lines->told, "/trouble", ""));

	hold_append(&hold, session_of(frame));
	if (is_news(lines, "/hold", "", text_string(&hold)) && hold.length > 0) {
		look_append(lines->look, &shown_hold, STYLE_PLAIN, text_string(&hold));
		printf("%s  paused: %s\n", clock, text_string(&shown_hold));
	}
	trouble_append(lines->look, &trouble, frame);
	if (is_news(lines, "/trouble", "", text_string(&trouble)))
		print_new_lines(clock, text_string(&trouble), told);
}

static bool is_over(const json_t *session)
{
	const char *state = reply_string_or(session, "state", "");

	return strcmp(state, "running") != 0 && strcmp(state, "paused") != 0 &&
	       strcmp(state, "pending") != 0;
}

static void print_next_cycle(struct lines *lines, const json_t *frame)
{
	const char *next = reply_string(frame, "next_cycle");
	char at[FORMAT_SIZE];

	if (next && is_over(session_of(frame)) && is_news(lines, "/next", "", next))
		printf("Next cycle at %s\n", format_time(at, next));
}

/* --- the session --------------------------------------------------------------------------------- */

static void print_head(struct lines *lines, const json_t *session)
{
	const char *id = reply_string_or(session, "session", "-");
	_cleanup_text_ struct text head = TEXT_INIT, hold = TEXT_INIT;

	if (strcmp(reply_string_or(lines->told, "/session", ""), id) == 0)
		return;
	json_object_clear(lines->told);
	json_object_set_new(lines->told, "/session", json_string(id));
	progress_head(lines->look, &head, session, 0, 0);
	hold_append(&hold, session);
	json_object_set_new(lines->told, "/hold", json_string(text_string(&hold)));
	fputs(text_string(&head), stdout);
}

static void print_validation(struct lines *lines, const json_t *frame)
{
	_cleanup_text_ struct text line = TEXT_INIT;

	progress_validation(lines->look, &line, json_object_get(frame, "validation"));
	if (is_news(lines, "/validation", "", text_string(&line)))
		fputs(text_string(&line), stdout);
}

void lines_print(struct lines *lines, const json_t *frame)
{
	const json_t *session = session_of(frame);
	_cleanup_text_ struct text overall = TEXT_INIT;
	char clock[32];

	if (!json_is_object(session)) {
		if (is_news(lines, "/overall", "", "none"))
			puts("No session is under way.");
		print_validation(lines, frame);
		print_next_cycle(lines, frame);
		return;
	}
	print_head(lines, session);
	clock_format_elapsed(clock, reply_integer(session, "elapsed_ms"));
	print_changed_circumstances(lines, frame, clock);
	print_changed_entities(lines, frame, clock);
	progress_overall(lines->look, &overall, session, 0);
	if (is_news(lines, "/overall", "", text_string(&overall)))
		printf("%s  %s", clock, text_string(&overall));
	print_validation(lines, frame);
	print_next_cycle(lines, frame);
}
