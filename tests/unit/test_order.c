// The order of entities: what is deferred, what is told as a circle, which level each gets.
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/order.h"
#include "common/text.h"

#define MOST_ENTITIES 8
#define MOST_REFERENCES 40
#define MOST_PARENTS 3

/* A graph in few words: "a: b? c|d; b: a". Entities are letters; a reference without a mark may not be deferred, "?" is glad to
   be, "~" willing, "-" reluctant; "c|d" has alternatives. */
struct world {
	size_t entities;
	struct order_reference references[MOST_REFERENCES];
	size_t parents[MOST_REFERENCES][MOST_PARENTS];
	size_t count;
	size_t levels[MOST_ENTITIES];
	struct text circles; /* "a b" for a → b → a */
};

static void add_reference(struct world *world, size_t child, const char *word)
{
	struct order_reference *reference = &world->references[world->count];
	size_t *parents = world->parents[world->count++];

	*reference = (struct order_reference){ .child = child, .parents = parents };
	for (; *word != '\0'; word++) {
		if (*word >= 'a' && *word <= 'z')
			parents[reference->parent_count++] = (size_t)(*word - 'a');
		else if (*word != '|')
			reference->leeway = *word == '?'   ? ORDER_GLAD
					    : *word == '~' ? ORDER_WILLING
							   : ORDER_RELUCTANT;
	}
}

static void read_graph(struct world *world, const char *graph)
{
	_cleanup_free_ char *copy = text_copy(graph);
	char *rest = copy;

	*world = (struct world){ .circles = TEXT_INIT };
	for (char *line; (line = strsep(&rest, ";")) != NULL; world->entities++) {
		char *save = NULL;

		strtok_r(line, ": ", &save);
		for (char *word; (word = strtok_r(NULL, ": ", &save)) != NULL;)
			add_reference(world, world->entities, word);
	}
}

static void on_circle(void *arg, const struct order_step *steps, size_t count)
{
	struct world *world = arg;

	text_separate(&world->circles, ", ");
	for (size_t i = 0; i < count; i++) {
		text_appendf(&world->circles, "%s%c", i > 0 ? " " : "",
			     'a' + (int)steps[i].reference->child);
		assert_int_equal(steps[i].parent, steps[(i + 1) % count].reference->child);
		assert_int_equal(steps[i].reference->leeway, ORDER_NONE);
	}
}

static void find(struct world *world)
{
	order_find(world->entities, world->references, world->count, world->levels, on_circle,
		   world);
}

/* --- by example -------------------------------------------------------------------------------- */

static const struct row {
	const char *graph;
	const char *levels;   /* of a, b, c … */
	const char *deferred; /* "a.b": the parents of the reference */
	const char *circles;
} rows[] = {
	{ "a", "0", "", "" },
	{ "a: b; b: c; c", "210", "", "" },
	{ "a: b c; b: d; c; d", "2100", "", "" },
	/* references to oneself do not bear upon it */
	{ "a: a; b: a", "01", "", "" },
	{ "a: a? b; b", "10", "", "" },
	/* a circle is broken at the one that may be deferred */
	{ "a: b?; b: a", "01", "a.b", "" },
	{ "a: b; b: a~", "10", "b.a", "" },
	{ "a: b; b: c; c: a-", "210", "c.a", "" },
	/* of several, at the one that is most glad, whoever comes first */
	{ "a: b~; b: a?", "10", "b.a", "" },
	{ "a: b?; b: a~", "01", "a.b", "" },
	{ "a: b-; b: a~", "10", "b.a", "" },
	{ "a: b~; b: c-; c: a?", "210", "c.a", "" },
	/* one deferral for two circles where one is enough */
	{ "a: b; b: c? d; c: a; d", "2130", "b.c", "" },
	/* a reference that might be deferred but is on no circle is left alone */
	{ "a: b? c?; b: a; c", "120", "a.b", "" },
	/* two circles that share an entity */
	{ "a: b? c?; b: a; c: a", "011", "a.b a.c", "" },
	/* all alternatives are deferred when one of them closes a circle */
	{ "a: b|c?; b: a; c", "010", "a.bc", "" },
	/* what cannot be broken is told, once for each circle */
	{ "a: b; b: a", "01", "", "a b" },
	{ "a: b; b: c; c: a; d: a", "0211", "", "a b c" },
	{ "a: b; b: a; c: d; d: c", "0101", "", "a b, c d" },
	{ "a: b c; b: c; c: a", "021", "", "a c, a b c" },
	/* and the rest is still put in order */
	{ "a: b; b: a; c: d~; d: c", "0101", "c.d", "a b" },
};

static void append_deferred(struct text *text, const struct order_reference *reference)
{
	text_separate(text, " ");
	text_appendf(text, "%c.", 'a' + (int)reference->child);
	for (size_t i = 0; i < reference->parent_count; i++)
		text_appendf(text, "%c", 'a' + (int)reference->parents[i]);
}

static void test_circles_are_broken_where_it_is_least_felt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		_cleanup_text_ struct text levels = TEXT_INIT;
		_cleanup_text_ struct text deferred = TEXT_INIT;
		struct world world;

		read_graph(&world, rows[i].graph);
		find(&world);
		for (size_t j = 0; j < world.entities; j++)
			text_appendf(&levels, "%zu", world.levels[j]);
		for (size_t j = 0; j < world.count; j++)
			if (world.references[j].deferred)
				append_deferred(&deferred, &world.references[j]);
		if (strcmp(text_string(&levels), rows[i].levels) != 0 ||
		    strcmp(text_string(&deferred), rows[i].deferred) != 0 ||
		    strcmp(text_string(&world.circles), rows[i].circles) != 0)
			fail_msg("%s: levels %s, deferred %s, circles %s", rows[i].graph,
				 text_string(&levels), text_string(&deferred),
				 text_string(&world.circles));
		text_done(&world.circles);
	}
}

/* --- at random --------------------------------------------------------------------------------- */

typedef bool closure[MOST_ENTITIES][MOST_ENTITIES];

/* reaches[i][j]: does i wait, by however many steps, for j? With `only`, by references that may not be deferred at all. (Warshall) */
static void close_transitively(const struct world *world, bool only, closure reaches)
{
	memset(reaches, 0, sizeof(closure));
	for (size_t i = 0; i < world->count; i++) {
		const struct order_reference *reference = &world->references[i];

		for (size_t j = 0; j < reference->parent_count; j++)
			if (reference->parents[j] != reference->child && !reference->deferred &&
			    (!only || reference->leeway == ORDER_NONE))
				reaches[reference->child][reference->parents[j]] = true;
	}
	for (size_t k = 0; k < world->entities; k++)
		for (size_t i = 0; i < world->entities; i++)
			for (size_t j = 0; j < world->entities; j++)
				reaches[i][j] = reaches[i][j] || (reaches[i][k] && reaches[k][j]);
}

static bool has_circle(const struct world *world, bool only)
{
	closure reaches;

	close_transitively(world, only, reaches);
	for (size_t i = 0; i < world->entities; i++)
		if (reaches[i][i])
			return true;
	return false;
}

/* Without it there would be a circle; so none can be taken back. */
static bool is_needed(struct world *world, struct order_reference *reference)
{
	bool needed;

	reference->deferred = false;
	needed = has_circle(world, false);
	reference->deferred = true;
	return needed;
}

static void check_levels(const struct world *world)
{
	for (size_t i = 0; i < world->count; i++) {
		const struct order_reference *reference = &world->references[i];

		for (size_t j = 0; j < reference->parent_count; j++)
			if (!reference->deferred && reference->parents[j] != reference->child)
				assert_true(world->levels[reference->parents[j]] <
					    world->levels[reference->child]);
	}
}

static char *random_graph(unsigned *seed)
{
	static const char marks[] = "?~-   ";
	int entities = 2 + rand_r(seed) % (MOST_ENTITIES - 1);
	struct text graph = TEXT_INIT;

	for (int child = 0; child < entities; child++) {
		text_separate(&graph, ";");
		text_appendf(&graph, "%c:", 'a' + child);
		for (int i = rand_r(seed) % 4; i > 0; i--) {
			text_appendf(&graph, " %c", 'a' + rand_r(seed) % entities);
			if (rand_r(seed) % 5 == 0)
				text_appendf(&graph, "|%c", 'a' + rand_r(seed) % entities);
			text_appendf(&graph, "%c", marks[rand_r(seed) % 6]);
		}
	}
	return text_steal(&graph);
}

static void test_any_graph_is_ordered_with_no_deferral_that_is_not_needed(void **state)
{
	unsigned broken = 0, unbreakable = 0;

	(void)state;
	for (unsigned first_seed = 1; first_seed <= 2000; first_seed++) {
		unsigned seed = first_seed;
		_cleanup_free_ char *graph = random_graph(&seed);
		struct world world;
		bool hopeless, told;

		read_graph(&world, graph);
		hopeless = has_circle(&world, true);
		find(&world);
		told = world.circles.length > 0;
		text_done(&world.circles);
		if (told != hopeless)
			fail_msg("seed %u: %s", first_seed, graph);
		unbreakable += hopeless;
		for (size_t i = 0; i < world.count; i++) {
			broken += world.references[i].deferred;
			if (world.references[i].deferred &&
			    world.references[i].leeway == ORDER_NONE)
				fail_msg("seed %u: %s: deferred what may not be", first_seed,
					 graph);
		}
		if (hopeless)
			continue;
		if (has_circle(&world, false))
			fail_msg("seed %u: %s: a circle is left", first_seed, graph);
		for (size_t i = 0; i < world.count; i++)
			if (world.references[i].deferred &&
			    !is_needed(&world, &world.references[i]))
				fail_msg("seed %u: %s: deferred in vain", first_seed, graph);
		check_levels(&world);
	}
	assert_in_range(broken, 100, 100000);
	assert_in_range(unbreakable, 100, 1900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_circles_are_broken_where_it_is_least_felt),
		cmocka_unit_test(test_any_graph_is_ordered_with_no_deferral_that_is_not_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
