/*
 * list: the sessions there have been, the newest first.
 */
#include <string.h>

#include "common/clock.h"
#include "ctl/format.h"
#include "ctl/progress.h"
#include "ctl/reply.h"
#include "ctl/view.h"

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "state", arguments->letter_state);
	view_set_count(parameters, "limit", arguments->limit);
	return parameters;
}

/* Short ids are enough unless two of those shown begin alike. */
static bool are_short_ids_distinct(const json_t *sessions)
{
	json_auto_t *seen = json_object();
	size_t i;
	json_t *session;

	json_array_foreach(sessions, i, session) {
		char id[FORMAT_SIZE];

		format_short_id(id, reply_string_or(session, "session", ""));
		if (json_object_get(seen, id))
			return false;
		json_object_set_new(seen, id, json_true());
	}
	return true;
}

/* Is there any of it in one of these sessions? */
static bool has_any(const json_t *sessions, const char *key)
{
	size_t i;
	json_t *session;

	json_array_foreach(sessions, i, session)
		if (reply_integer(session, key) > 0)
			return true;
	return false;
}

/* Columns that are shown only where there is something to say in them. */
struct said {
	bool short_ids;
	bool warned;
	bool differs;
};

static void add_session(struct table *table, const json_t *session, const struct said *said)
{
	const char *id = reply_string_or(session, "session", "-");
	char shown[FORMAT_SIZE], elapsed[32], percent[FORMAT_SIZE];

	table_add(table, said->short_ids ? format_short_id(shown, id) : id);
	reply_cell_string(table, session, "mode");
	reply_cell_state(table, session, "state");
	reply_cell_time(table, session, "created");
	table_add(table, clock_format_elapsed(elapsed, reply_integer(session, "elapsed_ms")));
	reply_cell_integer(table, session, "done");
	snprintf(percent, sizeof percent, "%d%%", progress_percent(session));
	table_add(table, percent);
	reply_cell_integer(table, session, "failed");
	reply_cell_integer(table, session, "parked");
	if (said->warned)
		reply_cell_integer(table, session, "warned");
	if (said->differs)
		reply_cell_integer(table, session, "differences");
	table_add(table, reply_string_or(session, "reason", ""));
}

enum { BEFORE_SAID = 9, MOST_COLUMNS = 12 };

/* Returns how many columns there are. */
static size_t choose_columns(struct table_column columns[MOST_COLUMNS], const struct said *said)
{
	static const struct table_column always[BEFORE_SAID] = {
		{ "Session", false, 0 }, { "Mode", false, 0 },	 { "State", false, 9 },
		{ "Created", false, 0 }, { "Elapsed", true, 0 }, { "Rows", true, 9 },
		{ "Done", true, 0 },	 { "Failed", true, 0 },	 { "Parked", true, 0 },
	};
	size_t count = BEFORE_SAID;

	memcpy(columns, always, sizeof always);
	if (said->warned)
		columns[count++] = (struct table_column){ "Warned", true, 0 };
	if (said->differs)
		columns[count++] = (struct table_column){ "Differ", true, 0 };
	columns[count++] = (struct table_column){ "Reason", false, 0 };
	return count;
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const json_t *sessions = json_object_get(reply, "sessions");
	const struct said said = { are_short_ids_distinct(sessions), has_any(sessions, "warned"),
				   has_any(sessions, "differences") };
	struct table_column columns[MOST_COLUMNS];
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *session;

	if (json_array_size(sessions) == 0) {
		text_append(out, arguments->letter_state ? "There is no such session.\n"
							 : "There has been no session yet.\n");
		return;
	}
	table_init(&table, columns, choose_columns(columns, &said));
	json_array_foreach(sessions, i, session) {
		add_session(&table, session, &said);
	}
	table_print(&table, look, out);
}

const struct view view_list = {
	.verb = "list",
	.parameters = parameters_of,
	.print = print,
	.quick = true,
};
