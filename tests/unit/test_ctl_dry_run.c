// What a dry run would do, as migratectl shows it, against golden files.
#include "tests/unit/shown.h"

#include "ctl/view_dry_run.h"

static const struct look plain = { .utf8 = true };
static const struct look ascii = { 0 };

#define PART(name, figures) \
	"{'entity':'" name "','status':'completed'," figures "," \
	"'warned':0,'reason':null}"

#define ORDINARY \
	"{'session':{'session':'550e8400-e29b-41d4-a716-446655440000','mode':'dry run','state':'completed'}," \
	"'entities':[" PART("offices", "'inserted':1,'updated':1200,'deleted':3,'unchanged':4,'failed':0,'parked':0") "," PART( \
		"patients", \
		"'inserted':5,'updated':6,'deleted':7,'unchanged':8,'failed':2,'parked':1") "]," \
											    "'mode':'differential','marking':['patients'],'remarks':[]," \
											    "'set_aside':[{'entity':'patients','sqlstate':'23505','phase':'write','constraint':'patients_email_key','column':null,'rows':1}," \
											    "{'entity':'patients','sqlstate':'23502','phase':'write','constraint':null,'column':'last_name','rows':1}]," \
											    "'rows':[" \
											    "{'entity':'patients','legacy_key':['13'],'kind':'updated','sqlstate':null,'constraint':null,'column':null,'waits_for':null," \
											    "'columns':[{'column':'name','before':'Ada','after':'Adah'},{'column':'office_id','before':null,'after':'7'}]}," \
											    "{'entity':'patients','legacy_key':['14','de'],'kind':'inserted','columns':[{'column':'name','before':null,'after':'Ben'}]}," \
											    "{'entity':'patients','legacy_key':['15'],'kind':'deleted','columns':[{'column':'name','before':'Cleo','after':null}]}," \
											    "{'entity':'patients','legacy_key':['16'],'kind':'set_aside','sqlstate':'23505','constraint':'patients_email_key'," \
											    "'column':null,'waits_for':null,'columns':[]}," \
											    "{'entity':'patients','legacy_key':['17'],'kind':'parked','waits_for':'offices','columns':[]}]}"

#define STOPPED \
	"{'entities':[{'entity':'offices','status':'completed','inserted':1,'updated':0,'deleted':0,'unchanged':0,'failed':0," \
	"'parked':0,'overwritten':2,'kept':1,'held':3}," \
	"{'entity':'orders','status':'failed','inserted':0,'reason':'the target has no column \\\"notes\\\"'}]," \
	"'marking':[],'remarks':['30 of 40 rows of \\\"offices\\\" are gone from the source'],'set_aside':[],'rows':[]}"

static void assert_printed(const struct look *look, const char *json, const char *golden)
{
	static const struct arguments none = { 0 };
	_cleanup_text_ struct text out = TEXT_INIT;
	json_auto_t *reply = reply_of(json);

	dry_run_print(look, &out, reply, &none);
	assert_golden(golden, text_string(&out));
}

static void test_what_would_be_done_is_shown_by_entity_cause_and_row(void **state)
{
	(void)state;
	assert_printed(&plain, ORDINARY, "ctl_dry_run.txt");
	assert_printed(&ascii, ORDINARY, "ctl_dry_run_ascii.txt");
}

static void test_what_stands_in_the_way_is_said(void **state)
{
	(void)state;
	assert_printed(&plain, STOPPED, "ctl_dry_run_stopped.txt");
	assert_printed(&plain, "{}", "ctl_dry_run_empty.txt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_would_be_done_is_shown_by_entity_cause_and_row),
		cmocka_unit_test(test_what_stands_in_the_way_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
