/*
 * ListParked: rows that wait for their parents. Of parents that the store knows nothing of, the source is asked whether it has them,
 * over the observing lane; when it cannot be, that is not known.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "control/handler.h"
#include "control/question.h"
#include "run/observe.h"
#include "sql_control.h"
#include "sql_store.h"
#include "store/store.h"

/* --- parents in the source ------------------------------------------------------------------------ */

/* Parents of which nothing is known: the rows of the reply that wait for them. */
struct look {
	struct pending_call *pending;
	json_t *reply;
	struct lane *lane; /* NULL until there is one */
};

static void end_look(struct look *look)
{
	struct engine *engine = look->pending->handlers->engine;

	if (look->lane != NULL)
		observe_done(engine_observatory(engine), look->lane);
	question_reply(look->pending, look->reply);
	free(look);
}

static bool is_unexplained(const json_t *row)
{
	return !json_is_object(json_object_get(row, "parent_letter")) &&
	       !json_is_object(json_object_get(row, "parent_waits_for"));
}

static json_t *row_at(const struct look *look, size_t place)
{
	return json_array_get(json_object_get(look->reply, "rows"), place);
}

static void on_found(void *arg, const struct pg_answer *answer)
{
	struct look *look = arg;
	const PGresult *result = pg_answer_rows(answer);

	for (int row = 0; answer->error == NULL && row < PQntuples(result); row++) {
		bool present = PQgetvalue(result, row, 1)[0] == 't';
		bool taken = PQgetvalue(result, row, 2)[0] == 't';

		json_object_set_new(row_at(look, strtoul(PQgetvalue(result, row, 0), NULL, 10)),
				    "parent_state",
				    json_string(taken	  ? "not_carried"
						: present ? "filtered_out"
							  : "not_in_source"));
	}
	end_look(look);
}

/* {"a","b"} of the key's parts, quoted as a literal. */
static char *key_literal(const json_t *key)
{
	const char *parts[64];
	size_t count = 0;
	_cleanup_free_ char *literal = NULL;

	while (count < json_array_size(key) && count < 64) {
		parts[count] = json_string_value(json_array_get(key, count));
		if (parts[count] == NULL)
			parts[count] = "";
		count++;
	}
	literal = store_key_literal(parts, count);
	return pg_quote_literal(literal);
}

static char *source_is_wanted(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&text, " AND ");
		text_appendf(&text, "%s = (wanted.key)[%zu]::%s", bound->key_expressions[i], i + 1,
			     bound->key_types[i]);
	}
	return text_steal(&text);
}

/* One SELECT for each entity that is waited for; NULL when the source has nothing to be asked. */
static char *presence_sql(const struct look *look, const struct binding *binding)
{
	struct text text = TEXT_INIT;
	size_t place;
	json_t *row;

	json_array_foreach(json_object_get(look->reply, "rows"), place, row) {
		const char *parent = json_string_value(json_object_get(row, "parent_entity"));
		const struct bound_entity *bound = parent != NULL ? binding_find(binding, parent)
								  : NULL;
		_cleanup_free_ char *key = NULL, *number = NULL, *which = NULL;

		if (!is_unexplained(row) || bound == NULL || !bound->usable)
			continue;
		key = key_literal(json_object_get(row, "parent_key"));
		number = text_format("%zu", place);
		which = source_is_wanted(bound);
		text_separate(&text, "\n UNION ALL\n");
		text_fill(&text, sql_control_parent_in_source,
			  (const struct text_hole[]){ { "place", number },
						      { "key", key },
						      { "relation", bound->source_relation },
						      { "filter", bound->source_filter },
						      { "which", which },
						      { NULL, NULL } });
	}
	return text.length > 0 ? text_steal(&text) : NULL;
}

static void on_lane(void *arg, struct lane *lane, const struct binding *binding,
		    const struct error *err)
{
	struct look *look = arg;
	_cleanup_free_ char *sql = NULL;

	if (err == NULL) {
		look->lane = lane;
		sql = presence_sql(look, binding);
	}
	if (sql != NULL)
		pg_submit(lane_source(lane), sql, 0, NULL, on_found, look);
	else
		end_look(look);
}

/* What the store knows of a parent goes before; false: it is to be looked for. */
static bool explain(json_t *reply)
{
	size_t i;
	json_t *row;
	bool explained = true;

	json_array_foreach(json_object_get(reply, "rows"), i, row) {
		const char *state = json_is_object(json_object_get(row, "parent_letter"))
					    ? "dead_letter"
				    : is_unexplained(row) ? NULL
							  : "parked";

		json_object_set_new(row, "parent_state",
				    state != NULL ? json_string(state) : json_null());
		explained &= state != NULL;
	}
	return explained;
}

static void on_listed(struct pending_call *pending, const PGresult *result)
{
	struct engine *engine = pending->handlers->engine;
	json_t *reply = question_json(result);
	struct look *look;

	if (reply == NULL || explain(reply) || !pg_connection_is_up(engine_source(engine))) {
		question_reply(pending, reply);
		return;
	}
	look = memory_new(sizeof(*look));
	*look = (struct look){ .pending = pending, .reply = reply };
	observe(engine_observatory(engine), on_lane, look);
}

/* --- ListParked ----------------------------------------------------------------------------------- */

struct parked_parameters {
	char *entity;
	char *parent;
	int64_t limit;
};

static const struct json_field parked_fields[] = {
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct parked_parameters, entity) },
	{ .key = "parent",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct parked_parameters, parent) },
	{ .key = "limit",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct parked_parameters, limit),
	  .minimum = 1,
	  .maximum = QUESTION_LIMIT_MAX },
	{ .key = NULL },
};

static void list_parked(struct handlers *handlers, struct control_call *call,
			const struct parked_parameters *parameters)
{
	struct question *question = memory_new(sizeof(*question));

	*question = (struct question){
		.template = sql_store_parked_list,
		.values = { text_copy(parameters->entity), text_copy(parameters->parent),
			    question_number(parameters->limit) },
		.value_count = 3,
		.nothing = "{\"total\":0,\"rows\":[]}",
		.finish = on_listed,
	};
	question_ask(handlers, call, question);
}

void handle_list_parked(void *arg, struct control_call *call)
{
	struct parked_parameters parameters = { .limit = QUESTION_LIMIT };

	if (handler_decode(call, parked_fields, &parameters))
		list_parked(arg, call, &parameters);
	free(parameters.entity);
	free(parameters.parent);
}
