// What status --accounts shows, and its exit status.
#include "tests/unit/shown.h"

#include <locale.h>
#include <string.h>

static const struct look plain = { .utf8 = true };
static const struct look ascii = { 0 };
static const struct look coloured = { .terminal = true, .colour = true, .utf8 = true };

#define VERB "status --accounts"

#define ACCOUNT(entity, counts, more, mapping, balanced) \
	"{'entity':'" entity "'," counts "," more ",'mapping':'" mapping "','balanced':" balanced \
	",'error':null}"
#define COUNTS(source, equal, waiting, parked, letters, discarded, held, filtered, lost) \
	"'source':" source ",'equal':" equal ",'waiting':" waiting ",'parked':" parked \
	",'dead_letters':" letters ",'discarded':" discarded ",'held':" held \
	",'filtered':" filtered ",'lost':" lost
#define MORE(in_change_set, gone, deferred, undeleted, duplicates, keyless) \
	"'in_change_set':" in_change_set ",'gone':" gone ",'deferred':" deferred \
	",'undeleted':" undeleted ",'duplicates':" duplicates ",'keyless':" keyless
#define NO_MORE MORE("0", "0", "0", "0", "0", "0")

#define QUIET_ACCOUNTS \
	"{'balanced':true,'accounts':[" ACCOUNT("offices", \
						COUNTS("1", "1", "0", "0", "0", "0", "0", "0", \
						       "0"), \
						NO_MORE, "same", "true") "]}"

#define ACCOUNTS \
	"'accounts':[" ACCOUNT("offices", COUNTS("1234", "1234", "0", "0", "0", "0", "0", "0", "0"), NO_MORE, "same", "true") "," ACCOUNT( \
		"message_attachments", \
		COUNTS("2345678", "2000000", "300000", "20000", "5600", "70", "8", "20000", "0"), \
		MORE("1", "17", "1", "2", "0", "0"), "same", \
		"true") "," ACCOUNT("jaws", COUNTS("40", "0", "40", "0", "0", "0", "0", "0", "0"), \
				    NO_MORE, "changed", \
				    "true") "," ACCOUNT("patients", \
							COUNTS("10", "9", "0", "0", "0", "0", "0", \
							       "0", "1"), \
							MORE("0", "0", "0", "0", "1", "2"), \
							"same", \
							"false") "," ACCOUNT("views", \
									     COUNTS("10", "12", \
										    "0", "0", "0", \
										    "0", "0", "0", \
										    "0"), \
									     NO_MORE, "same", \
									     "false")

#define UNREADABLE \
	"{'entity':'files','source':null,'equal':null,'mapping':null,'balanced':false," \
	"'error':'relation dispatch_file does not exist'}"

static void test_every_class_is_a_column_and_the_sum_a_line(void **state)
{
	(void)state;
	assert_shown(&plain, VERB, QUIET_ACCOUNTS, NULL, "ctl_accounts_quiet.txt");
	assert_shown(&plain, VERB, "{" ACCOUNTS "]}", NULL, "ctl_accounts.txt");
	assert_shown(&ascii, VERB, "{" ACCOUNTS "]}", &(struct arguments){ .quiet = true },
		     "ctl_accounts_ascii_quiet.txt");
	assert_shown(&coloured, VERB, "{" ACCOUNTS "," UNREADABLE "]}", NULL,
		     "ctl_accounts_coloured.txt");
}

static void test_what_does_not_add_up_is_told_by_the_exit_status(void **state)
{
	(void)state;
	assert_int_equal(judged(VERB, QUIET_ACCOUNTS), EXIT_DONE);
	assert_int_equal(judged(VERB, "{'accounts':[" UNREADABLE "]}"), EXIT_FAILED);
	assert_int_equal(judged(VERB, "{" ACCOUNTS "]}"), EXIT_PAUSED);
	assert_int_equal(judged(VERB, "{" ACCOUNTS "," UNREADABLE "]}"), EXIT_PAUSED);
}

static void test_answers_of_another_shape_do_no_harm(void **state)
{
	static const char *const replies[] = {
		"{}",
		"{'accounts':5}",
		"{'accounts':[null,{},[],{'entity':5,'source':'x'}]}",
		"{'accounts':[{'entity':'\\u001b[2J','error':'\\u001b[2J'}]}",
	};
	static const struct arguments none;

	(void)state;
	for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		_cleanup_text_ struct text out = TEXT_INIT;
		json_auto_t *reply = reply_of(replies[i]);

		view_by_verb(VERB)->print(&plain, &out, reply, &none);
		view_by_verb(VERB)->judge(reply);
		assert_null(strchr(text_string(&out), '\033'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_class_is_a_column_and_the_sum_a_line),
		cmocka_unit_test(test_what_does_not_add_up_is_told_by_the_exit_status),
		cmocka_unit_test(test_answers_of_another_shape_do_no_harm),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
