/*
 * Progress as text. Numbers are shown as the daemon gives them, but never a percentage outside 0 to
 * 100.
 */
#include "ctl/progress.h"

#include <string.h>

#include "common/clock.h"
#include "ctl/format.h"
#include "ctl/hold.h"
#include "ctl/reply.h"

static bool is_state(const json_t *object, const char *key, const char *state)
{
	return strcmp(reply_string_or(object, key, ""), state) == 0;
}

int progress_percent(const json_t *object)
{
	int64_t total = reply_integer(object, "total");

	if (total <= 0)
		return is_state(object, "status", "completed") ||
				       is_state(object, "state", "completed")
			       ? 100
			       : 0;
	return format_share(reply_integer(object, "done"), total);
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

void progress_head(const struct look *look, struct text *out, const json_t *session,
		   int64_t since_ms)
{
	const char *state = reply_string_or(session, "state", "unknown");
	const char *reason = reply_string(session, "reason");
	char elapsed[32];

	text_append(out, "Session ");
	look_append(look, out, STYLE_BOLD, reply_string_or(session, "session", "-"));
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

void progress_overall(const struct look *look, struct text *out, const json_t *session)
{
	char done[32], total[32], rate[32], left[FORMAT_SIZE];
	double number;

	(void)look;
	text_appendf(out, "Overall %d%% (%s of %s)", progress_percent(session),
		     text_thousands(done, reply_integer(session, "done")),
		     text_thousands(total, reply_integer(session, "total")));
	if (reply_number(session, "success_rate", &number))
		text_appendf(out, ", success %s", format_percent(left, number));
	if (is_state(session, "state", "running")) {
		if (reply_number(session, "rows_per_second", &number))
			text_appendf(out, ", %s rows/s", text_thousands(rate, (int64_t)number));
		if (reply_number(session, "eta_ms", &number))
			text_appendf(out, ", %s left", format_duration(left, (int64_t)number));
	}
	text_append(out, "\n");
}

/* --- the entities ----------------------------------------------------------------------------- */

enum { ENTITY, STATUS, PROGRESS, RATE, ETA, FAILED, PARKED, WARNED, DIFFERS, REASON, COLUMN_COUNT };

static const struct table_column columns[COLUMN_COUNT] = {
	[ENTITY] = { "Entity", false, 12 },
	[STATUS] = { "Status", false, 9 },
	[PROGRESS] = { "Progress", false, 15 },
	[RATE] = { "Rows/s", true, 9 },
	[ETA] = { "ETA", true, 5 },
	[FAILED] = { "Failed", true, 0 },
	[PARKED] = { "Parked", true, 0 },
	[WARNED] = { "Warned", true, 0 },
	[DIFFERS] = { "Differ", true, 0 },
	[REASON] = { "Reason", false, 0 },
};

/* Which of the last columns are shown: those that any entity has something to say in. */
struct said {
	bool warned;
	bool differs;
	bool reason;
};

static struct said what_is_said(const json_t *entities)
{
	struct said said = { 0 };
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity) {
		_cleanup_free_ char *reason = hold_entity_reason(entity);

		said.reason |= reason[0] != '\0';
		said.warned |= reply_integer(entity, "warned") > 0;
		said.differs |= reply_integer(entity, "differences") > 0;
	}
	return said;
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
static size_t choose_columns(struct table_column chosen[COLUMN_COUNT], const struct said *said,
			     const json_t *entities)
{
	size_t count = 0;
	int width = progress_name_width(entities);

	for (int i = 0; i < COLUMN_COUNT; i++)
		if ((i != WARNED || said->warned) && (i != DIFFERS || said->differs) &&
		    (i != REASON || said->reason))
			chosen[count++] = columns[i];
	if (width > chosen[ENTITY].min_width)
		chosen[ENTITY].min_width = width;
	return count;
}

static void add_progress(struct table *table, const json_t *entity, const struct look *look)
{
	char bar[FORMAT_SIZE];
	int percent = progress_percent(entity);

	if (percent == 0 && is_state(entity, "status", "pending"))
		table_add(table, "0%");
	else
		table_add(table, format_bar(bar, percent, look->utf8));
}

static void add_entity(struct table *table, const json_t *entity, const struct said *said,
		       const struct look *look)
{
	_cleanup_free_ char *reason = hold_entity_reason(entity);

	reply_cell_string(table, entity, "entity");
	reply_cell_state(table, entity, "status");
	add_progress(table, entity, look);
	reply_cell_integer(table, entity, "rows_per_second");
	reply_cell_duration(table, entity, "eta_ms");
	reply_cell_integer(table, entity, "failed");
	reply_cell_integer(table, entity, "parked");
	if (said->warned)
		reply_cell_integer(table, entity, "warned");
	if (said->differs)
		reply_cell_integer(table, entity, "differences");
	if (said->reason)
		table_add(table, reason);
}

/* What one wants to see first when not everything can be shown. */
static int rank(const json_t *entity)
{
	static const char *const states[] = { "failed", "paused", "running", "cancelled",
					      "pending" };

	for (int i = 0; i < (int)(sizeof states / sizeof states[0]); i++)
		if (is_state(entity, "status", states[i]))
			return i;
	return (int)(sizeof states / sizeof states[0]);
}

/* The worst rank still shown and how many of that rank, so that max_rows entities are. */
static void choose(const json_t *entities, size_t max_rows, int *ret_rank, size_t *ret_of_rank)
{
	size_t chosen = 0;

	for (int r = 0;; r++) {
		size_t of_rank = 0, i;
		json_t *entity;

		json_array_foreach(entities, i, entity)
			of_rank += rank(entity) == r;
		*ret_rank = r;
		*ret_of_rank = max_rows - chosen < of_rank ? max_rows - chosen : of_rank;
		chosen += *ret_of_rank;
		if (chosen == max_rows)
			return;
	}
}

static void append_omitted(const struct look *look, struct text *out, size_t count,
			   const char *what)
{
	_cleanup_free_ char *line = text_format("%s %zu %s", look->utf8 ? "…" : "...", count, what);

	look_append(look, out, STYLE_DIM, line);
	text_append(out, "\n");
}

static void print_entities(const struct look *look, struct text *out, const json_t *entities,
			   size_t max_rows)
{
	_cleanup_table_ struct table table = { 0 };
	struct table_column chosen[COLUMN_COUNT];
	struct said said = what_is_said(entities);
	size_t count = json_array_size(entities);
	bool all = max_rows == 0 || count <= max_rows;
	int worst = 0;
	size_t of_worst = 0, i;
	json_t *entity;

	table_init(&table, chosen, choose_columns(chosen, &said, entities));
	if (!all)
		choose(entities, max_rows, &worst, &of_worst);
	json_array_foreach(entities, i, entity) {
		bool shown = all || rank(entity) < worst;

		if (!shown && rank(entity) == worst && of_worst > 0) {
			of_worst--;
			shown = true;
		}
		if (shown)
			add_entity(&table, entity, &said, look);
	}
	table_print(&table, look, out);
	if (!all)
		append_omitted(look, out, count - max_rows, "more");
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

/* At most so many rows (0: all), the busiest being kept. */
static void progress_entities(const struct look *look, struct text *out, const json_t *session,
			      const json_t *entities, size_t max_rows)
{
	json_auto_t *shown = those_with_work(session, entities);
	size_t left_out = json_array_size(entities) - json_array_size(shown);

	if (json_array_size(shown) > 0)
		print_entities(look, out, shown, max_rows);
	if (left_out > 0)
		append_omitted(look, out, left_out,
			       left_out == 1 ? "entity had no changes" : "entities had no changes");
}

void progress_frame(const struct look *look, struct text *out, const json_t *session,
		    const json_t *entities, int64_t since_ms, size_t max_lines)
{
	/* head, why it is held, header, "… more", "… no changes", overall */
	const size_t other_lines = 4 + is_state(session, "state", "paused") +
				   is_state(session, "state", "completed");
	size_t max_rows = max_lines == 0	    ? 0
			  : max_lines > other_lines ? max_lines - other_lines
						    : 1;

	/* Without anything to leave out there is no line that says so. */
	if (max_rows > 0 && json_array_size(entities) == max_rows + 1)
		max_rows++;
	progress_head(look, out, session, since_ms);
	progress_entities(look, out, session, entities, max_rows);
	progress_overall(look, out, session);
}
