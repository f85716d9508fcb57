// The command line: what is taken, what is refused with which words, and the help made of the same
// tables.
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "ctl/arguments.h"
#include "ctl/exit.h"
#include "ctl/help.h"

// Parses a line whose words are separated by single blanks.
static bool parse(const char *line, struct arguments *ret_arguments, struct error *err)
{
	static char words[512];
	char *argv[32];
	int argc = 0;

	snprintf(words, sizeof words, "%s", line);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return arguments_parse(ret_arguments, argc, argv, err);
}

static struct arguments parsed(const char *line)
{
	struct arguments arguments;
	struct error err;

	if (!parse(line, &arguments, &err))
		fail_msg("%s: %s", line, err.message);
	return arguments;
}

static void test_everything_that_was_given_arrives(void **state)
{
	struct arguments a = parsed("migratectl migrate --entities a,b --exclude=c --analysis-id "
				    "5f0c --full --batch-size 500 --parallel=2 --wait "
				    "--json --no-color --quiet --timeout 1.5 -H /tmp/x");

	(void)state;
	assert_string_equal(a.command->verb, "migrate");
	assert_string_equal(a.entities, "a,b");
	assert_string_equal(a.exclude, "c");
	assert_string_equal(a.analysis_id, "5f0c");
	assert_true(a.full && a.wait && a.json && a.no_color && a.quiet);
	assert_int_equal(a.batch_size, 500);
	assert_int_equal(a.parallel, 2);
	assert_int_equal(a.timeout_ms, 1500);
	assert_string_equal(a.socket, "/tmp/x");
}

static void test_accounts_are_of_entities(void **state)
{
	struct arguments a = parsed("migratectl status --entities a,b --accounts --exclude b");

	(void)state;
	assert_string_equal(a.command->verb, "status");
	assert_true(a.accounts);
	assert_string_equal(a.entities, "a,b");
	assert_string_equal(a.exclude, "b");
}

static void test_what_was_not_given_is_empty(void **state)
{
	struct arguments a = parsed("migratectl status");

	(void)state;
	assert_null(a.session);
	assert_null(a.entities);
	assert_false(a.json || a.wait || a.help || a.version || a.follow);
	assert_int_equal(a.timeout_ms, 0);
	assert_int_equal(a.limit, 0);
}

static void test_options_stand_before_and_after_the_verb(void **state)
{
	(void)state;
	assert_true(parsed("migratectl --json status").json);
	assert_true(parsed("migratectl status --json").json);
	assert_string_equal(parsed("migratectl --limit 3 list").command->verb, "list");
	assert_string_equal(parsed("migratectl -H/tmp/x status").socket, "/tmp/x");
	assert_string_equal(parsed("migratectl --socket=/tmp/x status").socket, "/tmp/x");
	assert_string_equal(parsed("migratectl watch --follow -- 550e8400").session, "550e8400");
	assert_int_equal(parsed("migratectl --timeout 2min status").timeout_ms, 120000);
}

static void test_the_socket_comes_from_option_environment_or_custom(void **state)
{
	(void)state;
	unsetenv("MIGRATED_SOCKET");
	assert_string_equal(parsed("migratectl status").socket, "/run/migrated/control");
	setenv("MIGRATED_SOCKET", "", 1);
	assert_string_equal(parsed("migratectl status").socket, "/run/migrated/control");
	setenv("MIGRATED_SOCKET", "/tmp/env", 1);
	assert_string_equal(parsed("migratectl status").socket, "/tmp/env");
	assert_string_equal(parsed("migratectl status -H /tmp/x").socket, "/tmp/x");
	unsetenv("MIGRATED_SOCKET");
}

static void test_help_and_version_need_no_verb(void **state)
{
	(void)state;
	assert_true(parsed("migratectl --help").help);
	assert_null(parsed("migratectl -h").command);
	assert_true(parsed("migratectl --version").version);
	assert_string_equal(parsed("migratectl watch --help").command->verb, "watch");
	assert_true(parsed("migratectl help").help);
	assert_null(parsed("migratectl help").command);
	assert_string_equal(parsed("migratectl help watch").command->verb, "watch");
}

static void test_verbs_of_two_words_are_one_verb(void **state)
{
	struct arguments given;

	(void)state;
	given = parsed("migratectl dead-letters list --entity orders --limit 3");
	assert_string_equal(given.command->verb, "dead-letters list");
	assert_string_equal(given.entity, "orders");
	assert_int_equal(given.limit, 3);
	given = parsed("migratectl dead-letters retry 42 --wait 7");
	assert_string_equal(given.command->verb, "dead-letters retry");
	assert_int_equal(given.id_count, 2);
	assert_int_equal(given.ids[0], 42);
	assert_int_equal(given.ids[1], 7);
	assert_true(given.wait);
	given = parsed("migratectl --json dead-letters --state all");
	assert_string_equal(given.command->verb, "dead-letters list");
	assert_string_equal(given.letter_state, "all");
	assert_null(given.group);
}

static void test_help_of_verbs_of_two_words_is_that_of_one_or_of_all(void **state)
{
	(void)state;
	assert_string_equal(parsed("migratectl help dead-letters").group, "dead-letters");
	assert_string_equal(parsed("migratectl dead-letters --help").group, "dead-letters");
	assert_null(parsed("migratectl dead-letters list --help").group);
	assert_null(parsed("migratectl help dead-letters list").group);
	assert_string_equal(parsed("migratectl help dead-letters list").command->verb,
			    "dead-letters list");
}

// What they have in common is said once in struct arguments, so they must agree but for verbs and help.
static void test_options_of_the_same_name_differ_only_in_verbs_and_help(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++)
		for (size_t j = i + 1; j < option_count; j++) {
			if (strcmp(options[i].name, options[j].name) != 0)
				continue;
			assert_non_null(options[i].verbs);
			assert_non_null(options[j].verbs);
			assert_int_equal(options[i].letter, options[j].letter);
			assert_int_equal(options[i].kind, options[j].kind);
			assert_int_equal(options[i].offset, options[j].offset);
			if (options[i].kind != OPTION_CHOICE)
				assert_string_equal(options[i].value ? options[i].value : "",
						    options[j].value ? options[j].value : "");
			for (size_t k = 0; k < command_count; k++)
				assert_false(option_belongs_to(&options[i], commands[k].verb) &&
					     option_belongs_to(&options[j], commands[k].verb));
		}
}

static void test_mistakes_are_named_with_what_to_do(void **state)
{
	static const struct {
		const char *line;
		const char *message;
		const char *hint;
	} cases[] = {
		{ "migratectl", "what is to be done?", "migratectl --help lists the commands" },
		{ "migratectl statsu", "there is no command statsu", "did you mean status?" },
		{ "migratectl frobnicate", "there is no command frobnicate",
		  "migratectl --help lists the commands" },
		{ "migratectl status --jsno", "there is no option --jsno", "did you mean --json?" },
		{ "migratectl status --frobnicate=1", "there is no option --frobnicate",
		  "migratectl status --help shows what it takes" },
		{ "migratectl --frobnicate status", "there is no option --frobnicate",
		  "migratectl --help lists the options" },
		{ "migratectl status -x", "there is no option -x",
		  "migratectl status --help shows what it takes" },
		{ "migratectl parked --entitiy x", "there is no option --entitiy",
		  "did you mean --entity?" },
		{ "migratectl migrate --entitiy x", "there is no option --entitiy",
		  "did you mean --entities?" },
		{ "migratectl migrate --entity x", "migrate takes no --entity",
		  "did you mean --entities?" },
		{ "migratectl pause --entities x", "pause takes no --entities",
		  "did you mean --entity?" },
		{ "migratectl dead-letters list --state opne",
		  "--state needs one of open|resolved|discarded|all, not \"opne\"",
		  "did you mean open?" },
		{ "migratectl logs --level wraning",
		  "--level needs one of err|warning|notice|info|debug, not \"wraning\"",
		  "did you mean warning?" },
		{ "migratectl status --wait", "status takes no --wait",
		  "migratectl status --help shows what it takes" },
		{ "migratectl status 550e8400", "status takes no argument: 550e8400", "" },
		{ "migratectl watch 550e8400 more", "there is one argument too many: more", "" },
		{ "migratectl dead-letters lsit", "there is no command dead-letters lsit",
		  "did you mean dead-letters list?" },
		{ "migratectl dead-leters", "there is no command dead-leters",
		  "did you mean dead-letters?" },
		{ "migratectl dead-letters frobnicate",
		  "there is no command dead-letters frobnicate",
		  "migratectl help dead-letters lists its commands" },
		{ "migratectl help frobnicate", "there is no command frobnicate",
		  "migratectl --help lists the commands" },
		{ "migratectl dead-letters list 42", "dead-letters list takes no argument: 42",
		  "" },
		{ "migratectl dead-letters show", "dead-letters show needs an argument: ID",
		  "migratectl dead-letters show --help shows what it takes" },
		{ "migratectl dead-letters show 1 2", "there is one argument too many: 2", "" },
		{ "migratectl dead-letters show x", "x is not an id",
		  "ids are numbers; migratectl dead-letters list shows them" },
		{ "migratectl dead-letters retry 1 -- -1", "-1 is not an id",
		  "ids are numbers; migratectl dead-letters list shows them" },
		{ "migratectl dead-letters --full", "dead-letters list takes no --full",
		  "migratectl dead-letters list --help shows what it takes" },
		{ "migratectl dead-letters --session x",
		  "--session needs the first four or more digits of a session's id, not \"x\"",
		  "" },
		{ "migratectl watch hello", "hello is not a session",
		  "sessions are named by the first four or more digits of their id; migratectl "
		  "list shows them" },
		{ "migratectl status --json=yes", "--json takes no value", "" },
		{ "migratectl list --limit", "--limit needs a value: N", "" },
		{ "migratectl list --limit 0", "--limit needs a number of at least 1, not \"0\"",
		  "" },
		{ "migratectl list --limit 3x", "--limit needs a number of at least 1, not \"3x\"",
		  "" },
		{ "migratectl list --limit 99999999999999999999",
		  "--limit needs a number of at least 1, not \"99999999999999999999\"", "" },
		{ "migratectl status --timeout -1",
		  "--timeout needs seconds, or a time with its unit, not \"-1\"", "" },
		{ "migratectl status --timeout soon",
		  "--timeout needs seconds, or a time with its unit, not \"soon\"", "" },
		{ "migratectl status --timeout nan",
		  "--timeout needs seconds, or a time with its unit, not \"nan\"", "" },
		{ "migratectl detect --entities a,,b",
		  "--entities needs names separated by commas, not \"a,,b\"", "" },
		{ "migratectl detect --entities ,",
		  "--entities needs names separated by commas, not \",\"", "" },
		{ "migratectl detect --strategy sweeep",
		  "--strategy needs one of sweep|watermark, not \"sweeep\"",
		  "did you mean sweep?" },
		{ "migratectl migrate --strategy=",
		  "--strategy needs one of sweep|watermark, not \"\"", "" },
		{ "migratectl plan --sql=", "--sql needs a value, not \"\"", "" },
		{ "migratectl status --entities a", "status takes --entities only with --accounts",
		  "" },
		{ "migratectl status --exclude a", "status takes --exclude only with --accounts",
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct arguments arguments;
		struct error err = { 0 };

		if (parse(cases[i].line, &arguments, &err))
			fail_msg("accepted: %s", cases[i].line);
		assert_int_equal(err.kind, ERROR_USAGE);
		assert_string_equal(err.message, cases[i].message);
		assert_string_equal(err.hint, cases[i].hint);
	}
}

static void test_names_become_a_list(void **state)
{
	json_auto_t *three = arguments_names("a,b_c,d");
	json_auto_t *one = arguments_names("orders");

	(void)state;
	assert_int_equal(json_array_size(three), 3);
	assert_string_equal(json_string_value(json_array_get(three, 1)), "b_c");
	assert_int_equal(json_array_size(one), 1);
}

static void test_options_name_only_verbs_there_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		_cleanup_free_ char *verbs = text_copy(options[i].verbs ? options[i].verbs : "");

		for (char *verb = strtok(verbs, ","); verb; verb = strtok(NULL, ","))
			if (!command_by_verb(verb))
				fail_msg("%s names %s", options[i].name, verb);
		assert_int_equal(!options[i].value, options[i].kind == OPTION_FLAG);
	}
	assert_false(option_belongs_to(&options[0], "mig"));
	assert_false(option_belongs_to(&options[0], "grate"));
}

static void test_help(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	(void)state;
	help_append(&out, NULL);
	assert_golden("ctl_help.txt", text_string(&out));
	text_clear(&out);
	for (size_t i = 0; i < command_count; i++) {
		text_appendf(&out, "--- %s\n", commands[i].verb);
		help_append(&out, &commands[i]);
	}
	assert_golden("ctl_help_commands.txt", text_string(&out));
	text_clear(&out);
	help_append_group(&out, "dead-letters");
	assert_golden("ctl_help_group.txt", text_string(&out));
}

/* --- the manual ------------------------------------------------------------------------------- */

static char *manual(void)
{
	FILE *file = fopen("ctl/migratectl.1", "r");
	char *text = NULL;
	size_t capacity = 0;

	if (!file || getdelim(&text, &capacity, '\0', file) < 0)
		fail_msg("cannot read ctl/migratectl.1");
	fclose(file);
	return text;
}

// Is there a line that begins so, and goes on with a blank or ends?
static bool has_entry(const char *text, const char *entry)
{
	size_t length = strlen(entry);

	for (const char *at = text; (at = strstr(at, entry)); at += length)
		if (at > text && at[-1] == '\n' && (at[length] == ' ' || at[length] == '\n'))
			return true;
	return false;
}

static void test_the_manual_has_every_command_option_and_exit_status(void **state)
{
	_cleanup_free_ char *text = manual();

	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		_cleanup_free_ char *entry = text_format(".It Cm %s", commands[i].verb);

		if (!has_entry(text, entry))
			fail_msg("the manual has no entry %s", entry);
	}
	for (size_t i = 0; i < option_count; i++) {
		_cleanup_free_ char *entry = text_format(".It Fl %s", options[i].name + 1);
		_cleanup_free_ char *with_letter = text_format(".It Fl %c%s%s , Fl %s",
							       options[i].letter,
							       options[i].value ? " Ar " : "",
							       options[i].value ? "socket" : "",
							       options[i].name + 1);

		if (!has_entry(text, options[i].letter ? with_letter : entry))
			fail_msg("the manual has no entry %s", entry);
	}
	for (int status = EXIT_DONE; status <= EXIT_TIMED_OUT; status++) {
		_cleanup_free_ char *entry = text_format(".It %d", status);

		if (!has_entry(text, entry))
			fail_msg("the manual has no entry %s", entry);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_that_was_given_arrives),
		cmocka_unit_test(test_accounts_are_of_entities),
		cmocka_unit_test(test_what_was_not_given_is_empty),
		cmocka_unit_test(test_options_stand_before_and_after_the_verb),
		cmocka_unit_test(test_the_socket_comes_from_option_environment_or_custom),
		cmocka_unit_test(test_help_and_version_need_no_verb),
		cmocka_unit_test(test_verbs_of_two_words_are_one_verb),
		cmocka_unit_test(test_help_of_verbs_of_two_words_is_that_of_one_or_of_all),
		cmocka_unit_test(test_options_of_the_same_name_differ_only_in_verbs_and_help),
		cmocka_unit_test(test_mistakes_are_named_with_what_to_do),
		cmocka_unit_test(test_names_become_a_list),
		cmocka_unit_test(test_options_name_only_verbs_there_are),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_the_manual_has_every_command_option_and_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
