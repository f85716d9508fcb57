/*
 * validate: starts a validation and follows it to its end, or shows what one has found. Its table is the same while it goes and in the
 * end: a line an entity, with the sum of its checks, and what needs attention below.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/screen.h"
#include "ctl/view.h"

static const char *const check_names[] = { "counts", "references", "mappings", "values", "rules" };

enum { CHECK_COUNT = sizeof check_names / sizeof check_names[0] };

/* --- asking ---------------------------------------------------------------------------------------- */

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	if (arguments->name_count > 0) {
		json_t *names = json_array();

		for (size_t i = 0; i < arguments->name_count; i++)
			json_array_append_new(names, json_string(arguments->names[i]));
		json_object_set_new(parameters, "entities", names);
	}
	view_set_names(parameters, "exclude", arguments->exclude);
	view_set_names(parameters, "checks", arguments->checks);
	view_set_flag(parameters, "repair", arguments->repair);
	return parameters;
}

static json_t *parameters_of_show(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	if (arguments->name_count > 0)
		view_set_string(parameters, "validation", arguments->names[0]);
	view_set_string(parameters, "entity", arguments->entity);
	view_set_count(parameters, "limit", arguments->limit);
	return parameters;
}

/* --- the table ------------------------------------------------------------------------------------- */

/* What stands under a check: the differences that are left, or how far it is. */
static void add_cell(struct table *table, const json_t *check)
{
	const char *state = reply_string_or(check, "state", "pending");
	int64_t left = reply_integer(check, "differences") - reply_integer(check, "repaired");
	int64_t total = reply_integer(check, "total");
	char number[32];

	if (!check)
		table_add(table, NULL);
	else if (strcmp(state, "pending") == 0)
		table_add_styled(table, STYLE_DIM, "pending");
	else if (strcmp(state, "unchecked") == 0)
		table_add_styled(table, STYLE_WARNING, "unchecked");
	else if (strcmp(state, "failed") == 0)
		table_add_styled(table, STYLE_BAD, "failed");
	else if (left > 0)
		table_add_styled(table, STYLE_BAD, text_thousands(number, left));
	else if (strcmp(state, "done") == 0)
		table_add_styled(table, STYLE_GOOD, "equal");
	else if (total > 0) {
		snprintf(number, sizeof number, "%d%%",
			 format_share(reply_integer(check, "rows"), total));
		table_add_styled(table, STYLE_ACTIVE, number);
	} else
		table_add_styled(table, STYLE_ACTIVE, "running");
}

static const json_t *check_of(const json_t *checks, const char *entity, const char *name)
{
	size_t i;
	const json_t *check;

	json_array_foreach(checks, i, check)
		if (strcmp(reply_string_or(check, "entity", ""), entity) == 0 &&
		    strcmp(reply_string_or(check, "check", ""), name) == 0)
			return check;
	return NULL;
}

static int64_t most_of(const json_t *checks, const char *entity, const char *member)
{
	int64_t most = 0;

	for (int i = 0; i < CHECK_COUNT; i++) {
		int64_t count = reply_integer(check_of(checks, entity, check_names[i]), member);

		if (count > most)
			most = count;
	}
	return most;
}

static void add_entity(struct table *table, const json_t *checks, const char *entity)
{
	table_add(table, entity);
	for (int i = 0; i < CHECK_COUNT; i++)
		add_cell(table, check_of(checks, entity, check_names[i]));
	table_add_number(table, most_of(checks, entity, "rows"));
	table_add_number(table, most_of(checks, entity, "waiting"));
}

static void print_table(const struct look *look, struct text *out, const json_t *checks)
{
	static const struct table_column columns[] = {
		{ "Entity", false, 12 }, { "Counts", true, 6 },	 { "References", true, 10 },
		{ "Mappings", true, 8 }, { "Values", true, 6 },	 { "Rules", true, 5 },
		{ "Rows", true, 8 },	 { "Waiting", true, 7 },
	};
	_cleanup_table_ struct table table = { 0 };
	const char *last = "";
	size_t i;
	const json_t *check;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(checks, i, check) {
		const char *entity = reply_string_or(check, "entity", "");

		if (strcmp(entity, last) != 0)
			add_entity(&table, checks, entity);
		last = entity;
	}
	table_print(&table, look, out);
}

static void print_reasons(const struct look *look, struct text *out, const json_t *checks)
{
	size_t i;
	const json_t *check;

	json_array_foreach(checks, i, check) {
		const char *reason = reply_string(check, "reason");

		if (!reason)
			continue;
		look_append(look, out, STYLE_WARNING, reply_string_or(check, "entity", "-"));
		text_appendf(out, ", %s: ", reply_string_or(check, "check", "-"));
		look_append(look, out, STYLE_PLAIN, reason);
		text_append(out, "\n");
	}
}

static int64_t sum_of(const json_t *checks, const char *member)
{
	int64_t sum = 0;
	size_t i;
	const json_t *check;

	json_array_foreach(checks, i, check)
		sum += reply_integer(check, member);
	return sum;
}

/* "3 differences, 2 of them repaired." */
static void print_sum(const struct look *look, struct text *out, const json_t *validation)
{
	const json_t *checks = json_object_get(validation, "checks");
	int64_t found = sum_of(checks, "differences"), repaired = sum_of(checks, "repaired");
	bool complete = reply_bool(validation, "complete");
	char number[32];

	if (found == 0) {
		look_append(look, out, complete ? STYLE_GOOD : STYLE_WARNING,
			    complete ? "Nothing differs." : "Nothing differs of what was checked.");
		text_append(out, "\n");
		return;
	}
	text_appendf(out, "%s difference%s", text_thousands(number, found), found == 1 ? "" : "s");
	if (repaired > 0)
		text_appendf(out, ", %s of them repaired", text_thousands(number, repaired));
	text_append(out, ".\n");
}

static void print_validation(const struct look *look, struct text *out, const json_t *validation)
{
	const char *state = reply_string_or(validation, "state", "-");
	const char *reason = reply_string(validation, "reason");
	char id[FORMAT_SIZE];

	text_append(out, "Validation ");
	look_append(look, out, STYLE_BOLD,
		    format_short_id(id, reply_string_or(validation, "validation", "-")));
	text_append(out, "  ");
	look_append(look, out, look_style_of(state), state);
	if (reason) {
		text_append(out, "  ");
		look_append(look, out, STYLE_PLAIN, reason);
	}
	text_append(out, "\n\n");
	print_table(look, out, json_object_get(validation, "checks"));
}

static void print_end(const struct look *look, struct text *out, const json_t *validation,
		      const struct arguments *arguments)
{
	char id[FORMAT_SIZE];

	print_validation(look, out, validation);
	text_append(out, "\n");
	print_reasons(look, out, json_object_get(validation, "checks"));
	print_sum(look, out, validation);
	if (reply_integer(validation, "differences") > 0 && !arguments->quiet && !arguments->show)
		text_appendf(out, "migratectl validate --show %s lists them%s.\n",
			     format_short_id(id, reply_string_or(validation, "validation", "-")),
			     arguments->repair ? "" : ", --repair carries them again");
}

/* --- what was found ---------------------------------------------------------------------------------- */

static void print_differences(const struct look *look, struct text *out, const json_t *rows)
{
	static const struct table_column columns[] = {
		{ "Entity", false, 12 }, { "Check", false, 8 },	 { "Kind", false, 8 },
		{ "Key", false, 6 },	 { "Target", false, 6 }, { "Columns", false, 8 },
		{ "State", false, 6 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	const json_t *row;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(rows, i, row) {
		_cleanup_free_ char *key = reply_key(row, "legacy_key");
		_cleanup_free_ char *target = reply_key(row, "target_key");
		_cleanup_free_ char *names = reply_join(json_object_get(row, "columns"));
		const char *name = reply_string(row, "name");

		reply_cell_string(&table, row, "entity");
		reply_cell_string(&table, row, "check");
		reply_cell_string(&table, row, "kind");
		table_add(&table, json_is_array(json_object_get(row, "legacy_key")) ? key : NULL);
		table_add(&table,
			  json_is_array(json_object_get(row, "target_key")) ? target : NULL);
		table_add(&table, names[0] != '\0' ? names : name);
		reply_cell_state(&table, row, "state");
	}
	table_print(&table, look, out);
}

static void print_shown(const struct look *look, struct text *out, const json_t *reply,
			const struct arguments *arguments)
{
	const json_t *rows = json_object_get(reply, "rows");

	print_end(look, out, json_object_get(reply, "validation"), arguments);
	if (json_array_size(rows) == 0)
		return;
	text_append(out, "\n");
	print_differences(look, out, rows);
	view_append_total(out, reply_integer(reply, "total"), (int64_t)json_array_size(rows),
			  "first");
}

/* --- judging ------------------------------------------------------------------------------------------ */

/* What was not checked is no pass. */
static enum exit_status judge(const json_t *reply)
{
	const json_t *validation = json_object_get(reply, "validation");
	const char *state = reply_string_or(validation, "state", "");

	if (reply_integer(validation, "differences") > 0)
		return EXIT_PAUSED;
	if (strcmp(state, "running") == 0)
		return EXIT_DONE;
	return strcmp(state, "completed") == 0 && reply_bool(validation, "complete") ? EXIT_DONE
										     : EXIT_FAILED;
}

static const struct view view_show = {
	.verb = "validate --show",
	.method = "io.migrated.ShowValidation",
	.parameters = parameters_of_show,
	.print = print_shown,
	.judge = judge,
};

/* --- following ------------------------------------------------------------------------------------------ */

struct following {
	const struct arguments *arguments;
	struct look look;
	struct screen screen;
	bool drawn;
};

static void show_frame(struct following *following, json_t *reply, bool last)
{
	const struct arguments *arguments = following->arguments;
	const json_t *validation = json_object_get(reply, "validation");
	_cleanup_text_ struct text out = TEXT_INIT;

	if (arguments->json) {
		view_append_json(&out, reply, true);
	} else if (last) {
		print_end(&following->look, &out, validation, arguments);
	} else if (following->look.terminal && !arguments->quiet) {
		print_validation(&following->look, &out, validation);
		screen_draw(&following->screen, text_string(&out));
		following->drawn = true;
		return;
	} else {
		return;
	}
	if (following->drawn) {
		screen_finish(&following->screen, text_string(&out));
		return;
	}
	fputs(text_string(&out), stdout);
	fflush(stdout);
}

static enum exit_status follow(const struct arguments *arguments, struct client *client)
{
	struct following following = { .arguments = arguments,
				       .look = look_of(STDOUT_FILENO, arguments->no_color) };
	json_auto_t *parameters = parameters_of(arguments);
	struct failure failure;

	screen_init(&following.screen, STDOUT_FILENO);
	if (!client_send(client, arguments->command->method, parameters, true, &failure))
		return view_fail(&failure);
	for (;;) {
		struct varlink_reply reply = { 0 };
		enum exit_status status;

		if (client_receive(client, -1, &reply, &failure) != CLIENT_REPLY)
			return view_fail(&failure);
		show_frame(&following, reply.parameters, !reply.continues);
		status = judge(reply.parameters);
		if (!reply.continues) {
			varlink_reply_done(&reply);
			return status;
		}
		varlink_reply_done(&reply);
	}
}

static enum exit_status run(const struct view *view, const struct arguments *arguments,
			    struct client *client)
{
	if (arguments->show)
		return view_call(&view_show, arguments, client);
	return arguments->no_wait ? view_call(view, arguments, client) : follow(arguments, client);
}

/* Of --no-wait: it has only begun. */
static void print_begun(const struct look *look, struct text *out, const json_t *reply,
			const struct arguments *arguments)
{
	const json_t *validation = json_object_get(reply, "validation");
	const char *id = reply_string_or(validation, "validation", "-");
	char shortened[FORMAT_SIZE];

	text_append(out, "Validation ");
	look_append(look, out, STYLE_BOLD, id);
	if (!arguments->quiet)
		text_appendf(out, "  (migratectl validate --show %s)",
			     format_short_id(shortened, id));
	text_append(out, "\n");
}

const struct view view_validate = {
	.verb = "validate",
	.parameters = parameters_of,
	.print = print_begun,
	.run = run,
};
