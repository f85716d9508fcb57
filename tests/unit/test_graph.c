// The reference graph of the files: in which order entities are listed, and what cannot be.
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "tests/unit/config_files.h"

/*
 * A graph in few words: "orders: cases offices; cases: orders". "!" stands for a column of the target key, "a|b" for
 * alternatives.
 */
struct row {
	const char *graph;
	const char *order; /* depth and name: "0 offices, 1 cases, 2 orders" */
};

static void append_reference(struct text *columns, struct text *key, char *word)
{
	bool keyed = strchr(word, '!') != NULL;
	_cleanup_text_ struct text alternatives = TEXT_INIT;
	char *first = word;

	word[strcspn(word, "!")] = '\0';
	_cleanup_free_ char *name = text_copy(word);
	for (char *entity; (entity = strsep(&first, "|"));) {
		text_separate(&alternatives, ", ");
		text_appendf(&alternatives, "{'entity': '%s', 'when': 'true'}", entity);
	}
	text_separate(columns, ", ");
	text_appendf(columns, "'%s': {'references': [%s], 'from': 'x'}", name,
		     text_string(&alternatives));
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

static void describe(const struct entity_set *set, struct text *order)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct entity *entity = &set->entities[i];

		assert_int_equal(entity->index, i);
		text_separate(order, ", ");
		text_appendf(order, "%zu %s", entity->depth, entity->name);
	}
}

static const struct row rows[] = {
	{ "a", "0 a" },
	{ "a: b; b: c; c", "0 c, 1 b, 2 a" },
	{ "a: b c; b: d; c; d", "0 c, 0 d, 1 b, 2 a" },
	{ "a: b|c; b: c; c", "0 c, 1 b, 2 a" },
	/* those that refer to each other, or to themselves, stand side by side */
	{ "a: a; b: a", "0 a, 1 b" },
	{ "a: b; b: a", "0 a, 0 b" },
	{ "a: b; b: c; c: a d; d; e: a", "0 d, 1 a, 1 b, 1 c, 2 e" },
	{ "a: b|c; b: a; c", "0 c, 1 a, 1 b" },
	{ "a: b; b: a c; c: d; d: c", "0 c, 0 d, 1 a, 1 b" },
};

/* Which of them goes first in a circle, and whether that is possible, only the target can say. */
static void test_parents_come_before_children_and_circles_are_no_problem_yet(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		_cleanup_text_ struct text order = TEXT_INIT;
		struct config_files files;

		load_graph(&files, rows[i].graph);
		assert_no_problem(&files);
		describe(&files.config.entities, &order);
		assert_string_equal(text_string(&order), rows[i].order);
		config_files_done(&files);
	}
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

/* Rows are recognised by that column, whichever entity brought them. */
static void test_entities_that_share_a_legacy_key_column_are_named(void **state)
{
	static const char *const entities[] = { "doctors", "nurses", "porters" };
	static const char *const columns[] = { "legacy_id", "legacy_id", "legacy_porter_id" };
	struct config_files files;

	(void)state;
	config_files_init(&files);
	for (size_t i = 0; i < 3; i++) {
		_cleanup_free_ char *file = text_format("entities.d/%s.json", entities[i]);
		_cleanup_free_ char *json = text_format(
			"{'entity': '%s', 'source': {'table': 't', 'key': 'id'}, 'target': {'table': "
			"'staff', 'key': 'id', 'legacy_key': '%s'}, 'columns': {}}",
			entities[i], columns[i]);

		config_files_write(&files, file, json);
	}
	config_files_load(&files, NULL);
	assert_int_equal(files.problems.count, 1);
	assert_string_equal(files.problems.problems[0].path, "$.target.legacy_key");
	assert_non_null(strstr(files.problems.problems[0].message, "\"doctors\" also writes to "
								   "this table"));
	config_files_done(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parents_come_before_children_and_circles_are_no_problem_yet),
		cmocka_unit_test(test_key_that_refers_to_itself_is_named),
		cmocka_unit_test(test_entities_that_share_a_legacy_key_column_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
