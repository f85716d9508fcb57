/*
 * audit: who has asked what on the control socket, or which rows of the target were changed.
 */
#include <ctype.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/view.h"

/* --- what is asked ------------------------------------------------------------------------------ */

/* A name is that of /etc/passwd when the call was made, and whoever it is now, wherever that is known from. */
static void set_user(json_t *parameters, const char *user)
{
	const struct passwd *entry;

	if (!user)
		return;
	if (strspn(user, "0123456789") == strlen(user) && strlen(user) < 10) {
		json_object_set_new(parameters, "uid", json_integer(atoll(user)));
		return;
	}
	json_object_set_new(parameters, "user", json_string(user));
	entry = getpwnam(user);
	if (entry)
		json_object_set_new(parameters, "uid", json_integer(entry->pw_uid));
}

/* "ENTITY:A,B" */
static void set_key(json_t *parameters, const char *key)
{
	size_t entity = strcspn(key, ":");

	json_object_set_new(parameters, "entity", json_stringn(key, entity));
	view_set_names(parameters, "key", key + entity + 1);
}

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_pack("{s:s}", "kind", arguments->rows ? "rows" : "commands");
	char since[CLOCK_RFC3339_SIZE];

	view_set_string(parameters, "entity", arguments->entity);
	view_set_string(parameters, "session", arguments->session);
	if (arguments->key_count > 0)
		set_key(parameters, arguments->keys[0]);
	set_user(parameters, arguments->user);
	if (arguments->since_us > 0)
		view_set_string(parameters, "since",
				clock_format_rfc3339(since, arguments->since_us));
	view_set_count(parameters, "before", arguments->before);
	view_set_count(parameters, "limit", arguments->limit);
	return parameters;
}

/* --- commands ----------------------------------------------------------------------------------- */

/* The command as people type it, where there is one. */
static const char *command_of(const json_t *call)
{
	const char *method = reply_string_or(call, "method", "-");
	const struct command *command = command_by_method(method);

	return command ? command->verb : method;
}

/* "PermissionDenied" of "io.migrated.PermissionDenied". */
static const char *result_of(const json_t *call)
{
	const char *result = reply_string_or(call, "result", "-");
	const char *dot = strrchr(result, '.');

	return dot ? dot + 1 : result;
}

/* "anna", "1000" where the name is not known. */
static char *user_of(const json_t *call)
{
	const char *user = reply_string(call, "user");
	const json_t *uid = json_object_get(call, "uid");

	if (user)
		return text_copy(user);
	return json_is_integer(uid) ? text_format("%" JSON_INTEGER_FORMAT, json_integer_value(uid))
				    : NULL;
}

static char *pid_of(const json_t *call)
{
	const json_t *pid = json_object_get(call, "pid");

	return json_is_integer(pid) ? text_format("%" JSON_INTEGER_FORMAT, json_integer_value(pid))
				    : NULL;
}

/* Values as JSON has them, so that nothing in them moves a cursor. */
static char *words_of(json_t *parameters)
{
	struct text words = TEXT_INIT;
	const char *name;
	json_t *value;

	text_append(&words, "");
	json_object_foreach(parameters, name, value) {
		_cleanup_free_ char *shown = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		text_separate(&words, " ");
		text_appendf(&words, "%s=%s", name, shown);
	}
	return text_steal(&words);
}

static void add_call(struct table *table, const json_t *call)
{
	_cleanup_free_ char *user = user_of(call);
	_cleanup_free_ char *pid = pid_of(call);
	_cleanup_free_ char *words = words_of(json_object_get(call, "parameters"));

	reply_cell_time(table, call, "at");
	table_add(table, user);
	table_add(table, pid);
	table_add(table, command_of(call));
	table_add(table, result_of(call));
	reply_cell_integer(table, call, "times");
	table_add(table, words);
}

static void print_calls(const struct look *look, struct text *out, const json_t *calls)
{
	static const struct table_column columns[] = {
		{ "Time", false, 0 },	 { "User", false, 0 },	 { "Pid", true, 0 },
		{ "Command", false, 0 }, { "Result", false, 0 }, { "Times", true, 0 },
		{ "With", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *call;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(calls, i, call) {
		add_call(&table, call);
	}
	table_print(&table, look, out);
}

/* --- rows --------------------------------------------------------------------------------------- */

static void add_row(struct table *table, const json_t *row)
{
	_cleanup_free_ char *key = reply_key(row, "legacy_key");
	_cleanup_free_ char *target_key = reply_key(row, "target_key");
	_cleanup_free_ char *change = text_format("%" PRId64, reply_integer(row, "change"));
	char session[FORMAT_SIZE];

	table_add(table, change);
	reply_cell_time(table, row, "at");
	reply_cell_string(table, row, "entity");
	reply_cell_string(table, row, "kind");
	table_add(table, key);
	table_add(table, target_key);
	table_add(table, format_short_id(session, reply_string_or(row, "session", "-")));
}

static void print_rows(const struct look *look, struct text *out, const json_t *rows)
{
	static const struct table_column columns[] = {
		{ "Change", true, 0 },	 { "Time", false, 0 }, { "Entity", false, 0 },
		{ "Kind", false, 0 },	 { "Key", false, 0 },  { "Key in target", false, 0 },
		{ "Session", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *row;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(rows, i, row) {
		add_row(&table, row);
	}
	table_print(&table, look, out);
}

/* --- both --------------------------------------------------------------------------------------- */

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const json_t *shown = json_object_get(reply, arguments->rows ? "rows" : "commands");
	int64_t next = reply_integer(reply, "next");

	if (json_array_size(shown) == 0)
		text_appendf(out, "No %s recorded.\n",
			     arguments->rows ? "such change of a row is" : "such call is");
	else if (arguments->rows)
		print_rows(look, out, shown);
	else
		print_calls(look, out, shown);
	if (next > 0 && !arguments->quiet)
		text_appendf(out, "There are older ones: --before %" PRId64 " shows them.\n", next);
}

const struct view view_audit = {
	.verb = "audit",
	.parameters = parameters_of,
	.print = print,
};
