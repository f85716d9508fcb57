/*
 * Handlers that ask the databases over the observing lane: Analyze, Check, Plan. A session under way does not notice them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bulk_sql.h"
#include "apply/delete_sql.h"
#include "apply/entity_sql.h"
#include "apply/load_sql.h"
#include "apply/read_sql.h"
#include "common/text.h"
#include "control/bulk_plan.h"
#include "control/handler.h"
#include "run/detection.h"
#include "run/selection.h"
#include "verify/baseline.h"
#include "verify/preflight.h"

/* --- Analyze ----------------------------------------------------------------------------------- */

struct analyze {
	struct handlers *handlers;
	struct control_call *call; /* NULL once the peer has gone */
	json_t *entities;
	json_t *exclude;
	struct lane *lane;
	const struct binding *binding;
	bool *selected;
	size_t next;
	json_t *replies;
};

static void analyze_next(struct analyze *analyze);

static void analyze_free(struct analyze *analyze)
{
	if (analyze->lane != NULL)
		observe_done(engine_observatory(analyze->handlers->engine), analyze->lane);
	json_decref(analyze->entities);
	json_decref(analyze->exclude);
	json_decref(analyze->replies);
	free(analyze->selected);
	free(analyze);
}

static void on_analyze_gone(void *arg)
{
	struct analyze *analyze = arg;

	analyze->call = NULL;
}

static json_t *count_or_null(int64_t count, bool known)
{
	return known ? json_integer(count) : json_null();
}

static json_t *describe_baseline(const struct entity *entity, const struct baseline *baseline,
				 const struct error *err)
{
	if (err != NULL)
		return json_pack("{s:s, s:n, s:n, s:s, s:n, s:n, s:n, s:n, s:s}", "entity",
				 entity->name, "source", "target", "status", "unknown", "gap",
				 "unmapped", "orphaned", "last_migrated", "error", err->message);
	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:n}", "entity", entity->name,
			 "source", count_or_null(baseline->source, baseline->source_known),
			 "target", count_or_null(baseline->target, baseline->target_known),
			 "status", baseline->status, "gap",
			 count_or_null(baseline->source - baseline->target,
				       baseline->source_known && baseline->target_known),
			 "unmapped", count_or_null(baseline->unmapped, baseline->source_known),
			 "orphaned", json_integer(baseline->orphaned), "last_migrated",
			 baseline->last_migrated[0] != '\0' ? json_string(baseline->last_migrated)
							    : json_null(),
			 "error");
}

/* One frame an entity for those who stream; all at the end for the others. */
static void on_baseline(void *arg, const struct baseline *baseline, const struct error *err)
{
	struct analyze *analyze = arg;
	const struct entity *entity = &analyze->binding->set->entities[analyze->next];
	json_t *described = describe_baseline(entity, baseline, err);

	if (analyze->call != NULL && control_call_wants_more(analyze->call))
		control_call_continue(analyze->call, json_pack("{s:[O]}", "entities", described));
	json_array_append_new(analyze->replies, described);
	analyze->next++;
	if (err != NULL && err->kind == ERROR_CONNECTION && analyze->call != NULL) {
		handler_fail(analyze->call, err);
		analyze->call = NULL;
	}
	analyze_next(analyze);
}

static void analyze_next(struct analyze *analyze)
{
	const struct binding *binding = analyze->binding;

	while (analyze->next < binding->set->count && !analyze->selected[analyze->next])
		analyze->next++;
	if (analyze->call == NULL) {
		analyze_free(analyze);
		return;
	}
	if (analyze->next == binding->set->count) {
		control_call_reply(analyze->call, json_pack("{s:O}", "entities", analyze->replies));
		analyze_free(analyze);
		return;
	}
	baseline_start(
		&(struct baseline_request){
			.binding = binding,
			.bound = &binding->entities[analyze->next],
			.source = lane_source(analyze->lane),
			.target = lane_target(analyze->lane),
			.work_memory_kb =
				engine_config(analyze->handlers->engine)->settings.work_memory_kb,
		},
		on_baseline, analyze);
}

static void on_analyze_lane(void *arg, struct lane *lane, const struct binding *binding,
			    const struct error *err)
{
	struct analyze *analyze = arg;
	struct error not_found;

	if (err == NULL) {
		analyze->lane = lane;
		analyze->binding = binding;
		analyze->selected = selection_make(binding->set, analyze->entities,
						   analyze->exclude, &not_found);
		if (analyze->selected != NULL) {
			analyze_next(analyze);
			return;
		}
		err = &not_found;
	}
	if (analyze->call != NULL)
		handler_fail(analyze->call, err);
	analyze_free(analyze);
}

struct analyze_parameters {
	json_t *entities;
	json_t *exclude;
};

static const struct json_field analyze_fields[] = {
	{ .key = "entities",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct analyze_parameters, entities) },
	{ .key = "exclude",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct analyze_parameters, exclude) },
	{ .key = NULL },
};

void handle_analyze(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	struct analyze_parameters parameters = { 0 };
	struct analyze *analyze;

	if (!handler_decode(call, analyze_fields, &parameters) ||
	    !handler_names(call, "entities", parameters.entities) ||
	    !handler_names(call, "exclude", parameters.exclude)) {
		json_decref(parameters.entities);
		json_decref(parameters.exclude);
		return;
	}
	analyze = memory_new(sizeof(*analyze));
	*analyze = (struct analyze){ .handlers = handlers,
				     .call = call,
				     .entities = parameters.entities,
				     .exclude = parameters.exclude,
				     .replies = json_array() };
	control_call_on_gone(call, on_analyze_gone, analyze);
	observe(engine_observatory(handlers->engine), on_analyze_lane, analyze);
}

/* --- Plan -------------------------------------------------------------------------------------- */

static json_t *relation_name(const char *schema, const char *table)
{
	_cleanup_free_ char *name = NULL;

	if (table == NULL)
		return json_string("(query)");
	if (strcmp(schema, "public") == 0)
		return json_string(table);
	name = text_format("%s.%s", schema, table);
	return json_string(name);
}

static json_t *parents_of(const struct binding *binding, const struct bound_entity *bound)
{
	json_t *names = json_array();

	for (size_t i = 0; i < binding->set->count; i++) {
		const struct bound_entity *parent = &binding->entities[binding->order[i]];

		if (bound_depends_on(bound, parent))
			json_array_append_new(names, json_string(parent->entity->name));
	}
	return names;
}

static json_t *deferred_columns(const struct bound_entity *bound)
{
	json_t *names = json_array();

	for (size_t i = 0; i < bound->written_count; i++)
		if (bound->written[i].deferred)
			json_array_append_new(names, json_string(bound->written[i].name));
	return names;
}

static json_t *planned_entity(const struct handlers *handlers, const struct binding *binding,
			      const struct bound_entity *bound, const PGresult *candidates)
{
	const struct entity *entity = bound->entity;
	_cleanup_free_ char *reason =
		bound->usable ? detection_reason(bound)
			      : text_copy("does not fit the databases; see migratectl check");

	return json_pack("{s:s, s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:o}", "entity", entity->name,
			 "level", (json_int_t)bound->level, "source",
			 relation_name(entity->source_schema, entity->source_table), "target",
			 relation_name(entity->target_schema, entity->target_table), "strategy",
			 strategy_names[entity->detect.strategy], "reason", reason, "refers_to",
			 parents_of(binding, bound), "deferred", deferred_columns(bound), "bulk",
			 bulk_plan_describe(binding, bound,
					    &engine_config(handlers->engine)->settings,
					    candidates));
}

static void add_statement(json_t *statements, const char *step, const char *database, char *sql)
{
	json_array_append_new(statements, json_pack("{s:s, s:s, s:s}", "step", step, "database",
						    database, "sql", sql));
	free(sql);
}

/* The SQL of a range batch, with names in place of what only a session knows. */
static json_t *statements_of(const struct handlers *handlers, const struct binding *binding,
			     const struct bound_entity *bound)
{
	json_t *statements = json_array();
	struct batch_place place = {
		.transaction = &pg_transaction_alone,
		.session = "00000000-0000-0000-0000-000000000000",
		.analysis = "00000000-0000-0000-0000-000000000000",
		.batch = 1,
		.before_images = engine_config(handlers->engine)->settings.before_images,
		.low = "1",
		.high = "1",
		.work_memory_kb = engine_config(handlers->engine)->settings.work_memory_kb,
	};

	add_statement(statements, "read", "source", read_sql_rows(binding, bound, "TRUE"));
	add_statement(statements, "stage", "target", entity_sql_begin(bound, &place, false));
	if (load_sql_is_possible(bound))
		add_statement(statements, "load", "target",
			      entity_sql_write(binding, bound, &place, WRITE_LOAD, false));
	add_statement(statements, "write", "target",
		      entity_sql_write(binding, bound, &place, WRITE_ANY, false));
	add_statement(statements, "delete", "target", delete_sql(binding, bound, &place, false));
	return statements;
}

static void reply_plan(struct pending_call *pending, const struct binding *binding,
		       const char *wanted, const PGresult *candidates)
{
	const struct bound_entity *bound = wanted != NULL ? binding_find(binding, wanted) : NULL;
	json_t *entities;
	struct error err;

	if (wanted != NULL && (bound == NULL || !bound->usable)) {
		error_set(&err, bound == NULL ? ERROR_NOT_FOUND : ERROR_STRUCTURE,
			  bound == NULL ? "there is no entity \"%s\""
					: "entity \"%s\" does not fit the databases",
			  wanted);
		snprintf(err.entity, sizeof(err.entity), "%s", wanted);
		error_hint(&err, "%s",
			   bound == NULL ? "migratectl plan lists the entities"
					 : "migratectl check says what does not fit");
		pending_call_fail(pending, &err);
		return;
	}
	entities = json_array();
	for (size_t i = 0; i < binding->set->count; i++)
		json_array_append_new(entities,
				      planned_entity(pending->handlers, binding,
						     &binding->entities[binding->order[i]],
						     candidates));
	pending_call_reply(pending,
			   json_pack("{s:I, s:o, s:o}", "levels", (json_int_t)binding->level_count,
				     "entities", entities, "statements",
				     bound != NULL
					     ? statements_of(pending->handlers, binding, bound)
					     : json_array()));
}

struct plan_call {
	struct pending_call *pending;
	struct lane *lane;
	const struct binding *binding;
	char *wanted;
};

static void on_plan_candidates(void *arg, const struct pg_answer *answer)
{
	struct plan_call *plan = arg;
	struct engine *engine = plan->pending->handlers->engine;

	reply_plan(plan->pending, plan->binding, plan->wanted,
		   answer->error == NULL ? pg_answer_rows(answer) : NULL);
	observe_done(engine_observatory(engine), plan->lane);
	free(plan->wanted);
	free(plan);
}

static void on_plan_lane(void *arg, struct lane *lane, const struct binding *binding,
			 const struct error *err)
{
	struct pending_call *pending = arg;
	_cleanup_free_ const struct bound_entity **entities = NULL;
	_cleanup_free_ char *sql = NULL;
	struct plan_call *plan;
	size_t count;

	if (err != NULL) {
		free(pending->state);
		pending_call_fail(pending, err);
		return;
	}
	plan = memory_new(sizeof(*plan));
	*plan = (struct plan_call){ .pending = pending,
				    .lane = lane,
				    .binding = binding,
				    .wanted = pending->state };
	entities = bulk_plan_entities(binding, &count);
	sql = bulk_sql_candidates(binding, entities, count);
	pg_submit(lane_target(lane), sql, 0, NULL, on_plan_candidates, plan);
}

struct plan_parameters {
	char *sql;
};

static const struct json_field plan_fields[] = {
	{ .key = "sql",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct plan_parameters, sql) },
	{ .key = NULL },
};

void handle_plan(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	struct plan_parameters parameters = { 0 };
	struct pending_call *pending;

	if (!handler_decode(call, plan_fields, &parameters)) {
		free(parameters.sql);
		return;
	}
	pending = pending_call_new(handlers, call);
	pending->state = parameters.sql;
	observe(engine_observatory(handlers->engine), on_plan_lane, pending);
}

/* --- Check ------------------------------------------------------------------------------------- */

struct check {
	struct pending_call *pending;
	struct lane *lane; /* NULL: a database could not be asked, and the findings say so */
};

static json_t *describe_finding(const struct finding *finding)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "check", finding->check, "subject",
			 finding->subject, "result", finding_result_name(finding->result),
			 "message", finding->message, "action",
			 finding->action != NULL ? json_string(finding->action) : json_null());
}

static void on_checked(void *arg, const struct finding *findings, size_t count,
		       const struct error *err)
{
	struct check *check = arg;
	struct engine *engine = check->pending->handlers->engine;
	json_auto_t *set_aside = engine_set_aside(engine);
	json_t *array = json_array();
	bool passed = true;

	for (size_t i = 0; i < count; i++) {
		json_array_append_new(array, describe_finding(&findings[i]));
		passed &= findings[i].result != FINDING_FAIL;
	}
	passed &= bulk_plan_findings(array, set_aside);
	if (err != NULL) {
		json_decref(array);
		pending_call_fail(check->pending, err);
	} else {
		pending_call_reply(check->pending, json_pack("{s:o, s:b}", "findings", array,
							     "passed", (int)passed));
	}
	if (check->lane != NULL)
		observe_done(engine_observatory(engine), check->lane);
	free(check);
}

/* Without a lane the control connections say what is wrong with each database. */
static void on_check_lane(void *arg, struct lane *lane, const struct binding *binding,
			  const struct error *err)
{
	struct pending_call *pending = arg;
	struct engine *engine = pending->handlers->engine;
	struct check *check = memory_new(sizeof(*check));

	*check = (struct check){ .pending = pending, .lane = err == NULL ? lane : NULL };
	preflight_start(
		&(struct preflight_request){
			.binding = binding,
			.entity_set = &engine_config(engine)->entities,
			.settings = &engine_config(engine)->settings,
			.source = check->lane != NULL ? lane_source(lane) : engine_source(engine),
			.target = check->lane != NULL ? lane_target(lane) : engine_target(engine),
		},
		on_checked, check);
}

void handle_check(void *arg, struct control_call *call)
{
	static const struct json_field none[] = { { .key = NULL } };
	struct handlers *handlers = arg;

	if (handler_decode(call, none, NULL))
		observe(engine_observatory(handlers->engine), on_check_lane,
			pending_call_new(handlers, call));
}
