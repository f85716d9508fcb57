/*
 * What the checks of a validation came to: a row for each entity, a column for each check.
 */
#include <string.h>

#include "ctl/reply.h"
#include "ctl/report_page.h"

static bool is_of(const json_t *check, const char *member, const char *value)
{
	return strcmp(reply_string_or(check, member, ""), value) == 0;
}

/* The distinct values of a member, in the order in which they come, of the checks of one validation; NULL: of all. */
static json_t *distinct(const json_t *checks, const char *member, const char *validation)
{
	json_auto_t *seen = json_object();
	json_t *values = json_array();
	size_t i;
	json_t *check;

	json_array_foreach(checks, i, check) {
		const char *value = reply_string_or(check, member, "");

		if ((validation && !is_of(check, "validation", validation)) ||
		    json_object_get(seen, value))
			continue;
		json_object_set_new(seen, value, json_true());
		json_array_append_new(values, json_string(value));
	}
	return values;
}

static const json_t *find(const json_t *checks, const char *validation, const char *entity,
			  const char *name)
{
	size_t i;
	json_t *check;

	json_array_foreach(checks, i, check) {
		if (is_of(check, "validation", validation) && is_of(check, "entity", entity) &&
		    is_of(check, "check", name))
			return check;
	}
	return NULL;
}

static void append_result(struct text *out, const json_t *check)
{
	int64_t differences = check ? reply_integer(check, "differences") : 0;
	char number[32];

	text_append(out, "<td>");
	if (check)
		page_append_state(out, reply_string_or(check, "result", "unknown"));
	if (differences > 0)
		text_appendf(out, " %s", text_thousands(number, differences));
	text_append(out, "</td>");
}

/* When, and on what occasion. */
static void append_occasion(struct text *out, const json_t *checks, const char *validation)
{
	size_t i;
	json_t *check;

	json_array_foreach(checks, i, check) {
		if (is_of(check, "validation", validation))
			break;
	}
	check = json_array_get(checks, i);
	if (is_of(check, "step", "before"))
		text_append(out, "Before the rows were carried");
	else if (is_of(check, "step", "after"))
		text_append(out, "After the rows were carried");
	else
		text_append(out, "When it was asked for");
	if (reply_string(check, "started")) {
		text_append(out, ", ");
		page_append_time(out, reply_string(check, "started"));
	}
}

static void append_matrix(struct text *out, const json_t *checks, const char *validation)
{
	json_auto_t *entities = distinct(checks, "entity", validation);
	json_auto_t *names = distinct(checks, "check", validation);
	size_t i, j;
	json_t *entity, *name;

	text_append(out, "<h3 class=\"occasion\">");
	append_occasion(out, checks, validation);
	text_append(out, "</h3>\n<div class=\"wide checks\" tabindex=\"0\" role=\"region\" "
			 "aria-label=\"Checks\"><table><thead><tr><th scope=\"col\">Entity</th>");
	json_array_foreach(names, j, name) {
		text_append(out, "<th scope=\"col\">");
		page_append(out, json_string_value(name));
		text_append(out, "</th>");
	}
	text_append(out, "</tr></thead>\n<tbody>\n");
	json_array_foreach(entities, i, entity) {
		text_append(out, "<tr><th scope=\"row\"><span class=\"name\">");
		page_append(out, json_string_value(entity));
		text_append(out, "</span></th>");
		json_array_foreach(names, j, name) {
			append_result(out, find(checks, validation, json_string_value(entity),
						json_string_value(name)));
		}
		text_append(out, "</tr>\n");
	}
	text_append(out, "</tbody></table></div>\n");
}

void page_append_checks(struct text *out, const json_t *validations)
{
	json_auto_t *ids = distinct(validations, "validation", NULL);
	size_t i;
	json_t *id;

	json_array_foreach(ids, i, id) {
		append_matrix(out, validations, json_string_value(id));
	}
}
