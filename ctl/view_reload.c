/*
 * reload: what has changed in the configuration, and when that counts; or what is wrong with it.
 */
#include <string.h>

#include "ctl/reply.h"
#include "ctl/table.h"
#include "ctl/view.h"

/* "when a session is over" */
static char *when(const json_t *change, const json_t *reply)
{
	const char *effect = reply_string_or(change, "effect", "-");
	const char *waits_for = reply_string(reply, "waits_for");

	if (strcmp(effect, "in_force") == 0)
		return text_copy("in force");
	if (strcmp(effect, "restart") == 0)
		return text_copy("when migrated is started again");
	return text_format("when %s is over", waits_for ? waits_for : "what is under way");
}

static void print_problems(const struct look *look, struct text *out, const json_t *problems)
{
	size_t i;
	json_t *problem;

	json_array_foreach(problems, i, problem) {
		look_append(look, out, STYLE_PLAIN, json_string_value(problem));
		text_append(out, "\n");
	}
	look_append(look, out, STYLE_BAD, "Nothing was changed");
	text_append(out, ": the configuration is wrong, and the one before stays in force.\n");
}

static bool waits(const json_t *changes)
{
	size_t i;
	json_t *change;

	json_array_foreach(changes, i, change)
		if (strcmp(reply_string_or(change, "effect", "-"), "waiting") == 0)
			return true;
	return false;
}

static void print_changes(const struct look *look, struct text *out, const json_t *reply,
			  const struct arguments *arguments)
{
	static const struct table_column columns[] = { { "Change", false, 0 },
						       { "", false, 0 },
						       { "Counts", false, 0 } };
	_cleanup_table_ struct table table = { 0 };
	const json_t *changes = json_object_get(reply, "changes");
	size_t i;
	json_t *change;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(changes, i, change) {
		_cleanup_free_ char *words = when(change, reply);

		table_add(&table, reply_string_or(change, "what", "-"));
		table_add(&table, reply_string_or(change, "kind", "-"));
		table_add(&table, words);
	}
	table_print(&table, look, out);
	if (waits(changes) && !arguments->quiet)
		text_append(out, "systemctl restart migrated takes all of it at once; "
				 "what is under way goes on after it.\n");
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	if (!json_is_true(json_object_get(reply, "accepted")))
		print_problems(look, out, json_object_get(reply, "problems"));
	else if (json_array_size(json_object_get(reply, "changes")) == 0)
		text_append(out, "Nothing has changed.\n");
	else
		print_changes(look, out, reply, arguments);
}

static enum exit_status judge(const json_t *reply)
{
	return json_is_true(json_object_get(reply, "accepted")) ? EXIT_DONE : EXIT_FAILED;
}

const struct view view_reload = {
	.verb = "reload",
	.print = print,
	.judge = judge,
	.quick = true,
};
