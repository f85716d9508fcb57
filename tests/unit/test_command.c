// The table of commands against the interface that is served, and finding one's way in it.
#include "tests/unit/testing.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/command.h"
#include "interface.h"

// The name of the n-th method of the interface, with the interface's; false when there are fewer.
static bool interface_method(size_t n, char *ret_method, size_t size)
{
	const char *at = interface_io_migrated;

	for (size_t i = 0; (at = strstr(at, "\nmethod ")); i++) {
		at += strlen("\nmethod ");
		if (i == n) {
			snprintf(ret_method, size, "io.migrated.%.*s", (int)strcspn(at, "("), at);
			return true;
		}
	}
	return false;
}

static void test_the_table_has_every_method_of_the_interface(void **state)
{
	char method[64];
	size_t count = 0;

	(void)state;
	for (; interface_method(count, method, sizeof method); count++)
		if (!command_by_method(method))
			fail_msg("%s stands in the interface and not in the table", method);
	assert_int_equal(count, command_count);
}

// The description's comment, or the parameters, of those that may be answered more than once speak
// of it.
static void test_streaming_methods_are_those_that_watch_and_analyze(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		bool streams = strcmp(commands[i].verb, "watch") == 0 ||
			       strcmp(commands[i].verb, "analyze") == 0;

		assert_int_equal(commands[i].streaming, streams);
	}
}

static void test_verbs_and_methods_belong_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];
		const char *name = strrchr(command->method, '.') + 1;

		assert_ptr_equal(command_by_verb(command->verb), command);
		assert_ptr_equal(command_by_method(command->method), command);
		assert_int_equal(tolower((unsigned char)name[0]), command->verb[0]);
		assert_string_equal(name + 1, command->verb + 1);
		assert_true(strlen(command->help) > 0);
		assert_null(strchr(command->help, '\n'));
	}
	assert_null(command_by_verb("io.migrated.Status"));
	assert_null(command_by_method("status"));
	assert_null(command_by_verb(""));
}

static void test_what_changes_something_is_for_operators(void **state)
{
	static const char *const operate[] = { "detect", "migrate", "pause", "resume", "cancel" };
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < command_count; i++)
		count += commands[i].access == ACCESS_OPERATE;
	assert_int_equal(count, sizeof operate / sizeof operate[0]);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(command_by_verb(operate[i])->access, ACCESS_OPERATE);
}

static void test_mistyped_verbs_suggest_the_nearest(void **state)
{
	(void)state;
	assert_string_equal(command_nearest("statsu"), "status");
	assert_string_equal(command_nearest("wach"), "watch");
	assert_string_equal(command_nearest("migrat"), "migrate");
	assert_string_equal(command_nearest("list"), "list");
	assert_null(command_nearest("frobnicate"));
	assert_null(command_nearest(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table_has_every_method_of_the_interface),
		cmocka_unit_test(test_streaming_methods_are_those_that_watch_and_analyze),
		cmocka_unit_test(test_verbs_and_methods_belong_together),
		cmocka_unit_test(test_what_changes_something_is_for_operators),
		cmocka_unit_test(test_mistyped_verbs_suggest_the_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
