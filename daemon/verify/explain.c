/*
 * Explains one row; see explain.h.
 *
 *   what the target knows ──▶ what the source has ──▶ the parents it waits for ──▶ the batch's read and resolve ──▶ what was done to it
 *
 * A side that fails on the way is asked no more, and the rest is told without it. Both transactions are rolled back at the end.
 */
#include "verify/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply_sql.h"
#include "apply/compare_sql.h"
#include "catalog/expression.h"
#include "catalog/hashed.h"
#include "common/text.h"
#include "postgres/pump.h"
#include "store/store.h"
#include "verify/explain_internal.h"

static const char *const side_names[SIDES] = { "source", "target" };

/* --- the end -------------------------------------------------------------------------------------- */

static void names_done(struct explain_names *names)
{
	free(names->id_map);
	free(names->target);
	free(names->source);
	free(names->filter);
	store_key_free(names->key_types, names->entity->source_key.count);
	store_key_free(names->target_types, names->entity->target_key.count);
	store_key_free(names->parts, names->entity->source_key.count);
}

static void finish(struct explain_run *run)
{
	struct explain_run done = *run;

	names_done(&done.names);
	store_key_free(done.target_parts, done.names.entity->target_key.count);
	free(done.key);
	free(run);
	if (done.error.kind != ERROR_NONE) {
		json_decref(done.explanation);
		done.on_done(done.arg, NULL, &done.error);
		return;
	}
	json_object_set_new(done.explanation, "state",
			    json_string(explain_state(done.explanation)));
	json_object_del(done.explanation, "versions");
	done.on_done(done.arg, done.explanation, NULL);
}

static void on_closed(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;

	(void)answer;
	if (--run->closing == 0)
		finish(run);
}

/* What was begun, on a connection of the run's own. */
static void close_side(struct explain_run *run, struct pg_connection *connection)
{
	if (run->request.binding == NULL || connection == NULL || !pg_connection_is_up(connection))
		return;
	run->closing++;
	pg_submit(connection, "ROLLBACK", 0, NULL, on_closed, run);
}

void explain_end(struct explain_run *run)
{
	run->closing = 1;
	close_side(run, run->request.source);
	close_side(run, run->request.target);
	if (--run->closing == 0)
		finish(run);
}

void explain_fail(struct explain_run *run, const struct error *err)
{
	run->error = *err;
	snprintf(run->error.entity, sizeof(run->error.entity), "%s", run->names.entity->name);
	explain_end(run);
}

/* --- asking --------------------------------------------------------------------------------------- */

json_t *explain_side(struct explain_run *run, int side)
{
	return json_object_get(run->explanation, side_names[side]);
}

void explain_set_trouble(struct explain_run *run, int side, const char *message)
{
	json_object_set_new(explain_side(run, side), "error", json_string(message));
	run->sides[side] = NULL;
}

/* Is the run to go on without this answer? Then it does. */
bool explain_failed(struct explain_run *run, const struct error *err)
{
	struct error cancelled;

	if (run->cancelled) {
		error_set(&cancelled, ERROR_CANCELLED, "it was cancelled");
		explain_fail(run, &cancelled);
		return true;
	}
	if (err == NULL)
		return false;
	explain_set_trouble(run, run->asking, err->message);
	explain_go_on(run);
	return true;
}

/* The SQL is taken over. */
void explain_ask(struct explain_run *run, int side, char *sql, pg_on_answer *on_answer)
{
	run->asking = side;
	pg_submit(run->sides[side], sql, 0, NULL, on_answer, run);
	free(sql);
}

bool explain_is_true(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

/* --- what the source has -------------------------------------------------------------------------- */

static void on_source(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	json_t *source = explain_side(run, SOURCE);

	if (explain_is_no_key(answer)) {
		explain_refuse_key(run);
		return;
	}
	if (explain_failed(run, answer->error))
		return;
	json_object_set_new(source, "asked", json_true());
	json_object_set_new(source, "present", json_boolean(explain_is_true(result, 0, 0)));
	json_object_set_new(source, "wanted", json_boolean(explain_is_true(result, 0, 1)));
	explain_go_on(run);
}

static void look_in_source(struct explain_run *run)
{
	if (run->sides[SOURCE] == NULL)
		explain_go_on(run);
	else
		explain_ask(run, SOURCE, explain_sql_source(&run->names), on_source);
}

static void on_version(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	json_t *versions = json_object_get(run->explanation, "versions");
	json_t *version;

	if (explain_failed(run, answer->error))
		return;
	if (PQntuples(result) > 0 && json_is_object(versions)) {
		version = json_pack("[s, s]", PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2));
		if (json_is_array(json_object_get(versions, "map")))
			json_object_set_new(run->explanation, "handled",
					    json_boolean(
						    json_equal(version,
							       json_object_get(versions, "map"))));
		json_object_set_new(versions, "source", version);
	}
	explain_go_on(run);
}

static bool source_is_wanted(struct explain_run *run)
{
	return run->sides[SOURCE] != NULL &&
	       json_is_true(json_object_get(explain_side(run, SOURCE), "wanted"));
}

static void learn_version(struct explain_run *run)
{
	_cleanup_free_ char *which = NULL;

	if (!source_is_wanted(run) || run->names.bound == NULL) {
		explain_go_on(run);
		return;
	}
	which = explain_sql_which(&run->names);
	explain_ask(run, SOURCE,
		    hashed_rows(run->names.binding, run->names.bound, "TRUE", NULL, which),
		    on_version);
}

/* --- parents that are waited for ------------------------------------------------------------------ */

static void set_parent_state(struct explain_run *run, const char *place, const char *state)
{
	json_object_set_new(explain_parent_at(run->explanation, strtoul(place, NULL, 10)),
			    "parent_state", json_string(state));
}

static void on_arrived(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (explain_failed(run, answer->error))
		return;
	for (int row = 0; row < PQntuples(result); row++)
		if (explain_is_true(result, row, 1))
			set_parent_state(run, PQgetvalue(result, row, 0), "arrived");
	explain_go_on(run);
}

static void on_parents(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (explain_failed(run, answer->error))
		return;
	for (int row = 0; row < PQntuples(result); row++)
		set_parent_state(run, PQgetvalue(result, row, 0),
				 explain_is_true(result, row, 2)   ? "not_carried"
				 : explain_is_true(result, row, 1) ? "filtered_out"
								   : "not_in_source");
	explain_go_on(run);
}

static void ask_for_parents(struct explain_run *run, int side, pg_on_answer *on_answer)
{
	char *sql = run->sides[side] != NULL
			    ? explain_sql_parents(&run->names, run->explanation, side == SOURCE)
			    : NULL;

	if (sql != NULL)
		explain_ask(run, side, sql, on_answer);
	else
		explain_go_on(run);
}

static void look_for_arrived(struct explain_run *run)
{
	ask_for_parents(run, TARGET, on_arrived);
}

static void look_for_parents(struct explain_run *run)
{
	ask_for_parents(run, SOURCE, on_parents);
}

/* --- the batch's read and resolve ----------------------------------------------------------------- */

/* What the source would have there, as text, and what stands there; NULL: no such row. */
static void add_value(struct explain_run *run, const char *column, json_t *source, json_t *target)
{
	json_array_append_new(json_object_get(run->explanation, "values"),
			      json_pack("{s:s, s:o, s:o}", "column", column, "source", source,
					"target", target));
}

static json_t *text_or_null(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? json_null()
						: json_string(PQgetvalue(result, row, column));
}

static void on_resolved(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	json_t *columns = json_object_get(run->explanation, "columns");

	if (explain_failed(run, answer->error))
		return;
	for (int row = 0; row < PQntuples(result); row++) {
		const char *column = PQgetvalue(result, row, 0);

		json_object_set_new(run->explanation, "compared",
				    json_boolean(explain_is_true(result, row, 1)));
		if (explain_is_true(result, row, 1) && explain_is_true(result, row, 2))
			json_array_append_new(columns, json_string(column));
		if (run->request.values)
			add_value(run, column, text_or_null(result, row, 3),
				  text_or_null(result, row, 4));
	}
	explain_go_on(run);
}

static void on_staged(void *arg, const struct pump_result *result)
{
	struct explain_run *run = arg;

	run->pump = NULL;
	run->asking = result->source_failed ? SOURCE : TARGET;
	if (explain_failed(run, result->error))
		return;
	explain_ask(run, TARGET,
		    apply_sql_row(run->names.binding, run->names.bound, run->request.values),
		    on_resolved);
}

static void compare(struct explain_run *run)
{
	const struct explain_names *names = &run->names;
	_cleanup_free_ char *which = NULL;
	_cleanup_free_ char *read = NULL;
	_cleanup_free_ char *stage = NULL;

	if (!source_is_wanted(run) || run->sides[TARGET] == NULL || names->bound == NULL ||
	    !names->has_map) {
		explain_go_on(run);
		return;
	}
	which = explain_sql_which(names);
	read = read_sql_rows(names->binding, names->bound, which);
	stage = compare_sql_stage(names->bound, false);
	run->pump = pump_start(run->sides[SOURCE], read, run->sides[TARGET], stage, on_staged, run);
}

static void on_standing(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (explain_failed(run, answer->error))
		return;
	for (int row = 0; row < PQntuples(result); row++)
		add_value(run, PQgetvalue(result, row, 0), json_null(),
			  text_or_null(result, row, 1));
	explain_go_on(run);
}

/* Of a row that the source has not got: what is left of it. */
static void show_standing(struct explain_run *run)
{
	if (!run->request.values || run->sides[TARGET] == NULL || run->names.bound == NULL ||
	    !run->names.has_map || json_array_size(json_object_get(run->explanation, "values")) > 0)
		explain_go_on(run);
	else
		explain_ask(run, TARGET, explain_sql_standing(&run->names), on_standing);
}

/* --- what was done to it -------------------------------------------------------------------------- */

static void on_history(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	json_t *history;

	if (explain_failed(run, answer->error))
		return;
	history = json_loads(PQgetvalue(pg_answer_rows(answer), 0, 0), 0, NULL);
	json_object_update(run->explanation, history);
	json_decref(history);
	explain_go_on(run);
}

/* Last, since a long log may take longer than a statement may: the rest has been told by then. */
static void learn_history(struct explain_run *run)
{
	if (run->sides[TARGET] == NULL || !run->names.has_log)
		explain_go_on(run);
	else
		explain_ask(run, TARGET, explain_sql_history(&run->names, run->request.values),
			    on_history);
}

/* --- the run -------------------------------------------------------------------------------------- */

static void (*const steps[])(struct explain_run *run) = {
	explain_learn_names, explain_find_by_target, explain_normalize_key,
	explain_learn_facts, look_in_source,	     learn_version,
	look_for_arrived,    look_for_parents,	     compare,
	show_standing,	     learn_history,	     explain_end,
};

void explain_go_on(struct explain_run *run)
{
	steps[run->step++](run);
}

static void on_begun(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	int side = run->asking;

	if (answer->error != NULL)
		explain_set_trouble(run, side, answer->error->message);
	if (side == TARGET && run->sides[SOURCE] != NULL)
		explain_ask(run, SOURCE,
			    text_copy("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"), on_begun);
	else
		explain_go_on(run);
}

static void make_names(struct explain_run *run)
{
	const struct entity *entity = run->request.entity;
	const struct bound_entity *bound = run->request.binding != NULL
						   ? binding_find(run->request.binding,
								  entity->name)
						   : NULL;
	_cleanup_free_ char *target_schema = pg_quote_identifier(entity->target_schema);
	_cleanup_free_ char *target_table = pg_quote_identifier(entity->target_table);

	run->names = (struct explain_names){
		.entity = entity,
		.binding = run->request.binding,
		.bound = bound != NULL && bound->usable ? bound : NULL,
		.id_map = text_format("migrated.id_map_%s", entity->name),
		.target = text_format("%s.%s", target_schema, target_table),
		.source = explain_source_relation(entity),
		.filter = entity->source_where != NULL ? bound_enclosed(entity->source_where)
						       : text_copy("TRUE"),
	};
}

static json_t *describe_side(const char *trouble)
{
	return json_pack("{s:b, s:s?, s:n}", "asked", 0, "error", trouble, "present");
}

/* Everything that a reply has, not known yet. */
static json_t *make_explanation(const struct explain_run *run)
{
	static const char *const on_delete[] = {
		[ON_DELETE_IGNORE] = "ignore",
		[ON_DELETE_MARK] = "mark",
		[ON_DELETE_DELETE] = "delete",
	};
	const struct explain_request *request = &run->request;
	json_t *source = describe_side(request->source_trouble);
	const char *misfit = NULL;

	if (run->names.binding != NULL && run->names.bound == NULL)
		misfit = binding_refusal(run->names.binding,
					 binding_find(run->names.binding, run->names.entity->name));
	json_object_set_new(source, "wanted", json_null());
	return json_pack(
		"{s:s, s:n, s:n, s:s, s:s?, s:o, s:o, s:n, s:n, s:n, s:b, s:[], s:[], s:[], s:n, s:n, "
		"s:n, s:[], s:[], s:[], s:[], s:i, s:[], s:i, s:[], s:o}",
		"entity", run->names.entity->name, "legacy_key", "target_key", "on_delete",
		on_delete[run->names.entity->on_delete], "misfit", misfit, "source", source,
		"target", describe_side(request->target_trouble), "mapping", "map", "handled",
		"compared", 0, "columns", "carriers", "former", "noted", "again", "letter",
		"conflicts", "warnings", "waits_for", "deferred", "waiting", 0, "waiting_rows",
		"changes", 0, "history", "values", request->values ? json_array() : json_null());
}

struct explain_run *explain_new(const struct explain_request *request, explain_on_done *on_done,
				void *arg)
{
	struct explain_run *run = memory_new(sizeof(*run));

	*run = (struct explain_run){ .request = *request,
				     .sides = { request->source, request->target },
				     .key = text_copy(request->key),
				     .on_done = on_done,
				     .arg = arg };
	make_names(run);
	run->explanation = make_explanation(run);
	return run;
}

/* Connections of others' have queries of theirs between ours: nothing is begun there. */
void explain_start(struct explain_run *run)
{
	if (!explain_split_key(run))
		return;
	if (run->request.binding == NULL)
		explain_go_on(run);
	else
		explain_ask(run, TARGET, text_copy("BEGIN ISOLATION LEVEL REPEATABLE READ"),
			    on_begun);
}

void explain_cancel(struct explain_run *run, struct pg_connection *beside_source,
		    struct pg_connection *beside_target)
{
	run->cancelled = true;
	if (run->pump != NULL)
		pump_cancel(run->pump, "it was cancelled");
	pg_cancel_by(run->request.source, beside_source);
	pg_cancel_by(run->request.target, beside_target);
}
