// Loading: files, syntax errors with their lines, everything in one go; and the configuration that
// is shipped.
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "tests/unit/config_files.h"

#ifndef SOURCE_DIR
#define SOURCE_DIR "."
#endif

static void test_shipped_configuration_is_good(void **state)
{
	struct problem_list problems = { 0 };
	struct config config;
	bool good = config_load(&config, SOURCE_DIR "/etc/migrated.json", NULL, &problems);

	(void)state;
	for (size_t i = 0; i < problems.count; i++) {
		_cleanup_free_ char *problem = problem_format(&problems.problems[i]);

		print_error("%s\n", problem);
	}
	assert_true(good);
	assert_int_equal(problems.count, 0);
	assert_int_equal(config.warnings.count, 0);
	assert_true(config.entities.count > 0);
	assert_true(config.entities.entities[config.entities.count - 1].depth > 1);
	config_done(&config);
	problem_list_done(&problems);
}

static void test_entities_are_the_json_files_of_the_directory(void **state)
{
	struct config_files files;

	(void)state;
	config_files_init(&files);
	config_files_write_entity(&files, "offices", "'code': 'code'");
	config_files_write(&files, "entities.d/README", "not JSON");
	config_files_write(&files, "entities.d/.hidden.json", "not JSON");
	config_files_write(&files, "entities.d/offices.json~", "not JSON");
	config_files_write(&files, "entities.d/.json", "not JSON");
	config_files_load(&files, NULL);
	assert_no_problem(&files);
	assert_int_equal(files.config.entities.count, 1);
	assert_int_equal(files.config.warnings.count, 0);
	config_files_done(&files);
}

static void test_no_entities_are_a_warning(void **state)
{
	struct config_files files;
	_cleanup_free_ char *directory = NULL;

	(void)state;
	config_files_init(&files);
	config_files_load(&files, NULL);
	assert_no_problem(&files);
	assert_int_equal(files.config.warnings.count, 1);
	directory = text_format("%s/entities.d", files.directory);
	rmdir(directory);
	config_files_load(&files, NULL);
	assert_no_problem(&files);
	assert_int_equal(files.config.warnings.count, 1);
	assert_string_equal(files.config.warnings.problems[0].message,
			    "holds no entity (NAME.json), so there is nothing to migrate");
	config_files_done(&files);
}

static void test_missing_file_is_named(void **state)
{
	struct config_files files;

	(void)state;
	config_files_init(&files);
	unlink(files.main_file);
	config_files_load(&files, NULL);
	assert_int_equal(files.problems.count, 1);
	assert_problem(&files, 0, "migrated.json", NULL,
		       "cannot be read: No such file or directory");
	mkdir(files.main_file, 0700);
	config_files_load(&files, NULL);
	assert_problem(&files, 0, "migrated.json", NULL, "cannot be read: it is a directory");
	config_files_done(&files);
}

static const struct {
	const char *text;
	int line;
	const char *message;
} syntax_rows[] = {
	{ "", 1, "'[' or '{' expected near end of file" },
	{ "{\n 'entity': 'a',\n}", 3, "string or '}' expected near '}'" },
	{ "{\n 'entity': 'a'\n 'source': 1}", 3, "'}' expected near '\"source\"'" },
	{ "{\n 'entity': 'a',\n 'source': 1,\n 'entity': 'b'}", 4,
	  "duplicate object key near '\"entity\"'" },
	{ "{'columns': {\n 'a': {\n 'from': 'x', 'from': 'y'}}}", 3,
	  "duplicate object key near '\"from\"'" },
	{ "{'entity': 99999999999999999999}", 1, "too big integer near '99999999999999999999'" },
	{ "{} x", 1, "end of file expected near 'x'" },
	{ "{'a': '\xff'}", 1, "unable to decode byte 0xff near '\"'" },
};

/* The quotes of jansson's own messages are single ones, so these are compared as they stand. */
static void test_syntax_errors_have_their_line(void **state)
{
	struct config_files files;

	(void)state;
	config_files_init(&files);
	for (size_t i = 0; i < sizeof syntax_rows / sizeof syntax_rows[0]; i++) {
		config_files_write(&files, "entities.d/a.json", syntax_rows[i].text);
		config_files_load(&files, NULL);
		assert_int_equal(files.problems.count, 1);
		assert_string_equal(files.problems.problems[0].message, syntax_rows[i].message);
		assert_int_equal(files.problems.problems[0].line, syntax_rows[i].line);
		assert_null(files.problems.problems[0].path);
	}
	config_files_done(&files);
}

static void test_nesting_too_deep_is_named(void **state)
{
	_cleanup_text_ struct text deep = TEXT_INIT;
	struct config_files files;

	(void)state;
	config_files_init(&files);
	for (int i = 0; i < 100000; i++)
		text_append(&deep, "[");
	config_files_write(&files, "entities.d/a.json", text_string(&deep));
	config_files_load(&files, NULL);
	assert_problem(&files, 0, "entities.d/a.json", NULL, "nested too deeply");
	config_files_done(&files);
}

/* A syntax error in the file that holds the passwords must not quote them. */
static void test_syntax_error_keeps_secrets(void **state)
{
	static const char *const rows[] = {
		"{'source': {'conninfo': 'password=hunter2\n'}}",
		"{'source': {'conninfo': 'password=hunter2\\q'}}",
		"{'source': {'conninfo': 'password=hunter2",
		"{'source': {'conninfo' 'password=hunter2'}}",
		"{'source': {'conninfo': hunter2}}",
	};
	struct config_files files;

	(void)state;
	config_files_init(&files);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		config_files_write(&files, "migrated.json", rows[i]);
		config_files_load(&files, NULL);
		assert_int_equal(files.problems.count, 1);
		assert_null(strstr(files.problems.problems[0].message, "hunter2"));
		assert_true(files.problems.problems[0].line > 0);
	}
	config_files_write(&files, "migrated.json", "{'source': {},\n 'source': {}}");
	config_files_load(&files, NULL);
	assert_string_equal(files.problems.problems[0].message,
			    "duplicate object key near '\"source\"'");
	assert_int_equal(files.problems.problems[0].line, 2);
	config_files_done(&files);
}

static void test_password_that_everybody_may_read_is_a_warning(void **state)
{
	struct config_files files;

	(void)state;
	config_files_init(&files);
	config_files_write_entity(&files, "a", "");
	config_files_write(&files, "migrated.json",
			   "{'source': {'conninfo': 'dbname=a password=hunter2'},"
			   " 'target': {'conninfo': 'dbname=b'}}");
	chmod(files.main_file, 0644);
	config_files_load(&files, NULL);
	assert_no_problem(&files);
	assert_int_equal(files.config.warnings.count, 1);
	assert_string_equal(files.config.warnings.problems[0].path, "$.source.conninfo");
	assert_null(strstr(files.config.warnings.problems[0].message, "hunter2"));
	chmod(files.main_file, 0640);
	config_files_load(&files, NULL);
	assert_int_equal(files.config.warnings.count, 0);
	config_files_done(&files);
}

/* One bad setting, a bad variable, a file that is no JSON, and an entity that refers to that file's
 * and to nobody. */
static void test_problems_of_all_files_are_named_in_one_go(void **state)
{
	static char *const environment[] = { "BATCH_SIZE=no", NULL };
	struct config_files files;

	(void)state;
	config_files_init(&files);
	config_files_write(
		&files, "migrated.json",
		"{'source': {'conninfo': 'dbname=a'}, 'target': {'conninfo': 'dbname=b'}, 'x': 1}");
	config_files_write(&files, "entities.d/broken.json", "{");
	config_files_write_entity(&files, "child",
				  "'a': {'references': 'broken', 'from': 'a'},"
				  "'b': {'references': 'nobody', 'from': 'b'}");
	config_files_load(&files, environment);
	assert_int_equal(files.problems.count, 4);
	assert_problem(&files, 0, "migrated.json", "$", "unknown key 'x'");
	assert_problem(&files, 1, "environment", "BATCH_SIZE", "'no' is no whole number");
	assert_problem(&files, 3, "entities.d/child.json", "$.columns.b.references",
		       "there is no entity 'nobody'");
	assert_int_equal(files.problems.problems[2].line, 1);
	assert_int_equal(files.config.entities.count, 2);
	config_files_done(&files);
}

static void test_two_files_of_one_entity_are_named(void **state)
{
	struct config_files files;

	(void)state;
	config_files_init(&files);
	config_files_write_entity(&files, "a", "");
	config_files_write(&files, "entities.d/b.json",
			   "{'entity': 'a', 'source': {'table': 't', 'key': 'id'},"
			   " 'target': {'table': 't', 'key': 'id'}, 'columns': {}}");
	config_files_load(&files, NULL);
	_cleanup_free_ char *message = text_format("'a' is also the entity of %s/entities.d/a.json",
						   files.directory);

	assert_int_equal(files.problems.count, 2);
	assert_problem(&files, 1, "entities.d/b.json", "$.entity", message);
	config_files_done(&files);
}

static void test_problems_are_written_in_one_line(void **state)
{
	static const struct {
		struct problem problem;
		const char *text;
	} rows[] = {
		{ { "a.json", 0, "$.x", "bad" }, "a.json: $.x: bad" },
		{ { "a.json", 7, NULL, "bad" }, "a.json:7: bad" },
		{ { "a.json", 0, NULL, "bad" }, "a.json: bad" },
		{ { "environment", 0, "BATCH_SIZE", "bad" }, "environment: BATCH_SIZE: bad" },
		{ { NULL, 0, NULL, "bad" }, "bad" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		_cleanup_free_ char *text = problem_format(&rows[i].problem);

		assert_string_equal(text, rows[i].text);
	}
}

static void test_done_may_come_twice_and_before_loading(void **state)
{
	struct config config = { 0 };

	(void)state;
	config_done(&config);
	config_done(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped_configuration_is_good),
		cmocka_unit_test(test_entities_are_the_json_files_of_the_directory),
		cmocka_unit_test(test_no_entities_are_a_warning),
		cmocka_unit_test(test_missing_file_is_named),
		cmocka_unit_test(test_syntax_errors_have_their_line),
		cmocka_unit_test(test_nesting_too_deep_is_named),
		cmocka_unit_test(test_syntax_error_keeps_secrets),
		cmocka_unit_test(test_password_that_everybody_may_read_is_a_warning),
		cmocka_unit_test(test_problems_of_all_files_are_named_in_one_go),
		cmocka_unit_test(test_two_files_of_one_entity_are_named),
		cmocka_unit_test(test_problems_are_written_in_one_line),
		cmocka_unit_test(test_done_may_come_twice_and_before_loading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
