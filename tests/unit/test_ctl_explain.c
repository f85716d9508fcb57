// What explain says of a row, against golden files: the sentence, the facts, the next step.
#include "tests/unit/shown.h"

#include <locale.h>
#include <stdlib.h>
#include <time.h>

static const struct look plain = { .utf8 = true };

#define SESSION "550e8400-e29b-41d4-a716-446655440000"

#define ROW(state, source, target, map, more) \
	"{'entity':'patients','legacy_key':['4711'],'target_key':['0a1b'],'state':'" state \
	"','on_delete':'delete','source':" source ",'target':" target ",'map':" map \
	",'mapping':'same'," more "}"

#define THERE "{'asked':true,'present':true,'wanted':true,'error':null}"
#define ABSENT "{'asked':true,'present':false,'wanted':false,'error':null}"
#define DOWN "{'asked':false,'present':null,'wanted':null,'error':'connection refused'}"
#define MAPPED \
	"{'target_key':['0a1b'],'session':'" SESSION \
	"','gone':null,'adopted':false,'present':true,'edited':true,'carries':['4711']}"

#define LETTER \
	"{'id':42,'entity':'offices','legacy_key':['3'],'state':'open','sqlstate':'23502'," \
	"'constraint':null,'column':'name','message':'NULL, where the target column must have a " \
	"value','attempts':3,'updated':'2026-01-06T09:12:44.000000Z','phase':'write'}"

#define EDITED \
	ROW("edited", THERE, THERE, MAPPED, \
	    "'handled':true,'compared':true,'columns':['name','city'],'changes':1234,'history':[" \
	    "{'session':'" SESSION \
	    "','at':'2026-01-05T09:12:44.000000Z','kind':'updated','columns':['name']," \
	    "'values':[{'column':'name','before':'A','after':null}]}]," \
	    "'values':[{'column':'name','source':'B','target':null}]," \
	    "'conflicts':[{'id':7,'state':'overwritten','in_source':'changed','in_target':'edited'," \
	    "'columns':['name'],'updated':'2026-01-05T09:12:44.000000Z'}],'warnings':['has_office']")

#define PARKED \
	ROW("parked", THERE, ABSENT, "null", \
	    "'waits_for':[{'entity':'patients','legacy_key':['4711'],'column':'office_id'," \
	    "'parent_entity':'offices','parent_key':['3'],'since':'2026-01-05T09:12:44.000000Z'," \
	    "'parent_state':null,'parent_letter':" LETTER "}],'waiting':2,'waiting_rows':[" \
	    "{'entity':'cases','legacy_key':['12','de'],'column':'patient_id','deferred':false}," \
	    "{'entity':'notes','legacy_key':['13'],'column':'about_id','deferred':true}]")

#define ODD_PARENT \
	ROW("deferred", THERE, THERE, MAPPED, \
	    "'compared':true,'columns':[],'deferred':[{'column':'case_id','parent_entity':'cases'," \
	    "'parent_key':['it\\u0027s, 1','de'],'parent_state':'not_followed'}]")

static void test_rows(void **state)
{
	(void)state;
	assert_shown(&plain, "explain", EDITED, NULL, "ctl_explain_edited.txt");
	assert_shown(&plain, "explain", PARKED, NULL, "ctl_explain_parked.txt");
	assert_shown(&plain, "explain", ROW("unchecked", DOWN, THERE, MAPPED, "'compared':false"),
		     NULL, "ctl_explain_source_down.txt");
	assert_shown(&plain, "explain", ROW("unchecked", THERE, DOWN, "null", "'compared':false"),
		     NULL, "ctl_explain_target_down.txt");
	assert_shown(&plain, "explain",
		     ROW("changed", THERE, THERE, MAPPED,
			 "'noted':{'session':'" SESSION "','kind':'modified'},'handled':false"),
		     NULL, "ctl_explain_noted.txt");
	assert_shown(&plain, "explain", "{}", NULL, "ctl_explain_empty.txt");
}

static void test_commands_are_quoted_as_a_shell_wants_them(void **state)
{
	(void)state;
	assert_shown(&plain, "explain", ODD_PARENT, NULL, "ctl_explain_quoted.txt");
}

static void test_the_exit_status_says_that_there_is_no_such_row(void **state)
{
	(void)state;
	assert_int_equal(judged("explain", "{'state':'unknown'}"), EXIT_NO_SUCH);
	assert_int_equal(judged("explain", "{'state':'edited'}"), EXIT_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_commands_are_quoted_as_a_shell_wants_them),
		cmocka_unit_test(test_the_exit_status_says_that_there_is_no_such_row),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
