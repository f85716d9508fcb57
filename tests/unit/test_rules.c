// Business rules as they stand in an entity's file: a good one of each kind, and one row for each kind of bad one.
#include "tests/unit/testing.h"

#include <stdlib.h>

#include "common/text.h"
#include "tests/unit/config_files.h"

static void load(struct config_files *files, const char *rules)
{
	_cleanup_free_ char *json = text_format(
		"{'entity': 'orders', 'source': {'table': 't', 'key': 'id'},"
		" 'target': {'table': 't', 'key': 'id'}, 'rules': %s, 'columns': {'a': 'a'}}",
		rules);

	config_files_init(files);
	config_files_write(files, "entities.d/orders.json", json);
	config_files_load(files, NULL);
}

static void test_rules_keep_the_order_of_the_file(void **state)
{
	struct config_files files;

	(void)state;
	load(&files, "{'comment': 'as agreed with the lab',"
		     " 'price_is_positive': {'before': 'price >= 0', 'action': 'reject'},"
		     " 'has_office': {'after': 'office_id IS NOT NULL', 'action': 'warn',"
		     "                'comment': 'of the old offices some are missing'},"
		     " 'a1': {'action': 'warn', 'before': 'true'}}");
	assert_no_problem(&files);
	const struct entity *entity = entity_find(&files.config.entities, "orders");

	assert_int_equal(entity->rule_count, 3);
	assert_string_equal(entity->rules[0].name, "price_is_positive");
	assert_string_equal(entity->rules[0].path, "$.rules.price_is_positive.before");
	assert_string_equal(entity->rules[0].sql, "price >= 0");
	assert_false(entity->rules[0].after);
	assert_int_equal(entity->rules[0].action, RULE_REJECT);
	assert_string_equal(entity->rules[1].path, "$.rules.has_office.after");
	assert_string_equal(entity->rules[1].sql, "office_id IS NOT NULL");
	assert_true(entity->rules[1].after);
	assert_int_equal(entity->rules[1].action, RULE_WARN);
	assert_string_equal(entity->rules[2].name, "a1");
	assert_true(entity_has_rules(entity, false, RULE_REJECT));
	assert_true(entity_has_rules(entity, true, RULE_WARN));
	assert_false(entity_has_rules(entity, true, RULE_REJECT));
	config_files_done(&files);
}

#define LONG_NAME "a234567890123456789012345678901234567890123456789012345678901234"

static const struct {
	const char *rules, *path, *message;
} bad_rows[] = {
	{ "5", "$.rules", "expected an object, found a number" },
	{ "{'r': 'price > 0'}", "$.rules.r", "expected an object, found a string" },
	{ "{'r': {'before': 'true'}}", "$.rules.r", "'action' is missing" },
	{ "{'r': {'before': 'true', 'action': 'refuse'}}", "$.rules.r.action",
	  "expected 'reject' or 'warn', found 'refuse'" },
	{ "{'r': {'action': 'warn'}}", "$.rules.r",
	  "says nothing that must hold: write 'before', a condition of the row in the source, or "
	  "'after', of the row in the target" },
	{ "{'r': {'before': 'true', 'after': 'true', 'action': 'warn'}}", "$.rules.r",
	  "'before' and 'after' contradict each other: a rule is asked of the row in the source or "
	  "in the target; write two rules" },
	{ "{'r': {'before': '', 'action': 'warn'}}", "$.rules.r.before", "must not be empty" },
	{ "{'r': {'after': ' ', 'action': 'warn'}}", "$.rules.r.after", "must not be empty" },
	{ "{'r': {'before': 'a > 0; ', 'action': 'warn'}}", "$.rules.r.before",
	  "must not end with ';': it becomes part of a longer statement" },
	{ "{'r': {'before': 5, 'action': 'warn'}}", "$.rules.r.before",
	  "expected a string, found a number" },
	{ "{'r': {'befor': 'true', 'action': 'warn'}}", "$.rules.r",
	  "unknown key 'befor' (did you mean 'before'?)" },
	{ "{'Price': {'before': 'true', 'action': 'warn'}}", "$.rules.Price",
	  "'Price' is no name for a rule: a lower-case letter, then lower-case letters, digits "
	  "and '_', at most 63 bytes" },
	{ "{'" LONG_NAME "': {'before': 'true', 'action': 'warn'}}", "$.rules." LONG_NAME,
	  "'" LONG_NAME "' is no name for a rule: a lower-case letter, then lower-case letters, "
	  "digits and '_', at most 63 bytes" },
};

static void test_bad_rules_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++) {
		struct config_files files;

		load(&files, bad_rows[i].rules);
		assert_int_equal(files.problems.count, 1);
		assert_problem(&files, 0, "entities.d/orders.json", bad_rows[i].path,
			       bad_rows[i].message);
		config_files_done(&files);
	}
}

static void test_two_rules_of_one_name_are_refused(void **state)
{
	struct config_files files;

	(void)state;
	load(&files, "{'r': {'before': 'true', 'action': 'warn'},"
		     " 'r': {'after': 'true', 'action': 'warn'}}");
	assert_int_equal(files.problems.count, 1);
	assert_int_equal(files.problems.problems[0].line, 1);
	config_files_done(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_keep_the_order_of_the_file),
		cmocka_unit_test(test_bad_rules_are_named),
		cmocka_unit_test(test_two_rules_of_one_name_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
