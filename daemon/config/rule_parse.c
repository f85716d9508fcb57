/*
 * Reads "rules": named assertions over a row of the source or of the target; see rule_parse.h.
 *
 * Whether an expression is one, and of its row, only a database can say (catalog/rules.c).
 */
#include "config/rule_parse.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "config/column_parse.h"

/* A rule while it is read. */
struct draft {
	char *before;
	char *after;
	int action;
};

#define DRAFT(member) offsetof(struct draft, member)

static const struct json_field rule_fields[] = {
	{ .key = "before", .type = JSON_FIELD_STRING, .offset = DRAFT(before) },
	{ .key = "after", .type = JSON_FIELD_STRING, .offset = DRAFT(after) },
	{ .key = "action",
	  .type = JSON_FIELD_CHOICE,
	  .offset = DRAFT(action),
	  .required = true,
	  .choices = rule_action_names },
	{ .key = NULL },
};

static void check_rule_name(struct json_report *report, const char *path, const char *name)
{
	if (name[0] < 'a' || name[0] > 'z' || strlen(name) > RULE_NAME_MAX ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
		json_problem(report, path,
			     "\"%s\" is no name for a rule: a lower-case letter, then lower-case "
			     "letters, digits and \"_\", at most %d bytes",
			     name, RULE_NAME_MAX);
}

/* Exactly one of both says when the rule is asked. */
static void check_when(struct json_report *report, const char *path, const json_t *value)
{
	bool before = json_object_get(value, "before") != NULL;
	bool after = json_object_get(value, "after") != NULL;

	if (before && after)
		json_problem(report, path,
			     "\"before\" and \"after\" contradict each other: a rule is asked of "
			     "the row in the source or in the target; write two rules");
	if (!before && !after)
		json_problem(
			report, path,
			"says nothing that must hold: write \"before\", a condition of the row "
			"in the source, or \"after\", of the row in the target");
}

static void parse_rule(struct json_report *report, const char *path, const char *name,
		       json_t *value, struct rule *ret_rule)
{
	_cleanup_free_ char *before_path = json_path_key(path, "before");
	_cleanup_free_ char *after_path = json_path_key(path, "after");
	struct draft draft = { 0 };
	size_t before = report->count;

	check_rule_name(report, path, name);
	json_decode(report, path, value, rule_fields, &draft);
	if (json_is_object(value) && report->count == before)
		check_when(report, path, value);
	sql_check(report, before_path, draft.before);
	sql_check(report, after_path, draft.after);
	*ret_rule = (struct rule){
		.name = text_copy(name),
		.path = text_copy(draft.after != NULL ? after_path : before_path),
		.after = draft.after != NULL,
		.sql = text_copy(draft.after != NULL ? draft.after : draft.before),
		.action = (enum rule_action)draft.action,
	};
	free(draft.before);
	free(draft.after);
}

void rules_parse(struct json_report *report, const char *path, json_t *value,
		 struct rule **ret_rules, size_t *ret_count)
{
	struct rule *rules = memory_new((json_object_size(value) + 1) * sizeof *rules);
	size_t count = 0;
	const char *name;
	json_t *rule;

	json_object_foreach(value, name, rule) {
		_cleanup_free_ char *rule_path = json_path_key(path, name);

		if (strcmp(name, "comment") == 0 && json_is_string(rule))
			continue;
		parse_rule(report, rule_path, name, rule, &rules[count++]);
	}
	*ret_rules = rules;
	*ret_count = count;
}
