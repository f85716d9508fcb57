/*
 * References resolved, and entities put into an order. See graph.h.
 */
#include "config/graph.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

struct graph {
	struct entity_set *set;
	struct problem_list *problems;
};

static void unknown_entity(const struct graph *graph, const struct entity *child, const char *path,
			   const char *name)
{
	const struct entity_set *set = graph->set;
	const char **names = memory_new(set->count * sizeof *names);
	const char *nearest;

	for (size_t i = 0; i < set->count; i++)
		names[i] = set->entities[i].name;
	nearest = text_nearest(name, names, set->count);
	if (nearest)
		problem_add(graph->problems, child->file, 0, path,
			    "there is no entity \"%s\" (did you mean \"%s\"?)", name, nearest);
	else
		problem_add(graph->problems, child->file, 0, path, "there is no entity \"%s\"",
			    name);
	free(names);
}

static char *reference_path(const struct column *column, size_t i)
{
	return column->reference_count == 1
		       ? text_format("%s.references", column->path)
		       : text_format("%s.references[%zu].entity", column->path, i);
}

static void check_parent_key(const struct graph *graph, const struct entity *child,
			     const struct column *column, const struct entity *parent,
			     const char *path)
{
	if (parent->target_key.count > 1)
		problem_add(graph->problems, child->file, 0, path,
			    "\"%s\" cannot be referred to: the key of its target has %zu columns",
			    parent->name, parent->target_key.count);
	if (column->from.count == 0 || parent->source_key.count == 0 ||
	    column->from.count == parent->source_key.count)
		return;
	_cleanup_free_ char *from_path = text_format("%s.from", column->path);

	problem_add(graph->problems, child->file, 0, from_path,
		    "has %zu column%s, but the source key of \"%s\" has %zu", column->from.count,
		    column->from.count == 1 ? "" : "s", parent->name, parent->source_key.count);
}

/* Sets the pointers of one column's references. `say` reports what is wrong; they are set again
 * after sorting. */
static void resolve_column(const struct graph *graph, const struct entity *child,
			   struct column *column, bool say)
{
	for (size_t i = 0; i < column->reference_count; i++) {
		struct reference *reference = &column->references[i];
		_cleanup_free_ char *path = reference_path(column, i);

		if (!reference->entity_name)
			continue; /* was said when it was read */
		reference->entity = entity_find(graph->set, reference->entity_name);
		if (!say)
			continue;
		if (!reference->entity)
			unknown_entity(graph, child, path, reference->entity_name);
		else
			check_parent_key(graph, child, column, reference->entity, path);
	}
}

static void resolve(const struct graph *graph, bool say)
{
	for (size_t i = 0; i < graph->set->count; i++) {
		struct entity *entity = &graph->set->entities[i];

		entity->index = i;
		for (size_t j = 0; j < entity->column_count; j++)
			resolve_column(graph, entity, &entity->columns[j], say);
	}
}

static void check_names_unique(const struct graph *graph)
{
	for (size_t i = 0; i < graph->set->count; i++) {
		const struct entity *entity = &graph->set->entities[i];
		const struct entity *first = entity_find(graph->set, entity->name);

		if (first != entity)
			problem_add(graph->problems, entity->file, 0, "$.entity",
				    "\"%s\" is also the entity of %s", entity->name, first->file);
	}
}

/* What is the key of a row cannot come from another row that does not have its own yet. */
static void check_not_its_own_key(const struct graph *graph, const struct entity *entity)
{
	for (size_t i = 0; i < entity->column_count; i++) {
		const struct column *column = &entity->columns[i];

		for (size_t j = 0; j < column->reference_count; j++)
			if (column->references[j].entity == entity &&
			    name_list_has(&entity->target_key, column->name))
				problem_add(graph->problems, entity->file, 0, column->path,
					    "\"%s\" refers to itself by a column of its target "
					    "key, which cannot be filled in later",
					    entity->name);
	}
}

/* --- an order to list them in -------------------------------------------------------------------- */

/* reaches[i * count + j]: does entity i refer, by however many steps, to entity j? (Warshall) */
static bool *reachability(const struct entity_set *set)
{
	size_t count = set->count;
	bool *reaches = memory_new((count * count + 1) * sizeof(*reaches));

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			reaches[i * count + j] = entity_refers_to(&set->entities[i],
								  &set->entities[j]);
	for (size_t k = 0; k < count; k++)
		for (size_t i = 0; i < count; i++)
			for (size_t j = 0; reaches[i * count + k] && j < count; j++)
				reaches[i * count + j] |= reaches[k * count + j];
	return reaches;
}

/* What refers to each other in a circle stands on the same level. */
static void count_levels(const struct entity_set *set)
{
	size_t count = set->count;
	bool *reaches = reachability(set);
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < count * count; i++) {
			struct entity *child = &set->entities[i / count];
			const struct entity *parent = &set->entities[i % count];
			bool circle = reaches[parent->index * count + child->index];

			if (!reaches[i] || child->depth >= parent->depth + !circle)
				continue;
			child->depth = parent->depth + !circle;
			changed = true;
		}
	}
	free(reaches);
}

static int compare_entities(const void *a, const void *b)
{
	const struct entity *left = a, *right = b;

	if (left->depth != right->depth)
		return left->depth < right->depth ? -1 : 1;
	return strcmp(left->name, right->name);
}

static void sort_entities(const struct graph *graph)
{
	struct entity_set *set = graph->set;

	if (set->count > 0)
		qsort(set->entities, set->count, sizeof *set->entities, compare_entities);
}

static bool have_one_target(const struct entity *a, const struct entity *b)
{
	return a->target_table && b->target_table && a->target_schema && b->target_schema &&
	       strcmp(a->target_table, b->target_table) == 0 &&
	       strcmp(a->target_schema, b->target_schema) == 0;
}

/* Rows that are there already are recognised by their legacy key, whichever entity brought them: so two entities that keep theirs in
 * one column would take, change and delete each other's rows. */
static void check_legacy_columns(const struct graph *graph, const struct entity *entity)
{
	for (const struct entity *other = graph->set->entities; other < entity; other++)
		for (size_t i = 0; i < entity->legacy_key.count; i++)
			if (have_one_target(other, entity) &&
			    name_list_has(&other->legacy_key, entity->legacy_key.names[i]))
				problem_add(graph->problems, entity->file, 0, "$.target.legacy_key",
					    "\"%s\" also writes to this table and keeps its legacy "
					    "key in the column \"%s\": each would take the other's "
					    "rows for its own",
					    other->name, entity->legacy_key.names[i]);
}

void graph_build(struct entity_set *set, struct problem_list *problems)
{
	struct graph graph = { .set = set, .problems = problems };

	check_names_unique(&graph);
	resolve(&graph, true);
	for (size_t i = 0; i < set->count; i++)
		check_not_its_own_key(&graph, &set->entities[i]);
	for (size_t i = 0; i < set->count; i++)
		check_legacy_columns(&graph, &set->entities[i]);
	count_levels(set);
	sort_entities(&graph);
	resolve(&graph, false); /* the entities have moved */
}
