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

/* --- dead-letters show, retry, discard ------------------------------------------------------------ */

#define ADVICE \
	"The target column must have a value. Give it one in the source, or in the mapping " \
	"(sql: coalesce(...)), or let the column be NULL."

static void test_a_dead_letter(void **state)
{
	(void)state;
	assert_shown(&plain, "dead-letters show",
		     "{'letter':" NOT_NULL ",'discarded_by':null,'discarded_at':null,'queued':true,"
		     "'waiting':12,'waiting_rows':[{'entity':'desks','legacy_key':['4']},"
		     "{'entity':'desks','legacy_key':['24']}],'row_sql':'SELECT row FROM "
		     "migrated.dead_letter WHERE id = 42','advice':'" ADVICE "'}",
		     NULL, "ctl_letters_show.txt");
	assert_shown(&plain, "dead-letters show",
		     "{'letter':" UNIQUE ",'discarded_by':1000,"
		     "'discarded_at':'2026-01-07T10:00:00.000000Z','queued':false,'waiting':0,"
		     "'waiting_rows':[],'row_sql':null,'advice':'" ADVICE "'}",
		     NULL, "ctl_letters_show_discarded.txt");
}

static void test_retry(void **state)
{
	static const struct arguments quiet = { .quiet = true };

	(void)state;
	assert_shown(&plain, "dead-letters retry",
		     "{'rows':1,'passed_over':0,'session':'" SESSION "','begun':true,'later':[]}",
		     NULL, "ctl_letters_retry.txt");
	assert_shown(&plain, "dead-letters retry",
		     "{'rows':1200,'passed_over':2,'session':'" SESSION "','begun':false,'later':["
		     "{'entity':'offices','rows':3,'reason':'the session under way has counted "
		     "what there is to do of it'}]}",
		     &quiet, "ctl_letters_retry_beside.txt");
	assert_shown(&plain, "dead-letters retry",
		     "{'rows':3,'passed_over':0,'session':null,'begun':false,'later':["
		     "{'entity':'offices','rows':3,'reason':'its mapping has changed'}]}",
		     NULL, "ctl_letters_retry_later.txt");
	assert_shown(&plain, "dead-letters retry",
		     "{'rows':0,'passed_over':1,'session':null,'begun':false,'later':[]}", NULL,
		     "ctl_letters_retry_nothing.txt");
}

static void test_discard(void **state)
{
	(void)state;
	assert_shown(&plain, "dead-letters discard", "{'rows':1200,'passed_over':1}", NULL,
		     "ctl_letters_discard.txt");
	assert_shown(&plain, "dead-letters discard", "{'rows':0,'passed_over':0}", NULL,
		     "ctl_letters_discard_nothing.txt");
}

/* --- parked --------------------------------------------------------------------------------------- */

#define PARKED(entity, key, parent, parent_key, state, letter, waits_for) \
	"{'entity':'" entity "','legacy_key':" key \
	",'column':'office_id','parent_entity':'" parent "','parent_key':" parent_key \
	",'session':'" SESSION \
	"','since':'2026-01-05T09:12:44.000000Z','mapped':false,'parent_state':'" state \
	"','parent_letter':" letter ",'parent_waits_for':" waits_for "}"

#define OFFICE "{'entity':'offices','legacy_key':['3']}"
#define WAITING_ROWS \
	PARKED("desks", "['4']", "offices", "['3']", "dead_letter", NOT_NULL, "null") \
	"," PARKED("desks", "['24']", "offices", "['3']", "dead_letter", NOT_NULL, "null") "," PARKED( \
		"drawers", "['1','a']", "desks", "['24']", "parked", "null", \
		OFFICE) "," PARKED("notes", "['9']", "case_files", "['12','de']", "dead_letter", \
				   UNIQUE, \
				   "null") "," PARKED("notes", "['10']", "offices", "['99']", \
						      "not_in_source", "null", \
						      "null") "," PARKED("notes", "['11']", \
									 "offices", "['98']", \
									 "filtered_out", "null", \
									 "null") "," PARKED("notes", \
											    "['12']", \
											    "offices", \
											    "['97']", \
											    "not_carried", \
											    "null", \
											    "null") "," PARKED("notes", \
													       "['13']", \
													       "offices", \
													       "['96']", \
													       "", \
													       "null", \
													       "null")

static void test_parked(void **state)
{
	(void)state;
	assert_shown(&plain, "parked", "{'total':1234,'rows':[" WAITING_ROWS "]}", NULL,
		     "ctl_parked.txt");
	assert_shown(&plain, "parked", "{'total':0,'rows':[]}", NULL, "ctl_parked_empty.txt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dead_letters), cmocka_unit_test(test_a_dead_letter),
		cmocka_unit_test(test_retry),	     cmocka_unit_test(test_discard),
		cmocka_unit_test(test_parked),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
