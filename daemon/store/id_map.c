/*
 * Whether the id maps are still what they were. They alone know which target row a source row became, so one that was
 * dropped, emptied or lost rows must not be taken for a new one.
 *
 * How many rows each has at least is kept in migrated.known_id_map. Counting reads all of it (40 ms a million rows), so it
 * is done when something speaks for a loss (another table, another file of it, rows removed: a trigger sees to that), and
 * for what no trigger saw once an hour.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "common/text.h"
#include "sql_store.h"
#include "store/internal.h"

#define COUNT_EVERY "1 hour"
#define COUNT_NEVER "1000 years"

/* Columns of the answer to id_maps. */
enum { ENTITY, USED, PRESENT, TO_BE_COUNTED, ROWS, MISFITS, HAS_KEY };

struct check {
	struct binding *binding;
	struct pg_connection *target;
	bool keep;
	bool *refused; /* by entity */
	int64_t *rows; /* at least so many there must be; negative: not to be counted */
	store_on_done *on_done;
	void *arg;
};

static void finish(struct check *check, const struct error *err)
{
	store_on_done *on_done = check->on_done;
	void *arg = check->arg;
	struct error told;

	if (!check->keep && err != NULL && err->kind == ERROR_DENIED)
		err = NULL; /* who only looks is told of the privileges that are missing elsewhere */
	if (err != NULL) {
		told = *err;
		error_context(&told, "control schema, id maps");
	} else {
		binding_spread_unusable(check->binding, check->refused);
	}
	free(check->refused);
	free(check->rows);
	free(check);
	on_done(arg, err != NULL ? &told : NULL);
}

static struct bound_entity *bound_of(const struct check *check, const char *entity)
{
	for (size_t i = 0; i < check->binding->set->count; i++)
		if (strcmp(check->binding->set->entities[i].name, entity) == 0)
			return &check->binding->entities[i];
	return NULL;
}

static size_t index_of(const struct check *check, const struct bound_entity *bound)
{
	return (size_t)(bound - check->binding->entities);
}

/* --- refusing ---------------------------------------------------------------------------------- */

static void refuse(struct check *check, struct bound_entity *bound, char *message)
{
	check->refused[index_of(check, bound)] = true;
	if (check->keep) /* something is to be carried, not just looked at */
		event_log(EVENT_ID_MAP_DAMAGED,
			  &(struct log_fields){ .entity = bound->entity->name }, "%s: %s",
			  bound->entity->name, message);
	binding_refuse(check->binding, bound, "$.entity", message);
	free(message);
}

/* What people can do about rows that are not there. */
static char *remedy(const struct bound_entity *bound)
{
	const char *name = bound->entity->name;

	if (bound->entity->legacy_key.count > 0)
		return text_format(
			"restore it from the backup; or, if the legacy key in the target is to be believed "
			"instead, SELECT migrated.adopt_id_map('%s')",
			name);
	return text_format(
		"restore it from the backup; or, if what is missing is to be migrated as new rows, "
		"SELECT migrated.accept_id_map('%s')",
		name);
}

static void refuse_missing(struct check *check, struct bound_entity *bound)
{
	_cleanup_free_ char *what_to_do = remedy(bound);

	refuse(check, bound,
	       text_format("its id map, table %s of the target, is gone: %s", bound->id_map,
			   what_to_do));
}

static void refuse_shrunk(struct check *check, struct bound_entity *bound, int64_t rows,
			  int64_t before)
{
	_cleanup_free_ char *what_to_do = remedy(bound);

	refuse(check, bound,
	       text_format(
		       "its id map, table %s of the target, has lost rows: there were at least %" PRId64
		       ", and are %" PRId64 ": %s",
		       bound->id_map, before, rows, what_to_do));
}

static void refuse_misfit(struct check *check, struct bound_entity *bound, const char *misfits)
{
	refuse(check, bound,
	       text_format(
		       "its id map, table %s of the target, does not fit the keys: column %s; change it to "
		       "that (ALTER TABLE), or restore it from the backup",
		       bound->id_map, misfits));
}

static void refuse_keyless(struct check *check, struct bound_entity *bound)
{
	_cleanup_free_ char *keys = bound_key_list(bound, "k%zu", ", ");

	refuse(check, bound,
	       text_format(
		       "its id map, table %s of the target, has no primary key on (%s): add it, or restore "
		       "the table from the backup",
		       bound->id_map, keys));
}

/* --- counting ---------------------------------------------------------------------------------- */

static void on_kept(void *arg, const struct pg_answer *answer)
{
	finish(arg, answer->error);
}

static void keep_counts(struct check *check, const PGresult *counts)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	for (int row = 0; row < PQntuples(counts); row++) {
		const struct bound_entity *bound = bound_of(check, PQgetvalue(counts, row, 0));
		_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);

		if (!check->refused[index_of(check, bound)])
			text_fill(&text, sql_store_id_map_kept,
				  (const struct text_hole[]){
					  { "rows", PQgetvalue(counts, row, 1) },
					  { "id_map", bound->id_map },
					  { "entity", entity },
					  { NULL, NULL } });
	}
	if (text.length > 0)
		pg_submit(check->target, text_string(&text), 0, NULL, on_kept, check);
	else
		finish(check, NULL);
}

static void on_counted(void *arg, const struct pg_answer *answer)
{
	struct check *check = arg;
	const PGresult *counts = pg_answer_rows(answer);

	if (answer->error != NULL) {
		finish(check, answer->error);
		return;
	}
	for (int row = 0; row < PQntuples(counts); row++) {
		struct bound_entity *bound = bound_of(check, PQgetvalue(counts, row, 0));
		int64_t before = check->rows[index_of(check, bound)];
		int64_t rows = strtoll(PQgetvalue(counts, row, 1), NULL, 10);

		if (rows < before)
			refuse_shrunk(check, bound, rows, before);
	}
	if (check->keep)
		keep_counts(check, counts);
	else
		finish(check, NULL);
}

static void count(struct check *check)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	for (size_t i = 0; i < check->binding->set->count; i++) {
		const struct bound_entity *bound = &check->binding->entities[i];

		if (check->rows[i] < 0 || !bound->usable)
			continue;
		text_separate(&text, "\n UNION ALL\n");
		text_appendf(&text, "SELECT '%s', pg_catalog.count(*) FROM %s", bound->entity->name,
			     bound->id_map);
	}
	if (text.length > 0)
		pg_submit(check->target, text_string(&text), 0, NULL, on_counted, check);
	else
		finish(check, NULL);
}

/* --- looking ----------------------------------------------------------------------------------- */

static bool is_true(const PGresult *maps, int row, int column)
{
	return PQgetvalue(maps, row, column)[0] == 't';
}

static void judge(struct check *check, const PGresult *maps, int row)
{
	struct bound_entity *bound = bound_of(check, PQgetvalue(maps, row, ENTITY));

	if (!is_true(maps, row, PRESENT)) {
		if (is_true(maps, row, USED))
			refuse_missing(check, bound);
	} else if (!PQgetisnull(maps, row, MISFITS)) {
		refuse_misfit(check, bound, PQgetvalue(maps, row, MISFITS));
	} else if (!is_true(maps, row, HAS_KEY)) {
		refuse_keyless(check, bound);
	} else if (is_true(maps, row, TO_BE_COUNTED)) {
		check->rows[index_of(check, bound)] = strtoll(PQgetvalue(maps, row, ROWS), NULL,
							      10);
	}
}

static void on_id_maps(void *arg, const struct pg_answer *answer)
{
	struct check *check = arg;
	const PGresult *maps = pg_answer_rows(answer);

	if (answer->error != NULL) {
		finish(check, answer->error);
		return;
	}
	for (int row = 0; row < PQntuples(maps); row++)
		judge(check, maps, row);
	count(check);
}

/* ('offices', '{k1,t1,w1,w2}', '{bigint,uuid,bigint,bigint}', '{k1}') */
static void append_entity(struct text *text, const struct bound_entity *bound)
{
	size_t keys = bound->entity->source_key.count, targets = bound->entity->target_key.count;
	size_t count = keys + targets + 2;
	const char **types = memory_new(count * sizeof(*types));
	_cleanup_free_ char *type_array = NULL, *type_literal = NULL;
	_cleanup_free_ char *names = bound_key_list(bound, "k%zu", ",");
	_cleanup_text_ struct text columns = TEXT_INIT;

	text_append(&columns, names);
	for (size_t i = 0; i < keys; i++)
		types[i] = bound->key_types[i];
	for (size_t i = 0; i < targets; i++) {
		types[keys + i] = bound->target_key_types[i];
		text_appendf(&columns, ",t%zu", i + 1);
	}
	text_append(&columns, ",w1,w2");
	types[keys + targets] = types[keys + targets + 1] = "bigint";
	type_array = store_key_literal(types, count);
	type_literal = pg_quote_literal(type_array);
	text_separate(text, ",\n              ");
	text_appendf(text, "('%s', '{%s}'::text[], %s::text[], '{%s}'::text[])",
		     bound->entity->name, text_string(&columns), type_literal, names);
	free(types);
}

static void look(struct check *check)
{
	_cleanup_text_ struct text entities = TEXT_INIT;
	_cleanup_text_ struct text text = TEXT_INIT;

	for (size_t i = 0; i < check->binding->set->count; i++)
		if (check->binding->entities[i].usable)
			append_entity(&entities, &check->binding->entities[i]);
	if (entities.length == 0) {
		finish(check, NULL);
		return;
	}
	text_fill(&text, sql_store_id_maps,
		  (const struct text_hole[]){ { "entities", text_string(&entities) },
					      { "every", check->keep ? COUNT_EVERY : COUNT_NEVER },
					      { NULL, NULL } });
	pg_submit(check->target, text_string(&text), 0, NULL, on_id_maps, check);
}

static void on_present(void *arg, const struct pg_answer *answer)
{
	struct check *check = arg;

	if (answer->error != NULL || !is_true(pg_answer_rows(answer), 0, 0))
		finish(check, answer->error);
	else
		look(check);
}

void id_maps_check(struct pg_connection *target, struct binding *binding, bool keep,
		   store_on_done *on_done, void *arg)
{
	struct check *check = memory_new(sizeof(*check));

	*check = (struct check){
		.binding = binding,
		.target = target,
		.keep = keep,
		.refused = memory_new((binding->set->count + 1) * sizeof(bool)),
		.rows = memory_new((binding->set->count + 1) * sizeof(int64_t)),
		.on_done = on_done,
		.arg = arg,
	};
	for (size_t i = 0; i < binding->set->count; i++)
		check->rows[i] = -1;
	pg_submit(target, sql_store_known_id_maps_present, 0, NULL, on_present, check);
}

void store_check_id_maps(struct pg_connection *target, struct binding *binding,
			 store_on_done *on_done, void *arg)
{
	id_maps_check(target, binding, false, on_done, arg);
}

char *store_id_map_filled_sql(const struct bound_entity *bound)
{
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	struct text text = TEXT_INIT;

	text_fill(&text, sql_store_id_map_filled,
		  (const struct text_hole[]){ { "id_map", bound->id_map },
					      { "entity", entity },
					      { NULL, NULL } });
	return text_steal(&text);
}
