/*
 * Which entity waits for which, drawn in layers: a column for each level, references from left to right. A reference that passes over
 * columns has a place in each of them, so that it does not run behind other entities; within a column the order is such that few cross
 * (barycentres of the neighbours, as Sugiyama, Tagawa and Toda have it, IEEE SMC-11, 1981).
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/look.h"
#include "ctl/reply.h"
#include "ctl/report_page.h"

#define NODE_WIDTH 160.0
#define NODE_HEIGHT 44.0
#define GAP_X 52.0
#define SLOT 56.0    /* of an entity in its column */
#define PASSAGE 15.0 /* of a reference that passes */
#define TOP 26.0     /* for the heads of the columns */
#define NAME_COLUMNS 19
#define SWEEPS 24

struct node {
	const json_t *entity; /* NULL: a reference passes here */
	size_t column;
	double y; /* of its middle */
	double wish;
	size_t *before; /* the nodes that lines come from, and lead to */
	size_t before_count;
	size_t *after;
	size_t after_count;
};

/* From an entity to one that refers to it, by way of the nodes between them, from left to right. */
struct link {
	size_t *path;
	size_t count;
	bool later;
	bool back; /* the one that refers to it stands at the left */
};

struct graph {
	const json_t *entities;
	struct node *nodes;
	size_t node_count;
	struct link *links;
	size_t link_count;
	size_t **columns; /* the nodes of each, from top to bottom */
	size_t *heights;
	int64_t *levels;
	size_t column_count;
};

/* --- building it ---------------------------------------------------------------------------------- */

static size_t add_node(struct graph *graph, const json_t *entity, size_t column)
{
	graph->nodes = memory_grow(graph->nodes, graph->node_count + 1, sizeof graph->nodes[0]);
	graph->nodes[graph->node_count] = (struct node){ .entity = entity, .column = column };
	graph->columns[column] = memory_grow(graph->columns[column], graph->heights[column] + 1,
					     sizeof graph->columns[column][0]);
	graph->columns[column][graph->heights[column]++] = graph->node_count;
	return graph->node_count++;
}

static void add_neighbour(size_t **list, size_t *count, size_t node)
{
	*list = memory_grow(*list, *count + 1, sizeof **list);
	(*list)[(*count)++] = node;
}

static void add_to_path(struct graph *graph, struct link *link, size_t node)
{
	if (link->count > 0) {
		size_t last = link->path[link->count - 1];

		add_neighbour(&graph->nodes[last].after, &graph->nodes[last].after_count, node);
		add_neighbour(&graph->nodes[node].before, &graph->nodes[node].before_count, last);
	}
	add_neighbour(&link->path, &link->count, node);
}

static size_t node_of(const struct graph *graph, const char *name)
{
	size_t i = 0;

	while (i < json_array_size(graph->entities) &&
	       strcmp(reply_string_or(graph->nodes[i].entity, "entity", ""), name) != 0)
		i++;
	return i;
}

/* References within a column have no say in who stands where. */
static void add_link(struct graph *graph, size_t parent, size_t child, bool later)
{
	struct link link = { .later = later };
	size_t left = parent, right = child;

	if (graph->nodes[parent].column > graph->nodes[child].column) {
		link.back = true;
		left = child;
		right = parent;
	}
	if (graph->nodes[left].column < graph->nodes[right].column) {
		add_to_path(graph, &link, left);
		for (size_t column = graph->nodes[left].column + 1;
		     column < graph->nodes[right].column; column++)
			add_to_path(graph, &link, add_node(graph, NULL, column));
		add_to_path(graph, &link, right);
	} else {
		add_neighbour(&link.path, &link.count, left);
		add_neighbour(&link.path, &link.count, right);
	}
	graph->links = memory_grow(graph->links, graph->link_count + 1, sizeof graph->links[0]);
	graph->links[graph->link_count++] = link;
}

static void add_links(struct graph *graph, size_t child, const char *member, bool later)
{
	size_t i;
	json_t *name;

	json_array_foreach(json_object_get(graph->nodes[child].entity, member), i, name) {
		size_t parent = node_of(graph, json_is_string(name) ? json_string_value(name) : "");

		if (parent < json_array_size(graph->entities) && parent != child)
			add_link(graph, parent, child, later);
	}
}

/* Entities come by level; levels that nobody is on have no column. */
static void build(struct graph *graph, const json_t *entities)
{
	size_t count = json_array_size(entities), i;
	json_t *entity;

	*graph = (struct graph){ .entities = entities };
	graph->columns = memory_new((count + 1) * sizeof graph->columns[0]);
	graph->heights = memory_new((count + 1) * sizeof graph->heights[0]);
	graph->levels = memory_new((count + 1) * sizeof graph->levels[0]);
	json_array_foreach(entities, i, entity) {
		int64_t level = reply_integer(entity, "level");
		size_t last = graph->column_count;

		if (last == 0 || graph->levels[last - 1] != level)
			graph->levels[graph->column_count++] = level;
		add_node(graph, entity, graph->column_count - 1);
	}
	for (i = 0; i < count; i++) {
		add_links(graph, i, "refers_to", false);
		add_links(graph, i, "deferred_to", true);
	}
}

static void graph_done(struct graph *graph)
{
	for (size_t i = 0; i < graph->node_count; i++) {
		free(graph->nodes[i].before);
		free(graph->nodes[i].after);
	}
	for (size_t i = 0; i < graph->link_count; i++)
		free(graph->links[i].path);
	for (size_t i = 0; i < graph->column_count; i++)
		free(graph->columns[i]);
	free(graph->nodes);
	free(graph->links);
	free(graph->columns);
	free(graph->heights);
	free(graph->levels);
}

/* --- who stands where ----------------------------------------------------------------------------- */

static double room_of(const struct node *node)
{
	return node->entity ? SLOT : PASSAGE;
}

static double mean_y(const struct graph *graph, const size_t *nodes, size_t count, double otherwise)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += graph->nodes[nodes[i]].y;
	return count > 0 ? sum / (double)count : otherwise;
}

/* In the order of their wishes; those that wish the same stay as they are. */
static void sort_column(struct graph *graph, size_t column)
{
	size_t *nodes = graph->columns[column];

	for (size_t i = 1; i < graph->heights[column]; i++) {
		size_t node = nodes[i], j = i;

		for (; j > 0 && graph->nodes[nodes[j - 1]].wish > graph->nodes[node].wish; j--)
			nodes[j] = nodes[j - 1];
		nodes[j] = node;
	}
}

/* As near to their wishes as there is room: the mean of what comes of making room downwards and upwards. */
static void place_column(struct graph *graph, size_t column)
{
	const size_t *nodes = graph->columns[column];
	size_t count = graph->heights[column];
	double *down = memory_new((count + 1) * sizeof *down);
	double at = 0;

	for (size_t i = 0; i < count; i++) {
		const struct node *node = &graph->nodes[nodes[i]];
		double least = i == 0 ? node->wish
				      : at + (room_of(&graph->nodes[nodes[i - 1]]) +
					      room_of(node)) /
							2;

		at = node->wish > least ? node->wish : least;
		down[i] = at;
	}
	for (size_t i = count; i-- > 0;) {
		struct node *node = &graph->nodes[nodes[i]];
		double most = i + 1 == count ? node->wish
					     : at - (room_of(&graph->nodes[nodes[i + 1]]) +
						     room_of(node)) /
							       2;

		at = node->wish < most ? node->wish : most;
		node->y = (down[i] + at) / 2;
	}
	free(down);
}

static void stack_columns(struct graph *graph)
{
	for (size_t i = 0; i < graph->column_count; i++) {
		double y = 0, height = 0;

		for (size_t j = 0; j < graph->heights[i]; j++)
			height += room_of(&graph->nodes[graph->columns[i][j]]);
		y = -height / 2;
		for (size_t j = 0; j < graph->heights[i]; j++) {
			struct node *node = &graph->nodes[graph->columns[i][j]];

			node->y = y + room_of(node) / 2;
			y += room_of(node);
		}
	}
}

static void wish_of_column(struct graph *graph, size_t column, bool forth, bool both)
{
	for (size_t i = 0; i < graph->heights[column]; i++) {
		struct node *node = &graph->nodes[graph->columns[column][i]];
		double before = mean_y(graph, node->before, node->before_count, node->y);
		double after = mean_y(graph, node->after, node->after_count, node->y);

		if (both && node->before_count > 0 && node->after_count > 0)
			node->wish = (before + after) / 2;
		else if (both)
			node->wish = node->before_count > 0 ? before : after;
		else
			node->wish = forth ? before : after;
	}
}

static void arrange(struct graph *graph)
{
	stack_columns(graph);
	for (int sweep = 0; sweep < SWEEPS; sweep++) {
		bool forth = sweep % 2 == 0;
		bool settled = sweep >= SWEEPS / 2; /* the order stays, only places are mended */

		for (size_t i = 0; i < graph->column_count; i++) {
			size_t column = forth ? i : graph->column_count - 1 - i;

			wish_of_column(graph, column, forth, settled);
			if (!settled)
				sort_column(graph, column);
			place_column(graph, column);
		}
	}
}

#define ROW 6 /* entities in a row, where there is nothing but one column */

static double lay_out_in_rows(struct graph *graph, double *ret_height)
{
	size_t rows = (graph->node_count + ROW - 1) / ROW;

	for (size_t i = 0; i < graph->node_count; i++) {
		graph->nodes[i].column = i % ROW;
		graph->nodes[i].y = TOP + SLOT / 2 + SLOT * (double)(i / ROW);
	}
	*ret_height = TOP + SLOT * (double)rows;
	return (graph->node_count < ROW ? (double)graph->node_count : ROW) * (NODE_WIDTH + GAP_X) -
	       GAP_X;
}

/* Returns the width. */
static double lay_out(struct graph *graph, double *ret_height)
{
	double least = 0, most = 0;

	if (graph->column_count == 1 && graph->link_count == 0)
		return lay_out_in_rows(graph, ret_height);
	arrange(graph);
	for (size_t i = 0; i < graph->node_count; i++) {
		least = i == 0 || graph->nodes[i].y < least ? graph->nodes[i].y : least;
		most = i == 0 || graph->nodes[i].y > most ? graph->nodes[i].y : most;
	}
	for (size_t i = 0; i < graph->node_count; i++)
		graph->nodes[i].y += TOP + SLOT / 2 - least;
	*ret_height = TOP + SLOT + most - least;
	return (double)graph->column_count * (NODE_WIDTH + GAP_X) - GAP_X;
}

/* --- drawing it ----------------------------------------------------------------------------------- */

static double left_of(const struct node *node)
{
	return (double)node->column * (NODE_WIDTH + GAP_X);
}

/* A name that is too long keeps its beginning and its end. */
static void append_name(struct text *out, const char *name)
{
	size_t start = strlen(name);

	if (look_width(name) <= NAME_COLUMNS) {
		page_append(out, name);
		return;
	}
	_cleanup_free_ char *head = text_format("%.*s", (int)look_fit(name, NAME_COLUMNS - 9),
						name);

	while (start > 0 && look_width(name + start) < 8)
		do
			start--;
		while (start > 0 && ((unsigned char)name[start] & 0xc0) == 0x80);
	page_append(out, head);
	text_append(out, "…");
	page_append(out, name + start);
}

static bool refers_to_itself(const json_t *entity)
{
	size_t i;
	json_t *name;

	json_array_foreach(json_object_get(entity, "deferred_to"), i, name) {
		if (strcmp(json_is_string(name) ? json_string_value(name) : "",
			   reply_string_or(entity, "entity", "-")) == 0)
			return true;
	}
	return false;
}

static void append_node(struct text *out, const struct node *node)
{
	const char *state = reply_string_or(node->entity, "state", "-");
	const struct page_state *shown = page_state_of(state);
	bool itself = refers_to_itself(node->entity);
	char number[32];

	text_appendf(out, "<g class=\"node %s\"><title>", shown->tone);
	page_append(out, reply_string_or(node->entity, "entity", "-"));
	text_append(out, ": ");
	page_append(out, state);
	text_appendf(out, "%s</title><svg x=\"%.1f\" y=\"%.1f\" width=\"%g\" height=\"%g\">",
		     itself ? ", refers to itself" : "", left_of(node), node->y - NODE_HEIGHT / 2,
		     NODE_WIDTH, NODE_HEIGHT);
	text_appendf(out,
		     "<rect x=\"1.2\" y=\"1.2\" width=\"%g\" height=\"%g\" rx=\"8\"/>"
		     "<text x=\"11\" y=\"19\">",
		     NODE_WIDTH - 2.4, NODE_HEIGHT - 2.4);
	append_name(out, reply_string_or(node->entity, "entity", "-"));
	text_appendf(out, "</text><text class=\"under\" x=\"11\" y=\"35\">%s ", shown->sign);
	page_append(out, state);
	text_appendf(out, " · %s%s</text></svg></g>\n",
		     text_thousands(number, reply_integer(node->entity, "done")),
		     itself ? " ↻" : "");
}

/* Where a line leaves or meets a node, spread over its side in the order of what it comes from or leads to. */
static double port_of(const struct graph *graph, size_t at, size_t other, bool leaves)
{
	const struct node *node = &graph->nodes[at];
	const size_t *others = leaves ? node->after : node->before;
	size_t count = leaves ? node->after_count : node->before_count;
	size_t above = 0, seen = 0;

	if (!node->entity || count < 2)
		return node->y;
	for (size_t i = 0; i < count; i++) {
		if (graph->nodes[others[i]].y < graph->nodes[other].y)
			above++;
		seen += others[i] == other;
	}
	return node->y +
	       (NODE_HEIGHT - 16) * (((double)above + (double)seen / 2) / (double)count - 0.5);
}

/* To the right, or to the left where the reference leads back. */
static void append_arrow(struct text *out, const struct link *link, double x, double y, bool left)
{
	text_appendf(out, "<path class=\"arrow%s\" d=\"M%.1f,%.1f l%d,-3.6 v7.2 z\"/>\n",
		     link->later ? " later" : "", x, y, left ? 6 : -6);
}

/* Within a column: around the right side of both. */
static void append_loop(struct text *out, const struct link *link, const struct node *from,
			const struct node *to)
{
	double x = left_of(from) + NODE_WIDTH, reach = x + GAP_X * 0.6;

	text_appendf(out,
		     "<path class=\"edge%s\" d=\"M%.1f,%.1f C%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>",
		     link->later ? " later" : "", x, from->y, reach, from->y, reach, to->y, x + 5,
		     to->y);
	append_arrow(out, link, x + 1, to->y, true);
}

#define ARROW 5.0

static void append_link(struct text *out, const struct graph *graph, const struct link *link)
{
	const struct node *first = &graph->nodes[link->path[0]];
	const struct node *last = &graph->nodes[link->path[link->count - 1]];
	double x = left_of(first) + NODE_WIDTH + (link->back ? ARROW : 0);
	double first_y = 0, next_y = 0;

	if (first->column >= last->column) {
		append_loop(out, link, first, last);
		return;
	}
	text_appendf(out, "<path class=\"edge%s\" d=\"", link->later ? " later" : "");
	for (size_t i = 1; i < link->count; i++) {
		const struct node *node = &graph->nodes[link->path[i]];
		double y = port_of(graph, link->path[i - 1], link->path[i], true);
		double next_x = left_of(node) - (node->entity && !link->back ? ARROW : 0);

		first_y = i == 1 ? y : first_y;
		next_y = port_of(graph, link->path[i], link->path[i - 1], false);
		text_appendf(out, "%s%.1f,%.1f C%.1f,%.1f %.1f,%.1f %.1f,%.1f ", i == 1 ? "M" : "L",
			     x, y, (x + next_x) / 2, y, (x + next_x) / 2, next_y, next_x, next_y);
		x = left_of(node) + NODE_WIDTH;
	}
	text_append(out, "\"/>");
	if (link->back)
		append_arrow(out, link, left_of(first) + NODE_WIDTH + 1, first_y, true);
	else
		append_arrow(out, link, left_of(last) - 1, next_y, false);
}

static void append_drawing(struct text *out, struct graph *graph)
{
	double height, width = lay_out(graph, &height);

	text_appendf(out,
		     "<svg viewBox=\"-4 0 %.0f %.0f\" style=\"width:100%%;max-width:%.0fpx;"
		     "min-width:%.0fpx\" role=\"img\" aria-labelledby=\"graph-title graph-text\">"
		     "<title id=\"graph-title\">Order of the entities, with their states</title>"
		     "<desc id=\"graph-text\">The same stands in the list that follows.</desc>\n",
		     width + 8, height, width + 8, width * 0.78);
	for (size_t i = 0; i < graph->column_count; i++)
		text_appendf(out, "<text class=\"level\" x=\"%.1f\" y=\"13\">Level %d</text>",
			     (double)i * (NODE_WIDTH + GAP_X) + 2, (int)graph->levels[i]);
	text_append(out, "\n");
	for (size_t i = 0; i < graph->link_count; i++)
		append_link(out, graph, &graph->links[i]);
	for (size_t i = 0; i < graph->node_count; i++)
		if (graph->nodes[i].entity)
			append_node(out, &graph->nodes[i]);
	text_append(out, "</svg>\n");
}

/* --- the list ------------------------------------------------------------------------------------- */

static void append_names(struct text *out, const char *words, const json_t *names)
{
	_cleanup_free_ char *joined = reply_join(names);

	if (!joined[0])
		return;
	text_append(out, words);
	page_append(out, joined);
}

static void append_list(struct text *out, const struct graph *graph)
{
	text_append(out, "<ol class=\"levels\">\n");
	for (size_t i = 0; i < graph->column_count; i++) {
		text_appendf(out, "<li><strong>Level %d</strong>\n<ul>\n", (int)graph->levels[i]);
		for (size_t j = 0; j < json_array_size(graph->entities); j++) {
			const json_t *entity = graph->nodes[j].entity;
			const struct page_state *shown = page_state_of(
				reply_string_or(entity, "state", "-"));

			if (reply_integer(entity, "level") != graph->levels[i])
				continue;
			text_append(out, "<li><span class=\"name\">");
			page_append(out, reply_string_or(entity, "entity", "-"));
			text_appendf(out, "</span> <span class=\"state %s\">%s ", shown->tone,
				     shown->sign);
			page_append(out, reply_string_or(entity, "state", "-"));
			text_append(out, "</span><span class=\"refers\">");
			append_names(out, " after ", json_object_get(entity, "refers_to"));
			append_names(out,
				     "; filled in later: ", json_object_get(entity, "deferred_to"));
			text_append(out, "</span></li>\n");
		}
		text_append(out, "</ul></li>\n");
	}
	text_append(out, "</ol>\n");
}

void page_append_graph(struct text *out, const json_t *entities)
{
	struct graph graph;

	build(&graph, entities);
	text_append(out,
		    "<div class=\"card\">\n<div class=\"graph\" tabindex=\"0\" role=\"region\" "
		    "aria-label=\"Order of the entities\">\n");
	append_drawing(out, &graph);
	text_append(out, "</div>\n");
	append_list(out, &graph);
	text_append(out, "</div>\n");
	graph_done(&graph);
}
