/*
 * See repair.h. For each entity: the keys of what was found ▶ their rows are staged ▶ those that are equal now are marked.
 */
#include "run/repair.h"

#include <inttypes.h>
#include <stdlib.h>

#include "apply/compare_sql.h"
#include "apply/repair_sql.h"
#include "common/text.h"
#include "postgres/pump.h"

struct repair_look {
	struct repair_look_request request;
	size_t next; /* entity */
	char **keys;
	size_t key_count;
	bool begun; /* a transaction is open */
	struct error error;
};

static void look_next(struct repair_look *look);

static const struct bound_entity *bound_of(const struct repair_look *look)
{
	return &look->request.binding->entities[look->next];
}

static void keys_free(struct repair_look *look)
{
	for (size_t i = 0; look->keys != NULL && i < look->key_count; i++)
		free(look->keys[i]);
	free(look->keys);
	look->keys = NULL;
}

static void finish(struct repair_look *look)
{
	struct repair_look_request request = look->request;
	struct error err = look->error;

	keys_free(look);
	free(look);
	request.on_done(request.arg, err.kind != ERROR_NONE ? &err : NULL);
}

static void on_rolled_back(void *arg, const struct pg_answer *answer)
{
	(void)answer;
	finish(arg);
}

static void fail(struct repair_look *look, const struct error *err)
{
	struct pg_connection *target = lane_target(look->request.lane);

	look->error = *err;
	if (!look->begun || !pg_connection_is_up(target))
		finish(look);
	else
		pg_submit(target, "ROLLBACK", 0, NULL, on_rolled_back, look);
}

static void on_marked(void *arg, const struct pg_answer *answer)
{
	struct repair_look *look = arg;

	if (answer->error != NULL) {
		fail(look, answer->error);
		return;
	}
	look->begun = false;
	look->next++;
	look_next(look);
}

static void on_shipped(void *arg, const struct pump_result *result)
{
	struct repair_look *look = arg;
	_cleanup_free_ char *sql = NULL;

	if (result->error != NULL) {
		fail(look, result->error);
		return;
	}
	sql = repair_sql_look(look->request.binding, bound_of(look), look->request.validation);
	pg_submit(lane_target(look->request.lane), sql, 0, NULL, on_marked, look);
}

static void ship(struct repair_look *look)
{
	const struct bound_entity *bound = bound_of(look);
	_cleanup_free_ char *which = read_sql_keys(bound, (key_arrays)look->keys);
	_cleanup_free_ char *read = read_sql_rows(look->request.binding, bound, which);
	_cleanup_free_ char *stage = compare_sql_stage(bound, false);
	_cleanup_free_ char *begin = text_format("BEGIN ISOLATION LEVEL READ COMMITTED;\n"
						 "SELECT migrated.hold_epoch(%" PRId64 ");\n%s",
						 look->request.epoch, stage);

	look->begun = true;
	pump_start(lane_source(look->request.lane), read, lane_target(look->request.lane), begin,
		   on_shipped, look);
}

static void on_keys(void *arg, const struct pg_answer *answer)
{
	struct repair_look *look = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		fail(look, answer->error);
		return;
	}
	if (PQgetisnull(result, 0, 0)) {
		look->next++;
		look_next(look);
		return;
	}
	keys_free(look);
	look->key_count = bound_of(look)->entity->source_key.count;
	look->keys = memory_new(look->key_count * sizeof(char *));
	for (size_t i = 0; i < look->key_count; i++)
		look->keys[i] = text_copy(PQgetvalue(result, 0, (int)i));
	ship(look);
}

static void look_next(struct repair_look *look)
{
	const struct binding *binding = look->request.binding;
	_cleanup_free_ char *sql = NULL;

	while (look->next < binding->set->count && !binding->entities[look->next].usable)
		look->next++;
	if (look->next == binding->set->count) {
		finish(look);
		return;
	}
	sql = repair_sql_keys(bound_of(look), look->request.validation);
	pg_submit(lane_target(look->request.lane), sql, 0, NULL, on_keys, look);
}

void repair_look_start(const struct repair_look_request *request)
{
	struct repair_look *look = memory_new(sizeof(*look));

	*look = (struct repair_look){ .request = *request };
	look_next(look);
}
