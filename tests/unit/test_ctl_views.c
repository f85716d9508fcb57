// What each command shows for an answer, as text and as JSON, against golden files; and its exit
// status.
#include "tests/unit/shown.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/outcome.h"
#include "ctl/progress.h"
#include "ctl/view.h"

static const struct look plain = { .utf8 = true };
static const struct look ascii = { 0 };
static const struct look coloured = { .terminal = true, .colour = true, .utf8 = true };

#define SESSION "550e8400-e29b-41d4-a716-446655440000"

/* --- status and progress ---------------------------------------------------------------------- */

#define ENTITY(name, status, total, done, rate, eta, failed, parked) \
	"{'entity':'" name "','level':0,'status':'" status "','total':" total ",'done':" done \
	",'inserted':0,'updated':0,'deleted':0,'unchanged':0,'failed':" failed ",'parked':" parked \
	",'rows_per_second':" rate ",'eta_ms':" eta "}"

#define RUNNING_SESSION \
	"{'session':'" SESSION "','mode':'differential','state':'running'," \
	"'created':'2026-01-05T09:12:44Z','elapsed_ms':12345,'total':340,'done':199," \
	"'failed':1,'parked':0,'percent':58.5,'success_rate':99.7," \
	"'rows_per_second':38987.2,'eta_ms':2100}"

#define RUNNING_ENTITIES \
	"[" ENTITY("offices", "completed", "100", "100", "41234.9", "null", "0", \
		   "0") "," ENTITY("doctors", "running", "120", "90", "38987", "2100", "1", \
				   "0") "," ENTITY("patients", "pending", "120", "0", "null", \
						   "null", "0", "0") "]"

#define STATUS \
	"{'daemon_version':'0.1.0','pid':4711,'started':'2026-01-05T09:00:00.5Z'," \
	"'state':'running','reason':null,'resident_kb':23456," \
	"'next_cycle':'2026-01-05T10:00:00Z','connections':[" \
	"{'name':'source','state':'ready','server_version':90624,'error':null," \
	"'since':'2026-01-05T09:00:01Z'}," \
	"{'name':'target','state':'waiting','server_version':null," \
	"'error':'could not connect: connection refused','since':'2026-01-05T09:00:02Z'}]," \
	"'session':" RUNNING_SESSION ",'entities':" RUNNING_ENTITIES "," NO_CYCLES "}"

#define NO_CYCLES \
	"'standby':null,'throttled':null,'cycles':{'every_ms':0,'window':null,'time_zone':null," \
	"'sweep_every_ms':86400000,'next':null,'lag_ms':null,'last':[]}"

#define CYCLE(started, elapsed, result, sweep, changed, session, reason) \
	"{'started':'2026-01-05T" started "Z','elapsed_ms':" elapsed ",'result':'" result \
	"','sweep':" sweep ",'changed':" changed ",'session':" session ",'reason':" reason "}"

#define CYCLES_STATUS \
	"{'daemon_version':'0.1.0','pid':4711,'started':'2026-01-05T09:00:00Z'," \
	"'state':'idle','reason':null,'resident_kb':8192,'next_cycle':'2026-01-05T22:00:00Z'," \
	"'connections':[],'session':null,'entities':[],'standby':null," \
	"'throttled':'42 on the target, and not more than 10 is wanted','cycles':{" \
	"'every_ms':300000,'window':'22:00-06:00','time_zone':'Europe/Berlin'," \
	"'sweep_every_ms':86400000,'next':'2026-01-05T22:00:00Z','lag_ms':57600000,'last':[" CYCLE("05:55:00", "38", "quiet", "false", "0", "null", "null") "," CYCLE( \
		"05:50:00", "4210", "migrated", "true", "12345", "'" SESSION "'", \
		"null") "," CYCLE("05:45:00", "0", "skipped", "false", "0", "null", \
				  "'the session before it is paused'") "," CYCLE("05:40:00", \
										 "1204", "failed", \
										 "false", "7", \
										 "'" SESSION "'", \
										 "'orders: no such column x'") "," CYCLE("05:35:00", \
															 "40", \
															 "quiet", \
															 "false", \
															 "0", \
															 "null", \
															 "null") "," CYCLE("05:30:00", \
																	   "41", \
																	   "quiet", \
																	   "false", \
																	   "0", \
																	   "null", \
																	   "null") "]}}"

#define STANDBY_STATUS \
	"{'daemon_version':'0.1.0','pid':4712,'started':'2026-01-05T09:00:00Z'," \
	"'state':'standby','reason':'migrated on alpha (pid 4711) owns the control schema'," \
	"'resident_kb':8192,'connections':[],'session':null,'entities':[]," \
	"'standby':'migrated on alpha (pid 4711) owns the control schema','throttled':null," \
	"'cycles':{'every_ms':2000,'window':null,'time_zone':null,'sweep_every_ms':0," \
	"'next':null,'lag_ms':null,'last':[]}}"

#define IDLE_STATUS \
	"{'daemon_version':'0.1.0','pid':4711,'started':'2026-01-05T09:00:00Z'," \
	"'state':'idle','reason':'the configuration names no entity','resident_kb':8192," \
	"'connections':[{'name':'source','state':'ready','server_version':150018," \
	"'since':'2026-01-05T09:00:01Z'}],'session':null,'entities':[]}"

static void test_status(void **state)
{
	(void)state;
	assert_shown(&plain, "status", STATUS, NULL, "ctl_status.txt");
	assert_shown(&ascii, "status", STATUS, NULL, "ctl_status_ascii.txt");
	assert_shown(&coloured, "status", STATUS, NULL, "ctl_status_coloured.txt");
	assert_shown(&plain, "status", IDLE_STATUS, NULL, "ctl_status_idle.txt");
	assert_shown(&plain, "status", "{}", NULL, "ctl_status_empty.txt");
}

static void test_status_of_one_that_runs_in_cycles(void **state)
{
	(void)state;
	assert_shown(&plain, "status", CYCLES_STATUS, NULL, "ctl_status_cycles.txt");
	assert_shown(&coloured, "status", CYCLES_STATUS, NULL, "ctl_status_cycles_coloured.txt");
	assert_shown(&plain, "status", STANDBY_STATUS, NULL, "ctl_status_standby.txt");
}

static void test_the_exit_status_of_status_says_that_a_session_is_paused(void **state)
{
	(void)state;
	assert_int_equal(judged("status", STATUS), EXIT_DONE);
	assert_int_equal(judged("status", "{'session':null}"), EXIT_DONE);
	assert_int_equal(judged("status", "{'session':{'state':'paused'}}"), EXIT_PAUSED);
}

static void test_json_is_the_answer_with_a_version(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;
	json_auto_t *reply = reply_of(STATUS);

	(void)state;
	view_append_json(&out, reply, false);
	assert_golden("ctl_status.json", text_string(&out));
	text_clear(&out);
	view_append_json(&out, reply, true);
	assert_int_equal(strncmp(text_string(&out), "{\"version\":1,\"daemon_version\"", 29), 0);
	assert_ptr_equal(strchr(text_string(&out), '\n'), out.data + out.length - 1);
}

static void append_progress(struct text *out, const char *session, const char *entities,
			    size_t max_lines)
{
	json_auto_t *session_json = reply_of(session);
	json_auto_t *entities_json = reply_of(entities);

	if (max_lines == 0)
		progress_frame(&plain, out, session_json, entities_json);
	else
		progress_entities(&plain, out, session_json, entities_json,
				  &(struct progress_room){ .lines = max_lines });
}

static void test_progress_of_a_paused_session_says_why(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	(void)state;
	append_progress(&out,
			"{'session':'" SESSION
			"','mode':'full','state':'paused','reason':'disk full "
			"on target','elapsed_ms':93784000,'total':10,'done':5,'eta_ms':10,"
			"'rows_per_second':10.0}",
			"[{'entity':'orders','status':'paused','total':10,'done':5,'failed':0,"
			"'parked':2,'reason':'disk full on target'},"
			"{'entity':'cases','status':'pending','total':0,'done':0,'failed':0,"
			"'parked':0}]",
			0);
	assert_golden("ctl_progress_paused.txt", text_string(&out));
}

static void test_progress_says_why_a_session_is_held_and_what_ends_that(void **state)
{
	static const struct {
		const char *hold, *reason;
	} held[] = {
		{ "'operator'", "'paused by an operator'" },
		{ "'operator'", "null" },
		{ "'breaker'", "'patients: 31% of its rows are gone from the source (max. 20%)'" },
		{ "'breaker'", "'the source is another one; migratectl resume carries it out'" },
		{ "'timeout'", "'it has taken 2h'" },
		{ "'environment'", "'target: could not extend file: No space left on device'" },
		{ "'brandnew'", "null" },
		{ "null", "null" },
	};
	_cleanup_text_ struct text out = TEXT_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
		_cleanup_free_ char *session = text_format(
			"{'session':'" SESSION
			"','mode':'differential','state':'paused','hold':%s,'reason':%s,"
			"'elapsed_ms':5000,'total':10,'done':5}",
			held[i].hold, held[i].reason);

		append_progress(&out, session, "[]", 0);
	}
	assert_golden("ctl_progress_held.txt", text_string(&out));
}

#define TRYING(name, status, attempts, retry_at, reason) \
	"{'entity':'" name "','status':'" status "','total':10,'done':5,'failed':0,'parked':0," \
	"'attempts':" attempts ",'retry_at':" retry_at ",'batch_size':500,'reason':" reason "}"

static void test_progress_shows_attempts_and_when_the_next_is(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	(void)state;
	append_progress(
		&out, RUNNING_SESSION,
		"[" TRYING("orders", "running", "3", "'2026-01-05T09:12:50.25Z'", "'deadlock detected'") "," TRYING(
			"cases", "running", "1", "null",
			"null") "," TRYING("files", "running", "0", "null",
					   "null") "," TRYING("jaws", "paused", "0",
							      "'2026-01-05T09:13:00Z'",
							      "'permission denied'") "]",
		0);
	assert_golden("ctl_progress_attempts.txt", text_string(&out));
}

static void test_a_completed_session_shows_the_entities_that_had_changes(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	(void)state;
	for (size_t lines = 0; lines <= 6; lines += 6) {
		text_appendf(&out, "--- %zu lines\n", lines);
		append_progress(&out,
				"{'session':'" SESSION
				"','mode':'differential','state':'completed',"
				"'elapsed_ms':400,'total':12,'done':12}",
				"[" ENTITY("offices", "completed", "0", "0", "null", "null", "0",
					   "0") "," ENTITY("doctors", "completed", "12", "12",
							   "null", "null", "0",
							   "0") "," ENTITY("cases", "completed",
									   "0", "0", "null", "null",
									   "0", "0") "]",
				lines);
	}
	assert_golden("ctl_progress_completed.txt", text_string(&out));
}

#define THREE_OF(status) \
	ENTITY("a_" status, status, "10", "5", "1", "1", "0", "0") \
	"," ENTITY("b_" status, status, "10", "5", "1", "1", "0", \
		   "0") "," ENTITY("c_" status, status, "10", "5", "1", "1", "0", "0")

static void test_progress_keeps_the_busiest_when_the_screen_is_small(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;
	static const char entities[] = "[" THREE_OF("completed") "," THREE_OF(
		"pending") "," THREE_OF("running") "," THREE_OF("failed") "]";

	(void)state;
	for (size_t lines = 1; lines <= 20; lines++) {
		text_appendf(&out, "--- %zu lines\n", lines);
		append_progress(&out, RUNNING_SESSION, entities, lines);
	}
	assert_golden("ctl_progress_small.txt", text_string(&out));
}

static void test_percentages_stay_within_their_bounds(void **state)
{
	static const struct {
		const char *json;
		int percent;
	} cases[] = {
		{ "{'total':1000,'done':999}", 99 },
		{ "{'total':1000,'done':1000}", 99 },
		{ "{'total':1000,'done':1000,'status':'completed'}", 100 },
		{ "{'total':1000,'done':3480,'status':'running'}", 99 },
		{ "{'total':1000,'done':-5}", 0 },
		{ "{'total':0,'done':0,'status':'pending'}", 0 },
		{ "{'total':0,'done':0,'status':'completed'}", 100 },
		{ "{'total':0,'done':0,'state':'completed'}", 100 },
		{ "{'total':-1,'done':5}", 0 },
		{ "{'total':9000000000000000000,'done':8999999999999999999}", 99 },
		{ "{}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_auto_t *json = reply_of(cases[i].json);

		assert_int_equal(progress_percent(json), cases[i].percent);
	}
}

/* --- lists ------------------------------------------------------------------------------------ */

static void test_list(void **state)
{
	(void)state;
	assert_shown(&plain, "list",
		     "{'sessions':["
		     "{'session':'" SESSION "','mode':'differential','state':'completed',"
		     "'created':'2026-01-05T09:12:44Z','elapsed_ms':12000,'total':340,'done':340,"
		     "'failed':1,'parked':0},"
		     "{'session':'660e8400-e29b-41d4-a716-446655440000','mode':'full',"
		     "'state':'failed','reason':'column nope does not exist',"
		     "'created':'2026-01-04T09:12:44Z','elapsed_ms':3600000,'total':1000000,"
		     "'done':1234,'failed':0,'parked':17}]}",
		     NULL, "ctl_list.txt");
	assert_shown(&plain, "list", "{'sessions':[]}", NULL, "ctl_list_empty.txt");
	assert_shown(&plain, "list",
		     "{'sessions':["
		     "{'session':'550e8400-e29b-41d4-a716-446655440000','mode':'full',"
		     "'state':'completed','created':'x','elapsed_ms':0,'total':0,'done':0},"
		     "{'session':'550e8400-aaaa-41d4-a716-446655440000','mode':'full',"
		     "'state':'cancelled','created':null,'elapsed_ms':0,'total':0,'done':0}]}",
		     NULL, "ctl_list_alike.txt");
}

/* --- analyze and detect ----------------------------------------------------------------------- */

#define BASELINES \
	"{'entities':[" \
	"{'entity':'offices','source':1234,'target':1234,'status':'synced','gap':0," \
	"'unmapped':0,'orphaned':0,'last_migrated':'2026-01-05T09:12:44.123456Z'}," \
	"{'entity':'doctors','source':5678,'target':5670,'status':'behind','gap':8," \
	"'unmapped':8,'orphaned':0,'last_migrated':'2026-01-05T09:12:46Z'}," \
	"{'entity':'files','source':9,'target':12,'status':'ahead','gap':-3,'unmapped':0," \
	"'orphaned':3,'last_migrated':null}," \
	"{'entity':'system_messages','source':2345678,'target':0,'status':'missing'," \
	"'gap':2345678,'unmapped':2345678,'orphaned':0,'last_migrated':null}"

#define UNREADABLE \
	",{'entity':'jaws','source':null,'target':7,'status':'unknown','gap':null," \
	"'unmapped':null,'orphaned':null,'error':'relation dispatch_jaw does not exist'}"

static void test_analyze(void **state)
{
	(void)state;
	assert_shown(&plain, "analyze", BASELINES "]}", NULL, "ctl_analyze.txt");
	assert_shown(&coloured, "analyze", BASELINES "]}", NULL, "ctl_analyze_coloured.txt");
	assert_shown(&plain, "analyze", BASELINES UNREADABLE "]}", NULL,
		     "ctl_analyze_unreadable.txt");
	assert_int_equal(judged("analyze", BASELINES "]}"), EXIT_DONE);
	assert_int_equal(judged("analyze", BASELINES UNREADABLE "]}"), EXIT_FAILED);
}

#define ANALYSIS \
	"{'analysis':{'analysis':'5f0c9a1e-0000-4000-8000-000000000000'," \
	"'created':'2026-01-05T09:12:44Z','new':2345834,'modified':206,'deleted':17," \
	"'rows':2346057,'change_percent':1.94,'estimate_ms':125000,'entities':[" \
	"{'entity':'patients','strategy':'sweep','whole':false,'new':156,'modified':89," \
	"'deleted':7,'rows':12345,'change_percent':2.04,'estimate_ms':900}," \
	"{'entity':'orders','strategy':'sweep','whole':false,'new':0,'modified':117," \
	"'deleted':10,'rows':6000,'change_percent':0.0,'estimate_ms':2400}," \
	"{'entity':'system_messages','strategy':'sweep','whole':true,'new':2345678," \
	"'modified':0,'deleted':0,'rows':2345678,'change_percent':100.0,'estimate_ms':125000}"

#define UNDETECTED \
	",{'entity':'jaws','strategy':'sweep','whole':false,'new':0,'modified':0," \
	"'deleted':0,'rows':0,'change_percent':0.0,'estimate_ms':0,'error':'permission denied'}"

#define LOOKED_AT \
	",{'entity':'cases','strategy':'timestamp','whole':false,'new':3,'modified':4," \
	"'deleted':0,'rows':9000,'change_percent':0.08,'estimate_ms':40,'reason':null}" \
	",{'entity':'jaws','strategy':'sweep','whole':false,'new':0,'modified':0," \
	"'deleted':9,'rows':70,'change_percent':12.86,'estimate_ms':9," \
	"'reason':'it has no watermark yet'}"

static void test_detect(void **state)
{
	static const struct arguments quiet = { .quiet = true };

	(void)state;
	assert_shown(&plain, "detect", ANALYSIS "]}}", NULL, "ctl_detect.txt");
	assert_shown(&plain, "detect", ANALYSIS "]}}", &quiet, "ctl_detect_quiet.txt");
	assert_shown(&plain, "detect", ANALYSIS UNDETECTED "]}}", NULL,
		     "ctl_detect_unreadable.txt");
	assert_shown(&plain, "detect", ANALYSIS LOOKED_AT "]}}", NULL, "ctl_detect_watermarks.txt");
	assert_int_equal(judged("detect", ANALYSIS "]}}"), EXIT_DONE);
	assert_int_equal(judged("detect", ANALYSIS UNDETECTED "]}}"), EXIT_FAILED);
}

/* --- migrate, pause, plan, check -------------------------------------------------------------- */

static void test_migrate_and_steering(void **state)
{
	static const struct arguments with_entity = { .entity = "orders" };

	(void)state;
	assert_shown(&plain, "migrate", "{'session':'" SESSION "'}", NULL, "ctl_migrate.txt");
	assert_shown(&plain, "pause", "{'session':'" SESSION "','state':'paused'}", NULL,
		     "ctl_pause.txt");
	assert_shown(&plain, "resume", "{'session':'" SESSION "','state':'running'}", &with_entity,
		     "ctl_resume_entity.txt");
}

#define PLAN \
	"{'levels':3,'entities':[" \
	"{'entity':'offices','level':0,'source':'dispatch_office','target':'offices'," \
	"'strategy':'sweep','reason':'refers to nobody','refers_to':[],'deferred':[]}," \
	"{'entity':'profiles','level':0,'source':'auth_user','target':'profiles'," \
	"'strategy':'sweep','reason':'refers to nobody','refers_to':[],'deferred':[]}," \
	"{'entity':'doctors','level':1,'source':'dispatch_doctor','target':'doctors'," \
	"'strategy':'sweep','reason':'after offices','refers_to':['offices','profiles']," \
	"'deferred':[]}," \
	"{'entity':'messages','level':2,'source':'dispatch_record','target':'messages'," \
	"'strategy':'sweep','reason':'after doctors','refers_to':['doctors']," \
	"'deferred':['parent_id']}],'statements':[" \
	"{'step':'read','database':'source','sql':'COPY (\\n\\tSELECT id\\n\\tFROM t\\n) TO " \
	"STDOUT'}," \
	"{'step':'write','database':'target','sql':'INSERT INTO x\\nSELECT 1; \\n'}," \
	"{'step':'verify','database':'target','sql':'SELECT 1 -- one'}]}"

static void test_plan(void **state)
{
	static const struct arguments with_sql = { .sql = "orders" };

	(void)state;
	assert_shown(&plain, "plan", PLAN, NULL, "ctl_plan.txt");
	assert_shown(&plain, "plan", PLAN, &with_sql, "ctl_plan.sql");
}

#define FINDINGS \
	"{'findings':[" \
	"{'check':'connections','subject':'source','result':'pass'," \
	"'message':'PostgreSQL 15','action':null}," \
	"{'check':'privileges','subject':'public.orders','result':'fail'," \
	"'message':'no INSERT','action':'GRANT INSERT ON public.orders TO m'}," \
	"{'check':'connections','subject':'target','result':'warn'," \
	"'message':'only 3 left','action':'raise max_connections'}," \
	"{'check':'disk room','subject':'target','result':'unknown'," \
	"'message':'cannot be asked'}],'passed':false}"

static void test_check(void **state)
{
	(void)state;
	assert_shown(&plain, "check",
		     "{'findings':[{'check':'a','subject':'b','result':'pass','message':'m'}],"
		     "'passed':true}",
		     NULL, "ctl_check_passed.txt");
	assert_shown(&plain, "check",
		     "{'findings':[{'check':'a','subject':'b','result':'brandnew','message':'m'}],"
		     "'passed':true}",
		     NULL, "ctl_check_unverified.txt");
	assert_shown(&plain, "check", FINDINGS, NULL, "ctl_check.txt");
	assert_shown(&coloured, "check", FINDINGS, NULL, "ctl_check_coloured.txt");
	assert_shown(&ascii, "check", FINDINGS, NULL, "ctl_check_ascii.txt");
}

static void test_check_fails_by_its_failures_and_the_daemons_word(void **state)
{
	static const struct {
		const char *json;
		enum exit_status status;
	} cases[] = {
		{ "{'findings':[{'result':'pass'}],'passed':true}", EXIT_DONE },
		{ "{'findings':[{'result':'pass'},{'result':'warn'}],'passed':true}", EXIT_DONE },
		{ "{'findings':[{'result':'pass'},{'result':'fail'}],'passed':true}", EXIT_FAILED },
		{ "{'findings':[{'result':'unknown'}],'passed':true}", EXIT_DONE },
		{ "{'findings':[{'result':'brandnew'}],'passed':true}", EXIT_DONE },
		{ "{'findings':[{}],'passed':true}", EXIT_DONE },
		{ "{'findings':[],'passed':false}", EXIT_FAILED },
		{ "{}", EXIT_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(judged("check", cases[i].json), cases[i].status);
}

/* --- all -------------------------------------------------------------------------------------- */

static void test_every_command_has_a_view(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		const struct view *view = view_by_verb(commands[i].verb);

		if (!view)
			fail_msg("%s has no view", commands[i].verb);
		assert_true(view->print || view->run);
	}
	assert_null(view_by_verb("nope"));
}

static void test_answers_of_another_shape_crash_no_view(void **state)
{
	static const char *const replies[] = {
		"{}",
		"{'entities':1,'sessions':{},'findings':'x','analysis':[],'connections':[[],null]}",
		"{'entities':[1,null,[],{},{'entity':5,'status':[],'total':'x','done':null}],"
		"'sessions':[null,{}],'findings':[null,{}],'levels':1,'session':{},"
		"'analysis':{'entities':[null]},'statements':[null,{}]}",
	};

	(void)state;
	for (size_t i = 0; i < command_count; i++)
		for (size_t j = 0; j < sizeof replies / sizeof replies[0]; j++) {
			const struct view *view = view_by_verb(commands[i].verb);
			static const struct arguments none, with_sql = { .sql = "x" };
			_cleanup_text_ struct text out = TEXT_INIT;
			json_auto_t *reply = reply_of(replies[j]);

			if (view->print) {
				view->print(&plain, &out, reply, &none);
				view->print(&plain, &out, reply, &with_sql);
			}
			if (view->judge)
				view->judge(reply);
		}
}

static void test_control_characters_of_answers_do_not_reach_the_terminal(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;
	static const struct arguments with_sql = { .sql = "x" };
	static const struct look terminal = { .terminal = true, .utf8 = true };
	json_auto_t *list = reply_of("{'sessions':[{'session':'\\u001b[2J','mode':'a\\nb',"
				     "'state':'\\u0007','reason':'\\u009b31m'}]}");
	json_auto_t *plan = reply_of("{'statements':[{'step':'\\u001b]0;x','database':'d\\ne',"
				     "'sql':'SELECT\\u001b[2J 1'}]}");

	(void)state;
	view_by_verb("list")->print(&plain, &out, list, &with_sql);
	view_by_verb("plan")->print(&terminal, &out, plan, &with_sql);
	assert_null(strchr(text_string(&out), '\033'));
	assert_null(strchr(text_string(&out), '\a'));
	assert_null(strstr(text_string(&out), "\xc2\x9b"));
	assert_null(strstr(text_string(&out), "a\nb"));
	assert_null(strstr(text_string(&out), "d\ne"));
}

static void test_outcomes(void **state)
{
	static const struct {
		const char *session;
		const char *sentence;
		enum exit_status status;
	} cases[] = {
		{ "{'session':'" SESSION "','state':'completed','done':1234567,'failed':0,"
		  "'parked':0}",
		  "session 550e8400 completed, 1,234,567 rows", EXIT_DONE },
		{ "{'session':'" SESSION "','state':'completed','done':1,'failed':3,'parked':1}",
		  "session 550e8400 completed, 1 row; 3 rows could not be applied and were set "
		  "aside; 1 row waits for its parent",
		  EXIT_DONE },
		{ "{'session':'" SESSION "','state':'failed','reason':'no such column x'}",
		  "session 550e8400 has failed: no such column x", EXIT_FAILED },
		{ "{'session':'" SESSION "','state':'paused','reason':'disk full on target'}",
		  "session 550e8400 is paused: disk full on target; migratectl resume 550e8400 "
		  "goes on with it",
		  EXIT_PAUSED },
		{ "{'session':'" SESSION "','state':'paused','hold':'breaker','reason':'31% gone'}",
		  "session 550e8400 is paused: 31% gone; migratectl resume 550e8400 approves it and "
		  "goes on",
		  EXIT_PAUSED },
		{ "{'session':'" SESSION "','state':'cancelled'}", "session 550e8400 was cancelled",
		  EXIT_FAILED },
		{ "{'session':'" SESSION "','state':'running'}",
		  "session 550e8400 is still running", EXIT_FAILED },
		{ "{}", "", EXIT_DONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_text_ struct text sentence = TEXT_INIT;
		json_auto_t *session = reply_of(cases[i].session);

		assert_int_equal(outcome_of(session, &sentence), cases[i].status);
		assert_string_equal(text_string(&sentence), cases[i].sentence);
	}
}

static void test_logs(void **state)
{
	static const char events[] =
		"{'missed':%s,'events':["
		"{'number':7,'time':'2026-01-05T09:12:44Z','level':'notice','message':'session begun',"
		" 'session':'550e8400-e29b-41d4-a716-446655440000','entity':null},"
		"{'number':8,'time':'2026-01-05T09:12:45Z','level':'warning','message':'set\\u001baside',"
		" 'entity':'orders','legacy_key':'13','sqlstate':'23502','phase':'write'}]}";
	static const struct arguments follow = { .follow = true };
	_cleanup_free_ char *whole = text_format(events, "0");
	_cleanup_free_ char *gap = text_format(events, "1234");

	(void)state;
	assert_shown(&plain, "logs", whole, NULL, "ctl_logs.txt");
	assert_shown(&coloured, "logs", whole, NULL, "ctl_logs_coloured.txt");
	assert_shown(&plain, "logs", gap, &follow, "ctl_logs_missed.txt");
	assert_shown(&plain, "logs", "{'events':[],'missed':0}", NULL, "ctl_logs_nothing.txt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_json_is_the_answer_with_a_version),
		cmocka_unit_test(test_status_of_one_that_runs_in_cycles),
		cmocka_unit_test(test_the_exit_status_of_status_says_that_a_session_is_paused),
		cmocka_unit_test(test_progress_says_why_a_session_is_held_and_what_ends_that),
		cmocka_unit_test(test_a_completed_session_shows_the_entities_that_had_changes),
		cmocka_unit_test(test_progress_shows_attempts_and_when_the_next_is),
		cmocka_unit_test(test_progress_of_a_paused_session_says_why),
		cmocka_unit_test(test_progress_keeps_the_busiest_when_the_screen_is_small),
		cmocka_unit_test(test_percentages_stay_within_their_bounds),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_logs),
		cmocka_unit_test(test_analyze),
		cmocka_unit_test(test_detect),
		cmocka_unit_test(test_migrate_and_steering),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_fails_by_its_failures_and_the_daemons_word),
		cmocka_unit_test(test_every_command_has_a_view),
		cmocka_unit_test(test_answers_of_another_shape_crash_no_view),
		cmocka_unit_test(test_control_characters_of_answers_do_not_reach_the_terminal),
		cmocka_unit_test(test_outcomes),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
