/*
 * Prepares the control schema for the entities of a binding: an id map, a view and a change log each, the views over all
 * of them, and the adoption of rows that carry a legacy key already. Idempotent; a second call finds everything there.
 * Whether it finds what a first one left is judged before anything is made (id_map.c).
 */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "common/text.h"
#include "postgres/transaction.h"
#include "sql_store.h"
#include "store/internal.h"

struct preparation {
	struct binding *binding;
	struct pg_connection *target;
	store_on_done *on_done;
	void *arg;
	size_t next; /* entity */
	/* Views that are there and need not be made again, which would lock them until the transaction that this is within is
	   over; NULL where that is over soon. */
	PGresult *views;
	bool standing; /* those of all entities so far are among them */
};

static void prepare_next(struct preparation *preparation);

static char *target_columns(const struct bound_entity *bound, const char *prefix, bool types)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		text_separate(&text, types ? ",\n  " : ", ");
		text_appendf(&text, "%st%zu", prefix, i + 1);
		if (types)
			text_appendf(&text, " %s NOT NULL", bound->target_key_types[i]);
	}
	return text_steal(&text);
}

static char *key_columns(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&text, ",\n  ");
		text_appendf(&text, "k%zu %s", i + 1, bound->key_types[i]);
	}
	return text_steal(&text);
}

static char *keys_from_text(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&text, ", ");
		text_appendf(&text, "legacy_key[%zu]::%s", i + 1, bound->key_types[i]);
	}
	return text_steal(&text);
}

/* Without a legacy key in the target, the way back from a target row to its source is an index of ours. */
static char *target_index(const struct bound_entity *bound)
{
	_cleanup_free_ char *columns = target_columns(bound, "", false);

	if (bound->entity->legacy_key.count > 0)
		return text_copy("");
	return text_format("CREATE INDEX IF NOT EXISTS id_map_%s_target ON %s (%s);",
			   bound->entity->name, bound->id_map, columns);
}

static char *name_literals(char *const *names, size_t count)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *literal = pg_quote_literal(names[i]);

		text_separate(&text, ", ");
		text_append(&text, literal);
	}
	return text_steal(&text);
}

static char *written_names(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++) {
		_cleanup_free_ char *literal = pg_quote_literal(bound->written[i].name);

		text_separate(&text, ", ");
		text_append(&text, literal);
	}
	return text_steal(&text);
}

static bool is_standing(const struct preparation *preparation, const char *view)
{
	const char *name = strchr(view, '.') + 1;

	for (int row = 0; preparation->views != NULL && row < PQntuples(preparation->views); row++)
		if (strcmp(PQgetvalue(preparation->views, row, 0), name) == 0)
			return true;
	return false;
}

static void append_id_map(struct preparation *preparation, struct text *text,
			  const struct bound_entity *bound)
{
	_cleanup_free_ char *keys = bound_key_list(bound, "k%zu", ", ");
	_cleanup_free_ char *columns = key_columns(bound);
	_cleanup_free_ char *targets = target_columns(bound, "", true);
	_cleanup_free_ char *from_text = keys_from_text(bound);
	_cleanup_free_ char *index = target_index(bound);
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *words = text_format("Legacy key to target key of %s",
						 bound->entity->name);
	_cleanup_free_ char *comment = pg_quote_literal(words);
	_cleanup_free_ char *identity = bound->identity[0] != '\0'
						? pg_quote_literal(bound->identity)
						: text_copy("NULL");
	_cleanup_free_ char *target = pg_quote_literal(bound->target_relation);
	_cleanup_free_ char *target_names = name_literals(bound->entity->target_key.names,
							  bound->entity->target_key.count);
	_cleanup_free_ char *written = written_names(bound);
	_cleanup_free_ char *hash = pg_quote_literal(bound->written_hash);
	const struct text_hole holes[] = { { "id_map", bound->id_map },
					   { "seen", bound->seen },
					   { "key_columns", columns },
					   { "target_columns", targets },
					   { "keys", keys },
					   { "comment", comment },
					   { "target_index", index },
					   { "from_text", from_text },
					   { "entity", entity },
					   { "identity", identity },
					   { "target", target },
					   { "target_names", target_names },
					   { "written_names", written },
					   { "written_hash", hash },
					   { NULL, NULL } };
	bool standing = is_standing(preparation, bound->seen);

	text_fill(text, sql_store_id_map, holes);
	if (!standing)
		text_fill(text, sql_store_seen, holes);
	preparation->standing &= standing;
	text_fill(text, sql_store_entity, holes);
}

/* --- adoption ---------------------------------------------------------------------------------- */

struct legacy_lists {
	struct text cast;    /* t.legacy_id::bigint */
	struct text plain;   /* t.legacy_id */
	struct text present; /* t.legacy_id IS NOT NULL */
};

/* A text column may hold what is no key of the source at all, typed by somebody; such rows are not ours to adopt. */
static bool is_text_for_other_type(const struct bound_entity *bound, size_t part)
{
	const char *name = bound->entity->legacy_key.names[part];

	if (strcmp(bound->key_types[part], "text") == 0)
		return false;
	for (size_t i = 0; i < bound->written_count; i++)
		if (bound->written[i].column == NULL && strcmp(bound->written[i].name, name) == 0)
			return strcmp(bound->written[i].type, "text") == 0 ||
			       strcmp(bound->written[i].type, "character varying") == 0;
	return false;
}

static void collect_legacy(struct legacy_lists *lists, const struct bound_entity *bound)
{
	for (size_t i = 0; i < bound->entity->legacy_key.count; i++) {
		_cleanup_free_ char *name = pg_quote_identifier(bound->entity->legacy_key.names[i]);

		text_separate(&lists->cast, ", ");
		if (is_text_for_other_type(bound, i))
			text_appendf(&lists->cast,
				     "CASE WHEN migrated.is_of_type(t.%s, '%s') THEN t.%s::%s END",
				     name, bound->key_types[i], name, bound->key_types[i]);
		else
			text_appendf(&lists->cast, "t.%s::%s", name, bound->key_types[i]);
		text_separate(&lists->plain, ", ");
		text_appendf(&lists->plain, "t.%s", name);
		text_separate(&lists->present, " AND ");
		if (is_text_for_other_type(bound, i))
			text_appendf(&lists->present, "migrated.is_of_type(t.%s, '%s')", name,
				     bound->key_types[i]);
		else
			text_appendf(&lists->present, "t.%s IS NOT NULL", name);
	}
}

/* Where nothing keeps two target rows from carrying one legacy key, those that share one are left to people. */
static char *unique_only(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	if (bound->legacy_unique)
		return text_copy("");
	text_append(&text, "\n   AND (");
	for (size_t i = 0; i < bound->entity->legacy_key.count; i++) {
		_cleanup_free_ char *name = pg_quote_identifier(bound->entity->legacy_key.names[i]);

		text_appendf(&text, "%st.%s", i > 0 ? ", " : "", name);
	}
	text_append(&text, ") IN (SELECT ");
	for (size_t i = 0; i < bound->entity->legacy_key.count; i++) {
		_cleanup_free_ char *name = pg_quote_identifier(bound->entity->legacy_key.names[i]);

		text_appendf(&text, "%so.%s", i > 0 ? ", " : "", name);
	}
	text_appendf(&text, " FROM %s AS o GROUP BY ", bound->target_relation);
	for (size_t i = 0; i < bound->entity->legacy_key.count; i++)
		text_appendf(&text, "%s%zu", i > 0 ? ", " : "", i + 1);
	text_append(&text, " HAVING pg_catalog.count(*) = 1)");
	return text_steal(&text);
}

static void append_adoption(struct text *text, const struct bound_entity *bound)
{
	struct legacy_lists lists = { 0 };
	_cleanup_free_ char *keys = bound_key_list(bound, "k%zu", ", ");
	_cleanup_free_ char *target_keys = target_columns(bound, "", false);
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *only = NULL;
	_cleanup_text_ struct text targets = TEXT_INIT;

	if (bound->entity->legacy_key.count == 0)
		return;
	collect_legacy(&lists, bound);
	only = unique_only(bound);
	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		text_separate(&targets, ", ");
		text_appendf(&targets, "t.%s", bound->target_key_quoted[i]);
	}
	text_fill(text, sql_store_adopt,
		  (const struct text_hole[]){ { "id_map", bound->id_map },
					      { "keys", keys },
					      { "target_keys", target_keys },
					      { "legacy", text_string(&lists.cast) },
					      { "targets", text_string(&targets) },
					      { "target", bound->target_relation },
					      { "entity", entity },
					      { "legacy_present", text_string(&lists.present) },
					      { "unique_only", only },
					      { NULL, NULL } });
	text_done(&lists.cast);
	text_done(&lists.plain);
	text_done(&lists.present);
}

static void append_known(struct text *text, const struct bound_entity *bound)
{
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);

	text_fill(text, sql_store_known,
		  (const struct text_hole[]){ { "id_map", bound->id_map },
					      { "entity", entity },
					      { NULL, NULL } });
}

/* 'has_office', 'is_paid': the names of these rules. */
static void append_rules(struct text *text, const struct bound_entity *bound, bool after_only,
			 enum rule_action action)
{
	for (size_t i = 0; i < bound->entity->rule_count; i++) {
		const struct rule *rule = &bound->entity->rules[i];

		if (rule->action != action || (after_only && !rule->after))
			continue;
		text_separate(text, ", ");
		text_appendf(text, "'%s'", rule->name);
	}
}

static void append_forget(struct text *text, const struct bound_entity *bound)
{
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_text_ struct text rules = TEXT_INIT;

	append_rules(&rules, bound, false, RULE_WARN);
	text_fill(text, sql_store_rule_findings_forget,
		  (const struct text_hole[]){ { "entity", entity },
					      { "rules", text_string(&rules) },
					      { NULL, NULL } });
}

/* --- the entities, then the view over all ------------------------------------------ */

static void finish(struct preparation *preparation, const struct error *err)
{
	store_on_done *on_done = preparation->on_done;
	void *arg = preparation->arg;
	struct error copy;

	if (err != NULL)
		copy = *err;
	PQclear(preparation->views);
	free(preparation);
	on_done(arg, err != NULL ? &copy : NULL);
}

static void fail(struct preparation *preparation, const struct error *err, const char *context)
{
	struct error told = *err;

	error_context(&told, "control schema, %s", context);
	finish(preparation, &told);
}

static void on_overview(void *arg, const struct pg_answer *answer)
{
	if (answer->error != NULL)
		fail(arg, answer->error, "views over all entities");
	else
		finish(arg, NULL);
}

static void prepare_overview(struct preparation *preparation)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	for (size_t i = 0; i < preparation->binding->set->count; i++) {
		const struct bound_entity *bound = &preparation->binding->entities[i];
		_cleanup_free_ char *keys = bound_key_list(bound, "k%zu::text", ", ");
		_cleanup_free_ char *targets = NULL;

		if (!bound->usable)
			continue;
		targets = target_columns(bound, "", false);
		text_append(&text, text.length == 0 ? "CREATE OR REPLACE VIEW migrated.id_map AS\n"
						    : "\n UNION ALL\n");
		text_appendf(
			&text,
			"SELECT '%s'::text AS entity, ARRAY[%s] AS legacy_key, ARRAY[%s]::text[] "
			"AS target_key, session, gone FROM %s",
			bound->entity->name, keys, targets, bound->id_map);
	}
	if (text.length == 0) {
		finish(preparation, NULL);
		return;
	}
	text_append(
		&text,
		";\nCOMMENT ON VIEW migrated.id_map IS 'All id maps: legacy key to target key';\n");
	if (preparation->standing && is_standing(preparation, "migrated.id_map"))
		text_clear(&text);
	text_append(&text, "SELECT migrated.show_change_logs()");
	pg_submit(preparation->target, text_string(&text), 0, NULL, on_overview, preparation);
}

static void append_entity(struct preparation *preparation, struct text *text,
			  const struct bound_entity *bound)
{
	append_id_map(preparation, text, bound);
	append_adoption(text, bound);
	append_known(text, bound);
	append_forget(text, bound);
}

static void on_prepared(void *arg, const struct pg_answer *answer)
{
	struct preparation *preparation = arg;
	const struct bound_entity *bound = &preparation->binding->entities[preparation->next];

	if (answer->error != NULL) {
		fail(preparation, answer->error, bound->entity->name);
		return;
	}
	preparation->next++;
	fault_point("store.prepared");
	prepare_next(preparation);
}

static void prepare_next(struct preparation *preparation)
{
	const struct binding *binding = preparation->binding;
	_cleanup_text_ struct text text = TEXT_INIT;

	while (preparation->next < binding->set->count &&
	       !binding->entities[preparation->next].usable)
		preparation->next++;
	if (preparation->next == binding->set->count) {
		prepare_overview(preparation);
		return;
	}
	/* One query, and so one transaction. */
	append_entity(preparation, &text, &binding->entities[preparation->next]);
	pg_submit(preparation->target, text_string(&text), 0, NULL, on_prepared, preparation);
}

static void on_undone(void *arg, const struct pg_answer *answer)
{
	if (answer->error != NULL)
		fail(arg, answer->error, "id maps");
	else
		prepare_next(arg);
}

/* One of them could not be prepared. Which one, and why, is what is seen when they are prepared one by one. */
static void on_all_prepared(void *arg, const struct pg_answer *answer)
{
	struct preparation *preparation = arg;
	const struct binding *binding = preparation->binding;

	if (answer->error != NULL) {
		pg_submit(preparation->target, pg_transaction_alone.undo, 0, NULL, on_undone,
			  preparation);
		return;
	}
	for (; preparation->next < binding->set->count; preparation->next++)
		if (binding->entities[preparation->next].usable)
			fault_point("store.prepared");
	prepare_overview(preparation);
}

/* Each is a transaction of its own, but they are sent together: that is one round trip instead of one each. */
static void prepare_all(struct preparation *preparation)
{
	const struct binding *binding = preparation->binding;
	_cleanup_text_ struct text text = TEXT_INIT;

	for (size_t i = 0; i < binding->set->count; i++) {
		if (!binding->entities[i].usable)
			continue;
		text_appendf(&text, "%s\n", pg_transaction_alone.begin);
		append_entity(preparation, &text, &binding->entities[i]);
		text_appendf(&text, ";\n%s\n", pg_transaction_alone.end);
	}
	if (text.length == 0)
		prepare_overview(preparation);
	else
		pg_submit(preparation->target, text_string(&text), 0, NULL, on_all_prepared,
			  preparation);
}

static void on_views(void *arg, const struct pg_answer *answer)
{
	struct preparation *preparation = arg;

	if (answer->error != NULL) {
		fail(preparation, answer->error, "views");
		return;
	}
	preparation->views = PQcopyResult(pg_answer_rows(answer),
					  PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
	prepare_next(preparation);
}

static void on_checked(void *arg, const struct error *err)
{
	struct preparation *preparation = arg;

	if (err != NULL)
		finish(preparation, err);
	else if (pg_transaction_on(preparation->target)->within)
		pg_submit(preparation->target, sql_store_views, 0, NULL, on_views, preparation);
	else
		prepare_all(preparation);
}

void store_prepare(struct pg_connection *target, struct binding *binding, store_on_done *on_done,
		   void *arg)
{
	struct preparation *preparation = memory_new(sizeof(*preparation));

	*preparation = (struct preparation){ .binding = binding,
					     .target = target,
					     .standing = true,
					     .on_done = on_done,
					     .arg = arg };
	id_maps_check(target, binding, true, on_checked, preparation);
}

/* --- parked rows ------------------------------------------------------------------------------- */

/* An entity that is referred to by several columns is asked once. */
static void append_parent(struct text *text, const struct bound_entity *bound,
			  const struct bound_entity *parent)
{
	_cleanup_free_ char *name = pg_quote_literal(parent->entity->name);
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_text_ struct text m_is_p = TEXT_INIT;

	for (size_t i = 0; i < parent->entity->source_key.count; i++) {
		text_separate(&m_is_p, " AND ");
		text_appendf(&m_is_p, "m.k%zu = p.parent_key[%zu]::%s", i + 1, i + 1,
			     parent->key_types[i]);
	}
	text_fill(text, sql_store_unpark_parent,
		  (const struct text_hole[]){
			  { "id_map", parent->id_map },
			  { "m_is_p", text_string(&m_is_p) },
			  { "present", parent->entity->on_delete == ON_DELETE_DELETE
					       ? " AND m.gone IS NULL"
					       : "" },
			  { "entity", entity },
			  { "parent", name },
			  { NULL, NULL } });
}

static bool refers_to(const struct entity *entity, const char *parent)
{
	for (size_t i = 0; i < entity->column_count; i++)
		for (size_t j = 0; j < entity->columns[i].reference_count; j++)
			if (strcmp(entity->columns[i].references[j].entity_name, parent) == 0)
				return true;
	return false;
}

char *store_unpark_sql(const struct binding *binding, const struct bound_entity *bound,
		       const char *analysis)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text parents = TEXT_INIT;
	_cleanup_text_ struct text related = TEXT_INIT;
	_cleanup_text_ struct text after_rules = TEXT_INIT;
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *analysis_literal = text_format("'%s'::uuid", analysis);

	text_append(&related, entity);
	for (size_t i = 0; i < binding->set->count; i++) {
		const char *name = binding->set->entities[i].name;

		if (!refers_to(bound->entity, name))
			continue;
		append_parent(&parents, bound, &binding->entities[i]);
		text_appendf(&related, ", '%s'", name);
	}
	append_rules(&after_rules, bound, true, RULE_REJECT);
	text_fill(&text, sql_store_unpark,
		  (const struct text_hole[]){ { "entity", entity },
					      { "analysis", analysis_literal },
					      { "parents", text_string(&parents) },
					      { "related", text_string(&related) },
					      { "after_rules", text_string(&after_rules) },
					      { NULL, NULL } });
	return text_steal(&text);
}
