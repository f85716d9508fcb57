/*
 * Progress as text. Numbers are shown as the daemon gives them, but never a percentage outside 0 to
 * 100.
 */
#include "ctl/progress.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "ctl/format.h"
#include "ctl/hold.h"
#include "ctl/reply.h"
#include "ctl/wait.h"

#define HEAD_WIDTH 72 /* of a head with the whole id */
#define MARK_WIDTH 2
#define BAR_NEEDS 60 /* where there are fewer columns, a number does */

static bool is_state(const json_t *object, const char *key, const char *state)
{
	return strcmp(reply_string_or(object, key, ""), state) == 0;
}

int progress_percent(const json_t *object)
{
	int share = format_share(reply_integer(object, "done"), reply_integer(object, "total"));
	bool complete = is_state(object, "status", "completed") ||
			is_state(object, "state", "completed");

	return complete ? 100 : share < 100 ? share : 99;
}

/* --- the session ------------------------------------------------------------------------------ */

static int64_t elapsed_ms(const json_t *session, int64_t since_ms)
{
	int64_t elapsed = reply_integer(session, "elapsed_ms");

	return is_state(session, "state", "running") ? elapsed + since_ms : elapsed;
}

/* On a line of its own: it is what one has come to read. */
static void append_hold(const struct look *look, struct text *out, const json_t *session)
{
	_cleanup_text_ struct text hold = TEXT_INIT;

	text_append(&hold, "paused: ");
	hold_append(&hold, session);
	text_append(out, "\n");
	look_append(look, out, STYLE_WARNING, text_string(&hold));
}

/* The whole id where there is room for it: it can be copied then. */
static const char *shown_id(char id[FORMAT_SIZE], const char *session, int columns)
{
	return columns > 0 && columns < HEAD_WIDTH ? format_short_id(id, session) : session;
}

void progress_head(const struct look *look, struct text *out, const json_t *session,
		   int64_t since_ms, int columns)
{
	const char *state = reply_string_or(session, "state", "unknown");
	const char *reason = reply_string(session, "reason");
	char elapsed[32], id[FORMAT_SIZE];

	text_append(out, "Session ");
	look_append(look, out, STYLE_BOLD,
		    shown_id(id, reply_string_or(session, "session", "-"), columns));
	text_append(out, "  ");
	look_append(look, out, STYLE_PLAIN, reply_string_or(session, "mode", "-"));
	text_append(out, "  ");
	look_append(look, out, look_style_of(state), state);
	text_appendf(out, "  %s", clock_format_elapsed(elapsed, elapsed_ms(session, since_ms)));
	if (is_state(session, "state", "paused")) {
		append_hold(look, out, session);
	} else if (reason) {
		text_append(out, "  ");
		look_append(look, out, STYLE_WARNING, reason);
	}
	text_append(out, "\n");
}

static void append_findings(const struct look *look, struct text *out, const json_t *session)
{
	static const struct {
		const char *key, *words;
		enum style style;
	} findings[] = {
		{ "failed", "failed", STYLE_BAD },	{ "parked", "parked", STYLE_WARNING },
		{ "held", "held", STYLE_WARNING },	{ "warned", "warned", STYLE_WARNING },
		{ "differences", "differ", STYLE_BAD },
	};

	for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++) {
		int64_t count = reply_integer(session, findings[i].key);
		_cleanup_free_ char *said = NULL;
		char number[32];

		if (count == 0)
			continue;
		said = text_format("%s %s", text_thousands(number, count), findings[i].words);
		text_append(out, ", ");
		look_append(look, out, findings[i].style, said);
	}
}

/* What one looks for comes first, as there may not be room for all of it. */
void progress_overall(const struct look *look, struct text *out, const json_t *session, int columns)
{
	bool held = is_state(session, "state", "paused"); /* its line says why */
	char done[32], total[32], number[32], bar[FORMAT_SIZE];
	_cleanup_free_ char *words = held ? NULL : wait_of_session_in_words(session);
	double rate;

	if (columns > 0 && columns < BAR_NEEDS)
		text_appendf(out, "Overall %d%%  ", progress_percent(session));
	else
		text_appendf(out, "Overall  %s  ",
			     format_bar(bar, progress_percent(session), look->utf8));
	if (words) {
		look_append(look, out, wait_is_trouble(session) ? STYLE_WARNING : STYLE_BOLD,
			    words);
		text_append(out, ", ");
	}
	text_appendf(out, "%s of %s rows", text_thousands(done, reply_integer(session, "done")),
		     text_thousands(total, reply_integer(session, "total")));
	if (is_state(session, "state", "running") &&
	    reply_number(session, "rows_per_second", &rate))
		text_appendf(out, ", %s rows/s", text_thousands(number, (int64_t)rate));
	append_findings(look, out, session);
	if (reply_number(session, "success_rate", &rate))
		text_appendf(out, ", success %s", format_percent(bar, rate));
	text_append(out, "\n");
}

/* --- the entities ----------------------------------------------------------------------------- */

enum { ENTITY, STATUS, PROGRESS, RATE, FAILED, PARKED, WARNED, DIFFERS, ETA, COLUMN_COUNT };

static const struct table_column columns[COLUMN_COUNT] = {
	[ENTITY] = { "Entity", false, 8 },     [STATUS] = { "Status", false, 9 },
	[PROGRESS] = { "Progress", false, 0 }, [RATE] = { "Rows/s", true, 7 },
	[FAILED] = { "Failed", true, 0 },      [PARKED] = { "Parked", true, 0 },
	[WARNED] = { "Warned", true, 0 },      [DIFFERS] = { "Differ", true, 0 },
	[ETA] = { "ETA", false, 0 },
};

/* What a narrow terminal goes without, in this order, until there is room for the words of the last column. */
static const int dispensable[] = { WARNED, RATE, PARKED, DIFFERS, PROGRESS, FAILED, STATUS };

#define ETA_WANTS 19 /* "waiting for parents" */
#define BAR_WIDTH 15
#define GAP 2

/* Which columns are shown: those that there is room for, and of some only where any entity has something to say in them. Without its
   bar, the progress is a number. */
struct shown_columns {
	bool has[COLUMN_COUNT];
	bool bar;
	bool marks;
};

static int width_of(const struct shown_columns *shown, int name_width)
{
	int width = 0;

	for (int i = 0; i < COLUMN_COUNT; i++) {
		int column = i == ENTITY     ? name_width + (shown->marks ? MARK_WIDTH : 0)
			     : i == PROGRESS ? (shown->bar ? BAR_WIDTH : 8)
			     : i == ETA	     ? ETA_WANTS
					     : columns[i].min_width;

		if (column < look_width(columns[i].header))
			column = look_width(columns[i].header);
		width += shown->has[i] ? column + GAP : 0;
	}
	return width - GAP;
}

static void make_room(struct shown_columns *shown, int name_width, int most)
{
	for (size_t i = 0; i < sizeof dispensable / sizeof dispensable[0]; i++) {
		if (most == 0 || width_of(shown, name_width) <= most)
			return;
		if (dispensable[i] == PROGRESS)
			shown->bar = false;
		else
			shown->has[dispensable[i]] = false;
	}
}

static struct shown_columns columns_for(const json_t *session, const json_t *entities,
					const struct progress_room *room)
{
	struct shown_columns shown = { .bar = true, .marks = room->selected != NULL };
	bool warned = false, differs = false, eta = !is_state(session, "state", "completed");
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity) {
		warned |= reply_integer(entity, "warned") > 0;
		differs |= reply_integer(entity, "differences") > 0;
		eta |= reply_string(entity, "reason") != NULL;
	}
	for (int column = 0; column < COLUMN_COUNT; column++)
		shown.has[column] = true;
	shown.has[WARNED] = warned;
	shown.has[DIFFERS] = differs;
	shown.has[ETA] = eta;
	make_room(&shown, progress_name_width(entities), room->columns);
	return shown;
}

/* Of all entities, so that the columns stay where they are whichever are shown. */
int progress_name_width(const json_t *entities)
{
	int widest = 0;
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity) {
		int width = look_width(reply_string_or(entity, "entity", "-"));

		if (width > widest)
			widest = width;
	}
	return widest;
}

/* Returns how many columns are shown. */
static size_t choose_columns(struct table_column chosen[COLUMN_COUNT],
			     const struct shown_columns *shown, const json_t *entities)
{
	size_t count = 0;
	int width = progress_name_width(entities) + (shown->marks ? MARK_WIDTH : 0);

	for (int i = 0; i < COLUMN_COUNT; i++)
		if (shown->has[i])
			chosen[count++] = columns[i];
	if (width > chosen[ENTITY].min_width)
		chosen[ENTITY].min_width = width;
	return count;
}

static void add_name(struct table *table, const json_t *entity, const struct look *look,
		     const struct progress_room *room)
{
	const char *name = reply_string_or(entity, "entity", "-");
	bool selected = room->selected && strcmp(room->selected, name) == 0;
	_cleanup_free_ char *marked = NULL;

	if (!room->selected) {
		table_add(table, name);
		return;
	}
	marked = text_format("%s %s", !selected ? " " : look->utf8 ? "▸" : ">", name);
	table_add_styled(table, selected ? STYLE_BOLD : STYLE_PLAIN, marked);
}

static void add_progress(struct table *table, const json_t *entity, bool bar,
			 const struct look *look)
{
	char shown[FORMAT_SIZE];
	int percent = progress_percent(entity);

	if (bar && (percent > 0 || !is_state(entity, "status", "pending")))
		format_bar(shown, percent, look->utf8);
	else
		snprintf(shown, sizeof shown, "%d%%", percent);
	table_add(table, shown);
}

static enum style style_of_words(const json_t *entity)
{
	if (is_state(entity, "status", "failed"))
		return STYLE_BAD;
	return wait_is_trouble(entity) || reply_integer(entity, "attempts") > 0 ? STYLE_WARNING
										: STYLE_PLAIN;
}

static void add_eta(struct table *table, const json_t *entity, const json_t *session)
{
	_cleanup_free_ char *words = wait_of_entity_in_words(entity, session);

	table_add_styled(table, words[0] ? style_of_words(entity) : STYLE_PLAIN,
			 words[0] ? words : "-");
}

/* A number that one would like to be nothing. */
static void add_finding(struct table *table, const json_t *entity, const char *key,
			enum style style)
{
	char number[32];
	int64_t count = reply_integer(entity, key);

	table_add_styled(table, count > 0 ? style : STYLE_PLAIN, text_thousands(number, count));
}

static void add_entity(struct table *table, const json_t *entity, const json_t *session,
		       const struct shown_columns *shown, const struct look *look,
		       const struct progress_room *room)
{
	add_name(table, entity, look, room);
	if (shown->has[STATUS])
		reply_cell_state(table, entity, "status");
	add_progress(table, entity, shown->bar, look);
	if (shown->has[RATE])
		reply_cell_integer(table, entity, "rows_per_second");
	if (shown->has[FAILED])
		add_finding(table, entity, "failed", STYLE_BAD);
	if (shown->has[PARKED])
		add_finding(table, entity, "parked", STYLE_WARNING);
	if (shown->has[WARNED])
		add_finding(table, entity, "warned", STYLE_WARNING);
	if (shown->has[DIFFERS])
		add_finding(table, entity, "differences", STYLE_BAD);
	if (shown->has[ETA])
		add_eta(table, entity, session);
}

/* --- which of them ------------------------------------------------------------------------------ */

/* What one wants to see first when not everything can be shown. */
static const char *const ranks[] = { "failed",	  "paused",  "running",
				     "cancelled", "pending", "completed" };

#define RANKS ((int)(sizeof ranks / sizeof ranks[0]))

static int rank(const json_t *entity)
{
	for (int i = 0; i < RANKS; i++)
		if (is_state(entity, "status", ranks[i]))
			return i;
	return RANKS;
}

/* Without those that a session, now over, had nothing to do for: of most cycles, nearly all. */
static json_t *those_with_work(const json_t *session, const json_t *entities)
{
	bool is_over = is_state(session, "state", "completed");
	json_t *chosen = json_array();
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity)
		if (!is_over || !is_state(entity, "status", "completed") ||
		    reply_integer(entity, "total") > 0 ||
		    reply_integer(entity, "differences") > 0 || reply_string(entity, "reason"))
			json_array_append(chosen, entity);
	return chosen;
}

json_t *progress_shown(const json_t *session, const json_t *entities, size_t lines)
{
	json_t *chosen = those_with_work(session, entities);
	json_t *ranked;
	size_t i;
	json_t *entity;

	if (lines == 0 || json_array_size(chosen) < lines)
		return chosen; /* all have room: in the order of their dependencies */
	ranked = json_array();
	for (int r = 0; r <= RANKS; r++)
		json_array_foreach(chosen, i, entity)
			if (rank(entity) == r)
				json_array_append(ranked, entity);
	json_decref(chosen);
	return ranked;
}

static void append_dim(const struct look *look, struct text *out, const char *string)
{
	_cleanup_free_ char *line = text_format("%s %s", look->utf8 ? "…" : "...", string);

	look_append(look, out, STYLE_DIM, line);
	text_append(out, "\n");
}

/* "… 18 more: 12 completed, 6 pending", of those above and below. */
static void append_left_out(const struct look *look, struct text *out, const json_t *shown,
			    size_t first, size_t count)
{
	size_t of_rank[RANKS + 1] = { 0 }, i;
	_cleanup_text_ struct text line = TEXT_INIT;
	const char *separator = ": ";
	json_t *entity;

	json_array_foreach(shown, i, entity)
		of_rank[rank(entity)] += i < first || i >= first + count;
	text_appendf(&line, "%zu more", json_array_size(shown) - count);
	for (int r = 0; r < RANKS; r++) {
		if (of_rank[r] == 0)
			continue;
		text_appendf(&line, "%s%zu %s", separator, of_rank[r], ranks[r]);
		separator = ", ";
	}
	append_dim(look, out, text_string(&line));
}

static void append_without_changes(const struct look *look, struct text *out, size_t count)
{
	_cleanup_free_ char *line = text_format("%zu %s had no changes", count,
						count == 1 ? "entity" : "entities");

	append_dim(look, out, line);
}

static void print_entities(const struct look *look, struct text *out, const json_t *session,
			   const json_t *entities, const json_t *shown, size_t count,
			   const struct progress_room *room)
{
	_cleanup_table_ struct table table = { 0 };
	struct table_column chosen[COLUMN_COUNT];
	struct shown_columns which = columns_for(session, entities, room);

	table_init(&table, chosen, choose_columns(chosen, &which, entities));
	for (size_t i = room->first; i < room->first + count; i++)
		add_entity(&table, json_array_get(shown, i), session, &which, look, room);
	table_print(&table, look, out);
}

void progress_entities(const struct look *look, struct text *out, const json_t *session,
		       const json_t *entities, const struct progress_room *room)
{
	json_auto_t *shown = progress_shown(session, entities, room->lines);
	size_t all = json_array_size(shown);
	size_t without = json_array_size(entities) - all;
	size_t others = 1 + (without > 0); /* the header, and who had no changes */
	size_t rows = room->lines > others ? room->lines - others : 0;

	if (room->lines == 0 || rows >= all)
		rows = all;
	else
		rows -= rows > 0; /* who is left out */
	if (room->first + rows > all)
		rows = all > room->first ? all - room->first : 0;
	if (rows > 0)
		print_entities(look, out, session, entities, shown, rows, room);
	if (rows < all && (rows > 0 || room->lines > 0))
		append_left_out(look, out, shown, room->first, rows);
	if (without > 0 && (room->lines == 0 || room->lines > 1))
		append_without_changes(look, out, without);
}

void progress_frame(const struct look *look, struct text *out, const json_t *session,
		    const json_t *entities)
{
	progress_head(look, out, session, 0, 0);
	progress_overall(look, out, session, 0);
	progress_entities(look, out, session, entities, &(struct progress_room){ 0 });
}

/* --- a validation ------------------------------------------------------------------------------- */

static void append_validation_rows(struct text *line, const json_t *validation)
{
	char rows[32], total[32];
	double known;

	text_appendf(line, ", %s", text_thousands(rows, reply_integer(validation, "rows")));
	if (reply_number(validation, "total", &known))
		text_appendf(line, " of %s", text_thousands(total, (int64_t)known));
	text_append(line, " rows");
}

void progress_validation(const struct look *look, struct text *out, const json_t *validation)
{
	const char *state = reply_string(validation, "state");
	const char *entity = reply_string(validation, "entity");
	const char *reason = reply_string(validation, "reason");
	int64_t differences = reply_integer(validation, "differences");
	_cleanup_text_ struct text line = TEXT_INIT;
	char id[FORMAT_SIZE], number[32];

	if (!state)
		return;
	text_append(out, "Validation ");
	look_append(look, out, STYLE_BOLD,
		    format_short_id(id, reply_string_or(validation, "validation", "-")));
	text_append(out, "  ");
	look_append(look, out, look_style_of(state), state);
	text_appendf(&line, "  %lld of %lld checks",
		     (long long)reply_integer(validation, "checks_over"),
		     (long long)reply_integer(validation, "checks"));
	if (is_state(validation, "state", "running") && entity)
		text_appendf(&line, ", now %s", entity);
	append_validation_rows(&line, validation);
	look_append(look, out, STYLE_PLAIN, text_string(&line));
	if (differences > 0 || reason) {
		_cleanup_free_ char *found =
			differences > 0 ? text_format(", %s differ%s%s",
						      text_thousands(number, differences),
						      reason ? ": " : "", reason ? reason : "")
					: text_format(": %s", reason);

		look_append(look, out, differences > 0 ? STYLE_BAD : STYLE_WARNING, found);
	}
	text_append(out, "\n");
}
