/*
 * See circle.h. Here the mapping's references become the numbers of order.c, and what is decided there becomes the binding's.
 */
#include "catalog/circle.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/order.h"
#include "common/text.h"

struct ordering {
	struct binding *binding;
	struct order_reference *references;
	const struct column **columns;	 /* of each */
	struct written_column **written; /* of each; NULL: the target has no such column */
	size_t count;
};

static bool refers_to_itself(const struct bound_entity *bound, const struct column *column)
{
	for (size_t i = 0; i < column->reference_count; i++)
		if (column->references[i].entity == bound->entity)
			return true;
	return false;
}

static struct written_column *written_of(const struct bound_entity *bound,
					 const struct column *column)
{
	for (size_t i = 0; i < bound->written_count; i++)
		if (bound->written[i].column == column)
			return &bound->written[i];
	return NULL;
}

/* Of a column that is not there, which is a problem of its own, nothing is said. */
static enum order_leeway leeway_of(const struct bound_entity *bound, const struct column *column,
				   const struct written_column *written)
{
	if (name_list_has(&bound->entity->target_key, column->name) ||
	    (written != NULL && written->not_null))
		return ORDER_NONE;
	switch (column->if_missing) {
	case IF_MISSING_DEAD_LETTER:
		return ORDER_RELUCTANT;
	case IF_MISSING_PARK:
		return ORDER_WILLING;
	case IF_MISSING_NULL:
		break;
	}
	return ORDER_GLAD;
}

static void add_reference(struct ordering *ordering, const struct bound_entity *bound,
			  const struct column *column)
{
	size_t *parents = memory_new((column->reference_count + 1) * sizeof(*parents));
	size_t count = ordering->count++;

	ordering->references = memory_grow(ordering->references, count + 1,
					   sizeof(*ordering->references));
	ordering->columns = memory_grow(ordering->columns, count + 1, sizeof(*ordering->columns));
	ordering->written = memory_grow(ordering->written, count + 1, sizeof(*ordering->written));
	for (size_t i = 0; i < column->reference_count; i++)
		parents[i] = column->references[i].entity->index;
	ordering->columns[count] = column;
	ordering->written[count] = written_of(bound, column);
	ordering->references[count] = (struct order_reference){
		.child = bound->entity->index,
		.parents = parents,
		.parent_count = column->reference_count,
		.leeway = leeway_of(bound, column, ordering->written[count]),
	};
}

static void ordering_done(struct ordering *ordering)
{
	for (size_t i = 0; i < ordering->count; i++)
		free((void *)ordering->references[i].parents);
	free(ordering->references);
	free(ordering->columns);
	free(ordering->written);
}

/* --- circles that cannot be broken ------------------------------------------------------------- */

static void append_constraints(struct text *text, const struct binding *binding,
			       const struct entity *entity, const char *column)
{
	const struct catalog_relation *relation = catalog_relation(&binding->target,
								   entity->target_schema,
								   entity->target_table);

	for (size_t i = 0; i < relation->foreign_key_count; i++)
		if (strcmp(relation->foreign_keys[i].column, column) == 0)
			text_appendf(text, ", constraint \"%s\"%s", relation->foreign_keys[i].name,
				     relation->foreign_keys[i].deferrable ? ", which is deferrable"
									  : "");
}

/* "orders.item_id (NOT NULL, constraint "orders_item_id_fkey")" */
static void append_step(struct text *text, const struct ordering *ordering,
			const struct order_step *step)
{
	const struct entity *entity = &ordering->binding->set->entities[step->reference->child];
	const char *column = ordering->columns[step->reference - ordering->references]->name;

	text_separate(text, ", ");
	text_appendf(text, "%s.%s (%s", entity->name, column,
		     name_list_has(&entity->target_key, column) ? "part of the target key"
								: "NOT NULL");
	append_constraints(text, ordering->binding, entity, column);
	text_append(text, ")");
}

static void on_circle(void *arg, const struct order_step *steps, size_t count)
{
	struct ordering *ordering = arg;
	struct binding *binding = ordering->binding;
	struct bound_entity *first = &binding->entities[steps[0].reference->child];
	_cleanup_text_ struct text circle = TEXT_INIT;
	_cleanup_text_ struct text columns = TEXT_INIT;
	_cleanup_free_ char *message = NULL;

	text_append(&circle, first->entity->name);
	for (size_t i = 0; i < count; i++) {
		text_appendf(&circle, " → %s", binding->set->entities[steps[i].parent].name);
		append_step(&columns, ordering, &steps[i]);
	}
	message = text_format("%s: none of them can be written before the others, since no "
			      "reference of this cycle may be NULL at first: %s; have the target "
			      "allow NULL in one of these columns (deferrable constraints do "
			      "not help)",
			      text_string(&circle), text_string(&columns));
	binding_refuse(binding, first,
		       ordering->columns[steps[0].reference - ordering->references]->path, message);
}

/* --- the binding's order ------------------------------------------------------------------------- */

static void take_decisions(const struct ordering *ordering, const size_t *levels)
{
	struct binding *binding = ordering->binding;

	for (size_t i = 0; i < binding->set->count; i++) {
		binding->entities[i].level = levels[i];
		if (levels[i] >= binding->level_count)
			binding->level_count = levels[i] + 1;
	}
	for (size_t i = 0; i < ordering->count; i++) {
		struct bound_entity *bound = &binding->entities[ordering->references[i].child];
		struct written_column *written = ordering->written[i];
		bool itself = refers_to_itself(bound, ordering->columns[i]);

		if (written == NULL)
			continue;
		written->kin = itself && ordering->references[i].leeway == ORDER_NONE;
		written->deferred = ordering->references[i].deferred || (itself && !written->kin);
		bound->kin |= written->kin;
	}
}

/* By level; within a level as in the set, which is by name. */
static void sort(struct binding *binding)
{
	size_t count = 0;

	binding->order = memory_new((binding->set->count + 1) * sizeof(*binding->order));
	for (size_t level = 0; level < binding->level_count; level++)
		for (size_t i = 0; i < binding->set->count; i++)
			if (binding->entities[i].level == level)
				binding->order[count++] = i;
}

void circle_order(struct binding *binding)
{
	struct ordering ordering = { .binding = binding };
	size_t *levels = memory_new((binding->set->count + 1) * sizeof(*levels));

	for (size_t i = 0; i < binding->set->count; i++) {
		const struct entity *entity = binding->entities[i].entity;

		for (size_t j = 0; j < entity->column_count; j++)
			if (entity->columns[j].kind == COLUMN_REFERENCE)
				add_reference(&ordering, &binding->entities[i],
					      &entity->columns[j]);
	}
	order_find(binding->set->count, ordering.references, ordering.count, levels, on_circle,
		   &ordering);
	take_decisions(&ordering, levels);
	sort(binding);
	ordering_done(&ordering);
	free(levels);
}
