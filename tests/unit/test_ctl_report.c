// What migratectl report shows: as text here, and what both the text and the page are made of.
#include "tests/unit/shown.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/text.h"
#include "ctl/report.h"

static const struct look plain = { .utf8 = true };
static const struct look ascii = { .utf8 = false };
static const struct look coloured = { .utf8 = true, .colour = true };

// A session of two entities; the holes are its state, its reason, the state of the second entity and its reason.
#define SESSION(state, reason) \
	"'made':'2026-01-05T10:00:00Z','session':{'session':'550e8400-e29b-41d4-a716-446655440000'," \
	"'number':7,'analysis':null,'mode':'differential','state':'" state "','hold':null," \
	"'reason':" reason ",'created':'2026-01-05T09:12:44Z','started':'2026-01-05T09:12:45Z'," \
	"'finished':'2026-01-05T09:13:45Z','elapsed_ms':60000,'stood_still_ms':0,'lives':2," \
	"'daemon_version':'0.1.0','source_version':90624,'target_version':150004," \
	"'target_database':'modern','total':12345,'done':12345,'inserted':12000,'updated':300," \
	"'deleted':10,'unchanged':20,'failed':12,'parked':3,'warned':1,'overwritten':0,'kept':0," \
	"'held':0,'retries':1,'batches':14,'halved':0,'rows_per_second':205.8}"

#define ENTITY(name, level, state, reason, refers_to, deferred_to, failed) \
	"{'entity':'" name "','level':" level ",'state':'" state "','reason':" reason "," \
	"'whole':true,'source':'legacy." name "','target':'" name "','refers_to':" refers_to "," \
	"'deferred_to':" deferred_to ",'strategy':'sweep','source_rows':6000,'rows_before':100," \
	"'rows_after':5988,'rows_counted':true,'total':6172,'done':6172,'inserted':6000," \
	"'updated':150,'deleted':5,'unchanged':10,'failed':" failed ",'parked':1,'warned':0," \
	"'overwritten':0,'kept':0,'held':0,'retries':0,'batches':7,'halved':0," \
	"'started':'2026-01-05T09:12:45Z','finished':'2026-01-05T09:13:40Z','waiting_ms':10," \
	"'planning_ms':250,'moving_ms':50000,'filling_ms':0,'deleting_ms':900," \
	"'rows_per_second':120.5}"

#define LISTS \
	"'phases':[{'phase':'detecting','ms':900},{'phase':'moving','ms':55000}]," \
	"'holds':[{'hold':'operator','reason':null,'began':'2026-01-05T09:12:50Z','ended':null," \
	"'from_ms':5000,'ms':2000}]," \
	"'options':[{'name':'entities','value':'offices, doctors'}]," \
	"'settings':[{'name':'settings.batch_size','value':'20000','is_default':true}," \
	"{'name':'settings.work_memory','value':'8MB','is_default':false}]," \
	"'timeline':{'from':'2026-01-05T09:12:45Z','step_ms':1000,'steps':6," \
	"'rows':[0,10,2000,10000,330,5],'entities':[{'entity':'offices','rows':[0,10,2000,0,0,0]}," \
	"{'entity':'doctors','rows':[0,0,0,10000,330,5]}]}," \
	"'dead_letters':[{'entity':'doctors','sqlstate':'23505','phase':'write'," \
	"'constraint':'doctors_name_key','column':null,'state':'open','rows':12}]," \
	"'parked':[{'entity':'doctors','column':'office_id','parent_entity':'offices'," \
	"'column_only':false,'rows':3}]," \
	"'conflicts':[{'entity':'doctors','state':'overwritten','policy':'source_wins'," \
	"'in_source':'changed','in_target':'edited','rows':2}]," \
	"'rules':[{'entity':'doctors','rule':'has_name','action':'warn','rows':1}]," \
	"'validations':[{'validation':'7f0e8400-e29b-41d4-a716-446655440000','step':null," \
	"'started':'2026-01-05T09:20:00Z','entity':'doctors','check':'values','state':'done'," \
	"'rows':6000,'waiting':2,'differences':3,'repaired':0,'kinds':[{'kind':'changed','rows':2}," \
	"{'kind':'missing','rows':1}],'reason':null}," \
	"{'validation':'7f0e8400-e29b-41d4-a716-446655440000','step':null," \
	"'started':'2026-01-05T09:20:00Z','entity':'doctors','check':'rules','state':'unchecked'," \
	"'rows':0,'waiting':0,'differences':0,'repaired':0,'kinds':[],'reason':'no rules'}]"

#define NO_LISTS \
	"'phases':[],'holds':[],'options':[],'settings':[],'timeline':{'from':'2026-01-05T09:12:45Z'," \
	"'step_ms':100,'steps':1,'rows':[0],'entities':[]},'dead_letters':[],'parked':[]," \
	"'conflicts':[],'rules':[],'validations':[]"

static const char full[] = "{" SESSION("completed", "null") ",'entities':[" ENTITY(
	"offices", "0", "completed", "null", "[]", "[]",
	"0") "," ENTITY("doctors", "1", "completed", "null", "['offices']", "['doctors']",
			"12") "]," LISTS "}";

static const char failed[] = "{" SESSION("failed", "'1 entity failed'") ",'entities':[" ENTITY(
	"offices", "0", "failed", "'no such column: name'", "[]", "[]", "0") "]," NO_LISTS "}";

static void test_a_report_as_text(void **state)
{
	(void)state;
	assert_shown(&plain, "report", full, NULL, "ctl_report.txt");
	assert_shown(&ascii, "report", full, NULL, "ctl_report_ascii.txt");
	assert_shown(&coloured, "report", failed, NULL, "ctl_report_failed.txt");
}

// Nothing is known of a reply of another version but what is in it.
static void test_what_is_missing_is_left_out(void **state)
{
	(void)state;
	assert_shown(&plain, "report", "{'session':{'session':'550e8400'}}", NULL,
		     "ctl_report_little.txt");
}

static void test_the_worst_finding_says_how_a_session_is_to_be_looked_at(void **state)
{
	static const struct {
		const char *json;
		enum report_severity worst;
	} sessions[] = {
		{ "{'session':{'state':'completed'}}", REPORT_GOOD },
		{ "{'session':{'state':'running'}}", REPORT_ACTIVE },
		{ "{'session':{'state':'completed','failed':1}}", REPORT_WARNING },
		{ "{'session':{'state':'paused'}}", REPORT_WARNING },
		{ "{'session':{'state':'completed'},'validations':[{'state':'unchecked'}]}",
		  REPORT_WARNING },
		{ "{'session':{'state':'completed'},'validations':[{'state':'done','differences':1}]}",
		  REPORT_BAD },
		{ "{'session':{'state':'failed'}}", REPORT_BAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof sessions / sizeof sessions[0]; i++) {
		json_auto_t *report = reply_of(sessions[i].json);
		struct report_findings findings;

		report_findings_make(&findings, report);
		assert_int_equal(report_findings_worst(&findings), sessions[i].worst);
		report_findings_done(&findings);
	}
}

static void test_what_was_not_checked_is_no_pass(void **state)
{
	static const struct {
		const char *json;
		const char *result;
	} checks[] = {
		{ "{'state':'done','differences':0}", "pass" },
		{ "{'state':'done','differences':2}", "differs" },
		{ "{'state':'unchecked','differences':0}", "unchecked" },
		{ "{'state':'running','differences':0}", "running" },
		{ "{}", "unknown" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		_cleanup_free_ char *json = text_format("{'validations':[%s]}", checks[i].json);
		json_auto_t *report = reply_of(json);

		report_complete(report);
		assert_string_equal(json_string_value(json_object_get(
					    json_array_get(json_object_get(report, "validations"),
							   0),
					    "result")),
				    checks[i].result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_report_as_text),
		cmocka_unit_test(test_what_is_missing_is_left_out),
		cmocka_unit_test(test_the_worst_finding_says_how_a_session_is_to_be_looked_at),
		cmocka_unit_test(test_what_was_not_checked_is_no_pass),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
