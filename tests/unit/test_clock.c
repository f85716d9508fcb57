// Times and durations as people write and read them; UUIDs as text.
#include "tests/unit/testing.h"

#include <string.h>

#include "common/clock.h"
#include "common/uuid.h"

#define SECOND INT64_C(1000)
#define DAY (86400 * SECOND)

static void test_monotonic_clock_does_not_go_back(void **state)
{
	(void)state;
	int64_t first = clock_monotonic_ms();

	assert_true(first > 0);
	assert_true(clock_monotonic_ms() >= first);
}

static void test_wall_clock_is_of_this_century(void **state)
{
	(void)state;
	assert_true(clock_wall_us() > INT64_C(1600000000) * 1000000);
}

static void test_rfc3339(void **state)
{
	static const struct {
		int64_t wall_us;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000000Z" },
		{ -1, "1969-12-31T23:59:59.999999Z" },
		{ INT64_C(1767604364123456), "2026-01-05T09:12:44.123456Z" },
		{ INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z" },
		{ INT64_MAX, "294247-01-10T04:00:54.775807Z" },
	};
	char buffer[CLOCK_RFC3339_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_string_equal(clock_format_rfc3339(buffer, rows[i].wall_us), rows[i].text);
}

static void test_elapsed(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "00:00:00" },
		{ -5, "00:00:00" },
		{ 12999, "00:00:12" },
		{ DAY - 1, "23:59:59" },
		{ DAY, "1d 00:00:00" },
		{ 3 * DAY + 4 * 3600 * SECOND + 5 * 60 * SECOND + 6 * SECOND, "3d 04:05:06" },
		{ INT64_MAX, "106751991167d 07:12:55" },
	};
	char buffer[32];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_string_equal(clock_format_elapsed(buffer, rows[i].ms), rows[i].text);
}

static void test_durations_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
		const char *written;
	} rows[] = {
		{ "0s", 0, "0s" },
		{ "250ms", 250, "250ms" },
		{ "30s", 30 * SECOND, "30s" },
		{ "90s", 90 * SECOND, "90s" },
		{ "600s", 600 * SECOND, "10min" },
		{ "10 min", 600 * SECOND, "10min" },
		{ "2h", 7200 * SECOND, "2h" },
		{ "24h", DAY, "1d" },
		{ "7d", 7 * DAY, "7d" },
		{ "9223372036854775807ms", INT64_MAX, "9223372036854775807ms" },
	};
	char buffer[32];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t ms = -1;

		assert_true(clock_parse_duration(rows[i].text, &ms));
		assert_int_equal(ms, rows[i].ms);
		assert_string_equal(clock_format_duration(buffer, ms), rows[i].written);
	}
}

static void test_what_is_no_duration(void **state)
{
	static const char *const rows[] = { "",
					    "30",
					    "s",
					    "-1s",
					    "1.5h",
					    "1h30min",
					    "10  s",
					    "10 S",
					    "5month",
					    "9223372036854775808ms",
					    "9223372036854775807s" };
	int64_t ms = 42;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_false(clock_parse_duration(rows[i], &ms));
		assert_int_equal(ms, 42);
	}
}

static void test_uuids_are_valid_and_differ(void **state)
{
	char first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE];

	(void)state;
	uuid_make(first);
	uuid_make(second);
	assert_true(uuid_is_valid(first));
	assert_int_equal(first[14], '4');
	assert_string_not_equal(first, second);
}

static void test_uuid_prefixes(void **state)
{
	static const struct {
		const char *text;
		bool prefix, valid;
	} rows[] = {
		{ "", false, false },
		{ "550", false, false },
		{ "550e", true, false },
		{ "550E", true, false },
		{ "550e8400-", true, false },
		{ "550e84009", false, false },
		{ "550e-8400", false, false },
		{ "550g", false, false },
		{ "550e8400-e29b-41d4-a716-446655440000", true, true },
		{ "550e8400-e29b-41d4-a716-44665544000", true, false },
		{ "550e8400-e29b-41d4-a716-4466554400000", false, false },
		{ "{550e8400-e29b-41d4-a716-446655440000}", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(uuid_is_prefix(rows[i].text), rows[i].prefix);
		assert_int_equal(uuid_is_valid(rows[i].text), rows[i].valid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monotonic_clock_does_not_go_back),
		cmocka_unit_test(test_wall_clock_is_of_this_century),
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_elapsed),
		cmocka_unit_test(test_durations_are_read_and_written),
		cmocka_unit_test(test_what_is_no_duration),
		cmocka_unit_test(test_uuids_are_valid_and_differ),
		cmocka_unit_test(test_uuid_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
