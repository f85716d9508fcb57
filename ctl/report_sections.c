/*
 * The tables of a report, column by column, and how a cell is read. Both the text and the page are made of them.
 */
#include "ctl/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/reply.h"

/* --- the tables ----------------------------------------------------------------------------------- */

const struct report_section report_carried = {
	.id = "carried",
	.title = "Before and after",
	.list = "entities",
	.remark = "Source: rows that detection counted there. Before, after: rows of the source that the target "
		  "carries, by the id map, when the entity's part was opened and when it was over.",
	.none = NULL,
	.columns = {
		{ "Entity", "entity", REPORT_NAME, false, NULL },
		{ "State", "state", REPORT_STATE, false, NULL },
		{ "Source", "source_rows", REPORT_COUNT, false, "source_rows" },
		{ "Before", "rows_before", REPORT_COUNT, false, "rows_before" },
		{ "After", "rows_after_text", REPORT_FIGURE, false, "rows_after" },
		{ "Change", "rows_change", REPORT_CHANGE, false, "rows_change" },
		{ "Set aside", "failed", REPORT_COUNT, false, "failed" },
		{ "Waiting", "parked", REPORT_COUNT, false, "parked" },
		{ "Reason", "reason", REPORT_TEXT, true, NULL },
		{ 0 },
	},
};

const struct report_section report_done = {
	.id = "done",
	.title = "What was done",
	.list = "entities",
	.remark = "Rows: all that were handled, those that were set aside or wait included. Deleted: rows that are "
		  "gone from the source, whether they had been carried or not.",
	.none = NULL,
	.columns = {
		{ "Entity", "entity", REPORT_NAME, false, NULL },
		{ "Rows", "done", REPORT_COUNT, false, "done" },
		{ "Inserted", "inserted", REPORT_COUNT, false, "inserted" },
		{ "Updated", "updated", REPORT_COUNT, false, "updated" },
		{ "Deleted", "deleted", REPORT_COUNT, false, "deleted" },
		{ "Unchanged", "unchanged", REPORT_COUNT, false, "unchanged" },
		{ "Warned", "warned", REPORT_COUNT, true, "warned" },
		{ "Overwritten", "overwritten", REPORT_COUNT, true, "overwritten" },
		{ "Kept", "kept", REPORT_COUNT, true, "kept" },
		{ "Held", "held", REPORT_COUNT, true, "held" },
		{ "Retries", "retries", REPORT_COUNT, false, "retries" },
		{ "Rows/s", "rows_per_second", REPORT_RATE, false, NULL },
		{ 0 },
	},
};

const struct report_section report_time = {
	.id = "time",
	.title = "Where the time went",
	.list = "entities",
	.remark = "Entities that do not depend on each other are carried side by side, so these times "
		  "overlap. Waiting: for parents before, and for all others after they had moved.",
	.none = NULL,
	.columns = {
		{ "Entity", "entity", REPORT_NAME, false, NULL },
		{ "Waiting", "waiting_ms", REPORT_DURATION, false, NULL },
		{ "Planning", "planning_ms", REPORT_DURATION, false, NULL },
		{ "Moving", "moving_ms", REPORT_DURATION, false, NULL },
		{ "Rebuilding", "rebuilding_ms", REPORT_DURATION, true, NULL },
		{ "Second pass", "filling_ms", REPORT_DURATION, true, NULL },
		{ "Deleting", "deleting_ms", REPORT_DURATION, true, NULL },
		{ "Batches", "batches", REPORT_COUNT, false, NULL },
		{ "Halved", "halved", REPORT_COUNT, true, NULL },
		{ 0 },
	},
};

const struct report_section report_letters = {
	.id = "set-aside",
	.title = "Rows set aside",
	.list = "dead_letters",
	.remark = "Dead letters that were last tried in this session, by SQLSTATE, in the state they are in now.",
	.none = "No row of this session is set aside now.",
	.columns = {
		{ "SQLSTATE", "sqlstate", REPORT_NAME, false, NULL },
		{ "Meaning", "meaning", REPORT_TEXT, false, NULL },
		{ "Entity", "entity", REPORT_NAME, false, NULL },
		{ "Phase", "phase", REPORT_TEXT, false, NULL },
		{ "Constraint or rule", "constraint", REPORT_NAME, true, NULL },
		{ "Column", "column", REPORT_NAME, true, NULL },
		{ "State", "state", REPORT_STATE, false, NULL },
		{ "Rows", "rows", REPORT_COUNT, false, "rows" },
		{ 0 },
	},
};

const struct report_section report_parked = {
	.id = "waiting",
	.title = "Waiting for a parent",
	.list = "parked",
	.remark = "They follow by themselves once their parent has come.",
	.none = "None of its rows waits for a parent now.",
	.columns = {
		{ "Entity", "entity", REPORT_NAME, false, NULL },
		{ "What waits", "what", REPORT_TEXT, false, NULL },
		{ "Column", "column", REPORT_NAME, false, NULL },
		{ "For", "parent_entity", REPORT_NAME, false, NULL },
		{ "Rows", "rows", REPORT_COUNT, false, "rows" },
		{ 0 },
	},
};

const struct report_section report_conflicts = {
	.id = "conflicts",
	.title = "Edited in the target",
	.list = "conflicts",
	.none = "None had been edited in the target.",
	.columns = {
		{ "Entity", "entity", REPORT_NAME, false, NULL },
		{ "State", "state", REPORT_STATE, false, NULL },
		{ "In the source", "in_source", REPORT_TEXT, false, NULL },
		{ "In the target", "in_target", REPORT_TEXT, false, NULL },
		{ "Policy", "policy", REPORT_NAME, false, NULL },
		{ "Rows", "rows", REPORT_COUNT, false, NULL },
		{ 0 },
	},
};

const struct report_section report_rules = {
	.id = "rules",
	.title = "Business rules",
	.list = "rules",
	.none = "None broke a rule.",
	.columns = {
		{ "Entity", "entity", REPORT_NAME, false, NULL },
		{ "Rule", "rule", REPORT_NAME, false, NULL },
		{ "What became of the rows", "outcome", REPORT_TEXT, false, NULL },
		{ "Rows", "rows", REPORT_COUNT, false, NULL },
		{ 0 },
	},
};

const struct report_section report_validations = {
	.id = "validation",
	.title = "Validation",
	.list = "validation_matters",
	.remark = "What could not be checked is no pass.",
	.whole = "validations",
	.none = "This session has not been validated.",
	.columns = {
		{ "Entity", "entity", REPORT_NAME, false, NULL },
		{ "Check", "check", REPORT_TEXT, false, NULL },
		{ "Result", "result", REPORT_STATE, false, NULL },
		{ "Rows", "rows", REPORT_COUNT, false, NULL },
		{ "Waiting", "waiting", REPORT_COUNT, true, NULL },
		{ "Differences", "differences", REPORT_COUNT, false, NULL },
		{ "Kinds", "kinds_text", REPORT_TEXT, true, NULL },
		{ "Repaired", "repaired", REPORT_COUNT, true, NULL },
		{ "Step", "step", REPORT_TEXT, true, NULL },
		{ "When", "started", REPORT_TIME, false, NULL },
		{ "Reason", "reason", REPORT_TEXT, true, NULL },
		{ 0 },
	},
};

const struct report_section report_holds = {
	.id = "holds",
	.title = "When it stood still",
	.list = "holds",
	.none = NULL,
	.columns = {
		{ "Held by", "hold", REPORT_TEXT, false, NULL },
		{ "Since", "began", REPORT_TIME, false, NULL },
		{ "For", "ms", REPORT_DURATION, false, NULL },
		{ "Reason", "reason", REPORT_TEXT, true, NULL },
		{ 0 },
	},
};

const struct report_section report_options = {
	.id = "options",
	.title = "What was asked for",
	.list = "options",
	.none = NULL,
	.columns = {
		{ "Option", "name", REPORT_NAME, false, NULL },
		{ "Value", "value", REPORT_TEXT, false, NULL },
		{ 0 },
	},
};

const struct report_section report_settings = {
	.id = "settings",
	.title = "Settings in force",
	.list = "settings",
	.remark = "Secrets are not among them.",
	.none = "The settings in force were not kept.",
	.columns = {
		{ "Setting", "name", REPORT_NAME, false, NULL },
		{ "Value", "value", REPORT_TEXT, false, NULL },
		{ "", "changed", REPORT_TEXT, true, NULL },
		{ 0 },
	},
};

/* --- members that follow from others --------------------------------------------------------------- */

static const struct {
	const char *prefix;
	const char *meaning;
} sqlstates[] = {
	{ "22001", "a text is too long" },
	{ "22003", "a number is out of range" },
	{ "22007", "no valid date or time" },
	{ "22008", "a date or time is out of range" },
	{ "22021", "characters that the encoding lacks" },
	{ "22P02", "a value is not of its type" },
	{ "22P05", "characters that the encoding lacks" },
	{ "22", "a value cannot be made" },
	{ "23502", "a value is missing" },
	{ "23503", "another row refers to it, or its own parent is missing" },
	{ "23505", "the value is taken already" },
	{ "23514", "a check or a rule does not hold" },
	{ "23P01", "another row excludes it" },
	{ "23", "a constraint does not hold" },
	{ "P0001", "refused by a trigger" },
	{ "P0", "refused by a function" },
};

const char *report_sqlstate_meaning(const char *sqlstate)
{
	for (size_t i = 0; i < sizeof sqlstates / sizeof sqlstates[0]; i++)
		if (strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) == 0)
			return sqlstates[i].meaning;
	return NULL;
}

json_t *report_sqlstates(const json_t *letters)
{
	json_t *sums = json_array();
	size_t i, j;
	json_t *letter, *sum;

	json_array_foreach(letters, i, letter) {
		const char *sqlstate = reply_string_or(letter, "sqlstate", "?");

		json_array_foreach(sums, j, sum) {
			if (strcmp(reply_string_or(sum, "sqlstate", ""), sqlstate) == 0)
				break;
		}
		if (j == json_array_size(sums))
			json_array_append_new(sums, json_pack("{s:s, s:s?, s:i}", "sqlstate",
							      sqlstate, "meaning",
							      report_sqlstate_meaning(sqlstate),
							      "rows", 0));
		sum = json_array_get(sums, j);
		json_object_set_new(sum, "rows",
				    json_integer(reply_integer(sum, "rows") +
						 reply_integer(letter, "rows")));
	}
	return sums;
}

static void set_text(json_t *row, const char *member, const char *text)
{
	json_object_set_new(row, member, text ? json_string(text) : json_null());
}

/* While it is not over what was not counted is exact as long as nothing was done. */
static void complete_entity(json_t *entity)
{
	const json_t *before = json_object_get(entity, "rows_before");
	const json_t *after = json_object_get(entity, "rows_after");
	bool exact = reply_bool(entity, "rows_counted") || json_equal(before, after);
	char number[32];

	if (!json_is_integer(after))
		return;
	text_thousands(number, json_integer_value(after));
	_cleanup_free_ char *shown = text_format("%s%s", exact ? "" : "about ", number);

	set_text(entity, "rows_after_text", shown);
	if (json_is_integer(before))
		json_object_set_new(entity, "rows_change",
				    json_integer(json_integer_value(after) -
						 json_integer_value(before)));
}

static void complete_letter(json_t *letter)
{
	set_text(letter, "meaning",
		 report_sqlstate_meaning(reply_string_or(letter, "sqlstate", "")));
}

static void complete_parked(json_t *parked)
{
	set_text(parked, "what",
		 reply_bool(parked, "column_only") ? "the column of rows that were carried"
						   : "whole rows");
}

static void complete_rule(json_t *rule)
{
	set_text(rule, "outcome",
		 strcmp(reply_string_or(rule, "action", ""), "reject") == 0
			 ? "set aside"
			 : "carried with a warning");
}

/* What could not be checked is no pass, and what was is one only without differences. */
static void complete_validation(json_t *validation)
{
	struct text kinds = TEXT_INIT;
	char number[32];
	size_t i;
	json_t *kind;
	const char *state = reply_string_or(validation, "state", "unknown");

	if (strcmp(state, "done") == 0)
		state = reply_integer(validation, "differences") > 0 ? "differs" : "pass";
	set_text(validation, "result", state);
	json_array_foreach(json_object_get(validation, "kinds"), i, kind) {
		text_separate(&kinds, ", ");
		text_appendf(&kinds, "%s %s", text_thousands(number, reply_integer(kind, "rows")),
			     reply_string_or(kind, "kind", "?"));
	}
	set_text(validation, "kinds_text", text_string(&kinds));
	text_done(&kinds);
}

static void complete_setting(json_t *setting)
{
	set_text(setting, "changed", reply_bool(setting, "is_default") ? NULL : "not the default");
}

/* Those that did not pass, which are to be told one by one, and how many did. */
static void gather_matters(json_t *report)
{
	json_t *matters = json_array();
	int64_t passed = 0;
	size_t i;
	json_t *check;

	json_array_foreach(json_object_get(report, "validations"), i, check) {
		if (strcmp(reply_string_or(check, "result", ""), "pass") == 0)
			passed++;
		else
			json_array_append(matters, check);
	}
	json_object_set_new(report, "validation_matters", matters);
	json_object_set_new(report, "checks_passed", json_integer(passed));
}

void report_complete(json_t *report)
{
	static const struct {
		const char *list;
		void (*complete)(json_t *row);
	} completions[] = {
		{ "entities", complete_entity },	{ "dead_letters", complete_letter },
		{ "parked", complete_parked },		{ "rules", complete_rule },
		{ "validations", complete_validation }, { "settings", complete_setting },
	};
	size_t row;
	json_t *object;

	for (size_t i = 0; i < sizeof completions / sizeof completions[0]; i++)
		json_array_foreach(json_object_get(report, completions[i].list), row, object) {
			completions[i].complete(object);
		}
	gather_matters(report);
}

bool report_is_number(enum report_kind kind)
{
	return kind >= REPORT_COUNT && kind <= REPORT_DURATION;
}

/* --- cells ---------------------------------------------------------------------------------------- */

static bool is_empty(const json_t *value)
{
	if (json_is_string(value))
		return json_string_value(value)[0] == '\0';
	return !json_is_number(value) || json_number_value(value) == 0;
}

bool report_column_is_shown(const struct report_column *column, const json_t *rows)
{
	size_t i;
	json_t *row;

	if (!column->rare)
		return true;
	json_array_foreach(rows, i, row) {
		if (!is_empty(json_object_get(row, column->member)))
			return true;
	}
	return false;
}

bool report_cell(struct text *out, const struct report_column *column, const json_t *row)
{
	const char *string = reply_string(row, column->member);
	char buffer[FORMAT_SIZE];
	double number;

	switch (column->kind) {
	case REPORT_TEXT:
	case REPORT_NAME:
	case REPORT_STATE:
	case REPORT_FIGURE:
		text_append(out, string ? string : "");
		return string != NULL;
	case REPORT_TIME:
		text_append(out, string ? format_time(buffer, string) : "");
		return string != NULL;
	default:
		break;
	}
	if (!reply_number(row, column->member, &number))
		return false;
	if (column->kind == REPORT_DURATION)
		text_append(out, format_short_duration(buffer, (int64_t)number));
	else
		text_appendf(out, "%s%s", column->kind == REPORT_CHANGE && number > 0 ? "+" : "",
			     text_thousands(buffer, llround(number)));
	return true;
}

char *report_nothing(const json_t *report)
{
	static const struct report_section *const sections[] = {
		&report_letters, &report_parked,      &report_conflicts,
		&report_rules,	 &report_validations, &report_settings,
	};
	struct text out = TEXT_INIT;

	for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
		if (json_array_size(json_object_get(report, sections[i]->whole
								    ? sections[i]->whole
								    : sections[i]->list)) == 0) {
			text_separate(&out, " ");
			text_append(&out, sections[i]->none);
		}
	return text_steal(&out);
}

const char *report_phase_name(const char *phase)
{
	static const struct {
		const char *phase;
		const char *name;
	} names[] = {
		{ "detecting", "detecting changes" },
		{ "preparing", "preparing" },
		{ "moving", "moving rows" },
		{ "undoing", "undoing" },
		{ "filling", "second pass" },
		{ "deleting", "deleting" },
		{ "standing_still", "standing still" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i].phase, phase) == 0)
			return names[i].name;
	return phase;
}
