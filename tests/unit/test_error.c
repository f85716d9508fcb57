// Errors: filled, extended, cut without breaking a character, named.
#include "tests/unit/testing.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

static void test_set_clears_what_was_there(void **state)
{
	struct error err = { .kind = ERROR_DATA, .sqlstate = "23505", .entity = "orders" };

	(void)state;
	assert_false(error_set(&err, ERROR_BUSY, "%d connections", 3));
	assert_int_equal(err.kind, ERROR_BUSY);
	assert_string_equal(err.message, "3 connections");
	assert_string_equal(err.sqlstate, "");
	assert_string_equal(err.entity, "");
}

static void test_set_may_quote_the_error_itself(void **state)
{
	struct error err = { .message = "inner" };

	(void)state;
	error_set(&err, ERROR_DATA, "outer (%s)", err.message);
	assert_string_equal(err.message, "outer (inner)");
}

static void test_context_goes_before_the_message(void **state)
{
	struct error err = { 0 };

	(void)state;
	error_set(&err, ERROR_DATA, "broken");
	assert_false(error_context(&err, "entity %s", "orders"));
	assert_false(error_context(&err, "session"));
	assert_string_equal(err.message, "session: entity orders: broken");
	assert_int_equal(err.kind, ERROR_DATA);
}

static void test_context_that_leaves_no_room_is_dropped(void **state)
{
	struct error err = { 0 };
	char context[600];

	(void)state;
	memset(context, 'x', sizeof context - 1);
	context[sizeof context - 1] = '\0';
	error_set(&err, ERROR_DATA, "broken");
	error_context(&err, "%s", context);
	assert_string_equal(err.message, "broken");
}

static void test_no_error_wanted_is_no_crash(void **state)
{
	(void)state;
	assert_false(error_set(NULL, ERROR_DATA, "x"));
	assert_false(error_context(NULL, "x"));
	assert_false(error_hint(NULL, "x"));
	error_clear(NULL);
}

static void test_hint_is_kept_until_cleared(void **state)
{
	struct error err = { 0 };

	(void)state;
	error_set(&err, ERROR_DATA, "broken");
	assert_false(error_hint(&err, "mend %s", "it"));
	assert_string_equal(err.hint, "mend it");
	error_clear(&err);
	assert_int_equal(err.kind, ERROR_NONE);
	assert_string_equal(err.hint, "");
}

// Wherever the cut falls, what is left can stand in JSON.
static void test_long_message_is_cut_between_characters(void **state)
{
	char padding[4] = "";

	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		char message[900] = "";
		struct error err = { 0 };

		strcat(message, padding);
		while (strlen(message) < 800)
			strcat(message, "€");
		error_set(&err, ERROR_DATA, "%s", message);
		assert_in_range(strlen(err.message), sizeof err.message - 4,
				sizeof err.message - 1);
		json_t *json = json_string(err.message);

		assert_non_null(json);
		json_decref(json);
		error_context(&err, "a");
		json = json_string(err.message);
		assert_non_null(json);
		json_decref(json);
		strcat(padding, "x");
	}
}

static void test_bytes_that_are_no_utf8_are_replaced(void **state)
{
	struct error err;

	(void)state;
	error_set(&err, ERROR_CONNECTION, "%s", "Datenbank \"m\xfcller\" gibt es nicht");
	assert_string_equal(err.message, "Datenbank \"m?ller\" gibt es nicht");
	error_set(&err, ERROR_CONNECTION, "%s", "M\xc3\xbcller \xe2\x82");
	assert_string_equal(err.message, "M\xc3\xbcller ??");
}

static void test_every_kind_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int kind = ERROR_NONE; kind <= ERROR_INTERNAL; kind++)
		for (int other = ERROR_NONE; other < kind; other++)
			assert_string_not_equal(error_kind_name((enum error_kind)kind),
						error_kind_name((enum error_kind)other));
	assert_string_equal(error_kind_name(ERROR_NOT_FOUND), "not_found");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_clears_what_was_there),
		cmocka_unit_test(test_set_may_quote_the_error_itself),
		cmocka_unit_test(test_context_goes_before_the_message),
		cmocka_unit_test(test_context_that_leaves_no_room_is_dropped),
		cmocka_unit_test(test_no_error_wanted_is_no_crash),
		cmocka_unit_test(test_hint_is_kept_until_cleared),
		cmocka_unit_test(test_long_message_is_cut_between_characters),
		cmocka_unit_test(test_bytes_that_are_no_utf8_are_replaced),
		cmocka_unit_test(test_every_kind_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
