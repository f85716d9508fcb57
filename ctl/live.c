/*
 * See live.h. A screen is three blocks: what is always told (session, what is wrong, all of it in one bar), what there is room for
 * (entities, one entity, cycles), and the bottom line (a question, a message, the keys). The first and the last have precedence.
 */
#include "ctl/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "ctl/cycles.h"
#include "ctl/details.h"
#include "ctl/format.h"
#include "ctl/hold.h"
#include "ctl/keys.h"
#include "ctl/progress.h"
#include "ctl/reply.h"
#include "ctl/trouble.h"

#define ANSWER_SHOWN_MS 8000
#define NARROW 66	  /* columns: fewer have no room for all the words of the keys */
#define WITH_HINTS 3	  /* lines: of fewer none is left for keys */
#define WITH_REASONS 14	  /* lines: of fewer none is left for the ends of reasons */
#define OLD_FRAME_MS 5000 /* while a session goes, one comes every half a second */

/* --- what is known ------------------------------------------------------------------------------- */

static const json_t *session_of(const json_t *frame)
{
	return json_object_get(frame, "session");
}

static const json_t *entities_of(const json_t *frame)
{
	return json_object_get(frame, "entities");
}

static bool is_over(const json_t *session)
{
	const char *state = reply_string_or(session, "state", "");

	return !json_is_object(session) || strcmp(state, "completed") == 0 ||
	       strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
}

static bool is_paused(const json_t *session)
{
	return strcmp(reply_string_or(session, "state", ""), "paused") == 0;
}

void live_init(struct live *live, const struct look *look)
{
	*live = (struct live){ .look = look };
}

void live_done(struct live *live)
{
	free(live->message);
	free(live->lost);
	json_decref(live->letters);
}

const char *live_entity(const struct live *live)
{
	bool shown = live->page == LIVE_DETAILS ||
		     (live->page == LIVE_HELP && live->before_help == LIVE_DETAILS);

	return shown ? live->selected : NULL;
}

/* --- what is said -------------------------------------------------------------------------------- */

void live_say(struct live *live, enum style style, const char *message, int64_t for_ms)
{
	free(live->message);
	live->message = text_copy(message);
	live->message_style = style;
	live->message_until_ms = for_ms > 0 ? clock_monotonic_ms() + for_ms : 0;
}

void live_set_lost(struct live *live, const char *why)
{
	free(live->lost);
	live->lost = text_copy(why);
}

static const char *const wish_words[] = {
	[LIVE_NOTHING] = "",	      [LIVE_QUIT] = "",
	[LIVE_PAUSE] = "pausing",     [LIVE_RESUME] = "resuming",
	[LIVE_CANCEL] = "cancelling",
};

void live_answered(struct live *live, enum live_wish wish, const char *state,
		   const struct error *err)
{
	_cleanup_text_ struct text line = TEXT_INIT;

	if (err) {
		text_appendf(&line, "%s: %s", wish_words[wish], err->message);
		if (err->hint[0])
			text_appendf(&line, "; %s", err->hint);
	} else {
		text_appendf(&line, "%s: it is %s", wish_words[wish], state);
	}
	live_say(live, err ? STYLE_BAD : STYLE_GOOD, text_string(&line), ANSWER_SHOWN_MS);
}

/* --- keys: wishes -------------------------------------------------------------------------------- */

const char *live_meant(const struct live *live, const json_t *frame, enum live_wish wish)
{
	return wish == LIVE_RESUME && is_paused(session_of(frame)) ? NULL : live_entity(live);
}

/* "session 550e8400", or the entity that is meant. */
static char *meant(const struct live *live, const json_t *frame)
{
	const char *entity = live_meant(live, frame, live->asked);
	char id[FORMAT_SIZE];

	if (entity)
		return text_copy(entity);
	return text_format("session %s",
			   format_short_id(id, reply_string_or(session_of(frame), "session", "")));
}

/* What a person has to know before he approves or ends something. */
static char *question(const struct live *live, const json_t *frame)
{
	const json_t *session = session_of(frame);
	_cleanup_free_ char *what = meant(live, frame);

	if (live->asked == LIVE_CANCEL)
		return text_format("y/n? Cancel %s; what it has carried so far stays.", what);
	return text_format("y/n? Approve and go on: %s",
			   reply_string_or(session, "reason", "a breaker asks for it"));
}

static bool needs_approval(const json_t *session)
{
	return is_paused(session) && strcmp(reply_string_or(session, "hold", ""), "breaker") == 0;
}

/* Without a session there is nothing to be asked for. */
static enum live_wish wish(struct live *live, const json_t *frame, enum live_wish wanted)
{
	const json_t *session = session_of(frame);

	if (is_over(session)) {
		live_say(live, STYLE_WARNING, "no session is under way", ANSWER_SHOWN_MS);
		return LIVE_NOTHING;
	}
	if (wanted == LIVE_CANCEL || (wanted == LIVE_RESUME && needs_approval(session))) {
		live->asked = wanted;
		return LIVE_NOTHING;
	}
	return wanted;
}

/* Anything but y is a no. */
static enum live_wish answer(struct live *live, int key)
{
	enum live_wish asked = live->asked;

	live->asked = LIVE_NOTHING;
	if (key == 'y' || key == 'Y')
		return asked;
	live_say(live, STYLE_DIM, "nothing was done", ANSWER_SHOWN_MS / 2);
	return LIVE_NOTHING;
}

/* --- keys: moving about -------------------------------------------------------------------------- */

static json_t *in_order(const struct live *live, const json_t *frame)
{
	return progress_shown(session_of(frame), entities_of(frame), live->page_rows);
}

static size_t place_of(const struct live *live, const json_t *shown)
{
	size_t i;
	json_t *entity;

	json_array_foreach(shown, i, entity)
		if (strcmp(reply_string_or(entity, "entity", ""), live->selected) == 0)
			return i;
	return 0;
}

static void select_entity(struct live *live, const json_t *shown, size_t place)
{
	snprintf(live->selected, sizeof live->selected, "%s",
		 reply_string_or(json_array_get(shown, place), "entity", ""));
}

static void move(struct live *live, const json_t *frame, long steps)
{
	json_auto_t *shown = in_order(live, frame);
	long count = (long)json_array_size(shown);
	long place = (long)place_of(live, shown);

	if (count == 0)
		return;
	if (live->selected[0] != '\0' || steps > 1)
		place += steps;
	place = place < 0 ? 0 : place >= count ? count - 1 : place;
	select_entity(live, shown, (size_t)place);
}

static void open_details(struct live *live, const json_t *frame)
{
	if (json_array_size(entities_of(frame)) == 0)
		return;
	if (live->selected[0] == '\0')
		move(live, frame, 0);
	live->page = LIVE_DETAILS;
}

static void toggle_help(struct live *live)
{
	if (live->page != LIVE_HELP)
		live->before_help = live->page;
	live->page = live->page == LIVE_HELP ? live->before_help : LIVE_HELP;
}

static void go_back(struct live *live)
{
	if (live->page == LIVE_HELP)
		live->page = live->before_help;
	else if (live->page == LIVE_DETAILS)
		live->page = LIVE_OVERVIEW;
	else
		live->selected[0] = '\0';
}

#define FAR 1000000L

enum live_wish live_key(struct live *live, const json_t *frame, int key)
{
	long rows = live->page_rows > 3 ? (long)live->page_rows - 3 : 1;

	if (live->asked != LIVE_NOTHING)
		return answer(live, key);
	switch (key) {
	case 'q':
	case 'Q':
		return LIVE_QUIT;
	case 'p':
		return wish(live, frame, LIVE_PAUSE);
	case 'r':
		return wish(live, frame, LIVE_RESUME);
	case 'c':
		return wish(live, frame, LIVE_CANCEL);
	case '?':
	case 'h':
		toggle_help(live);
		break;
	case KEY_ESCAPE:
	case KEY_LEFT:
	case 127:
	case '\b':
		go_back(live);
		break;
	case KEY_ENTER:
	case KEY_RIGHT:
		open_details(live, frame);
		break;
	case 'j':
	case KEY_DOWN:
		move(live, frame, 1);
		break;
	case 'k':
	case KEY_UP:
		move(live, frame, -1);
		break;
	case ' ':
	case KEY_PAGE_DOWN:
		move(live, frame, rows);
		break;
	case KEY_PAGE_UP:
		move(live, frame, -rows);
		break;
	case 'g':
	case KEY_HOME:
		move(live, frame, -FAR);
		break;
	case 'G':
	case KEY_END:
		move(live, frame, FAR);
		break;
	default:
		break;
	}
	return LIVE_NOTHING;
}

/* --- the upper block ------------------------------------------------------------------------------ */

static void append_no_session(const struct live *live, struct text *out, const json_t *frame)
{
	const char *state = reply_string_or(frame, "state", "unknown");

	text_append(out, "migrated  ");
	look_append(live->look, out, look_style_of(state), state);
	text_append(out, live->ends_it ? "  preparing\n" : "  no session is under way\n");
}

/* What is in the way of everything. */
static void append_lost(const struct live *live, struct text *out, const json_t *session,
			int64_t since_ms)
{
	_cleanup_text_ struct text line = TEXT_INIT;
	char age[FORMAT_SIZE];

	if (live->lost)
		text_append(&line, live->lost);
	else if (!is_over(session) && since_ms > OLD_FRAME_MS)
		text_appendf(&line, "no news from the daemon for %s",
			     format_duration(age, since_ms));
	else
		return;
	look_append(live->look, out, STYLE_BAD, text_string(&line));
	text_append(out, "\n");
}

static void append_next_cycle(const struct live *live, struct text *out, const json_t *frame,
			      int64_t since_ms)
{
	const json_t *cycles = json_object_get(frame, "cycles");
	_cleanup_free_ char *lag = cycles_lag(cycles, since_ms);

	(void)live;
	if (cycles_are_wanted(frame) && lag[0])
		text_appendf(out, "In cycles: %s\n", lag);
}

/* Of a daemon that is gone nobody knows how long it will take. */
static void append_overall(const struct live *live, struct text *out, const json_t *session,
			   int columns)
{
	json_auto_t *known = json_copy((json_t *)session);

	if (live->lost) {
		json_object_del(known, "eta_ms");
		json_object_del(known, "rows_per_second");
	}
	progress_overall(live->look, out, known, columns);
}

static void append_top(const struct live *live, struct text *out, const json_t *frame,
		       int64_t since_ms, int columns)
{
	const json_t *session = session_of(frame);
	const json_t *validation = json_object_get(frame, "validation");

	if (json_is_object(session))
		progress_head(live->look, out, session, live->lost ? 0 : since_ms, columns);
	else
		append_no_session(live, out, frame);
	append_lost(live, out, session, since_ms);
	trouble_append(live->look, out, frame);
	if (json_is_object(session)) {
		append_overall(live, out, session, columns);
		if (!is_over(session))
			append_next_cycle(live, out, frame, since_ms);
	}
	if (strcmp(reply_string_or(validation, "state", ""), "running") == 0)
		progress_validation(live->look, out, validation);
}

/* --- the middle ----------------------------------------------------------------------------------- */

static const struct {
	const char *keys, *words;
} help[] = {
	{ "p", "pause the session (in an entity's details: that entity)" },
	{ "r", "resume it; asks first where a breaker wants an approval" },
	{ "c", "cancel it; asks first" },
	{ "j k, arrows", "choose an entity; page keys, g and G go further" },
	{ "enter", "its details: rows, dead letters, rates, errors" },
	{ "esc, left", "back" },
	{ "?", "this help, and away with it" },
	{ "q, Ctrl-C", "quit; the session goes on" },
	{ "Ctrl-Z", "stop; fg goes on watching" },
};

static void append_help(const struct live *live, struct text *out)
{
	for (size_t i = 0; i < sizeof help / sizeof help[0]; i++) {
		text_append(out, "  ");
		look_append(live->look, out, STYLE_BOLD, help[i].keys);
		text_appendf(out, "%*s%s\n", 13 - look_width(help[i].keys), "", help[i].words);
	}
}

/* So that the chosen one is among those that are shown. */
static void scroll(struct live *live, const json_t *frame, size_t lines)
{
	json_auto_t *shown = NULL;
	size_t rows = lines > 2 ? lines - 2 : 1; /* without the header, and who is left out */
	size_t place, count;

	live->page_rows = lines;
	shown = in_order(live, frame);
	count = json_array_size(shown);
	place = live->selected[0] ? place_of(live, shown) : 0;
	if (place < live->first)
		live->first = place;
	if (place >= live->first + rows)
		live->first = place - rows + 1;
	if (count < lines || live->first + rows > count)
		live->first = count < lines ? 0 : count - rows;
}

static void append_entities(struct live *live, struct text *out, const json_t *frame, int columns,
			    size_t lines)
{
	struct progress_room room = { .columns = columns, .lines = lines };

	scroll(live, frame, lines);
	room.first = live->first;
	room.selected = live->selected[0] ? live->selected : NULL;
	progress_entities(live->look, out, session_of(frame), entities_of(frame), &room);
}

static const json_t *entity_named(const json_t *frame, const char *name)
{
	const json_t *entities = entities_of(frame);
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity)
		if (strcmp(reply_string_or(entity, "entity", ""), name) == 0)
			return entity;
	return NULL;
}

static void append_details(const struct live *live, struct text *out, const json_t *frame)
{
	const json_t *letters = strcmp(live->letters_of, live->selected) == 0 ? live->letters
									      : NULL;

	details_append(live->look, out, entity_named(frame, live->selected), session_of(frame),
		       letters);
}

/* Between sessions the cycles are what there is to be seen. */
static void append_middle(struct live *live, struct text *out, const json_t *frame,
			  int64_t since_ms, int columns, size_t lines)
{
	const json_t *session = session_of(frame);
	size_t for_cycles = 0;

	if (live->page == LIVE_HELP) {
		append_help(live, out);
		return;
	}
	if (live->page == LIVE_DETAILS) {
		append_details(live, out, frame);
		return;
	}
	if (cycles_are_wanted(frame) && is_over(session)) {
		for_cycles = lines > 16 ? 10 : lines > 8 ? lines / 2 : lines;
		cycles_append(live->look, out, json_object_get(frame, "cycles"), since_ms,
			      for_cycles);
	}
	if (json_is_object(session) && lines > for_cycles + 1)
		append_entities(live, out, frame, columns, lines - for_cycles);
}

/* --- the bottom ----------------------------------------------------------------------------------- */

static const char *hints(const struct live *live, int columns)
{
	static const char *const narrow[] = {
		[LIVE_OVERVIEW] = "p r c  enter  ? help  q quit",
		[LIVE_DETAILS] = "p r c  esc back  ? help  q quit",
		[LIVE_HELP] = "? back  q quit",
	};
	static const char *const of_pages[] = {
		[LIVE_OVERVIEW] = "p pause  r resume  c cancel  enter details  ? help  q quit",
		[LIVE_DETAILS] = "p r c: this entity  esc back  j k others  ? help  q quit",
		[LIVE_HELP] = "? back  q quit",
	};

	if (live->ends_it && live->page == LIVE_OVERVIEW)
		return "c cancel  enter details  ? help  q end it";
	return columns < NARROW ? narrow[live->page] : of_pages[live->page];
}

static bool message_is_due(const struct live *live)
{
	return live->message &&
	       (live->message_until_ms == 0 || clock_monotonic_ms() < live->message_until_ms);
}

static void append_bottom(const struct live *live, struct text *out, const json_t *frame,
			  int columns)
{
	_cleanup_free_ char *asked = NULL;

	if (live->asked != LIVE_NOTHING) {
		asked = question(live, frame);
		look_append(live->look, out, STYLE_BOLD, asked);
	} else if (message_is_due(live)) {
		look_append(live->look, out, live->message_style, live->message);
	} else if (live->keys) {
		look_append(live->look, out, STYLE_DIM, hints(live, columns));
	} else {
		return;
	}
	text_append(out, "\n");
}

/* --- all of it ------------------------------------------------------------------------------------ */

static size_t lines_in(const struct text *text)
{
	size_t count = 0;

	for (size_t i = 0; i < text->length; i++)
		count += text->data[i] == '\n';
	return count;
}

/* A long line in several, so that no word of it is lost where there is room. */
static void append_wrapped(struct text *out, const char *string, int columns)
{
	while (look_width(string) > columns) {
		size_t fits = look_fit(string, columns);
		size_t length = fits;

		while (length > 0 && string[length] != ' ')
			length--;
		text_append_bytes(out, string, length > 0 ? length : fits);
		text_append(out, "\n");
		string += length > 0 ? length + 1 : fits;
	}
	text_append(out, string);
}

static void append_first_lines(struct text *out, const struct text *from, size_t lines)
{
	const char *at = text_string(from);

	for (; lines > 0 && *at; lines--) {
		size_t length = strcspn(at, "\n");

		text_append_bytes(out, at, length);
		text_append(out, "\n");
		at += length + (at[length] == '\n');
	}
}

/* Why something is wrong, and what to do about it, is told to its end, where there is room; the first line and that of all of it are made to
   be cut. */
static void wrap_reasons(struct text *top, int columns, size_t lines)
{
	_cleanup_text_ struct text whole = *top;
	const char *at = text_string(&whole);

	*top = (struct text)TEXT_INIT;
	for (size_t i = 0; *at; i++) {
		size_t length = strcspn(at, "\n");
		_cleanup_free_ char *line = text_format("%.*s", (int)length, at);
		bool is_cut = i == 0 || lines < WITH_REASONS || columns < NARROW / 2 ||
			      strncmp(line, "Overall", strlen("Overall")) == 0;

		if (is_cut)
			text_append(top, line);
		else
			append_wrapped(top, line, columns);
		text_append(top, "\n");
		at += length + (at[length] == '\n');
	}
}

void live_append(struct live *live, struct text *out, const json_t *frame, int64_t since_ms,
		 int columns, size_t lines)
{
	_cleanup_text_ struct text top = TEXT_INIT, middle = TEXT_INIT, bottom = TEXT_INIT;
	_cleanup_text_ struct text line = TEXT_INIT;
	size_t left, below;

	append_top(live, &top, frame, since_ms, columns);
	wrap_reasons(&top, columns, lines);
	append_bottom(live, &line, frame, columns);
	if (live->asked != LIVE_NOTHING)
		append_wrapped(&bottom, text_string(&line), columns);
	else
		text_append(&bottom, text_string(&line));
	if (lines < WITH_HINTS && live->asked == LIVE_NOTHING && !message_is_due(live))
		text_clear(&bottom);
	below = lines_in(&bottom);
	if (below >= lines) { /* hardly any room: a question first, else what goes on */
		append_first_lines(out, live->asked != LIVE_NOTHING ? &bottom : &top, lines);
		return;
	}
	left = lines - below;
	if (lines_in(&top) + 2 <= left)
		append_middle(live, &middle, frame, since_ms, columns, left - lines_in(&top));
	append_first_lines(out, &top, left);
	append_first_lines(out, &middle, left > lines_in(&top) ? left - lines_in(&top) : 0);
	append_first_lines(out, &bottom, below);
}

void live_append_last(const struct live *live, struct text *out, const json_t *frame,
		      int64_t since_ms, int columns)
{
	const json_t *session = session_of(frame);

	append_top(live, out, frame, since_ms, columns);
	if (json_is_object(session))
		progress_entities(live->look, out, session, entities_of(frame),
				  &(struct progress_room){ .columns = columns });
}
