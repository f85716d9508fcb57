/*
 * What the target knows of a row: how its key is written there, what that leads to, and what the control schema says of it; see
 * explain.h. The first steps of an explanation.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "store/store.h"
#include "verify/explain_internal.h"

/* --- the key -------------------------------------------------------------------------------------- */

static void describe_columns(struct text *text, const struct name_list *columns, char *const *types)
{
	for (size_t i = 0; i < columns->count; i++)
		text_appendf(text, "%s%s%s%s", i > 0 ? ", " : "", columns->names[i],
			     types != NULL ? " " : "", types != NULL ? types[i] : "");
}

/* The key that was given is none of this entity's. The key is repeated: it is what somebody has typed. */
void explain_refuse_key(struct explain_run *run)
{
	const struct entity *entity = run->names.entity;
	bool by_target = run->request.by_target;
	_cleanup_text_ struct text columns = TEXT_INIT;
	struct error err;

	describe_columns(&columns, by_target ? &entity->target_key : &entity->source_key,
			 by_target ? run->names.target_types : run->names.key_types);
	error_set(&err, ERROR_USAGE, "\"%s\" cannot be a %s key of it, which is made of %s",
		  run->key, by_target ? "target" : "legacy", text_string(&columns));
	error_hint(&err, "parts of a key are separated by commas; one that holds a comma goes into "
			 "double quotes");
	explain_fail(run, &err);
}

/* Class 22: the value is none of its type. */
bool explain_is_no_key(const struct pg_answer *answer)
{
	return answer->error != NULL && strncmp(answer->error->sqlstate, "22", 2) == 0;
}

static json_t *array_of(char *const *parts, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_string(parts[i]));
	return array;
}

static void set_key(struct explain_run *run, char **parts)
{
	size_t count = run->names.entity->source_key.count;

	store_key_free(run->names.parts, count);
	run->names.parts = parts;
	json_object_set_new(run->explanation, "legacy_key", array_of(parts, count));
}

bool explain_split_key(struct explain_run *run)
{
	const struct entity *entity = run->names.entity;
	size_t wanted = run->request.by_target ? entity->target_key.count
					       : entity->source_key.count;
	size_t count;
	char **parts = store_key_split(run->key, wanted, &count);

	if (count != wanted || run->key[0] == '\0') {
		store_key_free(parts, count);
		explain_refuse_key(run);
		return false;
	}
	if (run->request.by_target) {
		run->target_parts = parts;
		json_object_set_new(run->explanation, "target_key", array_of(parts, count));
	} else {
		set_key(run, parts);
	}
	return true;
}

/* --- what the target knows ------------------------------------------------------------------------ */

static char **types_of(const PGresult *result, int column, size_t wanted)
{
	size_t count;
	char **types;

	if (PQgetisnull(result, 0, column))
		return NULL;
	types = store_key_parse(PQgetvalue(result, 0, column), &count);
	if (count == wanted)
		return types;
	store_key_free(types, count);
	return NULL;
}

static char **copies(char *const *strings, size_t count)
{
	char **copied = memory_new(count * sizeof(*copied));

	for (size_t i = 0; i < count; i++)
		copied[i] = text_copy(strings[i]);
	return copied;
}

/* A mapping that does not fit may name columns that the target has not got. */
static bool target_has(const struct explain_names *names, const struct name_list *columns)
{
	const struct catalog_relation *relation = catalog_relation(&names->binding->target,
								   names->entity->target_schema,
								   names->entity->target_table);

	for (size_t i = 0; i < columns->count; i++)
		if (relation == NULL || catalog_column(relation, columns->names[i]) == NULL)
			return false;
	return true;
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	struct explain_names *names = &run->names;
	const struct entity *entity = names->entity;
	const PGresult *result = pg_answer_rows(answer);

	if (explain_failed(run, answer->error))
		return;
	names->has_map = explain_is_true(result, 0, 2);
	names->has_target = explain_is_true(result, 0, 3) &&
			    (names->binding == NULL || (target_has(names, &entity->target_key) &&
							target_has(names, &entity->legacy_key)));
	names->has_log = explain_is_true(result, 0, 1);
	names->key_types = types_of(result, 4, entity->source_key.count);
	names->target_types = types_of(result, 5, entity->target_key.count);
	if (names->key_types == NULL && names->bound != NULL)
		names->key_types = copies(names->bound->key_types, entity->source_key.count);
	names->has_store = explain_is_true(result, 0, 0);
	explain_go_on(run);
}

void explain_learn_names(struct explain_run *run)
{
	if (run->sides[TARGET] == NULL) {
		explain_go_on(run);
		return;
	}
	explain_ask(run, TARGET, explain_sql_known(&run->names), on_known);
}

/* Without its legacy key there is nothing more to be asked. */
static bool cannot_be_found(struct explain_run *run, const struct pg_answer *answer)
{
	if (explain_is_no_key(answer))
		explain_refuse_key(run);
	else if (answer->error != NULL)
		explain_fail(run, answer->error);
	return answer->error != NULL;
}

static void on_target_row(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;

	if (cannot_be_found(run, answer))
		return;
	json_object_set_new(explain_side(run, TARGET), "asked", json_true());
	json_object_set_new(explain_side(run, TARGET), "present",
			    json_boolean(explain_is_true(pg_answer_rows(answer), 0, 0)));
	explain_end(run);
}

static void on_by_target(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	size_t count;

	if (cannot_be_found(run, answer))
		return;
	if (PQntuples(result) > 0) {
		set_key(run, store_key_parse(PQgetvalue(result, 0, 0), &count));
		explain_go_on(run);
		return;
	}
	explain_ask(run, TARGET, explain_sql_target_row(&run->names, run->target_parts),
		    on_target_row);
}

void explain_find_by_target(struct explain_run *run)
{
	struct error err;

	if (!run->request.by_target) {
		explain_go_on(run);
	} else if (run->sides[TARGET] == NULL) {
		error_set(&err, ERROR_CONNECTION,
			  "the target, which knows what leads to its rows, cannot be asked: %s",
			  json_string_value(json_object_get(explain_side(run, TARGET), "error")));
		explain_fail(run, &err);
	} else if (run->names.has_map) {
		explain_ask(run, TARGET, explain_sql_by_target(&run->names, run->target_parts),
			    on_by_target);
	} else {
		explain_ask(run, TARGET, explain_sql_target_row(&run->names, run->target_parts),
			    on_target_row);
	}
}

static void on_key(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	size_t count;

	if (explain_is_no_key(answer)) {
		explain_refuse_key(run);
		return;
	}
	if (explain_failed(run, answer->error))
		return;
	set_key(run, store_key_parse(PQgetvalue(pg_answer_rows(answer), 0, 0), &count));
	explain_go_on(run);
}

void explain_normalize_key(struct explain_run *run)
{
	if (run->sides[TARGET] == NULL || run->names.key_types == NULL)
		explain_go_on(run);
	else
		explain_ask(run, TARGET, explain_sql_key(&run->names), on_key);
}

/* Nothing was ever migrated into this database. */
static void know_nothing(struct explain_run *run)
{
	json_object_set_new(explain_side(run, TARGET), "asked", json_true());
	json_object_set_new(explain_side(run, TARGET), "present", json_false());
	json_object_set_new(run->explanation, "mapping", json_string("never"));
	explain_go_on(run);
}

static void on_facts(void *arg, const struct pg_answer *answer)
{
	struct explain_run *run = arg;
	json_t *facts, *map;

	if (explain_failed(run, answer->error))
		return;
	facts = json_loads(PQgetvalue(pg_answer_rows(answer), 0, 0), 0, NULL);
	json_object_update(run->explanation, facts);
	json_decref(facts);
	map = json_object_get(run->explanation, "map");
	json_object_set_new(explain_side(run, TARGET), "asked", json_true());
	json_object_set(explain_side(run, TARGET), "present",
			json_is_object(map) ? json_object_get(map, "present") : json_false());
	if (json_is_object(map))
		json_object_set(run->explanation, "target_key", json_object_get(map, "target_key"));
	explain_go_on(run);
}

void explain_learn_facts(struct explain_run *run)
{
	if (run->sides[TARGET] == NULL)
		explain_go_on(run);
	else if (!run->names.has_store)
		know_nothing(run);
	else
		explain_ask(run, TARGET, explain_sql_facts(&run->names), on_facts);
}
