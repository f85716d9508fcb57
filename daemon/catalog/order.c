/*
 * See order.h. Graphs here have some hundred entities at most, so that ways are searched anew for each question.
 */
#include "catalog/order.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* One alternative of a reference. */
struct edge {
	struct order_reference *reference;
	size_t child;
	size_t parent;
	bool told; /* is on a circle that was told, and does not count any more */
};

struct graph {
	size_t entities;
	struct order_reference *references;
	size_t count;
	struct edge *edges; /* in the order of their children */
	size_t edge_count;
	size_t *first; /* of each entity, its first edge; one more at the end */
	const struct edge **came_by;
	size_t *queue;
};

static bool counts(const struct edge *edge)
{
	return !edge->told && !edge->reference->deferred;
}

static void add_edges(struct graph *graph, struct order_reference *reference)
{
	for (size_t i = 0; i < reference->parent_count; i++) {
		if (reference->parents[i] == reference->child)
			continue;
		graph->edges = memory_grow(graph->edges, graph->edge_count + 1,
					   sizeof(*graph->edges));
		graph->edges[graph->edge_count++] = (struct edge){
			.reference = reference,
			.child = reference->child,
			.parent = reference->parents[i],
		};
	}
}

static void collect_edges(struct graph *graph)
{
	graph->first = memory_new((graph->entities + 1) * sizeof(*graph->first));
	for (size_t child = 0; child < graph->entities; child++) {
		graph->first[child] = graph->edge_count;
		for (size_t i = 0; i < graph->count; i++)
			if (graph->references[i].child == child)
				add_edges(graph, &graph->references[i]);
	}
	graph->first[graph->entities] = graph->edge_count;
}

/* Breadth first along edges that count, from `start`, until `goal` is met as somebody's parent: the last edge of a shortest
   way, or NULL. came_by[v] is then the edge by which v was met first. */
static const struct edge *search(struct graph *graph, size_t start, size_t goal)
{
	size_t head = 0, tail = 0;

	memset(graph->came_by, 0, graph->entities * sizeof(*graph->came_by));
	graph->queue[tail++] = start;
	while (head < tail) {
		size_t child = graph->queue[head++];

		for (size_t i = graph->first[child]; i < graph->first[child + 1]; i++) {
			const struct edge *edge = &graph->edges[i];

			if (!counts(edge))
				continue;
			if (edge->parent == goal)
				return edge;
			if (edge->parent == start || graph->came_by[edge->parent] != NULL)
				continue;
			graph->came_by[edge->parent] = edge;
			graph->queue[tail++] = edge->parent;
		}
	}
	return NULL;
}

/* Would there be a circle through it, if it counted? */
static bool closes_circle(struct graph *graph, const struct order_reference *reference)
{
	for (size_t i = 0; i < reference->parent_count; i++)
		if (reference->parents[i] != reference->child &&
		    search(graph, reference->parents[i], reference->child) != NULL)
			return true;
	return false;
}

static void tell_circle(struct graph *graph, size_t start, const struct edge *last,
			order_on_circle *on_circle, void *arg)
{
	struct order_step *steps = memory_new((graph->entities + 1) * sizeof(*steps));
	size_t count = graph->entities;
	const struct edge *edge = last;

	for (;; edge = graph->came_by[edge->child]) {
		steps[--count] = (struct order_step){ edge->reference, edge->parent };
		graph->edges[edge - graph->edges].told |= edge->child == start;
		if (edge->child == start)
			break;
	}
	on_circle(arg, steps + count, graph->entities - count);
	free(steps);
}

static void tell_circles(struct graph *graph, order_on_circle *on_circle, void *arg)
{
	for (size_t i = 0; i < graph->entities; i++)
		for (const struct edge *last; (last = search(graph, i, i)) != NULL;)
			tell_circle(graph, i, last, on_circle, arg);
}

/* Those that are on a circle, all of them at first. */
static void defer_all(struct graph *graph)
{
	bool *on_circle = memory_new((graph->count + 1) * sizeof(*on_circle));

	for (size_t i = 0; i < graph->count; i++)
		on_circle[i] = graph->references[i].leeway != ORDER_NONE &&
			       closes_circle(graph, &graph->references[i]);
	for (size_t i = 0; i < graph->count; i++)
		graph->references[i].deferred = on_circle[i];
	free(on_circle);
}

static void take_back(struct graph *graph, enum order_leeway leeway)
{
	for (size_t i = 0; i < graph->count; i++) {
		struct order_reference *reference = &graph->references[i];

		if (reference->deferred && reference->leeway == leeway)
			reference->deferred = closes_circle(graph, reference);
	}
}

static void count_levels(const struct graph *graph, size_t *ret_levels)
{
	bool changed = true;

	memset(ret_levels, 0, graph->entities * sizeof(*ret_levels));
	while (changed) { /* it ends: there is no circle any more */
		changed = false;
		for (size_t i = 0; i < graph->edge_count; i++) {
			const struct edge *edge = &graph->edges[i];
			size_t level = ret_levels[edge->parent] + 1;

			if (!counts(edge) || ret_levels[edge->child] >= level)
				continue;
			ret_levels[edge->child] = level;
			changed = true;
		}
	}
}

void order_find(size_t entities, struct order_reference *references, size_t count,
		size_t *ret_levels, order_on_circle *on_circle, void *arg)
{
	struct graph graph = { .entities = entities, .references = references, .count = count };

	graph.came_by = memory_new((entities + 1) * sizeof(*graph.came_by));
	graph.queue = memory_new((entities + 1) * sizeof(*graph.queue));
	for (size_t i = 0; i < count; i++)
		references[i].deferred = false;
	collect_edges(&graph);
	defer_all(&graph);
	tell_circles(&graph, on_circle, arg);
	for (int leeway = ORDER_RELUCTANT; leeway <= ORDER_GLAD; leeway++)
		take_back(&graph, leeway);
	count_levels(&graph, ret_levels);
	free(graph.edges);
	free(graph.first);
	free(graph.came_by);
	free(graph.queue);
}
