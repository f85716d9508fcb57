/*
 * In which order entities are carried, and which of their references are filled in later: a graph, and nothing else.
 *
 * A reference has its entity wait for the parent's. Where references form a circle, one of them must give way: its column is
 * left NULL at first, and filled in a second pass. Which may give way, and how gladly, is its leeway; circles of references
 * none of which may are told. An entity's references to itself are left out: they do not bear upon the order of entities.
 *
 * Finding the fewest is NP-complete (Karp 1972, feedback arc set); what is found here cannot be made smaller by taking any of
 * it back, and takes back first what gives way least gladly.
 */
#ifndef DAEMON_CATALOG_ORDER_H
#define DAEMON_CATALOG_ORDER_H

#include <stdbool.h>
#include <stddef.h>

enum order_leeway {
	ORDER_NONE,	 /* its parent must be there first */
	ORDER_RELUCTANT, /* its column may be NULL, but a row without a parent is refused otherwise */
	ORDER_WILLING,	 /* its column may be NULL, and the row would wait otherwise */
	ORDER_GLAD,	 /* its column may be NULL, and is where a parent is missing */
};

/* One column that refers to others; a conditional one to several. */
struct order_reference {
	size_t child; /* entities are numbers from 0 */
	const size_t *parents;
	size_t parent_count;
	enum order_leeway leeway;
	bool deferred; /* comes out */
};

/* A circle that cannot be broken: the references that lead from each of its entities to the next, and to which of their
   parents; it begins with the entity of the lowest number. */
struct order_step {
	const struct order_reference *reference;
	size_t parent; /* the entity */
};
typedef void order_on_circle(void *arg, const struct order_step *steps, size_t count);

/* Sets `deferred` of each reference, and the level of each entity: 0 waits for nobody, else one more than the highest it waits
   for. Of circles that cannot be broken a shortest one is told for each entity, until none is left that was not told; they do
   not count any more then. */
void order_find(size_t entities, struct order_reference *references, size_t count,
		size_t *ret_levels, order_on_circle *on_circle, void *arg);

#endif
