// The reference graph: order, self-references, cycles broken where they may be and named where not.
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "tests/unit/config_files.h"

#define ENTITY_MAX 8

/*
 * A graph in few words: "orders: cases? offices; cases: orders". "?" stands for "if_missing":
 * "null", "!" for a column of the target key, "a|b" for alternatives.
 */
struct row {
	const char *graph;
	const char *order;    /* level and name: "0 offices, 1 cases, 2 orders" */
	const char *deferred; /* "orders.cases" */
	const char *cycle;    /* the one problem's cycle; NULL: no problem */
};

static void append_reference(struct text *columns, struct text *key, char *word)
{
	bool null = strchr(word, '?') != NULL, keyed = strchr(word, '!') != NULL;
	_cleanup_text_ struct text alternatives = TEXT_INIT;
	char *first = word;

	word[strcspn(word, "?!")] = '\0';
	_cleanup_free_ char *name = text_copy(word);
	for (char *entity; (entity = strsep(&first, "|"));) {
		text_separate(&alternatives, ", ");
		text_appendf(&alternatives, "{'entity': '%s', 'when': 'true'}", entity);
	}
	text_separate(columns, ", ");
	text_appendf(columns, "'%s': {'references': [%s], 'from': 'x'%s}", name,
		     text_string(&alternatives), null ? ", 'if_missing': 'null'" : "");
	if (keyed)
		text_appendf(key, ", '%s'", name);
}

static void write_entity(const struct config_files *files, char *line)
{
	_cleanup_text_ struct text columns = TEXT_INIT;
	_cleanup_text_ struct text key = TEXT_INIT;
	char *save = NULL;
	const char *name = strtok_r(line, ": ", &save);

	for (char *word; (word = strtok_r(NULL, ": ", &save));)
		append_reference(&columns, &key, word);
	if (key.length > 0) {
		text_separate(&columns, ", ");
		text_append(&columns, "'second': 's'");
	}
	_cleanup_free_ char *file = text_format("entities.d/%s.json", name);
	_cleanup_free_ char *json = text_format("{'entity': '%s', 'source': {'table': 't', 'key': "
						"'id'}, 'target': {'table': 't', 'key': %s%s%s},"
						" 'columns': {%s}}",
						name, key.length > 0 ? "['second'" : "'id'",
						text_string(&key), key.length > 0 ? "]" : "",
						text_string(&columns));

	config_files_write(files, file, json);
}

static void load_graph(struct config_files *files, const char *graph)
{
	_cleanup_free_ char *copy = text_copy(graph);
	char *rest = copy;

	config_files_init(files);
	for (char *line; (line = strsep(&rest, ";"));)
		write_entity(files, line);
	config_files_load(files, NULL);
}

static void describe(const struct entity_set *set, struct text *order, struct text *deferred)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct entity *entity = &set->entities[i];

		assert_int_equal(entity->index, i);
		text_separate(order, ", ");
		text_appendf(order, "%zu %s", entity->level, entity->name);
		for (size_t j = 0; j < entity->column_count; j++) {
			if (!entity->columns[j].deferred)
				continue;
			text_separate(deferred, ", ");
			text_appendf(deferred, "%s.%s", entity->name, entity->columns[j].name);
		}
	}
}

/* Parents that are waited for stand on a lower level, whatever the order of the files. */
static void check_levels(const struct entity_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		for (size_t j = 0; j < set->count; j++)
			if (entity_depends_on(&set->entities[i], &set->entities[j]))
				assert_true(set->entities[j].level < set->entities[i].level);
	assert_int_equal(set->level_count, set->entities[set->count - 1].level + 1);
}

static const struct row good_rows[] = {
	{ "a", "0 a", "", NULL },
	{ "a: b; b: c; c", "0 c, 1 b, 2 a", "", NULL },
	{ "a: b c; b: d; c; d", "0 c, 0 d, 1 b, 2 a", "", NULL },
	{ "a: b|c; b: c; c", "0 c, 1 b, 2 a", "", NULL },
	/* self-references are always deferred, alternatives included */
	{ "a: a", "0 a", "a.a", NULL },
	{ "a: a?; b: a", "0 a, 1 b", "a.a", NULL },
	{ "a: a|b; b", "0 a, 0 b", "a.a|b", NULL },
	/* a cycle is broken at the one reference that may be */
	{ "a: b?; b: a", "0 a, 1 b", "a.b", NULL },
	{ "a: b; b: a?", "0 b, 1 a", "b.a", NULL },
	{ "a: b; b: c; c: a?", "0 c, 1 b, 2 a", "c.a", NULL },
	/* of several that may be, no more than needed */
	{ "a: b?; b: a?", "0 b, 1 a", "b.a", NULL },
	{ "a: b?; b: c?; c: a?", "0 c, 1 b, 2 a", "c.a", NULL },
	/* one deferral for two cycles where one is enough */
	{ "a: b; b: c? d; c: a; d", "0 d, 1 b, 2 a, 3 c", "b.c", NULL },
	/* a reference that may be NULL but is on no cycle is left alone */
	{ "a: b? c?; b: a; c", "0 c, 1 a, 2 b", "a.b", NULL },
	/* two cycles that share an entity */
	{ "a: b? c?; b: a; c: a", "0 a, 1 b, 1 c", "a.b, a.c", NULL },
	/* a column with alternatives is deferred when one of them closes a cycle */
	{ "a: b|c?; b: a; c", "0 a, 0 c, 1 b", "a.b|c", NULL },
};

static void test_order_and_deferrals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good_rows / sizeof good_rows[0]; i++) {
		_cleanup_text_ struct text order = TEXT_INIT;
		_cleanup_text_ struct text deferred = TEXT_INIT;
		struct config_files files;

		load_graph(&files, good_rows[i].graph);
		assert_no_problem(&files);
		describe(&files.config.entities, &order, &deferred);
		assert_string_equal(text_string(&order), good_rows[i].order);
		assert_string_equal(text_string(&deferred), good_rows[i].deferred);
		check_levels(&files.config.entities);
		config_files_done(&files);
	}
}

static const struct row bad_rows[] = {
	{ .graph = "orders: cases; cases: orders", .cycle = "cases → orders → cases" },
	{ .graph = "a: b; b: c; c: a; d: a", .cycle = "a → b → c → a" },
	/* of two that share a reference, both */
	{ .graph = "a: b c; b: c; c: a", .cycle = "a → c → a" },
	{ .graph = "a: b c; b: c; c: a", .cycle = "a → b → c → a" },
	/* what is the key of its target cannot wait */
	{ .graph = "a: b!?; b: a", .cycle = "a → b → a" },
};

static bool is_said(const struct problem_list *list, const char *message)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->problems[i].message, message) == 0)
			return true;
	return false;
}

static void test_cycles_that_cannot_be_deferred_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0]; i++) {
		struct config_files files;
		_cleanup_free_ char *message =
			text_format("%s: no reference of this cycle may be filled in later; write "
				    "\"if_missing\": \"null\" on one whose column may be NULL",
				    bad_rows[i].cycle);

		load_graph(&files, bad_rows[i].graph);
		assert_false(files.loaded);
		assert_true(is_said(&files.problems, message));
		config_files_done(&files);
	}
}

/* "e0: e1? e3; e1; …": about two references an entity, each of which may be filled in later. */
static char *random_graph(unsigned *seed, int count)
{
	struct text graph = TEXT_INIT;

	for (int child = 0; child < count; child++) {
		text_separate(&graph, ";");
		text_appendf(&graph, "e%d:", child);
		for (int parent = 0; parent < count; parent++)
			if (rand_r(seed) % count < 2)
				text_appendf(&graph, " e%d?", parent);
	}
	return text_steal(&graph);
}

/* reaches[i][j]: does entity i wait, by however many steps, for entity j? (Warshall) */
static void close_transitively(const struct entity_set *set, bool reaches[ENTITY_MAX][ENTITY_MAX])
{
	for (size_t i = 0; i < set->count; i++)
		for (size_t j = 0; j < set->count; j++)
			reaches[i][j] = entity_depends_on(&set->entities[i], &set->entities[j]);
	for (size_t k = 0; k < set->count; k++)
		for (size_t i = 0; i < set->count; i++)
			for (size_t j = 0; j < set->count; j++)
				reaches[i][j] = reaches[i][j] || (reaches[i][k] && reaches[k][j]);
}

/* Each reference that is deferred would close a cycle if it were not. */
static void check_deferrals_needed(const struct entity_set *set)
{
	bool reaches[ENTITY_MAX][ENTITY_MAX];

	close_transitively(set, reaches);
	for (size_t i = 0; i < set->count; i++)
		for (size_t j = 0; j < set->entities[i].column_count; j++) {
			const struct column *column = &set->entities[i].columns[j];
			const struct entity *parent = column->references[0].entity;

			if (column->deferred)
				assert_true(parent->index == i || reaches[parent->index][i]);
		}
}

static void test_any_graph_of_nullable_references_is_ordered_with_no_deferral_too_many(void **state)
{
	(void)state;
	for (unsigned first_seed = 1; first_seed <= 200; first_seed++) {
		unsigned seed = first_seed;
		_cleanup_free_ char *graph = random_graph(&seed,
							  2 + rand_r(&seed) % (ENTITY_MAX - 1));
		struct config_files files;

		load_graph(&files, graph);
		if (!files.loaded)
			fail_msg("seed %u: %s", first_seed, graph);
		check_levels(&files.config.entities);
		check_deferrals_needed(&files.config.entities);
		config_files_done(&files);
	}
}

static void test_cycle_is_placed_at_its_first_reference(void **state)
{
	struct config_files files;

	(void)state;
	load_graph(&files, "orders: cases; cases: orders");
	assert_int_equal(files.problems.count, 1);
	assert_problem(
		&files, 0, "entities.d/cases.json", "$.columns.orders",
		"cases → orders → cases: no reference of this cycle may be filled in later; write "
		"'if_missing': 'null' on one whose column may be NULL");
	config_files_done(&files);
}

static void test_every_cycle_is_named(void **state)
{
	struct config_files files;

	(void)state;
	load_graph(&files, "a: b; b: a; c: d; d: c");
	assert_int_equal(files.problems.count, 2);
	assert_string_equal(files.problems.problems[0].path, "$.columns.b");
	assert_string_equal(files.problems.problems[1].path, "$.columns.d");
	config_files_done(&files);
}

static void test_key_that_refers_to_itself_is_named(void **state)
{
	struct config_files files;

	(void)state;
	load_graph(&files, "a: a!");
	assert_problem(&files, files.problems.count - 1, "entities.d/a.json", "$.columns.a",
		       "'a' refers to itself by a column of its target key, which cannot be "
		       "filled in later");
	config_files_done(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_deferrals),
		cmocka_unit_test(test_cycles_that_cannot_be_deferred_are_named),
		cmocka_unit_test(
			test_any_graph_of_nullable_references_is_ordered_with_no_deferral_too_many),
		cmocka_unit_test(test_cycle_is_placed_at_its_first_reference),
		cmocka_unit_test(test_every_cycle_is_named),
		cmocka_unit_test(test_key_that_refers_to_itself_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
