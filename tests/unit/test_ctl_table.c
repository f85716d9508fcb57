// Aligned text: widths, characters of all kinds, colours, numbers, times, bars.
#include "tests/unit/testing.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/format.h"
#include "ctl/look.h"
#include "ctl/table.h"

static const struct look plain = { .utf8 = true };
static const struct look coloured = { .colour = true, .utf8 = true };

static const struct table_column columns[] = {
	{ "Name", false, 6 },
	{ "Rows", true, 0 },
	{ "State", false, 0 },
};

static void assert_printed(const struct table *table, const struct look *look, const char *expected)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	table_print(table, look, &out);
	assert_string_equal(text_string(&out), expected);
}

static void test_columns_are_as_wide_as_their_widest(void **state)
{
	_cleanup_table_ struct table table;

	(void)state;
	table_init(&table, columns, 3);
	assert_printed(&table, &plain, "Name    Rows  State\n");
	table_add(&table, "a");
	table_add_number(&table, 1234567);
	table_add_state(&table, "completed");
	table_add(&table, "longer name");
	table_add(&table, NULL);
	table_add(&table, "");
	assert_printed(&table, &plain,
		       "Name              Rows  State\n"
		       "a            1,234,567  completed\n"
		       "longer name          -\n");
}

static void test_widths_are_those_of_the_terminal(void **state)
{
	_cleanup_table_ struct table table;

	(void)state;
	table_init(&table, columns, 3);
	table_add(&table, "zwölf");
	table_add(&table, "█▌");
	table_add(&table, "x");
	table_add(&table, "日本");	// two columns each
	table_add(&table, "e\xcc\x81"); // e and a combining accent
	table_add(&table, "x");
	table_add(&table, "\xff\xc3"); // not UTF-8
	table_add(&table, "1");
	table_add(&table, "x");
	assert_printed(&table, &plain,
		       "Name    Rows  State\n"
		       "zwölf     █▌  x\n"
		       "日本       e\xcc\x81  x\n"
		       "\xff\xc3         1  x\n");
}

static void test_colours_do_not_move_columns(void **state)
{
	_cleanup_table_ struct table table;

	(void)state;
	table_init(&table, columns, 3);
	table_add_heading(&table, "Level 0");
	table_add_styled(&table, STYLE_BAD, "a");
	table_add_number(&table, -5);
	table_add_state(&table, "failed");
	assert_printed(&table, &coloured,
		       "\033[1mName\033[0m    \033[1mRows\033[0m  \033[1mState\033[0m\n"
		       "\033[1mLevel 0\033[0m\n"
		       "\033[31ma\033[0m         -5  \033[31mfailed\033[0m\n");
}

static void test_a_long_heading_widens_no_column(void **state)
{
	_cleanup_table_ struct table table;

	(void)state;
	table_init(&table, columns, 3);
	table_add_heading(&table, "a heading that is longer than all columns together");
	table_add(&table, "a");
	table_add(&table, "1");
	table_add(&table, "x");
	assert_printed(&table, &plain,
		       "Name    Rows  State\n"
		       "a heading that is longer than all columns together\n"
		       "a          1  x\n");
}

static void test_lines_are_cut_between_characters(void **state)
{
	(void)state;
	assert_int_equal(look_fit("abcdef", 3), 3);
	assert_int_equal(look_fit("zwölf", 3), 4);
	assert_int_equal(look_fit("日本語", 3), 3);
	assert_int_equal(look_fit("\033[31mabc\033[0m", 2), 7);
	assert_int_equal(look_fit("\033[31mab\033[0m", 2), 11);
	assert_int_equal(look_fit("abc", 0), 0);
	assert_int_equal(look_fit("ab\xe6\x97", 10), 4); // cut off in the middle
	assert_int_equal(look_width("\033[1mzwölf\033[0m"), 5);
}

static void test_control_characters_are_made_harmless(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	(void)state;
	look_append(&plain, &out, STYLE_PLAIN, "a\033[2Jb\nc\td\x7f\xc2\x9b é");
	assert_string_equal(text_string(&out), "a?[2Jb?c?d?? é");
}

static void test_colour_needs_a_terminal_and_consent(void **state)
{
	int fds[2];

	(void)state;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	assert_int_equal(pipe(fds), 0);
	assert_false(look_of(fds[1], false).terminal);
	assert_false(look_of(fds[1], false).colour);
	close(fds[0]);
	close(fds[1]);

	int terminal = posix_openpt(O_RDWR | O_NOCTTY);

	assert_true(look_of(terminal, false).colour);
	assert_false(look_of(terminal, true).colour);
	setenv("NO_COLOR", "1", 1);
	assert_false(look_of(terminal, false).colour);
	setenv("NO_COLOR", "", 1);
	assert_true(look_of(terminal, false).colour);
	setenv("TERM", "dumb", 1);
	assert_false(look_of(terminal, false).colour);
	assert_true(look_of(terminal, false).terminal);
	close(terminal);
}

static void test_durations(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "< 1 s" },
		{ 999, "< 1 s" },
		{ 1000, "1 s" },
		{ 1500, "2 s" },
		{ 59499, "59 s" },
		{ 59500, "1 min 00 s" },
		{ 125000, "2 min 05 s" },
		{ 3599600, "1 h 00 min" },
		{ 18000000, "5 h 00 min" },
		{ 90000000, "1 d 1 h" },
		{ 8640000000, "100 d 0 h" },
		{ -5, "< 1 s" },
	};
	char buffer[FORMAT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(format_duration(buffer, cases[i].ms), cases[i].text);
}

static void test_times_are_local(void **state)
{
	char buffer[FORMAT_SIZE];

	(void)state;
	setenv("TZ", "UTC-2", 1);
	tzset();
	assert_string_equal(format_time(buffer, "2026-01-05T23:12:44.123456Z"),
			    "2026-01-06 01:12:44");
	assert_string_equal(format_time(buffer, "2026-01-05T23:12:44Z"), "2026-01-06 01:12:44");
	assert_string_equal(format_time(buffer, "2026-01-05T23:12:44+02:00"),
			    "2026-01-05T23:12:44+02:00");
	assert_string_equal(format_time(buffer, "yesterday"), "yesterday");
	assert_string_equal(format_time(buffer, ""), "");
	setenv("TZ", "UTC", 1);
	tzset();
}

static void test_percentages_and_bars(void **state)
{
	char buffer[FORMAT_SIZE];

	(void)state;
	assert_string_equal(format_percent(buffer, 2.04), "2.0%");
	assert_string_equal(format_percent(buffer, 0), "0.0%");
	assert_string_equal(format_percent(buffer, 0.001), "< 0.1%");
	assert_string_equal(format_bar(buffer, 0, true), "░░░░░░░░░░   0%");
	assert_string_equal(format_bar(buffer, 75, true), "███████▌░░  75%");
	assert_string_equal(format_bar(buffer, 99, true), "█████████▉  99%");
	assert_string_equal(format_bar(buffer, 100, true), "██████████ 100%");
	assert_string_equal(format_bar(buffer, 0, false), "..........   0%");
	assert_string_equal(format_bar(buffer, 75, false), "#######...  75%");
	assert_string_equal(format_bar(buffer, 100, false), "########## 100%");
	for (int percent = 0; percent <= 100; percent++) {
		assert_int_equal(look_width(format_bar(buffer, percent, true)), 15);
		assert_int_equal(look_width(format_bar(buffer, percent, false)), 15);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_as_wide_as_their_widest),
		cmocka_unit_test(test_widths_are_those_of_the_terminal),
		cmocka_unit_test(test_colours_do_not_move_columns),
		cmocka_unit_test(test_a_long_heading_widens_no_column),
		cmocka_unit_test(test_lines_are_cut_between_characters),
		cmocka_unit_test(test_control_characters_are_made_harmless),
		cmocka_unit_test(test_colour_needs_a_terminal_and_consent),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_times_are_local),
		cmocka_unit_test(test_percentages_and_bars),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
