/*
 * Fills the templates of bulk.sql; see bulk_sql.h.
 */
#include "apply/bulk_sql.h"

#include <inttypes.h>
#include <string.h>

#include "apply/parts.h"
#include "common/text.h"
#include "sql_apply.h"

/* --- candidates ----------------------------------------------------------------------------------- */

/* NULL is NULL. */
static void append_literal(struct text *text, const char *value)
{
	_cleanup_free_ char *literal = value != NULL ? pg_quote_literal(value) : text_copy("NULL");

	text_appendf(text, ", %s", literal);
}

static const char *schema_of(const struct bound_entity *bound)
{
	return bound->entity->target_schema;
}

/* Parents that the target has lost: are there any; and have them brought again. */
static void fill_lost(const struct bound_entity *bound, const struct bound_entity *parent,
		      const struct written_column *written, struct text *lost, struct text *mend)
{
	char present[64];
	_cleanup_free_ char *t_is_p = parts_target_is(parent, "p.t");
	const struct text_hole holes[] = { { "parent_map", parent->id_map },
					   { "parent_target", parent->target_relation },
					   { "parent_present",
					     parts_parent_present(parent, "p", present) },
					   { "t_is_p", t_is_p },
					   { "target", bound->target_relation },
					   { "column", written->quoted },
					   { NULL, NULL } };

	text_fill(lost, sql_apply_bulk_lost, holes);
	text_fill(mend, sql_apply_bulk_mend, holes);
}

/* A column that is filled with the target keys of one table, and with nothing else. That of `kin` is left to the database. */
static bool is_proof(const struct written_column *written)
{
	return parts_is_reference(written) && !written->kin &&
	       written->column->reference_count == 1;
}

static void append_refs(struct text *refs, const struct binding *binding,
			const struct bound_entity *bound, size_t place)
{
	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		const struct bound_entity *parent;
		_cleanup_text_ struct text lost = TEXT_INIT;
		_cleanup_text_ struct text mend = TEXT_INIT;

		if (!is_proof(written))
			continue;
		parent = binding_find(binding, written->column->references[0].entity_name);
		if (parent->entity->target_key.count != 1)
			continue;
		fill_lost(bound, parent, written, &lost, &mend);
		text_appendf(refs, ",\n         (%zu", place);
		append_literal(refs, written->name);
		append_literal(refs, schema_of(parent));
		append_literal(refs, parent->entity->target_table);
		append_literal(refs, parent->entity->target_key.names[0]);
		append_literal(refs, text_string(&lost));
		append_literal(refs, text_string(&mend));
		text_append(refs, ")");
	}
}

char *bulk_sql_candidates(const struct binding *binding, const struct bound_entity *const *entities,
			  size_t count)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text tables = TEXT_INIT;
	_cleanup_text_ struct text refs = TEXT_INIT;

	text_append(&tables, "(NULL::integer, NULL::text, NULL::text, NULL::boolean)");
	text_append(&refs, "(NULL::integer, NULL::text, NULL::text, NULL::text, NULL::text, "
			   "NULL::text, NULL::text)");
	for (size_t i = 0; i < count; i++) {
		text_appendf(&tables, ",\n         (%zu", i + 1);
		append_literal(&tables, schema_of(entities[i]));
		append_literal(&tables, entities[i]->entity->target_table);
		text_appendf(&tables, ", EXISTS (SELECT FROM %s))", entities[i]->target_relation);
		append_refs(&refs, binding, entities[i], i + 1);
	}
	text_fill(&text, sql_apply_bulk_candidates,
		  (const struct text_hole[]){ { "tables", text_string(&tables) },
					      { "refs", text_string(&refs) },
					      { NULL, NULL } });
	return text_steal(&text);
}

const char *bulk_refusal(const struct binding *binding, const struct bound_entity *bound)
{
	if (bound->entity->bulk == BULK_OFF)
		return "its mapping says \"bulk\": \"off\"";
	for (size_t i = 0; i < binding->set->count; i++)
		if (&binding->entities[i] != bound &&
		    strcmp(binding->set->entities[i].target_table, bound->entity->target_table) ==
			    0 &&
		    strcmp(binding->set->entities[i].target_schema, schema_of(bound)) == 0)
			return "other entities write its table, too";
	if (entity_has_rules(bound->entity, true, RULE_REJECT) ||
	    entity_has_rules(bound->entity, true, RULE_WARN))
		return "its rules look into the target while rows are written";
	return NULL;
}

/* --- setting aside, and putting back -------------------------------------------------------------- */

static json_t *text_at(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? json_null()
						: json_string(PQgetvalue(result, row, column));
}

/* Those of one kind that can be set aside, as a jsonb literal. */
static char *chosen(const PGresult *candidates, const char *kind)
{
	json_auto_t *list = json_array();
	_cleanup_free_ char *dumped = NULL;

	for (int row = 0; row < PQntuples(candidates); row++)
		if (strcmp(PQgetvalue(candidates, row, BULK_KIND), kind) == 0 &&
		    PQgetisnull(candidates, row, BULK_KEPT))
			json_array_append_new(
				list, json_pack("{s:o, s:o, s:o, s:o}", "name",
						text_at(candidates, row, BULK_NAME), "object",
						text_at(candidates, row, BULK_OBJECT), "lost",
						text_at(candidates, row, BULK_LOST), "mend",
						text_at(candidates, row, BULK_MEND)));
	dumped = json_dumps(list, JSON_COMPACT);
	return pg_quote_literal(dumped);
}

char *bulk_sql_set_aside(const struct bound_entity *bound, const struct batch_place *place,
			 const PGresult *candidates)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *indexes = chosen(candidates, "index");
	_cleanup_free_ char *foreign_keys = chosen(candidates, "foreign key");
	_cleanup_free_ char *target = pg_quote_literal(bound->target_relation);
	_cleanup_free_ char *epoch = text_format("%" PRId64, place->epoch);

	text_fill(&text, sql_apply_bulk_set_aside,
		  (const struct text_hole[]){ { "epoch", epoch },
					      { "entity", bound->entity->name },
					      { "session", place->session },
					      { "fingerprint", bound->fingerprint },
					      { "target", target },
					      { "indexes", indexes },
					      { "foreign_keys", foreign_keys },
					      { NULL, NULL } });
	return text_steal(&text);
}

static char *literal_or_null(const char *value)
{
	return value != NULL ? pg_quote_literal(value) : text_copy("NULL");
}

char *bulk_sql_put_back(const struct bulk_back *back)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *entity = literal_or_null(back->entity);
	_cleanup_free_ char *but_for = literal_or_null(back->but_session);
	_cleanup_free_ char *fingerprint = literal_or_null(back->but_fingerprint);
	_cleanup_free_ char *epoch = text_format("%" PRId64, back->epoch);
	_cleanup_free_ char *lock_timeout = text_format("%" PRId64, back->lock_timeout_ms);
	_cleanup_free_ char *memory = text_format("%" PRId64, back->memory_kb);
	_cleanup_free_ char *workers = text_format("%" PRId64, back->workers);

	text_fill(&text, sql_apply_bulk_put_back,
		  (const struct text_hole[]){ { "life", back->life },
					      { "entity", entity },
					      { "but_for", but_for },
					      { "fingerprint", fingerprint },
					      { "epoch", epoch },
					      { "lock_timeout", lock_timeout },
					      { "memory", memory },
					      { "workers", workers },
					      { NULL, NULL } });
	return text_steal(&text);
}
