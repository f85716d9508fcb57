// Decoding by table: what arrives in the struct, and what is said of each thing that does not fit.
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

#include "common/json_decode.h"
#include "common/text.h"

enum colour { RED, GREEN };

struct sample {
	char *name;
	bool quick;
	int64_t count;
	int64_t patience_ms;
	int64_t memory_kb;
	enum colour colour;
	json_t *constant;
	json_t *object;
	json_t *list;
	char *inner_path;
};

static const char *const colours[] = { "red", "green", NULL };

static void decode_inner(struct json_report *report, const char *path, json_t *value,
			 const struct json_field *field, void *target)
{
	struct sample *sample = target;

	(void)report, (void)value;
	assert_string_equal(field->key, "inner");
	sample->inner_path = text_copy(path);
}

static const struct json_field fields[] = {
	{ .key = "name",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct sample, name),
	  .required = true },
	{ .key = "quick", .type = JSON_FIELD_BOOL, .offset = offsetof(struct sample, quick) },
	{ .key = "count",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct sample, count),
	  .minimum = 1,
	  .maximum = 10 },
	{ .key = "patience",
	  .type = JSON_FIELD_DURATION,
	  .offset = offsetof(struct sample, patience_ms),
	  .minimum = 1000,
	  .maximum = 60000 },
	{ .key = "memory",
	  .type = JSON_FIELD_SIZE,
	  .offset = offsetof(struct sample, memory_kb),
	  .minimum = 64,
	  .maximum = 1 << 20,
	  .scale = 1024 },
	{ .key = "colour",
	  .type = JSON_FIELD_CHOICE,
	  .offset = offsetof(struct sample, colour),
	  .choices = colours },
	{ .key = "constant",
	  .type = JSON_FIELD_SCALAR,
	  .offset = offsetof(struct sample, constant) },
	{ .key = "object", .type = JSON_FIELD_OBJECT, .offset = offsetof(struct sample, object) },
	{ .key = "list", .type = JSON_FIELD_ARRAY, .offset = offsetof(struct sample, list) },
	{ .key = "inner", .type = JSON_FIELD_ANY, .decode = decode_inner },
	{ .key = NULL },
};

static void sample_done(struct sample *sample)
{
	free(sample->name);
	free(sample->inner_path);
	json_decref(sample->constant);
	json_decref(sample->object);
	json_decref(sample->list);
}

static void collect(void *arg, const char *path, const char *message)
{
	struct text *said = arg;

	text_separate(said, " | ");
	text_appendf(said, "%s: %s", path, message);
}

/* Decodes JSON written with ' for " and gathers what is said. */
static bool decode(const char *json, bool null_is_absent, struct sample *sample, struct text *said)
{
	_cleanup_free_ char *copy = text_copy(json);
	struct json_report report = { .on_problem = collect,
				      .arg = said,
				      .null_is_absent = null_is_absent };

	for (char *quote = copy; (quote = strchr(quote, '\''));)
		*quote = '"';
	json_auto_t *value = json_loads(copy, JSON_DECODE_ANY, NULL);

	assert_non_null(value);
	bool good = json_decode(&report, "$", value, fields, sample);

	assert_int_equal(good, report.count == 0);
	return good;
}

static void test_good_object_arrives_whole(void **state)
{
	_cleanup_text_ struct text said = TEXT_INIT;
	struct sample sample = { .name = text_copy("default") };

	(void)state;
	assert_true(decode(
		"{'comment': ['anything'], 'name': 'n', 'quick': true, 'count': 10, 'patience': "
		"'1min', 'memory': '1MB', 'colour': 'green', 'constant': null, 'object': {}, "
		"'list': [1], 'inner': 5}",
		false, &sample, &said));
	assert_string_equal(sample.name, "n");
	assert_true(sample.quick);
	assert_int_equal(sample.count, 10);
	assert_int_equal(sample.patience_ms, 60000);
	assert_int_equal(sample.memory_kb, 1024);
	assert_int_equal(sample.colour, GREEN);
	assert_true(json_is_null(sample.constant));
	assert_int_equal(json_object_size(sample.object), 0);
	assert_int_equal(json_array_size(sample.list), 1);
	assert_string_equal(sample.inner_path, "$.inner");
	sample_done(&sample);
}

static void test_absent_and_wrong_keys_leave_their_members(void **state)
{
	_cleanup_text_ struct text said = TEXT_INIT;
	struct sample sample = { .count = 7, .patience_ms = 8, .quick = true };

	(void)state;
	assert_false(decode("{'name': 'n', 'count': 99, 'quick': 'yes'}", false, &sample, &said));
	assert_int_equal(sample.count, 7);
	assert_int_equal(sample.patience_ms, 8);
	assert_true(sample.quick);
	sample_done(&sample);
}

static void test_null_is_absent_where_the_report_says_so(void **state)
{
	_cleanup_text_ struct text said = TEXT_INIT;
	struct sample sample = { .count = 7 };

	(void)state;
	assert_true(decode("{'name': 'n', 'count': null}", true, &sample, &said));
	assert_false(decode("{'name': null}", true, &sample, &said));
	assert_string_equal(text_string(&said), "$: \"name\" is missing");
	assert_int_equal(sample.count, 7);
	sample_done(&sample);
}

static const struct {
	const char *json;
	const char *said;
} bad_rows[] = {
	{ "[]", "$: expected an object, found a list" },
	{ "{}", "$: 'name' is missing" },
	{ "{'nam': 'n'}", "$: unknown key 'nam' (did you mean 'name'?) | $: 'name' is missing" },
	{ "{'name': 'n', 'zebra': 1}", "$: unknown key 'zebra'" },
	{ "{'name': ''}", "$.name: must not be empty" },
	{ "{'name': 5}", "$.name: expected a string, found a number" },
	{ "{'name': 'n', 'quick': 1}", "$.quick: expected true or false, found a number" },
	{ "{'name': 'n', 'count': 1.5}",
	  "$.count: expected a whole number, found a number with a fraction" },
	{ "{'name': 'n', 'count': '5'}", "$.count: expected a whole number, found a string" },
	{ "{'name': 'n', 'count': 0}", "$.count: must be between 1 and 10, found 0" },
	{ "{'name': 'n', 'count': 11}", "$.count: must be between 1 and 10, found 11" },
	{ "{'name': 'n', 'patience': 30}",
	  "$.patience: expected a duration with its unit, as in '30s', found a number" },
	{ "{'name': 'n', 'patience': 'soon'}",
	  "$.patience: 'soon' is no duration: write a number and ms, s, min, h or d, as in '30s'" },
	{ "{'name': 'n', 'patience': 0}", "$.patience: must be between 1s and 1min, found 0s" },
	{ "{'name': 'n', 'patience': '2h'}", "$.patience: must be between 1s and 1min, found 2h" },
	{ "{'name': 'n', 'memory': 64}",
	  "$.memory: expected a size with its unit, as in '64MB', found a number" },
	{ "{'name': 'n', 'memory': 'much'}",
	  "$.memory: 'much' is no size: write a number and kB, MB or GB, as in '64MB'" },
	{ "{'name': 'n', 'memory': '1kB'}", "$.memory: must be between 64kB and 1GB, found 1kB" },
	{ "{'name': 'n', 'memory': '9000000TB'}",
	  "$.memory: '9000000TB' is no size: write a number and kB, MB or GB, as in '64MB'" },
	{ "{'name': 'n', 'colour': 'gren'}",
	  "$.colour: expected 'red' or 'green', found 'gren' (did you mean 'green'?)" },
	{ "{'name': 'n', 'colour': 'mauve'}",
	  "$.colour: expected 'red' or 'green', found 'mauve'" },
	{ "{'name': 'n', 'colour': true}", "$.colour: expected 'red' or 'green', found true" },
	{ "{'name': 'n', 'constant': []}",
	  "$.constant: expected a string, a number, true, false or null, found a list" },
	{ "{'name': 'n', 'object': null}", "$.object: expected an object, found null" },
	{ "{'name': 'n', 'list': {}}", "$.list: expected a list, found an object" },
	{ "{'count': 0, 'quick': 0, 'x': 0}", "$.count: must be between 1 and 10, found 0 | "
					      "$.quick: expected true or false, found a number | "
					      "$: unknown key 'x' | $: 'name' is missing" },
};

static void test_what_does_not_fit_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0]; i++) {
		_cleanup_text_ struct text said = TEXT_INIT;
		_cleanup_free_ char *expected = text_copy(bad_rows[i].said);
		struct sample sample = { 0 };

		for (char *quote = expected; (quote = strchr(quote, '\''));)
			*quote = '"';
		assert_false(decode(bad_rows[i].json, false, &sample, &said));
		assert_string_equal(text_string(&said), expected);
		sample_done(&sample);
	}
}

static void test_paths(void **state)
{
	_cleanup_free_ char *plain = json_path_key("$", "updated_at");
	_cleanup_free_ char *odd = json_path_key(plain, "a b");
	_cleanup_free_ char *number = json_path_key("$", "0");
	_cleanup_free_ char *item = json_path_index(odd, 3);

	(void)state;
	assert_string_equal(plain, "$.updated_at");
	assert_string_equal(number, "$[\"0\"]");
	assert_string_equal(item, "$.updated_at[\"a b\"][3]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_object_arrives_whole),
		cmocka_unit_test(test_absent_and_wrong_keys_leave_their_members),
		cmocka_unit_test(test_null_is_absent_where_the_report_says_so),
		cmocka_unit_test(test_what_does_not_fit_is_named),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
