/*
 * Legacy keys in their text form: what store_key_literal() writes, store_key_parse() reads, and both are what
 * PostgreSQL writes and reads.
 */
#include "tests/unit/testing.h"

#include <stdlib.h>

#include "store/store.h"

static const struct {
	const char *literal;
	const char *parts[3];
	size_t count;
} keys[] = {
	{ "{\"42\"}", { "42" }, 1 },
	{ "{\"-7\",\"2026-01-05\"}", { "-7", "2026-01-05" }, 2 },
	{ "{\"\"}", { "" }, 1 },
	{ "{\"a,b\",\"{c}\"}", { "a,b", "{c}" }, 2 },
	{ "{\"say \\\"hi\\\"\",\"back\\\\slash\"}", { "say \"hi\"", "back\\slash" }, 2 },
	{ "{\"NULL\",\"é ü\",\" \"}", { "NULL", "é ü", " " }, 3 },
};

#define KEY_COUNT (sizeof keys / sizeof keys[0])

static void assert_parts(const char *literal, const char *const *parts, size_t count)
{
	size_t parsed_count;
	char **parsed = store_key_parse(literal, &parsed_count);

	assert_int_equal(parsed_count, count);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(parsed[i], parts[i]);
		free(parsed[i]);
	}
	free(parsed);
}

static void test_what_is_written_is_read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEY_COUNT; i++) {
		char *literal = store_key_literal(keys[i].parts, keys[i].count);

		assert_string_equal(literal, keys[i].literal);
		assert_parts(literal, keys[i].parts, keys[i].count);
		free(literal);
	}
}

/* The server quotes only what it must. */
static void test_plain_elements_are_read(void **state)
{
	(void)state;
	assert_parts("{42}", (const char *const[]){ "42" }, 1);
	assert_parts("{a,\"b c\",d}", (const char *const[]){ "a", "b c", "d" }, 3);
	assert_parts("{}", NULL, 0);
}

static void test_keys_are_taken_as_people_write_them(void **state)
{
	static const struct {
		const char *key;
		size_t columns;
		const char *parts[3];
		size_t count;
	} written[] = {
		{ "42", 1, { "42" }, 1 },
		{ "a,b \"c\"", 1, { "a,b \"c\"" }, 1 },
		{ "(1, de)", 1, { "(1, de)" }, 1 },
		{ "1,de", 2, { "1", "de" }, 2 },
		{ "(1, de)", 2, { "1", "de" }, 2 },
		{ "2,\"a,b\"", 2, { "2", "a,b" }, 2 },
		{ "3,\"say \"\"hi\"\"\"", 2, { "3", "say \"hi\"" }, 2 },
		{ "\" 4\",", 2, { " 4", "" }, 2 },
		{ "(", 2, { "(" }, 1 },
		{ "()", 2, { "" }, 1 },
		{ "1,2,3", 2, { "1", "2", "3" }, 3 },
		{ "\"open", 2, { "open" }, 1 },
		{ "", 2, { "" }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
		size_t count;
		char **parts = store_key_split(written[i].key, written[i].columns, &count);

		assert_int_equal(count, written[i].count);
		for (size_t j = 0; j < count; j++)
			assert_string_equal(parts[j], written[i].parts[j]);
		store_key_free(parts, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_plain_elements_are_read),
		cmocka_unit_test(test_keys_are_taken_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
