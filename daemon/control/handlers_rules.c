/*
 * ListRules: the rules are the configuration's, how many rows break them is the store's to say.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "control/handler.h"
#include "sql_store.h"

#define KEYS_LIMIT 50
#define KEYS_LIMIT_MAX 1000

struct rules_parameters {
	char *entity;
	char *rule;
	int64_t limit;
};

static const struct json_field rules_fields[] = {
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct rules_parameters, entity) },
	{ .key = "rule",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct rules_parameters, rule) },
	{ .key = "limit",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct rules_parameters, limit),
	  .minimum = 1,
	  .maximum = KEYS_LIMIT_MAX },
	{ .key = NULL },
};

static void rules_parameters_done(struct rules_parameters *parameters)
{
	free(parameters->entity);
	free(parameters->rule);
}

/* --- what there is ------------------------------------------------------------------------------- */

static json_t *describe_rule(const struct entity *entity, const struct rule *rule)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:[]}", "entity", entity->name, "rule",
			 rule->name, "asked", rule->after ? "after" : "before", "action",
			 rule_action_names[rule->action], "condition", rule->sql, "rows", 0,
			 "keys");
}

static json_t *rules_asked_for(const struct entity_set *set,
			       const struct rules_parameters *parameters)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < set->count; i++) {
		const struct entity *entity = &set->entities[i];
		bool wanted = parameters->entity == NULL ||
			      strcmp(parameters->entity, entity->name) == 0;

		for (size_t j = 0; wanted && j < entity->rule_count; j++)
			if (parameters->rule == NULL ||
			    strcmp(parameters->rule, entity->rules[j].name) == 0)
				json_array_append_new(rules,
						      describe_rule(entity, &entity->rules[j]));
	}
	return rules;
}

static bool names_are_good(const struct entity_set *set, struct control_call *call,
			   const struct rules_parameters *parameters, const json_t *rules)
{
	struct error err;

	if (parameters->entity != NULL && entity_find(set, parameters->entity) == NULL) {
		error_set(&err, ERROR_NOT_FOUND, "there is no entity \"%s\"", parameters->entity);
		snprintf(err.entity, sizeof(err.entity), "%s", parameters->entity);
		error_hint(&err, "migratectl plan lists the entities");
		handler_fail(call, &err);
		return false;
	}
	if (parameters->rule != NULL && json_array_size(rules) == 0) {
		error_set(&err, ERROR_NOT_FOUND, "there is no rule \"%s\"", parameters->rule);
		error_hint(&err, "migratectl rules lists them");
		handler_fail(call, &err);
		return false;
	}
	return true;
}

/* --- what breaks them ---------------------------------------------------------------------------- */

static void set_broken(json_t *rules, const PGresult *result, int row)
{
	size_t i;
	json_t *rule;

	json_array_foreach(rules, i, rule) {
		if (strcmp(json_string_value(json_object_get(rule, "entity")),
			   PQgetvalue(result, row, 0)) != 0 ||
		    strcmp(json_string_value(json_object_get(rule, "rule")),
			   PQgetvalue(result, row, 1)) != 0)
			continue;
		json_object_set_new(rule, "rows",
				    json_integer(strtoll(PQgetvalue(result, row, 2), NULL, 10)));
		if (!PQgetisnull(result, row, 3))
			json_object_set_new(rule, "keys",
					    json_loads(PQgetvalue(result, row, 3), 0, NULL));
	}
}

static void on_broken(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;
	const PGresult *result = pg_answer_rows(answer);
	json_t *rules = pending->state;

	/* No control schema, or an older one: no rule was ever asked. */
	if (answer->error != NULL && strcmp(answer->error->sqlstate, "42P01") != 0 &&
	    strcmp(answer->error->sqlstate, "3F000") != 0) {
		json_decref(rules);
		pending_call_fail(pending, answer->error);
		return;
	}
	for (int row = 0; answer->error == NULL && row < PQntuples(result); row++)
		set_broken(rules, result, row);
	pending_call_reply(pending, json_pack("{s:o}", "rules", rules));
}

static void list_rules(struct handlers *handlers, struct control_call *call,
		       const struct rules_parameters *parameters)
{
	struct pg_connection *target = engine_target(handlers->engine);
	const struct entity_set *set = &engine_config(handlers->engine)->entities;
	json_t *rules = rules_asked_for(set, parameters);
	_cleanup_free_ char *limit = text_format("%lld", (long long)parameters->limit);
	struct pending_call *pending;

	if (!names_are_good(set, call, parameters, rules)) {
		json_decref(rules);
		return;
	}
	if (!pg_connection_is_up(target)) {
		handler_fail(call, pg_connection_last_error(target));
		json_decref(rules);
		return;
	}
	pending = pending_call_new(handlers, call);
	pending->state = rules;
	pg_submit(target, sql_store_rules_broken, 3,
		  (const char *const[]){ parameters->entity, parameters->rule, limit }, on_broken,
		  pending);
}

void handle_list_rules(void *arg, struct control_call *call)
{
	struct rules_parameters parameters = { .limit = KEYS_LIMIT };

	if (handler_decode(call, rules_fields, &parameters))
		list_rules(arg, call, &parameters);
	rules_parameters_done(&parameters);
}
