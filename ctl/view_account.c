/*
 * status --accounts: where every row of each entity's source is, the sum, and what needs attention.
 */
#include <string.h>

#include "ctl/reply.h"
#include "ctl/view.h"

#define LINE_WIDTH 98 /* of the sum, before it goes on in another line */

/* The classes, each row of the source being in one of them. */
static const struct class
{
	const char *member;
	const char *header;
	const char *words;
	const char *one; /* of a single row */
	bool rare;	 /* its column is shown only if there are any */
} classes[] = {
	{ "equal", "Equal", "equal", "equal", false },
	{ "waiting", "Waiting", "waiting", "waiting", false },
	{ "parked", "Parked", "parked", "parked", false },
	{ "dead_letters", "Dead letters", "dead letters", "dead letter", false },
	{ "discarded", "Discarded", "discarded", "discarded", false },
	{ "held", "Held", "held", "held", false },
	{ "kept", "Kept", "kept", "kept", true },
	{ "filtered", "Filtered", "filtered out", "filtered out", false },
	{ "lost", "Lost", "lost", "lost", true },
};

enum { CLASS_COUNT = sizeof classes / sizeof classes[0] };

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_names(parameters, "entities", arguments->entities);
	view_set_names(parameters, "exclude", arguments->exclude);
	return parameters;
}

/* --- the table ---------------------------------------------------------------------------------- */

static int64_t total_of(const json_t *accounts, const char *member)
{
	int64_t total = 0;
	size_t i;
	json_t *account;

	json_array_foreach(accounts, i, account)
		total += reply_integer(account, member);
	return total;
}

static bool is_shown(const json_t *accounts, const struct class *class)
{
	return !class->rare || total_of(accounts, class->member) != 0;
}

static void print_table(const struct look *look, struct text *out, const json_t *accounts)
{
	struct table_column columns[2 + CLASS_COUNT] = { { "Entity", false, 12 },
							 { "Source", true, 8 } };
	_cleanup_table_ struct table table = { 0 };
	size_t column_count = 2, i;
	json_t *account;

	for (int class = 0; class < CLASS_COUNT; class ++)
		if (is_shown(accounts, &classes[class]))
			columns[column_count++] = (struct table_column){ classes[class].header,
									 true, 0 };
	table_init(&table, columns, column_count);
	json_array_foreach(accounts, i, account) {
		reply_cell_string(&table, account, "entity");
		reply_cell_integer(&table, account, "source");
		for (int class = 0; class < CLASS_COUNT; class ++)
			if (is_shown(accounts, &classes[class]))
				reply_cell_integer(&table, account, classes[class].member);
	}
	table_print(&table, look, out);
}

/* --- the sum ------------------------------------------------------------------------------------ */

static int64_t sum_of_classes(const json_t *account)
{
	int64_t sum = 0;

	for (int class = 0; class < CLASS_COUNT; class ++)
		sum += reply_integer(account, classes[class].member);
	return sum;
}

/* Of every entity. */
static bool is_right(const json_t *accounts)
{
	size_t i;
	json_t *account;

	json_array_foreach(accounts, i, account)
		if (sum_of_classes(account) != reply_integer(account, "source"))
			return false;
	return true;
}

/* "12,345 source rows = 12,000 equal + 345 waiting": classes that are empty are left out. */
static void print_sum(const struct look *look, struct text *out, const json_t *accounts)
{
	char number[32];
	size_t line = out->length;
	int64_t source = total_of(accounts, "source");
	const char *equals = is_right(accounts) ? "=" : look->utf8 ? "≠" : "<>";
	int terms = 0;

	text_appendf(out, "%s source row%s %s", text_thousands(number, source),
		     source == 1 ? "" : "s", equals);
	for (int class = 0; class < CLASS_COUNT; class ++) {
		int64_t count = total_of(accounts, classes[class].member);
		_cleanup_free_ char *term = NULL;

		if (count == 0 && class > 0)
			continue;
		term = text_format("%s%s %s", terms++ > 0 ? "+ " : "",
				   text_thousands(number, count),
				   count == 1 ? classes[class].one : classes[class].words);
		if (out->length - line + 1 + (size_t)look_width(term) > LINE_WIDTH) {
			text_append(out, "\n   ");
			line = out->length - 3;
		}
		text_appendf(out, " %s", term);
	}
	text_append(out, "\n");
}

/* --- what needs attention ----------------------------------------------------------------------- */

/* What is said of an entity for which a number is not 0. */
static const struct remark {
	const char *member;
	const char *one; /* behind the number */
	const char *several;
	const char *action; /* may be NULL */
	enum style style;
} remarks[] = {
	{ "lost", "row is lost: it was carried over, and its target row is not there",
	  "rows are lost: they were carried over, and their target rows are not there",
	  "migratectl migrate --full --entities {entity} writes them again", STYLE_BAD },
	{ "duplicates", "row of the source has the legacy key of another",
	  "rows of the source have the legacy keys of others",
	  "only one of each key can be carried over: mend the source, or the key in the mapping",
	  STYLE_BAD },
	{ "keyless", "row of the source has no legacy key", "rows of the source have no legacy key",
	  "they cannot be carried over: mend the source, or the key in the mapping", STYLE_BAD },
	{ "undeleted", "row is gone from the source, and the target refuses to delete it",
	  "rows are gone from the source, and the target refuses to delete them",
	  "migratectl dead-letters list --entity {entity} says why", STYLE_WARNING },
	{ "gone", "row is gone from the source; the next sweep sees to it",
	  "rows are gone from the source; the next sweep sees to them", NULL, STYLE_PLAIN },
	{ "deferred", "reference is NULL until its parent is there",
	  "references are NULL until their parents are there", NULL, STYLE_PLAIN },
};

static void print_words(const struct look *look, struct text *out, const json_t *account,
			enum style style, const char *words)
{
	look_append(look, out, style, reply_string_or(account, "entity", "-"));
	text_append(out, ": ");
	look_append(look, out, STYLE_PLAIN, words);
	text_append(out, "\n");
}

static void print_action(const struct look *look, struct text *out, const json_t *account,
			 const char *action)
{
	_cleanup_text_ struct text filled = TEXT_INIT;

	text_fill(&filled, action,
		  (const struct text_hole[]){ { "entity", reply_string_or(account, "entity", "-") },
					      { NULL, NULL } });
	text_append(out, look->utf8 ? "  → " : "  -> ");
	look_append(look, out, STYLE_PLAIN, text_string(&filled));
	text_append(out, "\n");
}

static void print_remark(const struct look *look, struct text *out, const json_t *account,
			 const struct remark *remark)
{
	int64_t count = reply_integer(account, remark->member);
	char number[32];
	_cleanup_free_ char *words = text_format("%s %s", text_thousands(number, count),
						 count == 1 ? remark->one : remark->several);

	print_words(look, out, account, remark->style, words);
	if (remark->action)
		print_action(look, out, account, remark->action);
}

static void print_difference(const struct look *look, struct text *out, const json_t *account)
{
	char sum[32], source[32];
	_cleanup_free_ char *words =
		text_format("%s rows were accounted for, and the source has %s",
			    text_thousands(sum, sum_of_classes(account)),
			    text_thousands(source, reply_integer(account, "source")));

	print_words(look, out, account, STYLE_BAD, words);
	print_action(
		look, out, account,
		"the filter or the query of its mapping must say the same whenever it is asked");
}

static void print_attention(const struct look *look, struct text *out, const json_t *account,
			    bool quiet)
{
	const char *mapping = reply_string_or(account, "mapping", "same");

	if (reply_string(account, "error"))
		return;
	if (sum_of_classes(account) != reply_integer(account, "source"))
		print_difference(look, out, account);
	if (strcmp(mapping, "changed") == 0)
		print_words(look, out, account, STYLE_WARNING,
			    "the mapping has changed; rows wait until migratectl migrate has read "
			    "all of them");
	for (size_t i = 0; i < sizeof remarks / sizeof remarks[0]; i++)
		if (reply_integer(account, remarks[i].member) != 0 &&
		    (!quiet || remarks[i].style != STYLE_PLAIN))
			print_remark(look, out, account, &remarks[i]);
}

static void print_change_set(struct text *out, const json_t *accounts)
{
	int64_t noted = total_of(accounts, "in_change_set");
	int64_t waiting = total_of(accounts, "waiting");
	char number[32];

	if (waiting > 0)
		text_appendf(out, "%s of those that wait %s in a change set\n",
			     noted == 0		? "None"
			     : noted == waiting ? "All"
						: text_thousands(number, noted),
			     noted == 1 && waiting > 1 ? "is" : "are");
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const json_t *accounts = json_object_get(reply, "accounts");
	size_t i;
	json_t *account;

	print_table(look, out, accounts);
	print_sum(look, out, accounts);
	if (!arguments->quiet)
		print_change_set(out, accounts);
	json_array_foreach(accounts, i, account)
		print_attention(look, out, account, arguments->quiet);
	view_append_entity_errors(look, out, accounts);
}

/* --- the verdict -------------------------------------------------------------------------------- */

/* What does not add up weighs more than what could not be counted. */
static enum exit_status judge(const json_t *reply)
{
	const json_t *accounts = json_object_get(reply, "accounts");
	size_t i;
	json_t *account;

	json_array_foreach(accounts, i, account)
		if (!reply_string(account, "error") && !reply_bool(account, "balanced"))
			return EXIT_PAUSED;
	return view_judge_entity_errors(accounts);
}

const struct view view_account = {
	.verb = "status --accounts",
	.method = "io.migrated.Account",
	.parameters = parameters_of,
	.print = print,
	.judge = judge,
};
