/*
 * rules: the business rules of the mapping, and how many rows break each; of one, which.
 */
#include "ctl/reply.h"
#include "ctl/view.h"

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "entity", arguments->entity);
	view_set_string(parameters, "rule", arguments->rule);
	view_set_count(parameters, "limit", arguments->limit);
	return parameters;
}

static void add_rule(struct table *table, const json_t *rule)
{
	int64_t rows = reply_integer(rule, "rows");
	char number[32];

	reply_cell_string(table, rule, "entity");
	reply_cell_string(table, rule, "rule");
	reply_cell_string(table, rule, "asked");
	reply_cell_string(table, rule, "action");
	table_add_styled(table, rows > 0 ? STYLE_WARNING : STYLE_PLAIN,
			 text_thousands(number, rows));
	reply_cell_string(table, rule, "condition");
}

static void print_rules(const struct look *look, struct text *out, const json_t *rules)
{
	static const struct table_column columns[] = {
		{ "Entity", false, 12 }, { "Rule", false, 0 },	   { "Asked", false, 0 },
		{ "Action", false, 0 },	 { "Broken by", true, 0 }, { "Condition", false, 0 },
	};
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *rule;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(rules, i, rule) {
		add_rule(&table, rule);
	}
	table_print(&table, look, out);
}

/* One a line, the parts of a key separated by commas. */
static void print_keys(const struct look *look, struct text *out, const json_t *rule)
{
	const json_t *keys = json_object_get(rule, "keys");
	int64_t rows = reply_integer(rule, "rows");
	char number[32], part[32];
	size_t i;
	json_t *key;

	if (json_array_size(keys) == 0)
		return;
	text_appendf(out, "\n%s row%s of ", text_thousands(number, rows), rows == 1 ? "" : "s");
	look_append(look, out, STYLE_BOLD, reply_string_or(rule, "entity", "-"));
	if (rows > (int64_t)json_array_size(keys))
		text_appendf(out, ", %s of them here (--limit shows more)",
			     text_thousands(part, (int64_t)json_array_size(keys)));
	text_append(out, ", by key in the source:\n");
	json_array_foreach(keys, i, key) {
		_cleanup_free_ char *parts = reply_key(key, "legacy_key");

		text_append(out, "  ");
		look_append(look, out, STYLE_PLAIN, parts);
		text_append(out, "\n");
	}
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const json_t *rules = json_object_get(reply, "rules");
	size_t i;
	json_t *rule;

	if (json_array_size(rules) == 0) {
		text_append(out, arguments->entity ? "This entity has no rules.\n"
						   : "No entity has rules.\n");
		return;
	}
	print_rules(look, out, rules);
	json_array_foreach(rules, i, rule) {
		print_keys(look, out, rule);
	}
}

const struct view view_rules = {
	.verb = "rules",
	.parameters = parameters_of,
	.print = print,
};
