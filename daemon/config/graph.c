/*
 * References resolved, cycles broken, levels counted. See graph.h.
 */
#include "config/graph.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* A reference of one entity to another (not to itself). It counts unless its column is deferred. */
struct edge {
	size_t child;
	size_t parent;
	struct column *column;
};

struct graph {
	struct entity_set *set;
	struct problem_list *problems;
	struct edge *edges; /* in the order of their children */
	size_t edge_count;
	size_t *first; /* of each child, its first edge; one more at the end */
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

/* A column of the target's key must be there from the start. */
static bool may_be_deferred(const struct entity *entity, const struct column *column)
{
	return !name_list_has(&entity->target_key, column->name);
}

static void defer_self_reference(const struct graph *graph, const struct entity *entity,
				 struct column *column)
{
	for (size_t i = 0; i < column->reference_count; i++)
		if (column->references[i].entity == entity)
			column->deferred = true;
	if (column->deferred && !may_be_deferred(entity, column))
		problem_add(
			graph->problems, entity->file, 0, column->path,
			"\"%s\" refers to itself by a column of its target key, which cannot be "
			"filled in later",
			entity->name);
}

static void add_edges(struct graph *graph, struct entity *entity, struct column *column)
{
	for (size_t i = 0; i < column->reference_count; i++) {
		const struct entity *parent = column->references[i].entity;

		if (!parent || parent == entity)
			continue;
		graph->edges = memory_grow(graph->edges, graph->edge_count + 1,
					   sizeof *graph->edges);
		graph->edges[graph->edge_count++] = (struct edge){ entity->index, parent->index,
								   column };
	}
}

static void collect_edges(struct graph *graph)
{
	struct entity_set *set = graph->set;

	graph->first = memory_new((set->count + 1) * sizeof *graph->first);
	for (size_t i = 0; i < set->count; i++) {
		struct entity *entity = &set->entities[i];

		graph->first[i] = graph->edge_count;
		for (size_t j = 0; j < entity->column_count; j++) {
			defer_self_reference(graph, entity, &entity->columns[j]);
			add_edges(graph, entity, &entity->columns[j]);
		}
	}
	graph->first[set->count] = graph->edge_count;
}

/*
 * Breadth first along references that are not deferred, from `start` until `goal` is met as
 * somebody's parent. came_by[v] is then the edge by which v was met first. The last edge of the
 * shortest way, or NULL.
 */
static const struct edge *search(const struct graph *graph, size_t start, size_t goal,
				 const struct edge **came_by)
{
	size_t *queue = memory_new((graph->set->count + 1) * sizeof *queue);
	const struct edge *found = NULL;
	size_t head = 0, tail = 0;

	memset(came_by, 0, graph->set->count * sizeof(const struct edge *));
	queue[tail++] = start;
	while (head < tail && !found) {
		size_t child = queue[head++];

		for (size_t i = graph->first[child]; i < graph->first[child + 1] && !found; i++) {
			const struct edge *edge = &graph->edges[i];

			if (edge->column->deferred)
				continue;
			if (edge->parent == goal)
				found = edge;
			else if (edge->parent != start && !came_by[edge->parent]) {
				came_by[edge->parent] = edge;
				queue[tail++] = edge->parent;
			}
		}
	}
	free(queue);
	return found;
}

/* Does this edge lie on a cycle? (It may itself be deferred.) */
static bool closes_cycle(const struct graph *graph, const struct edge *edge)
{
	const struct edge **came_by = memory_new(graph->set->count * sizeof(const struct edge *));
	bool closes = search(graph, edge->parent, edge->child, came_by) != NULL;

	free(came_by);
	return closes;
}

/* "orders → cases → orders", and the columns by which the first refers to the second are cut. */
static void report_cycle(struct graph *graph, size_t start, const struct edge *last,
			 const struct edge **came_by)
{
	const struct entity *entities = graph->set->entities;
	char *cycle = text_copy(entities[start].name);
	const struct edge *edge = last;

	for (;; edge = came_by[edge->child]) {
		char *longer = text_format("%s → %s", entities[edge->child].name, cycle);

		free(cycle);
		cycle = longer;
		if (edge->child == start)
			break;
	}
	problem_add(graph->problems, entities[start].file, 0, edge->column->path,
		    "%s: no reference of this cycle may be filled in later; write \"if_missing\": "
		    "\"null\" on one whose column may be NULL",
		    cycle);
	free(cycle);
	for (size_t i = graph->first[start]; i < graph->first[start + 1]; i++)
		if (graph->edges[i].parent == edge->parent)
			graph->edges[i].column->deferred = true;
}

static void report_cycles(struct graph *graph)
{
	size_t count = graph->set->count;
	const struct edge **came_by = memory_new(count * sizeof(const struct edge *));

	for (size_t i = 0; i < count; i++)
		for (const struct edge *last; (last = search(graph, i, i, came_by));)
			report_cycle(graph, i, last, came_by);
	free(came_by);
}

/*
 * Defers all references of cycles that may be, says which cycles are left, and takes back each
 * deferral without which there is no cycle: what remains is needed.
 */
static void break_cycles(struct graph *graph)
{
	bool *candidate = memory_new(graph->edge_count * sizeof *candidate);

	for (size_t i = 0; i < graph->edge_count; i++) {
		const struct edge *edge = &graph->edges[i];

		candidate[i] = !edge->column->deferred &&
			       edge->column->if_missing == IF_MISSING_NULL &&
			       may_be_deferred(&graph->set->entities[edge->child], edge->column) &&
			       closes_cycle(graph, edge);
	}
	for (size_t i = 0; i < graph->edge_count; i++)
		if (candidate[i])
			graph->edges[i].column->deferred = true;
	report_cycles(graph);
	for (size_t i = 0; i < graph->edge_count; i++) {
		struct column *column = graph->edges[i].column;
		bool needed = false;

		if (!candidate[i])
			continue;
		for (size_t j = graph->first[graph->edges[i].child];
		     j < graph->first[graph->edges[i].child + 1]; j++)
			needed = needed || (graph->edges[j].column == column &&
					    closes_cycle(graph, &graph->edges[j]));
		column->deferred = needed;
	}
	free(candidate);
}

static void count_levels(const struct graph *graph)
{
	struct entity *entities = graph->set->entities;
	bool changed = true;

	while (changed) { /* it ends: there is no cycle any more */
		changed = false;
		for (size_t i = 0; i < graph->edge_count; i++) {
			const struct edge *edge = &graph->edges[i];
			size_t level = entities[edge->parent].level + 1;

			if (edge->column->deferred || entities[edge->child].level >= level)
				continue;
			entities[edge->child].level = level;
			changed = true;
		}
	}
}

static int compare_entities(const void *a, const void *b)
{
	const struct entity *left = a, *right = b;

	if (left->level != right->level)
		return left->level < right->level ? -1 : 1;
	return strcmp(left->name, right->name);
}

static void sort_entities(const struct graph *graph)
{
	struct entity_set *set = graph->set;

	if (set->count == 0)
		return;
	qsort(set->entities, set->count, sizeof *set->entities, compare_entities);
	set->level_count = set->entities[set->count - 1].level + 1;
}

void graph_build(struct entity_set *set, struct problem_list *problems)
{
	struct graph graph = { .set = set, .problems = problems };

	check_names_unique(&graph);
	resolve(&graph, true);
	collect_edges(&graph);
	break_cycles(&graph);
	count_levels(&graph);
	sort_entities(&graph);
	resolve(&graph, false); /* the entities have moved */
	free(graph.edges);
	free(graph.first);
}
