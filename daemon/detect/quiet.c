/*
 * Asks of all entities at once whether anything may have changed; see quiet.h.
 *
 *   moment ┐
 *          ├──▶ probes on the source ──▶ rows that they found, compared ──▶ watermarks moved on
 *   what is kept ┘
 *
 * A probe is "is there a row that the watermark does not vouch for?"; entities of one table share it. Where rows say
 * which transaction wrote them, that is asked too: rows within the overlap that were handled long ago then do not count. And when no
 * transaction at all was over since the watermark, there is nothing to ask. While a long transaction is under way, what others have
 * written since it began is found again and again; so the rows that a probe has found are compared, if they are few.
 *
 * Nothing but reading it tells of a table that none of its rows was written: so all of them are read by one statement. It names the
 * transactions one by one, as long as they are few: comparing numbers costs less than age(), which also forbids
 * the server to read with several processes at once.
 */
#include "detect/quiet.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/hashed.h"
#include "detect/internal.h"
#include "sql_detect.h"

/* So many rows that a probe has found are compared at once; with more it is a session's work. */
#define MOST_ROWS 500

/* So many transactions are named one by one; a server that looks them up in no hash table (before 14) gets fewer. */
#define MOST_NAMED 10000
#define MOST_NAMED_UNHASHED 8

/* Transaction numbers below are not given out when they begin anew (PostgreSQL's FirstNormalTransactionId). */
#define FIRST_TRANSACTION 3

struct quiet_entity {
	struct watermark kept;
	char observed[24];
	bool waits; /* there are rows that could go on now, or its mapping is another */
	char *condition; /* of the rows that its strategy would read and that were written since; NULL: not by rows */
	bool compared;	/* its probe has found rows, which are compared now */
	size_t *probes; /* indexes */
	size_t probe_count;
};

struct quiet {
	const struct binding *binding;
	struct pg_connection *source;
	struct pg_connection *target;
	int64_t sweep_after_ms;
	size_t awaited;	    /* answers: the moment, and what is kept */
	struct error error; /* of one of them */
	struct moment moment;
	char *held;
	bool sweep_is_due;
	struct quiet_entity *entities; /* as many as the set, in its order */
	bool *changed;
	char **probes; /* relations and conditions: "FROM … WHERE …" */
	size_t probe_count;
	char **named; /* transactions, as arrays that the probes' conditions refer to */
	size_t named_count;
	quiet_on_done *on_done;
	void *arg;
};

static size_t entity_count(const struct quiet *quiet)
{
	return quiet->binding->set->count;
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

/* The binding may be gone when on_done() returns. */
static void finish(struct quiet *quiet, const struct error *err)
{
	struct quiet_answer answer = { .held = quiet->held,
				       .sweep_is_due = quiet->sweep_is_due,
				       .may_have_changed = quiet->changed };

	for (size_t i = 0; i < entity_count(quiet); i++) {
		free(quiet->entities[i].probes);
		free(quiet->entities[i].condition);
	}
	free_texts(quiet->probes, quiet->probe_count);
	free_texts(quiet->named, quiet->named_count);
	free(quiet->entities);
	quiet->on_done(quiet->arg, err == NULL ? &answer : NULL, err);
	free(quiet->changed);
	free(quiet->held);
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

/* --- the rows that probes have found -------------------------------------------------------------- */

static void on_compared(void *arg, const struct pg_answer *answer)
{
	struct quiet *quiet = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		finish(quiet, answer->error);
		return;
	}
	for (int row = 0; row < PQntuples(result); row++)
		quiet->changed[strtoul(PQgetvalue(result, row, 0), NULL, 10)] = true;
	move_on(quiet);
}

/* SQL for every entity whose rows are compared, put together. */
static char *for_compared(const struct quiet *quiet, char *(*write)(const struct quiet *, size_t))
{
	struct text all = TEXT_INIT;

	for (size_t i = 0; i < entity_count(quiet); i++) {
		_cleanup_free_ char *one = NULL;

		if (!quiet->entities[i].compared)
			continue;
		one = write(quiet, i);
		text_separate(&all, "\n UNION ALL\n");
		text_append(&all, one);
	}
	return text_steal(&all);
}

static char *unseen_sql(const struct quiet *quiet, size_t index)
{
	struct text text = TEXT_INIT;
	const struct bound_entity *bound = &quiet->binding->entities[index];
	_cleanup_free_ char *position = text_format("%zu", index);
	_cleanup_text_ struct text m_is_key = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&m_is_key, " AND ");
		text_appendf(&m_is_key, "m.k%zu = (s.key::text[])[%zu]::%s", i + 1, i + 1,
			     bound->key_types[i]);
	}
	text_fill(&text, sql_detect_quiet_unseen,
		  (const struct text_hole[]){ { "position", position },
					      { "seen", bound->seen },
					      { "m_is_key", text_string(&m_is_key) },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* An entity with too many rows has changed, for all that can be said here. */
static json_t *rows_to_compare(struct quiet *quiet, const PGresult *result)
{
	static const char *const names[] = { "i", "key", "h1", "h2" };
	_cleanup_free_ size_t *counts = memory_new((entity_count(quiet) + 1) * sizeof(*counts));
	json_t *rows = json_array();

	for (int row = 0; row < PQntuples(result); row++) {
		json_t *object = json_object();
		size_t index = strtoul(PQgetvalue(result, row, 0), NULL, 10);

		for (int i = 0; i < 4; i++)
			json_object_set_new(object, names[i],
					    json_string(PQgetvalue(result, row, i)));
		json_array_append_new(rows, object);
		counts[index]++;
		quiet->changed[index] |= counts[index] == MOST_ROWS;
	}
	for (size_t i = 0; i < entity_count(quiet); i++)
		quiet->entities[i].compared &= !quiet->changed[i];
	return rows;
}

static void on_rows(void *arg, const struct pg_answer *answer)
{
	struct quiet *quiet = arg;
	json_auto_t *rows = NULL;
	_cleanup_free_ char *sql = NULL;
	_cleanup_free_ char *text = NULL;

	if (answer->error != NULL) {
		finish(quiet, answer->error);
		return;
	}
	rows = rows_to_compare(quiet, pg_answer_rows(answer));
	sql = for_compared(quiet, unseen_sql);
	text = json_dumps(rows, JSON_COMPACT);
	if (sql[0] == '\0')
		move_on(quiet);
	else
		pg_submit(quiet->target, sql, 1, (const char *const[]){ text }, on_compared, quiet);
}

static char *rows_sql(const struct quiet *quiet, size_t index)
{
	const struct bound_entity *bound = &quiet->binding->entities[index];
	struct text text = TEXT_INIT;
	_cleanup_free_ char *keys = bound_key_list(bound, "s.k%zu::text", ", ");
	_cleanup_free_ char *selected = text_format("%zu, ARRAY[%s]", index, keys);
	_cleanup_free_ char *rows = hashed_rows(quiet->binding, bound, selected, NULL,
						quiet->entities[index].condition);
	_cleanup_free_ char *most = text_format("%d", MOST_ROWS);

	text_fill(&text, sql_detect_quiet_rows,
		  (const struct text_hole[]){ { "rows", rows }, { "most", most }, { NULL, NULL } });
	return text_steal(&text);
}

static void compare_found(struct quiet *quiet)
{
	_cleanup_free_ char *sql = for_compared(quiet, rows_sql);

	if (sql[0] == '\0')
		move_on(quiet);
	else
		pg_submit(quiet->source, sql, 0, NULL, on_rows, quiet);
}

/* --- probes ---------------------------------------------------------------------------------------- */

static void on_probed(void *arg, const struct pg_answer *answer)
{
	struct quiet *quiet = arg;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_free_ bool *has_rows = memory_new(quiet->probe_count * sizeof(*has_rows));

	if (answer->error != NULL) {
		finish(quiet, answer->error);
		return;
	}
	for (int row = 0; row < PQntuples(result); row++)
		has_rows[strtoul(PQgetvalue(result, row, 0), NULL, 10)] = true;
	for (size_t i = 0; i < entity_count(quiet); i++) {
		struct quiet_entity *entity = &quiet->entities[i];
		bool found = false;

		for (size_t j = 0; j < entity->probe_count; j++)
			found |= has_rows[entity->probes[j]];
		entity->compared = found && entity->condition != NULL;
		quiet->changed[i] |= found && entity->condition == NULL;
	}
	compare_found(quiet);
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
		text_separate(&probes, "\n UNION ALL\n");
		text_appendf(&probes, "SELECT %zu AS probe %s", i, quiet->probes[i]);
	}
	text_fill(&sql, sql_detect_quiet_probe,
		  (const struct text_hole[]){ { "probes", text_string(&probes) }, { NULL, NULL } });
	pg_submit(quiet->source, text_string(&sql), quiet->named_count,
		  (const char *const *)quiet->named, on_probed, quiet);
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

/* The transactions that were not over at the watermark and are, or are under way, now: as an array. Those that begin later are left to
   the next look. */
static char *transactions(int64_t from, int64_t until)
{
	struct text text = TEXT_INIT;

	text_append(&text, "{");
	for (int64_t number = from; number < until; number++)
		if ((uint32_t)number >= FIRST_TRANSACTION)
			text_appendf(&text, "%s%" PRIu32, text.length > 1 ? "," : "",
				     (uint32_t)number);
	text_append(&text, "}");
	return text_steal(&text);
}

static size_t name_transactions(struct quiet *quiet, char *array)
{
	size_t i = 0;

	while (i < quiet->named_count && strcmp(quiet->named[i], array) != 0)
		i++;
	if (i < quiet->named_count) {
		free(array);
	} else {
		quiet->named = memory_grow(quiet->named, i + 1, sizeof(*quiet->named));
		quiet->named[quiet->named_count++] = array;
	}
	return i;
}

/* Of the row `source`, in a probe: was it written by a transaction that was not over at the watermark? */
static char *named_condition(struct quiet *quiet, size_t index)
{
	const struct watermark *kept = &quiet->entities[index].kept;
	bool hashed = pg_connection_server_version(quiet->source) >= 140000;
	int64_t most = hashed ? MOST_NAMED : MOST_NAMED_UNHASHED;

	if (quiet->moment.xmax < kept->xmin || quiet->moment.xmax - kept->xmin > most)
		return watermark_xmin_condition(kept);
	return text_format("source.xmin = ANY ($%zu::pg_catalog.xid[])",
			   name_transactions(quiet, transactions(kept->xmin, quiet->moment.xmax)) +
				   1);
}

static char *table_rows(const char *table, const char *condition)
{
	return text_format("FROM %s AS source WHERE %s", table, condition);
}

/* Any row of these tables written since; the tables are what the entity's rows are made of. */
static void add_table_probes(struct quiet *quiet, size_t index)
{
	const struct bound_entity *bound = &quiet->binding->entities[index];
	_cleanup_free_ char *condition = named_condition(quiet, index);

	for (size_t i = 0; i < bound->table_count; i++)
		add_probe(quiet, index, table_rows(bound->tables[i], condition));
}

/* " AND …": of the rows that a strategy would read, those that `written` holds for, or at least: when it holds for any row that
   they are made of. "" when that cannot be known; then a row counts for as long as the overlap shows it. */
static char *and_written(const struct quiet *quiet, size_t index, const char *written)
{
	const struct bound_entity *bound = &quiet->binding->entities[index];
	const struct watermark *kept = &quiet->entities[index].kept;
	_cleanup_text_ struct text any = TEXT_INIT;

	if (watermark_xmin_misfit(kept, &quiet->moment) != NULL)
		return text_copy("");
	if (bound->heap)
		return text_format(" AND %s", written);
	for (size_t i = 0; i < bound->table_count; i++) {
		_cleanup_free_ char *rows = table_rows(bound->tables[i], written);

		text_separate(&any, " OR ");
		text_appendf(&any, "EXISTS (SELECT %s)", rows);
	}
	return any.length > 0 ? text_format(" AND (%s)", text_string(&any)) : text_copy("");
}

/* The condition of the rows that are compared, and of the same rows in the probe. */
static void add_strategy(struct quiet *quiet, size_t index, const struct strategy_kind *kind,
			 bool with_probe)
{
	struct quiet_entity *entity = &quiet->entities[index];
	const struct bound_entity *bound = &quiet->binding->entities[index];
	_cleanup_free_ char *condition = kind->condition(bound, &entity->kept);
	_cleanup_free_ char *since = watermark_xmin_condition(&entity->kept);
	_cleanup_free_ char *and_since = and_written(quiet, index, since);
	_cleanup_free_ char *named = NULL;
	_cleanup_free_ char *and_named = NULL;

	entity->condition = text_format("%s%s", condition, and_since);
	if (!with_probe)
		return;
	named = named_condition(quiet, index);
	and_named = and_written(quiet, index, named);
	add_probe(quiet, index,
		  text_format("FROM %s WHERE %s%s", bound->source_relation,
			      kind == &strategy_xmin && bound->heap ? "true" : condition,
			      and_named));
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
	if (kind != NULL)
		add_strategy(quiet, index, kind, !by_tables);
	if (by_tables)
		add_table_probes(quiet, index);
}

/* --- what is kept, and the moment ------------------------------------------------------------------- */

/* When both are there. */
static void arrived(struct quiet *quiet, const struct error *err)
{
	if (err != NULL && quiet->error.kind == ERROR_NONE)
		quiet->error = *err;
	if (--quiet->awaited > 0)
		return;
	if (quiet->held == NULL && quiet->error.kind != ERROR_NONE) {
		struct error copy = quiet->error;

		finish(quiet, &copy);
		return;
	}
	if (quiet->held != NULL || quiet->sweep_is_due) {
		finish(quiet, NULL);
		return;
	}
	for (size_t i = 0; i < entity_count(quiet); i++) {
		if (quiet->entities[i].waits)
			quiet->changed[i] = true;
		else if (quiet->binding->entities[i].usable)
			choose_probes(quiet, i);
	}
	probe(quiet);
}

static void on_moment(void *arg, const struct moment *moment, const struct error *err)
{
	struct quiet *quiet = arg;

	if (err == NULL)
		quiet->moment = *moment;
	arrived(quiet, err);
}

static void take_state(struct quiet *quiet, size_t index, const PGresult *result, int row)
{
	struct quiet_entity *entity = &quiet->entities[index];
	bool same_mapping = strcmp(PQgetvalue(result, row, 0),
				   quiet->binding->entities[index].fingerprint) == 0;

	watermark_parse(&entity->kept, PQgetvalue(result, row, 1));
	snprintf(entity->observed, sizeof(entity->observed), "%s", PQgetvalue(result, row, 2));
	entity->waits = !same_mapping || PQgetvalue(result, row, 3)[0] == 't';
}

static void on_states(void *arg, const struct pg_answer *answer)
{
	struct quiet *quiet = arg;
	const PGresult *result = pg_answer_rows(answer);
	int row = 0;

	if (answer->error == NULL) {
		if (!PQgetisnull(result, 0, 4))
			quiet->held = text_copy(PQgetvalue(result, 0, 4));
		quiet->sweep_is_due = quiet->sweep_after_ms > 0 && !PQgetisnull(result, 0, 5) &&
				      strtoll(PQgetvalue(result, 0, 5), NULL, 10) >=
					      quiet->sweep_after_ms;
		for (size_t i = 0; i < entity_count(quiet); i++)
			if (quiet->binding->entities[i].usable)
				take_state(quiet, i, result, row++);
	}
	arrived(quiet, answer->error);
}

static void append_entity(struct text *text, const struct entity *entity)
{
	text_separate(text, ",\n         ");
	text_appendf(text, "(%zu, '%s', ARRAY['%s'", entity->index, entity->name, entity->name);
	for (size_t i = 0; i < entity->column_count; i++)
		for (size_t j = 0; j < entity->columns[i].reference_count; j++)
			text_appendf(text, ", '%s'", entity->columns[i].references[j].entity_name);
	text_appendf(text, "]::text[], %s)",
		     entity->detect.strategy == STRATEGY_HYBRID ? "true" : "false");
}

static void ask_for_states(struct quiet *quiet)
{
	_cleanup_text_ struct text entities = TEXT_INIT;
	_cleanup_text_ struct text sql = TEXT_INIT;

	for (size_t i = 0; i < entity_count(quiet); i++)
		if (quiet->binding->entities[i].usable)
			append_entity(&entities, &quiet->binding->set->entities[i]);
	if (entities.length == 0)
		text_append(&entities, "(0, NULL, NULL::text[], false)");
	text_fill(&sql, sql_detect_quiet_states,
		  (const struct text_hole[]){ { "entities", text_string(&entities) },
					      { NULL, NULL } });
	pg_submit(quiet->target, text_string(&sql), 0, NULL, on_states, quiet);
}

void quiet_look(const struct quiet_request *request)
{
	struct quiet *quiet = memory_new(sizeof(*quiet));
	size_t count = request->binding->set->count;

	*quiet = (struct quiet){
		.binding = request->binding,
		.source = request->source,
		.target = request->target,
		.sweep_after_ms = request->sweep_after_ms,
		.awaited = 2,
		.entities = memory_new((count + 1) * sizeof(*quiet->entities)),
		.changed = memory_new((count + 1) * sizeof(bool)),
		.on_done = request->on_done,
		.arg = request->arg,
	};
	moment_observe(quiet->source, on_moment, quiet);
	ask_for_states(quiet);
}
