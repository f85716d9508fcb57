// What migratectl shows of business rules: the rules themselves, and rows that were carried although they break one.
#include "tests/unit/shown.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/outcome.h"

static const struct look plain = { .utf8 = true };

#define RULES \
	"{'rules':[" \
	"{'entity':'orders','rule':'price_is_positive','asked':'before','action':'reject'," \
	" 'condition':'price >= 0','rows':1234,'keys':%s}," \
	"{'entity':'patients','rule':'has_office','asked':'after','action':'warn'," \
	" 'condition':'office_id IS NOT NULL','rows':0,'keys':[]}]}"

static void test_rules(void **state)
{
	static const struct arguments one = { .entity = "orders" };
	static const struct arguments by_name = { .rule = "price_is_positive" };
	_cleanup_free_ char *counted = text_format(RULES, "[]");
	_cleanup_free_ char *with_keys =
		text_format(RULES, "[{'legacy_key':['13']},{'legacy_key':['14','de']}]");

	(void)state;
	assert_shown(&plain, "rules", counted, NULL, "ctl_rules.txt");
	assert_shown(&plain, "rules", with_keys, &by_name, "ctl_rules_keys.txt");
	assert_shown(&plain, "rules", "{'rules':[]}", NULL, "ctl_rules_none.txt");
	assert_shown(&plain, "rules", "{'rules':[]}", &one, "ctl_rules_none_of_one.txt");
	assert_shown(&plain, "rules", "{}", NULL, "ctl_rules_none.txt");
}

#define SESSION(warned) \
	"{'session':'550e8400-e29b-41d4-a716-446655440000','mode':'full','state':'completed'," \
	"'created':'2026-01-05T09:12:44Z','elapsed_ms':1000,'total':9,'done':9,'failed':0," \
	"'parked':0,'percent':100.0,'warned':" warned "}"

#define ENTITY(name, warned) \
	"{'entity':'" name "','status':'completed','total':4,'done':4,'failed':0,'parked':0," \
	"'rows_per_second':null,'eta_ms':null,'warned':" warned "}"

static void test_warnings_have_a_column_when_there_are_any(void **state)
{
	(void)state;
	assert_shown(&plain, "list", "{'sessions':[" SESSION("3") "," SESSION("0") "]}", NULL,
		     "ctl_list_warned.txt");
	assert_shown(&plain, "status",
		     "{'state':'idle','session':" SESSION(
			     "3") ",'entities':[" ENTITY("orders", "3") "," ENTITY("offices",
										   "0") "]}",
		     NULL, "ctl_status_warned.txt");
}

static void assert_outcome(const char *warned, const char *expected)
{
	_cleanup_free_ char *json = text_format("{'session':'550e8400','state':'completed',"
						"'done':20,'failed':0,'parked':0,'warned':%s}",
						warned);
	_cleanup_text_ struct text sentence = TEXT_INIT;
	json_auto_t *session = reply_of(json);

	assert_int_equal(outcome_of(session, &sentence), EXIT_DONE);
	assert_string_equal(text_string(&sentence), expected);
}

static void test_the_last_word_on_a_session_says_that_rules_were_broken(void **state)
{
	(void)state;
	assert_outcome("12", "session 550e8400 completed, 20 rows; 12 rows were carried although "
			     "they break a rule");
	assert_outcome("1", "session 550e8400 completed, 20 rows; 1 row was carried although it "
			    "breaks a rule");
	assert_outcome("0", "session 550e8400 completed, 20 rows");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_warnings_have_a_column_when_there_are_any),
		cmocka_unit_test(test_the_last_word_on_a_session_says_that_rules_were_broken),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
