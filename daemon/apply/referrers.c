/*
 * See referrers.h.
 *
 * The target restricts most deletions by itself. Foreign keys that delete or change what refers to a row do not: of rows that we have
 * brought, and of others in the same tables, nothing may be lost because a parent is gone. What is to be deleted, too, has let go of
 * it before (fill_sql.h).
 */
#include "apply/referrers.h"

#include <stdlib.h>
#include <string.h>

#include "apply/parts.h"
#include "common/text.h"
#include "sql_apply.h"

static const struct catalog_relation *relation_of(const struct binding *binding,
						  const struct bound_entity *bound)
{
	return catalog_relation(&binding->target, bound->entity->target_schema,
				bound->entity->target_table);
}

static bool deletes(const struct bound_entity *bound)
{
	return bound->entity->on_delete == ON_DELETE_DELETE && entity_mints_key(bound->entity);
}

static bool is_of(const struct catalog_foreign_key *key, const struct bound_entity *parent)
{
	return key->yields && strcmp(key->parent_schema, parent->entity->target_schema) == 0 &&
	       strcmp(key->parent_table, parent->entity->target_table) == 0 &&
	       strcmp(key->parent_column, parent->entity->target_key.names[0]) == 0;
}

/* Those that are deleted by the same statement hold nothing. */
static char *unless_it_goes_too(const struct bound_entity *parent, const struct bound_entity *child)
{
	_cleanup_free_ char *t_is_o = parts_target_is(child, "o.t");

	return parent == child
		       ? text_format(" AND NOT EXISTS (SELECT FROM found AS o WHERE %s)", t_is_o)
		       : text_copy("");
}

static void append_referrer(struct text *text, const struct bound_entity *parent,
			    const struct bound_entity *child, const struct catalog_foreign_key *key)
{
	_cleanup_free_ char *constraint = pg_quote_literal(key->name);
	_cleanup_free_ char *what = text_format("rows of table \"%s\" still refer to it, and would "
						"be deleted or changed with it",
						child->entity->target_table);
	_cleanup_free_ char *message = pg_quote_literal(what);
	_cleanup_free_ char *column = pg_quote_identifier(key->column);
	_cleanup_free_ char *except = unless_it_goes_too(parent, child);

	text_separate(text, "\n UNION ALL\n");
	text_fill(text, sql_apply_referrer,
		  (const struct text_hole[]){ { "constraint", constraint },
					      { "message", message },
					      { "child_target", child->target_relation },
					      { "column", column },
					      { "except", except },
					      { NULL, NULL } });
}

/* Of entities that share a table the first speaks for all. */
static bool is_first_of_table(const struct binding *binding, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (binding->entities[i].usable &&
		    strcmp(binding->entities[i].target_relation,
			   binding->entities[index].target_relation) == 0)
			return false;
	return true;
}

static void collect_referrers(struct text *text, const struct binding *binding,
			      const struct bound_entity *parent)
{
	for (size_t i = 0; i < binding->set->count; i++) {
		const struct bound_entity *child = &binding->entities[i];
		const struct catalog_relation *relation = relation_of(binding, child);

		if (!child->usable || !is_first_of_table(binding, i))
			continue;
		for (size_t j = 0; j < relation->foreign_key_count; j++)
			if (is_of(&relation->foreign_keys[j], parent))
				append_referrer(text, parent, child, &relation->foreign_keys[j]);
	}
}

char *referrers_held(const struct binding *binding, const struct bound_entity *bound,
		     const struct batch_place *place, const char *spared)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text referrers = TEXT_INIT;
	_cleanup_free_ char *batch = text_format("%d", place->batch);

	if (!deletes(bound))
		return text_copy("");
	collect_referrers(&referrers, binding, bound);
	if (referrers.length == 0)
		return text_copy("");
	text_append(&text, "\n");
	text_fill(&text, sql_apply_held,
		  (const struct text_hole[]){ { "referrers", text_string(&referrers) },
					      { "entity", bound->entity->name },
					      { "session", place->session },
					      { "batch", batch },
					      { "letter_again", sql_apply_letter_again },
					      { "spared", spared },
					      { NULL, NULL } });
	return text_steal(&text);
}
