// What the commands about rows that were set aside show, against golden files.
#include "tests/unit/shown.h"

#include <locale.h>
#include <stdlib.h>
#include <time.h>

static const struct look plain = { .utf8 = true };
static const struct look coloured = { .terminal = true, .colour = true, .utf8 = true };

#define SESSION "550e8400-e29b-41d4-a716-446655440000"

#define LETTER(id, entity, key, state, sqlstate, constraint, column, message, attempts) \
	"{'id':" id ",'entity':'" entity "','legacy_key':" key ",'state':'" state \
	"','sqlstate':'" sqlstate "','constraint':" constraint ",'column':" column \
	",'message':'" message "','session':'" SESSION "','phase':'write','attempts':" attempts \
	",'created':'2026-01-05T09:12:44.000000Z','updated':'2026-01-06T09:12:44.000000Z'," \
	"'mapped':false}"

#define NOT_NULL \
	LETTER("42", "offices", "['3']", "open", "23502", "null", "'name'", \
	       "NULL, where the target column must have a value", "3")
#define UNIQUE \
	LETTER("7", "case_files", "['12','de']", "discarded", "23505", "'case_files_legacy_key'", \
	       "null", "duplicate key value violates unique constraint", "1")

/* --- dead-letters list ---------------------------------------------------------------------------- */

static void test_dead_letters(void **state)
{
	static const struct arguments all = { .letter_state = "all", .quiet = true };
	static const struct arguments of_one = { .entity = "offices" };

	(void)state;
	assert_shown(&plain, "dead-letters list",
		     "{'total':1,'letters':[" NOT_NULL "],'counts':[]}", NULL,
		     "ctl_letters_list.txt");
	assert_shown(&coloured, "dead-letters list",
		     "{'total':2,'letters':[" NOT_NULL "," UNIQUE "],'counts':[]}", &all,
		     "ctl_letters_list_all.txt");
	assert_shown(&plain, "dead-letters list",
		     "{'total':1234,'letters':[" NOT_NULL "],'counts':["
		     "{'entity':'offices','sqlstate':'23502','constraint':null,'column':'name',"
		     "'rows':1200},{'entity':'cases','sqlstate':'22P02','constraint':null,"
		     "'column':null,'rows':34}]}",
		     NULL, "ctl_letters_list_more.txt");
	assert_shown(&plain, "dead-letters list", "{'total':0,'letters':[],'counts':[]}", NULL,
		     "ctl_letters_list_empty.txt");
	assert_shown(&plain, "dead-letters list", "{'total':0,'letters':[],'counts':[]}", &of_one,
		     "ctl_letters_list_none_like_these.txt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dead_letters),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
