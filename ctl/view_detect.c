/*
 * detect: what is new, modified and deleted, and the analysis that keeps it.
 */
#include <string.h>

#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/view.h"

/* How an entity was looked at is a column of its own, and the last. */
enum { COLUMN_COUNT = 7 };

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_names(parameters, "entities", arguments->entities);
	view_set_names(parameters, "exclude", arguments->exclude);
	view_set_string(parameters, "strategy", arguments->strategy);
	return parameters;
}

static void add_change_percent(struct table *table, const json_t *detected)
{
	char buffer[FORMAT_SIZE];
	double percent;

	table_add(table, reply_number(detected, "change_percent", &percent)
				 ? format_percent(buffer, percent)
				 : NULL);
}

static bool is_swept(const json_t *detected)
{
	return strcmp(reply_string_or(detected, "strategy", "sweep"), "sweep") == 0;
}

/* Only a sweep sees what is gone. */
static void add_counts(struct table *table, const json_t *detected)
{
	reply_cell_integer(table, detected, "new");
	reply_cell_integer(table, detected, "modified");
	if (is_swept(detected))
		reply_cell_integer(table, detected, "deleted");
	else
		table_add(table, NULL);
}

/* An entity that was never migrated is not compared with anything: all of it goes. */
static void add_whole(struct table *table, const json_t *detected)
{
	reply_cell_integer(table, detected, "rows");
	table_add(table, NULL);
	table_add(table, NULL);
	table_add(table, "all");
}

static void add_failed(struct table *table)
{
	for (int i = 0; i < 4; i++)
		table_add(table, NULL);
}

/* Most often all is swept, and there is nothing to say of it. */
static bool is_worth_saying_how(const json_t *entities)
{
	size_t i;
	json_t *detected;

	json_array_foreach(entities, i, detected)
		if (!is_swept(detected) || reply_string(detected, "reason"))
			return true;
	return false;
}

static void add_how(struct table *table, const json_t *detected)
{
	const char *reason = reply_string(detected, "reason");
	_cleanup_free_ char *how = text_format("%s%s%s", reply_string_or(detected, "strategy", "-"),
					       reason ? ": " : "", reason ? reason : "");

	table_add(table, how);
}

static void add_detected(struct table *table, const json_t *detected)
{
	reply_cell_string(table, detected, "entity");
	if (reply_string(detected, "error"))
		add_failed(table);
	else if (reply_bool(detected, "whole"))
		add_whole(table, detected);
	else {
		add_counts(table, detected);
		add_change_percent(table, detected);
	}
	if (reply_string(detected, "error"))
		table_add(table, NULL);
	else
		reply_cell_duration(table, detected, "estimate_ms");
	if (table->column_count == COLUMN_COUNT)
		add_how(table, detected);
}

static void add_total(struct table *table, const json_t *analysis)
{
	table_add_styled(table, STYLE_BOLD, "Total");
	add_counts(table, analysis);
	add_change_percent(table, analysis);
	reply_cell_duration(table, analysis, "estimate_ms");
	if (table->column_count == COLUMN_COUNT)
		table_add(table, "");
}

static void print_analysis(const struct look *look, struct text *out, const json_t *analysis,
			   bool quiet)
{
	const char *id = reply_string_or(analysis, "analysis", "-");
	char short_id[FORMAT_SIZE];

	text_append(out, "Analysis ");
	look_append(look, out, STYLE_BOLD, id);
	if (!quiet)
		text_appendf(out, "  (migratectl migrate --analysis-id %s)",
			     format_short_id(short_id, id));
	text_append(out, "\n");
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	static const struct table_column columns[COLUMN_COUNT] = {
		{ "Entity", false, 12 }, { "New", true, 9 },	{ "Modified", true, 9 },
		{ "Deleted", true, 8 },	 { "Change", true, 7 }, { "Estimate", true, 9 },
		{ "Look", false, 0 },
	};
	const json_t *analysis = json_object_get(reply, "analysis");
	const json_t *entities = json_object_get(analysis, "entities");
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *detected;

	table_init(&table, columns,
		   is_worth_saying_how(entities) ? COLUMN_COUNT : COLUMN_COUNT - 1);
	json_array_foreach(entities, i, detected) {
		add_detected(&table, detected);
	}
	add_total(&table, analysis);
	table_print(&table, look, out);
	view_append_entity_errors(look, out, entities);
	print_analysis(look, out, analysis, arguments->quiet);
}

static enum exit_status judge(const json_t *reply)
{
	return view_judge_entity_errors(
		json_object_get(json_object_get(reply, "analysis"), "entities"));
}

const struct view view_detect = {
	.verb = "detect",
	.parameters = parameters_of,
	.print = print,
	.judge = judge,
};
