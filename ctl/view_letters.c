/*
 * dead-letters: the rows that could not be carried over, one of them, and what is to become of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/follow.h"
#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/view.h"

/* --- words ---------------------------------------------------------------------------------------- */

/* What it failed of: a column, a constraint, both. */
static char *cause_of(const json_t *letter)
{
	const char *column = reply_string(letter, "column");
	const char *constraint = reply_string(letter, "constraint");

	if (column && constraint)
		return text_format("%s (%s)", column, constraint);
	return text_copy(column ? column : constraint ? constraint : "-");
}

/* As wide as the help. */
#define LABEL_WIDTH 12 /* with what is between */

static void append_field(const struct look *look, struct text *out, const char *label,
			 const char *string)
{
	view_append_field(look, out, label, LABEL_WIDTH, string);
}

/* Takes the string over. */
static void give_field(const struct look *look, struct text *out, const char *label, char *string)
{
	append_field(look, out, label, string);
	free(string);
}

/* --- list ----------------------------------------------------------------------------------------- */

static json_t *list_parameters(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "entity", arguments->entity);
	view_set_string(parameters, "session", arguments->session);
	view_set_string(parameters, "sqlstate", arguments->sqlstate);
	view_set_string(parameters, "state", arguments->letter_state);
	view_set_count(parameters, "limit", arguments->limit);
	return parameters;
}

static void add_letter(struct table *table, const json_t *letter, bool with_state)
{
	_cleanup_free_ char *key = reply_key(letter, "legacy_key");
	_cleanup_free_ char *cause = cause_of(letter);
	_cleanup_free_ char *id = text_format("%lld", (long long)reply_integer(letter, "id"));

	table_add(table, id);
	reply_cell_string(table, letter, "entity");
	table_add(table, key);
	if (with_state)
		reply_cell_state(table, letter, "state");
	reply_cell_string(table, letter, "sqlstate");
	table_add(table, cause);
	reply_cell_integer(table, letter, "attempts");
	reply_cell_time(table, letter, "updated");
	table_add_note(table, reply_string_or(letter, "message", ""));
}

static void print_letters(const struct look *look, struct text *out, const json_t *letters,
			  bool with_state)
{
	static const struct table_column open[] = {
		{ "Id", true, 0 },	  { "Entity", false, 0 }, { "Key", false, 0 },
		{ "SQLSTATE", false, 0 }, { "Cause", false, 0 },  { "Tries", true, 0 },
		{ "Last try", false, 0 },
	};
	static const struct table_column any[] = {
		{ "Id", true, 0 },     { "Entity", false, 0 },	 { "Key", false, 0 },
		{ "State", false, 0 }, { "SQLSTATE", false, 0 }, { "Cause", false, 0 },
		{ "Tries", true, 0 },  { "Last try", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *letter;

	table_init(&table, with_state ? any : open,
		   with_state ? sizeof any / sizeof any[0] : sizeof open / sizeof open[0]);
	json_array_foreach(letters, i, letter) {
		add_letter(&table, letter, with_state);
	}
	table_print(&table, look, out);
}

/* The most frequent kinds, when not all rows are shown. */
static void print_counts(const struct look *look, struct text *out, const json_t *counts)
{
	static const struct table_column columns[] = {
		{ "Rows", true, 0 },
		{ "Entity", false, 0 },
		{ "SQLSTATE", false, 0 },
		{ "Cause", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *count;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(counts, i, count) {
		_cleanup_free_ char *cause = cause_of(count);

		reply_cell_integer(&table, count, "rows");
		reply_cell_string(&table, count, "entity");
		reply_cell_string(&table, count, "sqlstate");
		table_add(&table, cause);
	}
	text_append(out, "\n");
	table_print(&table, look, out);
}

static void print_list(const struct look *look, struct text *out, const json_t *reply,
		       const struct arguments *arguments)
{
	const char *state = arguments->letter_state ? arguments->letter_state : "open";
	const json_t *letters = json_object_get(reply, "letters");
	int64_t total = reply_integer(reply, "total");
	int64_t shown = (int64_t)json_array_size(letters);

	if (shown == 0) {
		text_appendf(out, "There are no %s%sdead letters%s.\n",
			     strcmp(state, "all") == 0 ? "" : state,
			     strcmp(state, "all") == 0 ? "" : " ",
			     arguments->entity || arguments->session || arguments->sqlstate
				     ? " like these"
				     : "");
		view_append_names(out, arguments);
		return;
	}
	print_letters(look, out, letters, strcmp(state, "open") != 0);
	if (total > shown)
		print_counts(look, out, json_object_get(reply, "counts"));
	view_append_total(out, total, shown, "last");
	if (!arguments->quiet)
		text_append(out,
			    "migratectl dead-letters show ID says more of one, and what can be "
			    "done.\n");
}

const struct view view_letters_list = {
	.verb = "dead-letters list",
	.parameters = list_parameters,
	.print = print_list,
};

/* --- show ----------------------------------------------------------------------------------------- */

static json_t *show_parameters(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	if (arguments->id_count > 0)
		view_set_count(parameters, "id", arguments->ids[0]);
	return parameters;
}

static const char *time_of(char buffer[FORMAT_SIZE], const json_t *object, const char *member)
{
	return format_time(buffer, reply_string_or(object, member, "-"));
}

static void append_state(const struct look *look, struct text *out, const json_t *reply,
			 const json_t *letter)
{
	char at[FORMAT_SIZE];
	const char *state = reply_string_or(letter, "state", "-");

	if (strcmp(state, "discarded") == 0)
		give_field(look, out, "State",
			   text_format("discarded by user %lld, %s; not tried until it changes",
				       (long long)reply_integer(reply, "discarded_by"),
				       time_of(at, reply, "discarded_at")));
	else
		give_field(look, out, "State",
			   text_format("%s%s", state,
				       reply_bool(reply, "queued")
					       ? "; the next session tries it again"
					       : ""));
}

static void append_tries(const struct look *look, struct text *out, const json_t *letter)
{
	char first[FORMAT_SIZE], last[FORMAT_SIZE];
	int64_t attempts = reply_integer(letter, "attempts");

	if (attempts > 1)
		give_field(look, out, "Tried",
			   text_format("%lld times, first %s, last %s", (long long)attempts,
				       time_of(first, letter, "created"),
				       time_of(last, letter, "updated")));
	else
		give_field(look, out, "Tried",
			   text_format("once, %s", time_of(last, letter, "updated")));
	append_field(look, out, "Session", reply_string_or(letter, "session", "-"));
}

static void append_waiting(const struct look *look, struct text *out, const json_t *reply)
{
	const json_t *rows = json_object_get(reply, "waiting_rows");
	int64_t waiting = reply_integer(reply, "waiting");
	_cleanup_text_ struct text text = TEXT_INIT;
	char number[32];
	size_t i;
	json_t *row;

	if (waiting == 0)
		return;
	text_appendf(&text, "%s %s: ", text_thousands(number, waiting),
		     waiting == 1 ? "row waits for it" : "rows wait for it");
	json_array_foreach(rows, i, row) {
		_cleanup_free_ char *key = reply_key(row, "legacy_key");

		text_appendf(&text, "%s%s %s", i > 0 ? ", " : "",
			     reply_string_or(row, "entity", "-"), key);
	}
	if (waiting > (int64_t)json_array_size(rows))
		text_append(&text, ", ...");
	append_field(look, out, "Waiting", text_string(&text));
}

static void print_show(const struct look *look, struct text *out, const json_t *reply,
		       const struct arguments *arguments)
{
	const json_t *letter = json_object_get(reply, "letter");
	const char *sql = reply_string(reply, "row_sql");
	_cleanup_free_ char *key = reply_key(letter, "legacy_key");
	_cleanup_free_ char *cause = cause_of(letter);
	_cleanup_free_ char *title = text_format("Dead letter %lld: %s %s",
						 (long long)reply_integer(letter, "id"),
						 reply_string_or(letter, "entity", "-"), key);

	(void)arguments;
	look_append(look, out, STYLE_BOLD, title);
	text_append(out, "\n");
	append_state(look, out, reply, letter);
	append_tries(look, out, letter);
	give_field(look, out, "SQLSTATE",
		   text_format("%s (%s)", reply_string_or(letter, "sqlstate", "-"),
			       reply_string_or(letter, "phase", "-")));
	append_field(look, out, "Cause", cause);
	append_field(look, out, "Message", reply_string_or(letter, "message", "-"));
	append_field(look, out, "In target",
		     reply_bool(letter, "mapped") ? "an older version of the row"
						  : "nothing of the row");
	append_waiting(look, out, reply);
	append_field(look, out, "What to do", reply_string_or(reply, "advice", "-"));
	if (sql) {
		text_append(out, "\nIts values stand in the target database only:\n  ");
		look_append(look, out, STYLE_PLAIN, sql);
		text_append(out, "\n");
	}
}

const struct view view_letters_show = {
	.verb = "dead-letters show",
	.parameters = show_parameters,
	.print = print_show,
};

/* --- retry, discard --------------------------------------------------------------------------------- */

static json_t *decision_parameters(const struct arguments *arguments)
{
	json_t *parameters = json_object();
	json_t *ids = json_array();

	for (size_t i = 0; i < arguments->id_count; i++)
		json_array_append_new(ids, json_integer(arguments->ids[i]));
	if (arguments->id_count > 0)
		json_object_set(parameters, "ids", ids);
	json_decref(ids);
	view_set_string(parameters, "entity", arguments->entity);
	view_set_string(parameters, "session", arguments->session);
	view_set_string(parameters, "sqlstate", arguments->sqlstate);
	view_set_flag(parameters, "all", arguments->all);
	return parameters;
}

/* That nothing is named must not mean everything. */
static bool is_named(const struct arguments *arguments)
{
	struct failure failure;

	if (arguments->id_count > 0 || arguments->entity || arguments->session ||
	    arguments->sqlstate || arguments->all)
		return true;
	failure_set(&failure, EXIT_USAGE, "which dead letters?");
	error_hint(&failure.err, "name them by their ids, --entity, --session or --sqlstate; or "
				 "--all");
	view_fail(&failure);
	return false;
}

static void append_passed_over(struct text *out, const json_t *reply, const char *why)
{
	int64_t passed_over = reply_integer(reply, "passed_over");
	char number[32];

	if (passed_over > 0)
		text_appendf(out, "%s %s passed over: %s.\n", text_thousands(number, passed_over),
			     passed_over == 1 ? "row is" : "rows are", why);
}

static void append_later(const struct look *look, struct text *out, const json_t *reply)
{
	size_t i;
	json_t *later;

	json_array_foreach(json_object_get(reply, "later"), i, later) {
		int64_t rows = reply_integer(later, "rows");
		char number[32];

		look_append(look, out, STYLE_WARNING, "Not yet");
		text_appendf(out, ": %s %s of ", text_thousands(number, rows), format_rows(rows));
		look_append(look, out, STYLE_PLAIN, reply_string_or(later, "entity", "-"));
		text_append(out, ": ");
		look_append(look, out, STYLE_PLAIN, reply_string_or(later, "reason", "-"));
		text_append(out, "\n");
	}
}

static void print_retry(const struct look *look, struct text *out, const json_t *reply,
			const struct arguments *arguments)
{
	const char *session = reply_string(reply, "session");
	int64_t rows = reply_integer(reply, "rows");
	char number[32], id[FORMAT_SIZE];

	if (rows == 0) {
		text_append(out, "There is nothing to be tried again.\n");
		view_append_names(out, arguments);
	} else if (!session)
		text_appendf(out, "%s %s to be tried again.\n", text_thousands(number, rows),
			     rows == 1 ? "row is" : "rows are");
	else
		text_appendf(out, "%s %s tried again by session %s%s.\n",
			     text_thousands(number, rows), rows == 1 ? "row is" : "rows are",
			     format_short_id(id, session),
			     reply_bool(reply, "begun") ? "" : ", which is under way");
	if (rows > 0 && session && !arguments->quiet)
		text_appendf(out, "migratectl watch %s follows it.\n", id);
	append_passed_over(out, reply, "already carried over, or gone");
	append_later(look, out, reply);
}

/* The session is over: has any of its rows failed again? */
static enum exit_status judge_session(struct client *client, const char *session)
{
	struct failure failure;
	char id[FORMAT_SIZE], number[32];
	json_auto_t *parameters = json_pack("{s:s, s:s, s:i}", "session", session, "state", "open",
					    "limit", 1);
	json_auto_t *reply = client_call(client, "io.migrated.ListDeadLetters", parameters,
					 &failure);
	int64_t failed = reply ? reply_integer(reply, "total") : 0;

	if (reply && failed == 0)
		return EXIT_DONE;
	if (reply) {
		failure_set(&failure, EXIT_FAILED, "%s %s failed again",
			    text_thousands(number, failed), failed == 1 ? "row has" : "rows have");
		error_hint(&failure.err, "migratectl dead-letters list --session %s shows why",
			   format_short_id(id, session));
	}
	return view_fail(&failure);
}

static enum exit_status wait_for_end(const struct view *view, const struct arguments *arguments,
				     struct client *client, json_t *reply)
{
	const struct look look = look_of(STDOUT_FILENO, arguments->no_color);
	const char *session = reply_string(reply, "session");
	_cleanup_text_ struct text out = TEXT_INIT;
	enum exit_status status;

	if (session) {
		status = follow_session(client, &(struct follow_settings){
							.session = session,
							.until_paused = true,
							.arguments = arguments,
						});
		return status == EXIT_DONE ? judge_session(client, session) : status;
	}
	if (arguments->json)
		view_append_json(&out, reply, false);
	else
		view->print(&look, &out, reply, arguments);
	fputs(text_string(&out), stdout);
	return EXIT_DONE;
}

static enum exit_status run_retry(const struct view *view, const struct arguments *arguments,
				  struct client *client)
{
	struct failure failure;
	json_auto_t *parameters = decision_parameters(arguments);
	json_auto_t *reply = NULL;

	if (!is_named(arguments))
		return EXIT_USAGE;
	if (!arguments->wait)
		return view_call(view, arguments, client);
	reply = client_call(client, arguments->command->method, parameters, &failure);
	return reply ? wait_for_end(view, arguments, client, reply) : view_fail(&failure);
}

const struct view view_letters_retry = {
	.verb = "dead-letters retry",
	.parameters = decision_parameters,
	.print = print_retry,
	.run = run_retry,
};

static void print_discard(const struct look *look, struct text *out, const json_t *reply,
			  const struct arguments *arguments)
{
	int64_t rows = reply_integer(reply, "rows");
	char number[32];

	(void)look;
	(void)arguments;
	if (rows == 0) {
		text_append(out, "There is nothing to be discarded.\n");
		view_append_names(out, arguments);
	} else {
		text_appendf(out, "%s %s discarded, and not tried again until %s in the source.\n",
			     text_thousands(number, rows), rows == 1 ? "row is" : "rows are",
			     rows == 1 ? "it changes" : "they change");
	}
	append_passed_over(out, reply, "not open");
}

static enum exit_status run_discard(const struct view *view, const struct arguments *arguments,
				    struct client *client)
{
	return is_named(arguments) ? view_call(view, arguments, client) : EXIT_USAGE;
}

const struct view view_letters_discard = {
	.verb = "dead-letters discard",
	.parameters = decision_parameters,
	.print = print_discard,
	.run = run_discard,
};
