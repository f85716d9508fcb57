// Growing strings, templates, numbers and sizes as people read them, and words that are near each
// other.
#include "tests/unit/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/text.h"

static void test_empty_text_is_an_empty_string(void **state)
{
	struct text text = TEXT_INIT;

	(void)state;
	assert_string_equal(text_string(&text), "");
	char *stolen = text_steal(&text);

	assert_string_equal(stolen, "");
	free(stolen);
	text_clear(&text);
	text_done(&text);
}

static void test_text_grows_past_its_first_capacity(void **state)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	(void)state;
	for (int i = 0; i < 1000; i++)
		text_appendf(&text, "%03d,", i);
	assert_int_equal(text.length, 4000);
	assert_int_equal(strlen(text_string(&text)), 4000);
	assert_string_equal(text_string(&text) + 3996, "999,");
	text_append_bytes(&text, "\0x", 2);
	assert_int_equal(text.length, 4002);
}

static void test_stolen_text_begins_anew(void **state)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	(void)state;
	text_append(&text, "one");
	_cleanup_free_ char *one = text_steal(&text);

	text_append(&text, "two");
	assert_string_equal(one, "one");
	assert_string_equal(text_string(&text), "two");
	text_clear(&text);
	assert_string_equal(text_string(&text), "");
}

static void test_separator_stands_only_between(void **state)
{
	_cleanup_text_ struct text text = TEXT_INIT;

	(void)state;
	for (int i = 1; i <= 3; i++) {
		text_separate(&text, ", ");
		text_appendf(&text, "%d", i);
	}
	assert_string_equal(text_string(&text), "1, 2, 3");
}

static void test_templates_are_filled(void **state)
{
	static const struct text_hole holes[] = { { "table", "{key}" },
						  { "key", "id" },
						  { NULL, NULL } };
	static const struct {
		const char *template;
		const char *filled;
	} rows[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "SELECT {key} FROM {table}",
		  "SELECT id FROM {key}" }, /* values are not filled again */
		{ "{key}{key}", "idid" },
		{ "'{}'::jsonb {1} { key } {", "'{}'::jsonb {1} { key } {" },
		{ "{key", "{key" },
		{ "{{key}}", "{id}" },
		{ "'{\"a\": 1}'", "'{\"a\": 1}'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		_cleanup_text_ struct text text = TEXT_INIT;

		text_fill(&text, rows[i].template, holes);
		assert_string_equal(text_string(&text), rows[i].filled);
	}
}

static void test_hole_that_nothing_fills_aborts(void **state)
{
	static const struct text_hole holes[] = { { NULL, NULL } };
	int status;

	(void)state;
	pid_t child = fork();

	if (child == 0) {
		struct text text = TEXT_INIT;

		signal(SIGABRT, SIG_DFL);
		fclose(stderr);
		text_fill(&text, "{nobody}", holes);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_copies_and_formats(void **state)
{
	_cleanup_free_ char *copy = text_copy("a");
	_cleanup_free_ char *formatted = text_format("%s-%d", "b", 2);
	_cleanup_free_ char *nothing = text_copy(NULL);

	(void)state;
	assert_string_equal(copy, "a");
	assert_string_equal(formatted, "b-2");
	assert_null(nothing);
}

static void test_memory_is_never_null(void **state)
{
	(void)state;
	char *zeroed = memory_new(16);

	for (int i = 0; i < 16; i++)
		assert_int_equal(zeroed[i], 0);
	zeroed = memory_grow(zeroed, 0, 8);
	assert_non_null(zeroed);
	free(zeroed);
	zeroed = memory_new(0);
	assert_non_null(zeroed);
	free(zeroed);
}

static void test_thousands(void **state)
{
	static const struct {
		int64_t number;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ 7, "7" },
		{ 999, "999" },
		{ 1000, "1,000" },
		{ 1234567, "1,234,567" },
		{ -1, "-1" },
		{ -123456, "-123,456" },
		{ INT64_MAX, "9,223,372,036,854,775,807" },
		{ INT64_MIN, "-9,223,372,036,854,775,808" },
	};
	char buffer[32];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_string_equal(text_thousands(buffer, rows[i].number), rows[i].text);
}

static void test_sizes_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
		const char *written;
	} rows[] = {
		{ "0B", 0, "0B" },
		{ "1024B", 1024, "1kB" },
		{ "1025B", 1025, "1025B" },
		{ "64MB", 64 << 20, "64MB" },
		{ "64 mb", 64 << 20, "64MB" },
		{ "1536kB", 1536 << 10, "1536kB" },
		{ "2GB", INT64_C(2) << 30, "2GB" },
		{ "8388607TB", INT64_C(8388607) << 40, "8388607TB" },
	};
	char buffer[32];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t bytes = -1;

		assert_true(text_parse_size(rows[i].text, &bytes));
		assert_int_equal(bytes, rows[i].bytes);
		assert_string_equal(text_format_size(buffer, bytes), rows[i].written);
	}
}

static void test_what_is_no_size(void **state)
{
	static const char *const rows[] = {
		"",	   "64",   "MB",  "-1MB",      "1.5GB",
		"1 000kB", "1MBx", " 1B", "8388608TB", "99999999999999999999B"
	};
	int64_t bytes = 42;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_false(text_parse_size(rows[i], &bytes));
		assert_int_equal(bytes, 42);
	}
}

static void test_distance_counts_slips(void **state)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} rows[] = {
		{ "", "", 0 },	       { "", "abc", 3 },	   { "abc", "", 3 },
		{ "abc", "abc", 0 },   { "abc", "abd", 1 },	   { "abc", "ab", 1 },
		{ "form", "from", 1 }, { "kitten", "sitting", 3 }, { "orders", "ordres", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(text_distance(rows[i].a, rows[i].b), rows[i].distance);
}

static void test_nearest_word(void **state)
{
	static const char *const candidates[] = { "from", NULL, "values", "references", "sql" };
	static const struct {
		const char *word, *nearest;
	} rows[] = {
		{ "form", "from" },
		{ "value", "values" },
		{ "refrences", "references" },
		{ "sqll", "sql" },
		{ "sq", "sql" },
		{ "xyz", NULL },
		{ "", NULL },
		{ "formula", NULL },
		{ "a-word-that-is-so-long-that-nobody-can-have-meant-any-of-the-candidates", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *nearest = text_nearest(rows[i].word, candidates, 5);

		if (rows[i].nearest)
			assert_string_equal(nearest, rows[i].nearest);
		else
			assert_null(nearest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_text_is_an_empty_string),
		cmocka_unit_test(test_text_grows_past_its_first_capacity),
		cmocka_unit_test(test_stolen_text_begins_anew),
		cmocka_unit_test(test_separator_stands_only_between),
		cmocka_unit_test(test_templates_are_filled),
		cmocka_unit_test(test_hole_that_nothing_fills_aborts),
		cmocka_unit_test(test_copies_and_formats),
		cmocka_unit_test(test_memory_is_never_null),
		cmocka_unit_test(test_thousands),
		cmocka_unit_test(test_sizes_are_read_and_written),
		cmocka_unit_test(test_what_is_no_size),
		cmocka_unit_test(test_distance_counts_slips),
		cmocka_unit_test(test_nearest_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
