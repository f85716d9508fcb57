// The window in which cycles begin, in zones that put their clocks forward and back.
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "config/time_window.h"

/* "2026-03-29 00:30:00", UTC. */
static int64_t wall_us(const char *text)
{
	struct tm utc = { 0 };

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &utc));
	return (int64_t)timegm(&utc) * 1000000;
}

/* When the window begins, seen from `now`; NULL: it is within. Both in UTC, the clock's time there beside them. */
static const struct next_row {
	const char *zone, *window, *now, *next;
} next_rows[] = {
	{ "UTC", "", "2026-01-05 12:00:00", NULL },
	{ "UTC", "00:00-24:00", "2026-01-05 00:00:00", NULL },
	{ "UTC", "22:00-06:00", "2026-01-05 21:59:59", "2026-01-05 22:00:00" },
	{ "UTC", "22:00-06:00", "2026-01-05 22:00:00", NULL },
	{ "UTC", "22:00-06:00", "2026-01-06 05:59:59", NULL },
	{ "UTC", "22:00-06:00", "2026-01-06 06:00:00", "2026-01-06 22:00:00" },
	{ "UTC", "09:00-17:30", "2026-01-05 08:00:01", "2026-01-05 09:00:00" },
	{ "UTC", "09:00-17:30", "2026-01-05 17:29:59", NULL },
	{ "UTC", "09:00-17:30", "2026-12-31 17:30:00", "2027-01-01 09:00:00" },
	{ "UTC", "22:00-24:00", "2026-01-05 23:59:59", NULL },
	{ "UTC", "22:00-24:00", "2026-01-06 00:00:00", "2026-01-06 22:00:00" },
	{ "UTC", "22:00-00:00", "2026-01-06 00:00:00", "2026-01-06 22:00:00" },
	{ "UTC", "23:59-00:00", "2024-02-28 00:00:00", "2024-02-28 23:59:00" },

	{ "Europe/Berlin", "22:00-06:00", "2026-01-05 20:59:00", "2026-01-05 21:00:00" },
	{ "Europe/Berlin", "22:00-06:00", "2026-07-05 19:00:00", "2026-07-05 20:00:00" },
	/* 2026-03-29, 02:00 is 03:00 (01:00 UTC) */
	{ "Europe/Berlin", "02:30-05:00", "2026-03-28 23:00:00", "2026-03-29 01:00:00" },
	{ "Europe/Berlin", "02:30-05:00", "2026-03-29 00:59:59", "2026-03-29 01:00:00" },
	{ "Europe/Berlin", "02:30-05:00", "2026-03-29 03:00:00", "2026-03-30 00:30:00" },
	{ "Europe/Berlin", "02:00-03:00", "2026-03-28 23:00:00", "2026-03-30 00:00:00" },
	{ "Europe/Berlin", "23:00-02:30", "2026-03-29 00:59:59", NULL },
	{ "Europe/Berlin", "23:00-02:30", "2026-03-29 01:00:00", "2026-03-29 21:00:00" },
	{ "Europe/Berlin", "03:00-02:00", "2026-03-29 01:00:00", NULL },
	/* 2026-10-25, 03:00 is 02:00 (01:00 UTC) */
	{ "Europe/Berlin", "02:30-03:00", "2026-10-25 00:00:00", "2026-10-25 00:30:00" },
	{ "Europe/Berlin", "02:30-03:00", "2026-10-25 00:59:59", NULL },
	{ "Europe/Berlin", "02:30-03:00", "2026-10-25 01:00:00", "2026-10-25 01:30:00" },
	{ "Europe/Berlin", "02:30-03:00", "2026-10-25 02:00:00", "2026-10-26 01:30:00" },
	{ "Europe/Berlin", "22:00-02:15", "2026-10-25 01:10:00", NULL },
	{ "Europe/Berlin", "22:00-02:15", "2026-10-25 01:15:00", "2026-10-25 21:00:00" },

	/* 2026-03-08, 02:00 is 03:00 (07:00 UTC); 2026-11-01, 02:00 is 01:00 (06:00 UTC) */
	{ "America/New_York", "02:30-04:00", "2026-03-08 06:00:00", "2026-03-08 07:00:00" },
	{ "America/New_York", "02:00-02:59", "2026-03-08 06:00:00", "2026-03-09 06:00:00" },
	{ "America/New_York", "01:30-01:45", "2026-11-01 05:00:00", "2026-11-01 05:30:00" },
	{ "America/New_York", "01:30-01:45", "2026-11-01 05:45:00", "2026-11-01 06:30:00" },
	{ "America/New_York", "01:30-01:45", "2026-11-01 06:45:00", "2026-11-02 06:30:00" },
	{ "America/New_York", "18:00-08:00", "2026-11-01 06:00:00", NULL },

	{ "Asia/Kolkata", "09:15-17:00", "2026-05-01 03:44:59", "2026-05-01 03:45:00" },
	{ "Asia/Kolkata", "22:00-06:00", "2026-05-01 00:29:59", NULL },
	{ "Asia/Kolkata", "22:00-06:00", "2026-05-01 00:30:00", "2026-05-01 16:30:00" },

	/* half an hour: 2026-10-04, 02:00 is 02:30 (15:30 UTC the day before); 2026-04-05, 02:00 is 01:30 (15:00 UTC) */
	{ "Australia/Lord_Howe", "02:10-04:00", "2026-10-03 15:00:00", "2026-10-03 15:30:00" },
	{ "Australia/Lord_Howe", "02:00-02:30", "2026-10-03 15:00:00", "2026-10-04 15:00:00" },
	{ "Australia/Lord_Howe", "01:45-02:00", "2026-04-04 14:30:00", "2026-04-04 14:45:00" },
	{ "Australia/Lord_Howe", "01:45-02:00", "2026-04-04 15:00:00", "2026-04-04 15:15:00" },
};

static void test_the_next_moment_within(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof next_rows / sizeof next_rows[0]; i++) {
		const struct next_row *row = &next_rows[i];
		struct time_window window;
		struct error err;
		char next[CLOCK_RFC3339_SIZE], right[CLOCK_RFC3339_SIZE];

		assert_true(time_zone_check(row->zone, &err));
		assert_true(time_window_parse(row->window, row->zone, &window, &err));
		clock_format_rfc3339(next, time_window_next_us(&window, wall_us(row->now)));
		clock_format_rfc3339(right, wall_us(row->next ? row->next : row->now));
		if (strcmp(next, right) != 0)
			fail_msg("%s in %s, at %s: %s, and not %s", row->window, row->zone,
				 row->now, next, right);
	}
}

static void test_a_moment_within_stays_to_the_microsecond(void **state)
{
	struct time_window window;
	struct error err;
	int64_t now = wall_us("2026-01-05 23:00:00") + 123456;

	(void)state;
	assert_true(time_window_parse("22:00-06:00", "UTC", &window, &err));
	assert_int_equal(time_window_next_us(&window, now), now);
}

static const char *local_hour(void)
{
	static char hour[8];
	time_t midnight = 0;
	struct tm local;

	strftime(hour, sizeof hour, "%H%z", localtime_r(&midnight, &local));
	return hour;
}

static void test_the_programs_own_zone_stays(void **state)
{
	struct time_window window;
	struct error err;

	(void)state;
	assert_true(time_window_parse("22:00-06:00", "Europe/Berlin", &window, &err));
	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	time_window_next_us(&window, wall_us("2026-01-05 12:00:00"));
	assert_string_equal(getenv("TZ"), "Asia/Tokyo");
	assert_string_equal(local_hour(), "09+0900");
	unsetenv("TZ");
	time_window_next_us(&window, wall_us("2026-01-05 12:00:00"));
	assert_null(getenv("TZ"));
}

static void test_what_is_no_window(void **state)
{
	static const char *const wrong[] = {
		"22:00",       "22:00-",      "-06:00",	     "22-06",	    "22:00-06:00-07:00",
		"22:60-06:00", "24:01-06:00", "25:00-6:00",  "9:00-17:00",  "22:00 - 06:00",
		"ab:cd-ef:gh", "22:00-22:00", "00:00-00:00", "24:00-00:00", "24:00-24:00",
		" ",	       "2200:-0600:", "-",
	};
	struct time_window window = { .start = -1 };
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (time_window_parse(wrong[i], "UTC", &window, &err))
			fail_msg("\"%s\" was taken for a window", wrong[i]);
	assert_int_equal(window.start, -1);
}

static void test_what_is_no_zone(void **state)
{
	static const char *const wrong[] = {
		"",
		"Europe",
		"Europe/Atlantis",
		"europe/berlin",
		"/etc/passwd",
		"/usr/share/zoneinfo/Europe/Berlin",
		"../zoneinfo/Europe/Berlin",
		"Europe/../../../../etc/passwd",
		":Europe/Berlin",
		"zone.tab",
		"CET-1CEST",
		"Europe/Berlin ",
		"a/very/long/name/that/no/zone/has/because/it/would/not/fit/anywhere",
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (time_zone_check(wrong[i], &err))
			fail_msg("\"%s\" was taken for a time zone", wrong[i]);
	assert_true(time_zone_check("UTC", &err));
	assert_true(time_zone_check("America/Argentina/Buenos_Aires", &err));
	assert_true(time_zone_check("Etc/GMT+5", &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_next_moment_within),
		cmocka_unit_test(test_a_moment_within_stays_to_the_microsecond),
		cmocka_unit_test(test_the_programs_own_zone_stays),
		cmocka_unit_test(test_what_is_no_window),
		cmocka_unit_test(test_what_is_no_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
