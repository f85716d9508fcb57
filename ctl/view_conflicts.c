/*
 * conflicts: rows that were edited in the target when a change of theirs arrived from the source, one of them, and who wins.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/view.h"

/* --- words ---------------------------------------------------------------------------------------- */

static char *columns_of(const json_t *conflict)
{
	_cleanup_free_ char *columns = reply_join(json_object_get(conflict, "columns"));

	return text_copy(columns[0] != '\0' ? columns : "-");
}

/* --- list ----------------------------------------------------------------------------------------- */

static json_t *list_parameters(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "entity", arguments->entity);
	view_set_string(parameters, "session", arguments->session);
	view_set_string(parameters, "state", arguments->letter_state);
	view_set_count(parameters, "limit", arguments->limit);
	return parameters;
}

static void add_conflict(struct table *table, const json_t *conflict)
{
	_cleanup_free_ char *id = text_format("%lld", (long long)reply_integer(conflict, "id"));
	_cleanup_free_ char *key = reply_key(conflict, "legacy_key");
	_cleanup_free_ char *columns = columns_of(conflict);

	table_add(table, id);
	reply_cell_string(table, conflict, "entity");
	table_add(table, key);
	reply_cell_state(table, conflict, "state");
	reply_cell_string(table, conflict, "in_source");
	reply_cell_string(table, conflict, "in_target");
	table_add(table, columns);
	reply_cell_time(table, conflict, "updated");
}

static void print_conflicts(const struct look *look, struct text *out, const json_t *conflicts)
{
	static const struct table_column columns[] = {
		{ "Id", true, 0 },	 { "Entity", false, 0 },    { "Key", false, 0 },
		{ "State", false, 0 },	 { "In source", false, 0 }, { "In target", false, 0 },
		{ "Columns", false, 0 }, { "Since", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *conflict;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(conflicts, i, conflict) {
		add_conflict(&table, conflict);
	}
	table_print(&table, look, out);
}

/* Of the states that were not asked for: "Also 2 overwritten, 1 kept (--state)." */
static void print_others(struct text *out, const json_t *reply, const char *state)
{
	static const char *const states[] = { "held", "overwritten", "kept", "resolved" };
	_cleanup_text_ struct text others = TEXT_INIT;

	if (strcmp(state, "all") == 0)
		return;
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		int64_t count = reply_integer(reply, states[i]);
		char number[32];

		if (count == 0 || strcmp(states[i], state) == 0)
			continue;
		text_separate(&others, ", ");
		text_appendf(&others, "%s %s", text_thousands(number, count), states[i]);
	}
	if (others.length > 0)
		text_appendf(out, "Also %s (--state).\n", text_string(&others));
}

static void print_list(const struct look *look, struct text *out, const json_t *reply,
		       const struct arguments *arguments)
{
	const char *state = arguments->letter_state ? arguments->letter_state : "held";
	const json_t *conflicts = json_object_get(reply, "conflicts");
	int64_t total = reply_integer(reply, "total");
	int64_t shown = (int64_t)json_array_size(conflicts);

	if (shown == 0) {
		text_appendf(out, "There are no %s%sconflicts%s.\n",
			     strcmp(state, "all") == 0 ? "" : state,
			     strcmp(state, "all") == 0 ? "" : " ",
			     arguments->entity || arguments->session ? " like these" : "");
		view_append_names(out, arguments);
	} else {
		print_conflicts(look, out, conflicts);
		view_append_total(out, total, shown, "last");
	}
	print_others(out, reply, state);
}

const struct view view_conflicts_list = {
	.verb = "conflicts list",
	.parameters = list_parameters,
	.print = print_list,
};

/* --- show ----------------------------------------------------------------------------------------- */

static json_t *show_parameters(const struct arguments *arguments)
{
	return json_pack("{s:I}", "id", (json_int_t)arguments->ids[0]);
}

static void print_decision(struct text *out, const json_t *conflict)
{
	const char *resolution = reply_string(conflict, "resolution");

	if (resolution)
		text_appendf(out, "decided for the %s by uid %lld\n", resolution,
			     (long long)reply_integer(conflict, "resolved_by"));
	else if (strcmp(reply_string_or(conflict, "state", ""), "resolved") == 0)
		text_append(out, "it ended by itself: the row was carried, or both sides agree\n");
}

static void print_shown(const struct look *look, struct text *out, const json_t *reply,
			const struct arguments *arguments)
{
	const json_t *conflict = json_object_get(reply, "conflict");
	const char *before_sql = reply_string(reply, "before_sql");
	_cleanup_free_ char *key = reply_key(conflict, "legacy_key");
	_cleanup_free_ char *columns = columns_of(conflict);
	long long id = (long long)reply_integer(conflict, "id");

	(void)look;
	text_appendf(out, "%s %s: %s in the source, %s in the target; %s (%s)\n",
		     reply_string_or(conflict, "entity", "-"), key,
		     reply_string_or(conflict, "in_source", "-"),
		     reply_string_or(conflict, "in_target", "-"),
		     reply_string_or(conflict, "state", "-"),
		     reply_string_or(conflict, "policy", "-"));
	text_appendf(out, "columns in which both sides differed: %s\n", columns);
	text_appendf(out, "met in session %s\n", reply_string_or(conflict, "session", "-"));
	print_decision(out, conflict);
	if (before_sql)
		text_appendf(out, "the target's row as it was, in the target:\n  %s;\n",
			     before_sql);
	if (strcmp(reply_string_or(conflict, "state", ""), "held") == 0 && !arguments->quiet)
		text_appendf(out,
			     "migratectl conflicts resolve %lld --source has the source win, "
			     "--target keeps the target's row.\n",
			     id);
}

const struct view view_conflicts_show = {
	.verb = "conflicts show",
	.parameters = show_parameters,
	.print = print_shown,
};

/* --- resolve -------------------------------------------------------------------------------------- */

static json_t *resolve_parameters(const struct arguments *arguments)
{
	json_t *parameters = json_pack("{s:s}", "resolution",
				       arguments->source ? "source" : "target");
	json_t *ids = json_array();

	for (size_t i = 0; i < arguments->id_count; i++)
		json_array_append_new(ids, json_integer(arguments->ids[i]));
	if (arguments->id_count > 0)
		json_object_set(parameters, "ids", ids);
	json_decref(ids);
	view_set_string(parameters, "entity", arguments->entity);
	return parameters;
}

/* Which session carries what the source says. */
static void print_carried(struct text *out, const json_t *reply, bool carried)
{
	const char *session = reply_string(reply, "session");
	char id[FORMAT_SIZE];

	if (!carried)
		return;
	if (!session) {
		text_append(out, "The next session carries what it says.\n");
		return;
	}
	format_short_id(id, session);
	text_appendf(out, "Session %s%s carries what it says.\n", id,
		     reply_bool(reply, "begun") ? "" : ", which is under way,");
}

static void print_resolved(const struct look *look, struct text *out, const json_t *reply,
			   const struct arguments *arguments)
{
	int64_t resolved = reply_integer(reply, "resolved");
	int64_t unaffected = reply_integer(reply, "unaffected");
	char number[32];

	(void)look;
	text_appendf(out, "%s %s: the %s wins.\n", text_thousands(number, resolved),
		     format_rows(resolved), arguments->source ? "source" : "target");
	print_carried(out, reply, resolved > 0 && arguments->source);
	if (unaffected > 0)
		text_appendf(out, "%s %s not held, so there was nothing to decide.\n",
			     text_thousands(number, unaffected), unaffected == 1 ? "was" : "were");
}

const struct view view_conflicts_resolve = {
	.verb = "conflicts resolve",
	.parameters = resolve_parameters,
	.print = print_resolved,
};
