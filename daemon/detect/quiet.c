/*
 * Asks of all entities at once whether anything may have changed; see quiet.h.
 *
 *   moment ──▶ what is kept ──▶ probes on the source ──▶ watermarks moved on
 *
 * A probe is "is there a row that the watermark does not vouch for?"; entities of one table share it. Where rows say
 * which transaction wrote them, that is asked too: rows within the overlap that were handled long ago then do not count. And when no
 * transaction at all was over since the watermark, there is nothing to ask.
 */
#include "detect/quiet.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "detect/internal.h"
#include "sql_detect.h"

struct quiet_entity {
	struct watermark kept;
	char observed[24];
	size_t *probes; /* indexes */
	size_t probe_count;
};

struct quiet {
	const struct binding *binding;
	struct pg_connection *source;
	struct pg_connection *target;
	struct moment moment;
	struct quiet_entity *entities; /* as many as the set, in its order */
	bool *changed;
	char **probes; /* conditions without a row around them */
	size_t probe_count;
	quiet_on_done *on_done;
	void *arg;
};

static size_t entity_count(const struct quiet *quiet)
{
	return quiet->binding->set->count;
}

/* The binding may be gone when on_done() returns. */
static void finish(struct quiet *quiet, const struct error *err)
{
	for (size_t i = 0; i < entity_count(quiet); i++)
		free(quiet->entities[i].probes);
	for (size_t i = 0; i < quiet->probe_count; i++)
		free(quiet->probes[i]);
	free(quiet->probes);
	free(quiet->entities);
	quiet->on_done(quiet->arg, err == NULL ? quiet->changed : NULL, err);
	free(quiet->changed);
	free(quiet);
}

/* --- moving on ------------------------------------------------------------------------------------ */

static void on_moved(void *arg, const struct pg_answer *answer)
{
	finish(arg, answer->error);
}

/* Nothing was over since: the watermark says already what it would say then. */
static bool stands_still(const struct quiet *quiet, size_t index)
{
	return quiet->entities[index].kept.xmin == quiet->moment.xmax;
}

static json_t *moved(const struct quiet *quiet, size_t index)
{
	const struct quiet_entity *entity = &quiet->entities[index];
	const struct highest_id unknown = { 0 };
	struct watermark next = watermark_next(&entity->kept, &quiet->moment, &unknown);
	char text[WATERMARK_SIZE];

	return json_pack("{s:s, s:s, s:o}", "entity", quiet->binding->set->entities[index].name,
			 "observed", entity->observed, "watermark",
			 json_loads(watermark_format(text, &next), 0, NULL));
}

static void move_on(struct quiet *quiet)
{
	json_auto_t *array = json_array();
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < entity_count(quiet); i++)
		if (quiet->binding->entities[i].usable && !quiet->changed[i] &&
		    !stands_still(quiet, i))
			json_array_append_new(array, moved(quiet, i));
	if (json_array_size(array) == 0) {
		finish(quiet, NULL);
		return;
	}
	text = json_dumps(array, JSON_COMPACT);
	pg_submit(quiet->target, sql_detect_quiet_move, 1, (const char *const[]){ text }, on_moved,
		  quiet);
}

/* --- probes ---------------------------------------------------------------------------------------- */

static void on_probed(void *arg, const struct pg_answer *answer)
{
	struct quiet *quiet = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		finish(quiet, answer->error);
		return;
	}
	for (size_t i = 0; i < entity_count(quiet); i++)
		for (size_t j = 0; j < quiet->entities[i].probe_count; j++)
			quiet->changed[i] |= PQgetvalue(result, 0,
							(int)quiet->entities[i].probes[j])[0] ==
					     't';
	move_on(quiet);
}

static void probe(struct quiet *quiet)
{
	_cleanup_text_ struct text probes = TEXT_INIT;
	_cleanup_text_ struct text sql = TEXT_INIT;

	if (quiet->probe_count == 0) {
		move_on(quiet);
		return;
	}
	for (size_t i = 0; i < quiet->probe_count; i++) {
		text_separate(&probes, ",\n       ");
		text_append(&probes, quiet->probes[i]);
	}
	text_fill(&sql, sql_detect_quiet_probe,
		  (const struct text_hole[]){ { "probes", text_string(&probes) }, { NULL, NULL } });
	pg_submit(quiet->source, text_string(&sql), 0, NULL, on_probed, quiet);
}

/* Takes the probe over; one that is there already is shared. */
static void add_probe(struct quiet *quiet, size_t index, char *condition)
{
	struct quiet_entity *entity = &quiet->entities[index];
	size_t i = 0;

	while (i < quiet->probe_count && strcmp(quiet->probes[i], condition) != 0)
		i++;
	if (i < quiet->probe_count) {
		free(condition);
	} else {
		quiet->probes = memory_grow(quiet->probes, i + 1, sizeof(*quiet->probes));
		quiet->probes[quiet->probe_count++] = condition;
	}
	entity->probes = memory_grow(entity->probes, entity->probe_count + 1,
				     sizeof(*entity->probes));
	entity->probes[entity->probe_count++] = i;
}

static char *table_probe(const char *table, const char *condition)
{
	return text_format("EXISTS (SELECT FROM %s AS source WHERE %s)", table, condition);
}

/* Any row of these tables written since; the tables are what the entity's rows are made of. */
static void add_table_probes(struct quiet *quiet, size_t index)
{
	const struct bound_entity *bound = &quiet->binding->entities[index];
	_cleanup_free_ char *condition = watermark_xmin_condition(&quiet->entities[index].kept);

	for (size_t i = 0; i < bound->table_count; i++)
		add_probe(quiet, index, table_probe(bound->tables[i], condition));
}

/* " AND …": of the rows that a strategy would read, those that were written since, or at least: when anything was. "" when that
   cannot be known; then a row counts for as long as the overlap shows it. */
static char *written_since(const struct quiet *quiet, size_t index)
{
	const struct bound_entity *bound = &quiet->binding->entities[index];
	const struct watermark *kept = &quiet->entities[index].kept;
	_cleanup_free_ char *condition = watermark_xmin_condition(kept);
	_cleanup_text_ struct text any = TEXT_INIT;

	if (watermark_xmin_misfit(kept, &quiet->moment) != NULL)
		return text_copy("");
	if (bound->heap)
		return text_format(" AND %s", condition);
	for (size_t i = 0; i < bound->table_count; i++) {
		_cleanup_free_ char *one = table_probe(bound->tables[i], condition);

		text_separate(&any, " OR ");
		text_append(&any, one);
	}
	return any.length > 0 ? text_format(" AND (%s)", text_string(&any)) : text_copy("");
}

static void add_strategy_probe(struct quiet *quiet, size_t index, const struct strategy_kind *kind)
{
	const struct bound_entity *bound = &quiet->binding->entities[index];
	_cleanup_free_ char *condition = kind->condition(bound, &quiet->entities[index].kept);
	_cleanup_free_ char *written = written_since(quiet, index);

	add_probe(quiet, index,
		  text_format("EXISTS (SELECT FROM %s WHERE %s%s)", bound->source_relation,
			      condition, written));
}

/* A hybrid entity without a watermark of its own, whose tables are known, is swept only when one of them has new rows. */
static bool can_probe_tables(const struct quiet *quiet, size_t index)
{
	const struct bound_entity *bound = &quiet->binding->entities[index];
	const struct watermark *kept = &quiet->entities[index].kept;

	return bound->table_count > 0 && bound->entity->detect.strategy == STRATEGY_HYBRID &&
	       watermark_misfit(kept, &quiet->moment) == NULL &&
	       watermark_xmin_misfit(kept, &quiet->moment) == NULL;
}

static void choose_probes(struct quiet *quiet, size_t index)
{
	const struct bound_entity *bound = &quiet->binding->entities[index];
	const struct highest_id unknown = { 0 };
	const char *fallback;
	const struct strategy_kind *kind = strategy_choose(bound, DETECT_WATERMARK,
							   &quiet->entities[index].kept,
							   &quiet->moment, &unknown, &fallback);
	bool by_tables = (kind == NULL || kind == &strategy_xmin) && can_probe_tables(quiet, index);

	quiet->changed[index] = kind == NULL && !by_tables;
	if (quiet->changed[index] || (stands_still(quiet, index) && bound->table_count > 0))
		return;
	if (by_tables)
		add_table_probes(quiet, index);
	else
		add_strategy_probe(quiet, index, kind);
}

/* --- what is kept ------------------------------------------------------------------------------------ */

static void take_state(struct quiet *quiet, size_t index, const PGresult *result, int row)
{
	struct quiet_entity *entity = &quiet->entities[index];
	bool same_mapping = strcmp(PQgetvalue(result, row, 1),
				   quiet->binding->entities[index].fingerprint) == 0;
	bool waits = PQgetvalue(result, row, 4)[0] == 't';

	watermark_parse(&entity->kept, PQgetvalue(result, row, 2));
	snprintf(entity->observed, sizeof(entity->observed), "%s", PQgetvalue(result, row, 3));
	if (same_mapping && !waits)
		choose_probes(quiet, index);
	else
		quiet->changed[index] = true;
}

static void on_states(void *arg, const struct pg_answer *answer)
{
	struct quiet *quiet = arg;
	const PGresult *result = pg_answer_rows(answer);
	int row = 0;

	if (answer->error != NULL) {
		finish(quiet, answer->error);
		return;
	}
	for (size_t i = 0; i < entity_count(quiet); i++)
		if (quiet->binding->entities[i].usable)
			take_state(quiet, i, result, row++);
	probe(quiet);
}

static void append_entity(struct text *text, const struct entity *entity)
{
	text_separate(text, ",\n               ");
	text_appendf(text, "(%zu, '%s', ARRAY['%s'", entity->index, entity->name, entity->name);
	for (size_t i = 0; i < entity->column_count; i++)
		for (size_t j = 0; j < entity->columns[i].reference_count; j++)
			text_appendf(text, ", '%s'", entity->columns[i].references[j].entity_name);
	text_append(text, "]::text[])");
}

static void on_moment(void *arg, const struct moment *moment, const struct error *err)
{
	struct quiet *quiet = arg;
	_cleanup_text_ struct text entities = TEXT_INIT;
	_cleanup_text_ struct text sql = TEXT_INIT;

	if (err != NULL) {
		finish(quiet, err);
		return;
	}
	quiet->moment = *moment;
	for (size_t i = 0; i < entity_count(quiet); i++)
		if (quiet->binding->entities[i].usable)
			append_entity(&entities, &quiet->binding->set->entities[i]);
	if (entities.length == 0) {
		finish(quiet, NULL);
		return;
	}
	text_fill(&sql, sql_detect_quiet_states,
		  (const struct text_hole[]){ { "entities", text_string(&entities) },
					      { NULL, NULL } });
	pg_submit(quiet->target, text_string(&sql), 0, NULL, on_states, quiet);
}

void quiet_look(const struct binding *binding, struct pg_connection *source,
		struct pg_connection *target, quiet_on_done *on_done, void *arg)
{
	struct quiet *quiet = memory_new(sizeof(*quiet));

	*quiet = (struct quiet){
		.binding = binding,
		.source = source,
		.target = target,
		.entities = memory_new((binding->set->count + 1) * sizeof(*quiet->entities)),
		.changed = memory_new((binding->set->count + 1) * sizeof(bool)),
		.on_done = on_done,
		.arg = arg,
	};
	moment_observe(source, on_moment, quiet);
}
