// What audit shows, and how people say since when.
#include "tests/unit/shown.h"

#include <locale.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "ctl/moment.h"

#define CALL(id, who, method, parameters, result, times) \
	"{'id':" id \
	",'at':'2026-01-05T09:12:44.000000Z','ended':'2026-01-05T09:12:45.000000Z'," who \
	",'method':" method ",'parameters':" parameters ",'result':'" result "','times':" times \
	"}"
#define ANNA "'uid':1001,'gid':100,'pid':4711,'user':'anna'"
#define UNNAMED "'uid':1002,'gid':100,'pid':12,'user':null"
#define SEVERAL "'uid':null,'gid':null,'pid':null,'user':null"
#define ROW(change, entity, kind, key, session) \
	"{'change':" change ",'at':'2026-01-05T09:12:44.000000Z','session':" session \
	",'batch':1,'entity':'" entity "','kind':'" kind "','legacy_key':" key \
	",'target_key':['7d9c2f00-0000-4000-8000-000000000001']}"

static const struct look plain = { 0 };

static void test_calls(void **state)
{
	(void)state;
	assert_shown(
		&plain, "audit",
		"{'commands':[" CALL(
			"9", ANNA, "'io.migrated.Migrate'", "{'entities':['a','b'],'full':true}",
			"ok",
			"1") "," CALL("8", UNNAMED, "'io.migrated.Cancel'", "null",
				      "io.migrated.PermissionDenied",
				      "3") "," CALL("7", ANNA, "'io.migrated.ListDeadLetters'",
						    "{'entity':'x\\u001b[2J'}", "ok",
						    "1234") "," CALL("6", UNNAMED, "null", "null",
								     "malformed",
								     "1") "," CALL("5", SEVERAL,
										   "null", "null",
										   "unlisted",
										   "99") "," CALL("4",
												  ANNA,
												  "'io.migrated.Nothing'",
												  "{'(undeclared)':2}",
												  "org.varlink.service.MethodNotFound",
												  "1") "],'rows':[],'next':4}",
		NULL, "ctl_audit.txt");
	assert_shown(&plain, "audit", "{'commands':[],'rows':[],'next':null}", NULL,
		     "ctl_audit_empty.txt");
}

static void test_rows(void **state)
{
	const struct arguments rows = { .rows = true };

	(void)state;
	assert_shown(
		&plain, "audit",
		"{'commands':[],'rows':[" ROW(
			"1234567", "orders", "updated", "['13']",
			"'550e8400-e29b-41d4-a716-446655440000'") "," ROW("12", "case_files",
									  "deleted", "['13','de']",
									  "null") "],'next':null}",
		&rows, "ctl_audit_rows.txt");
	assert_shown(&plain, "audit", "{'commands':[],'rows':[],'next':null}", &rows,
		     "ctl_audit_rows_empty.txt");
}

static void test_moments(void **state)
{
	static const struct {
		const char *text;
		const char *moment; // NULL: it is none
	} cases[] = {
		{ "2h", "2026-01-05T07:12:44.000000Z" },
		{ "7d", "2025-12-29T09:12:44.000000Z" },
		{ "2026-01-05", "2026-01-05T00:00:00.000000Z" },
		{ "2026-01-05 08:09", "2026-01-05T08:09:00.000000Z" },
		{ "2026-01-05T08:09:10", "2026-01-05T08:09:10.000000Z" },
		{ "2026-01-05 08:09:10Z", "2026-01-05T08:09:10.000000Z" },
		{ "", NULL },
		{ "2", NULL },
		{ "-2h", NULL },
		{ "tomorrow", NULL },
		{ "2026-01-06", NULL },
		{ "2026-01-05 08:09 or so", NULL },
		{ "2026-13-05", NULL },
		{ "99999999d", NULL },
	};
	// 2026-01-05 09:12:44
	const int64_t now_us = INT64_C(1767604364) * 1000000;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[CLOCK_RFC3339_SIZE];
		int64_t moment_us = -1;
		bool is_one = moment_parse(cases[i].text, now_us, &moment_us);

		if (is_one != (cases[i].moment != NULL))
			fail_msg("%s is taken wrongly", cases[i].text);
		if (is_one)
			assert_string_equal(clock_format_rfc3339(text, moment_us), cases[i].moment);
		else
			assert_int_equal(moment_us, -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_moments),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
