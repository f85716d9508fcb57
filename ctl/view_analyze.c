/*
 * analyze: what both databases hold of each entity.
 */
#include "ctl/reply.h"
#include "ctl/view.h"

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_names(parameters, "entities", arguments->entities);
	view_set_names(parameters, "exclude", arguments->exclude);
	return parameters;
}

static void add_baseline(struct table *table, const json_t *baseline)
{
	reply_cell_string(table, baseline, "entity");
	reply_cell_integer(table, baseline, "source");
	reply_cell_integer(table, baseline, "target");
	reply_cell_state(table, baseline, "status");
	reply_cell_integer(table, baseline, "gap");
	reply_cell_integer(table, baseline, "unmapped");
	reply_cell_integer(table, baseline, "orphaned");
	reply_cell_time(table, baseline, "last_migrated");
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	static const struct table_column columns[] = {
		{ "Entity", false, 12 }, { "Source", true, 10 },
		{ "Target", true, 10 },	 { "Status", false, 7 },
		{ "Gap", true, 5 },	 { "Unmapped", true, 0 },
		{ "Orphaned", true, 0 }, { "Last migrated", false, 0 },
	};
	const json_t *baselines = json_object_get(reply, "entities");
	_cleanup_table_ struct table table = { 0 };
	size_t i;
	json_t *baseline;

	(void)arguments;
	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	json_array_foreach(baselines, i, baseline) {
		add_baseline(&table, baseline);
	}
	table_print(&table, look, out);
	view_append_entity_errors(look, out, baselines);
}

static enum exit_status judge(const json_t *reply)
{
	return view_judge_entity_errors(json_object_get(reply, "entities"));
}

const struct view view_analyze = {
	.verb = "analyze",
	.parameters = parameters_of,
	.print = print,
	.judge = judge,
};
