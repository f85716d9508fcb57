/*
 * See record.h. What cannot be kept is logged, and missing in reports; no session waits for it.
 */
#include "run/record.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "sql_store.h"
#include "store/store.h"

/* --- circumstances -------------------------------------------------------------------------------- */

/* No time at all is written with a unit, too. */
static bool is_default(const struct setting *setting, const char *value)
{
	const char *otherwise = setting->default_value;

	if (otherwise != NULL && setting->type == SETTING_DURATION && strcmp(otherwise, "0") == 0)
		otherwise = "0s";
	return otherwise != NULL && strcmp(value, otherwise) == 0;
}

static json_t *settings_in_force(const struct settings *settings)
{
	json_t *list = json_array();

	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *setting = &setting_table[i];
		_cleanup_free_ char *name = text_format("%s.%s", setting->section, setting->key);
		_cleanup_free_ char *value = setting_format(setting, settings);

		if (!setting->secret)
			json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "name", name,
							      "value", value, "is_default",
							      (int)is_default(setting, value)));
	}
	return list;
}

static void on_recorded(void *arg, const struct pg_answer *answer)
{
	(void)arg;
	if (answer->error != NULL && answer->error->kind != ERROR_CONNECTION)
		log_error(LOG_WARNING, answer->error);
}

static void record(const struct session *session, const char *sql)
{
	json_auto_t *circumstances = json_pack("{s:s, s:i, s:i, s:o}", "daemon_version",
					       MIGRATED_VERSION, "source_version",
					       session->binding->source_version, "target_version",
					       session->binding->target_version, "settings",
					       settings_in_force(session->means.settings));
	_cleanup_free_ char *dumped = json_dumps(circumstances, JSON_COMPACT);

	pg_submit(session->means.target, sql, 2, (const char *const[]){ session->id, dumped },
		  on_recorded, NULL);
}

void record_circumstances(const struct session *session)
{
	record(session, sql_store_session_record);
}

void record_settings(const struct session *session)
{
	record(session, sql_store_session_record_again);
}

/* --- what an entity is ---------------------------------------------------------------------------- */

char *record_relation(const char *schema, const char *table)
{
	if (table == NULL)
		return NULL;
	if (schema == NULL || strcmp(schema, "public") == 0)
		return text_copy(table);
	return text_format("%s.%s", schema, table);
}

static bool defers_to(const struct bound_entity *child, const struct bound_entity *parent)
{
	for (size_t i = 0; i < child->written_count; i++) {
		const struct written_column *written = &child->written[i];

		for (size_t j = 0; bound_is_reference(written) && written->deferred &&
				   j < written->column->reference_count;
		     j++)
			if (written->column->references[j].entity == parent->entity)
				return true;
	}
	return false;
}

char *record_parents(const struct entity_run *run, bool deferred)
{
	const struct binding *binding = run->session->binding;
	const char **names = memory_new((binding->set->count + 1) * sizeof(*names));
	size_t count = 0;
	char *literal;

	for (size_t i = 0; i < binding->set->count; i++) {
		const struct bound_entity *parent = &binding->entities[binding->order[i]];

		if (deferred ? defers_to(run->bound, parent) : bound_depends_on(run->bound, parent))
			names[count++] = parent->entity->name;
	}
	literal = store_key_literal(names, count);
	free(names);
	return literal;
}

/* --- where the time goes -------------------------------------------------------------------------- */

static const char *const stretch_names[STRETCH_COUNT] = { "waiting",	"planning", "moving",
							  "rebuilding", "filling",  "deleting" };

/* What the time in each state is counted as; a row for each in which an entity is not over. */
static const enum stretch stretch_of[ENTITY_COMPLETED] = {
	[ENTITY_PENDING] = STRETCH_WAITING,	   [ENTITY_PLANNING] = STRETCH_PLANNING,
	[ENTITY_SETTING_ASIDE] = STRETCH_PLANNING, [ENTITY_MOVING] = STRETCH_MOVING,
	[ENTITY_REBUILDING] = STRETCH_REBUILDING,  [ENTITY_MOVED] = STRETCH_WAITING,
	[ENTITY_FILLING] = STRETCH_FILLING,	   [ENTITY_FILLED] = STRETCH_WAITING,
	[ENTITY_DELETING] = STRETCH_DELETING,
};

void record_time(struct entity_run *run)
{
	int64_t now = clock_monotonic_ms();
	int64_t since = run->counted_to_ms > 0 ? run->counted_to_ms : run->session->started_ms;

	if (!entity_run_is_over(run) && since > 0)
		run->spent_ms[stretch_of[run->state]] += now - since;
	run->counted_to_ms = now;
}

char *record_timings(const struct entity_run *run)
{
	json_auto_t *timings = json_object();

	for (size_t i = 0; i < STRETCH_COUNT; i++)
		json_object_set_new(timings, stretch_names[i], json_integer(run->spent_ms[i]));
	return json_dumps(timings, JSON_COMPACT);
}

void record_restore(struct entity_run *run, const char *timings)
{
	json_auto_t *kept = json_loads(timings, 0, NULL);

	for (size_t i = 0; i < STRETCH_COUNT; i++)
		run->spent_ms[i] = json_integer_value(json_object_get(kept, stretch_names[i]));
}
