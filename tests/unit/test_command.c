// The table of commands against the interface that is served, and finding one's way in it.
#include "tests/unit/testing.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/command.h"
#include "common/text.h"
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

static bool is_called_by_an_option(const char *method)
{
	for (const struct option_method *other = option_methods; other->method; other++)
		if (strcmp(other->method, method) == 0)
			return true;
	return false;
}

static void test_the_table_has_every_method_of_the_interface(void **state)
{
	char method[64];
	size_t by_option = 0, count = 0;

	(void)state;
	for (; interface_method(count, method, sizeof method); count++) {
		by_option += is_called_by_an_option(method);
		if (!command_by_method(method) && !is_called_by_an_option(method))
			fail_msg("%s stands in the interface and not in the table", method);
	}
	assert_int_equal(count, command_count + by_option);
}

// Does the comment above a method of the interface say what comes "with more"?
static bool is_said_to_stream(const char *method)
{
	const char *name = method + strlen("io.migrated.");
	_cleanup_free_ char *head = text_format("\nmethod %s(", name);
	const char *at = strstr(interface_io_migrated, head);
	const char *comment = at;

	assert_non_null(at);
	while (comment > interface_io_migrated && strncmp(comment - 1, "\n\n", 2) != 0)
		comment--;
	_cleanup_free_ char *words = text_format("%.*s", (int)(at - comment), comment);

	return strcasestr(words, "with more") != NULL;
}

static void
test_streaming_methods_are_those_that_the_interface_says_to_answer_more_than_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].streaming != is_said_to_stream(commands[i].method))
			fail_msg("%s: the table says %s", commands[i].method,
				 commands[i].streaming ? "streaming" : "not streaming");
}

// "Status" is named after "status", "ListDeadLetters" and "ListDeadLetter" after "dead-letters list", "ListParked" after "parked".
static bool is_named_after(const char *name, const char *verb)
{
	size_t first = strcspn(verb, " ");
	_cleanup_text_ struct text expected = TEXT_INIT;

	text_append(&expected, verb[first] ? verb + first + 1 : "");
	if (!verb[first] && strncmp(name, "List", 4) == 0 && strlen(name) > 4)
		text_append(&expected, "list");
	for (size_t i = 0; i < first; i++)
		if (verb[i] != '-')
			text_appendf(&expected, "%c", verb[i]);
	size_t length = strlen(name);

	return strncasecmp(name, text_string(&expected), length) == 0 &&
	       (expected.length == length ||
		(expected.length == length + 1 && expected.data[length] == 's')) &&
	       isupper((unsigned char)name[0]);
}

static void test_verbs_and_methods_belong_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];

		assert_ptr_equal(command_by_verb(command->verb), command);
		assert_ptr_equal(command_by_method(command->method), command);
		if (!is_named_after(strrchr(command->method, '.') + 1, command->verb))
			fail_msg("%s is no name for %s", command->method, command->verb);
		assert_true(strlen(command->help) > 0);
		assert_null(strchr(command->help, '\n'));
	}
	assert_null(command_by_verb("io.migrated.Status"));
	assert_null(command_by_method("status"));
	assert_null(command_by_verb(""));
}

static void test_what_changes_something_is_for_operators(void **state)
{
	static const char *const operate[] = { "detect",
					       "migrate",
					       "rollback",
					       "pause",
					       "resume",
					       "cancel",
					       "validate",
					       "reload",
					       "audit", /* shows what others have done */
					       "dead-letters retry",
					       "dead-letters discard",
					       "conflicts resolve" };
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < command_count; i++)
		count += commands[i].access == ACCESS_OPERATE;
	assert_int_equal(count, sizeof operate / sizeof operate[0]);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(command_by_verb(operate[i])->access, ACCESS_OPERATE);
}

// Of a line of at most three words, "" for none.
static char *nearest(const char *line)
{
	_cleanup_free_ char *copy = text_copy(line);
	const char *words[3];
	size_t count = 0;

	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		words[count++] = word;
	return command_nearest(words, count);
}

static void test_mistyped_verbs_suggest_the_nearest(void **state)
{
	static const struct {
		const char *typed;
		const char *meant;
	} cases[] = {
		{ "statsu", "status" },
		{ "wach 550e", "watch" },
		{ "migrat", "migrate" },
		{ "list", "list" },
		{ "frobnicate", NULL },
		{ "", NULL },
		{ "dead-leters", "dead-letters" },
		{ "deadletters", "dead-letters" },
		{ "dead-letters lsit", "dead-letters list" },
		{ "dead-leters list", "dead-letters list" },
		{ "dead-letters frobnicate", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_free_ char *found = nearest(cases[i].typed);

		if (cases[i].meant && !found)
			fail_msg("nothing is near to %s", cases[i].typed);
		assert_string_equal(found ? found : "", cases[i].meant ? cases[i].meant : "");
	}
}

static void test_verbs_of_two_words_are_found_and_the_first_alone_means_the_first_row(void **state)
{
	static const char *const list[] = { "dead-letters", "list", "42" };
	static const char *const unknown[] = { "dead-letters", "frobnicate" };
	static const char *const one[] = { "watch", "550e8400" };
	static const char *const glued[] = { "dead-letters list" };
	size_t taken;

	(void)state;
	assert_string_equal(command_by_words(list, 3, &taken)->verb, "dead-letters list");
	assert_int_equal(taken, 2);
	assert_string_equal(command_by_words(list, 1, &taken)->verb, "dead-letters list");
	assert_int_equal(taken, 1);
	assert_null(command_by_words(unknown, 2, &taken));
	assert_null(command_by_words(glued, 1, &taken));
	assert_null(command_by_words(one, 0, &taken));
	assert_string_equal(command_by_words(one, 2, &taken)->verb, "watch");
	assert_int_equal(taken, 1);
	assert_true(command_is_group("dead-letters"));
	assert_false(command_is_group("dead"));
	assert_false(command_is_group("watch"));
}

// The first row of a group is what its first word alone does: that should be harmless, and the rest stands with it.
static void test_groups_stand_together_and_begin_with_a_look(void **state)
{
	(void)state;
	for (size_t i = 1; i < command_count; i++) {
		_cleanup_free_ char *group = text_format("%.*s",
							 (int)strcspn(commands[i].verb, " "),
							 commands[i].verb);
		bool follows = command_within(&commands[i - 1], group) != NULL;

		if (!command_within(&commands[i], group))
			continue;
		for (size_t j = 0; !follows && j < i; j++)
			assert_null(command_within(&commands[j], group));
		if (!follows)
			assert_int_equal(commands[i].access, ACCESS_OBSERVE);
		assert_null(command_by_verb(group));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table_has_every_method_of_the_interface),
		cmocka_unit_test(
			test_streaming_methods_are_those_that_the_interface_says_to_answer_more_than_once),
		cmocka_unit_test(test_verbs_and_methods_belong_together),
		cmocka_unit_test(test_what_changes_something_is_for_operators),
		cmocka_unit_test(test_mistyped_verbs_suggest_the_nearest),
		cmocka_unit_test(
			test_verbs_of_two_words_are_found_and_the_first_alone_means_the_first_row),
		cmocka_unit_test(test_groups_stand_together_and_begin_with_a_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
