// The live screen: what stands where, in terminals of every size, for each state that a session can be in; and what keys ask for.
#include "tests/unit/shown.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/keys.h"
#include "ctl/live.h"

static const struct look plain = { .terminal = true, .utf8 = true };
static const struct look coloured = { .terminal = true, .colour = true, .utf8 = true };

#define ID "550e8400-e29b-41d4-a716-446655440000"

#define WAIT(kind, since, reason) "{'kind':'" kind "','since':" since ",'reason':" reason "}"

#define ENTITY(name, status, total, done, rate, eta, failed, wait) \
	"{'entity':'" name "','level':0,'status':'" status "','stage':'moving','total':" total \
	",'done':" done ",'inserted':" done ",'failed':" failed \
	",'parked':0,'rows_per_second':" rate ",'eta_ms':" eta \
	",'attempts':0,'batches':2,'batch_size':500,'retries':3," \
	"'went_on':'2026-01-05T09:12:40Z','last_error':'deadlock detected','last_sqlstate':'40P01'," \
	"'last_error_at':'2026-01-05T09:12:02Z','wait':" wait "}"

#define SESSION(state, hold, reason, eta, wait) \
	"{'session':'" ID "','mode':'differential','state':'" state "','hold':" hold \
	",'reason':" reason \
	",'elapsed_ms':83000,'total':3400000,'done':1990000,'failed':1,'parked':0," \
	"'success_rate':99.7,'rows_per_second':38987.2,'eta_ms':" eta ",'wait':" wait "}"

#define CONNECTIONS \
	"[{'name':'source','state':'ready','away':null,'error':null}," \
	"{'name':'target','state':'ready','away':null,'error':null}]"

#define FRAME(session, entities, more) \
	"{'state':'running','reason':null,'connections':" CONNECTIONS ",'session':" session \
	",'entities':[" entities "],'standby':null,'throttled':null,'validation':null" more "}"

#define THREE \
	ENTITY("offices", "completed", "100000", "100000", "41234.9", "null", "0", "null") \
	"," ENTITY("doctors", "running", "1200000", "900000", "38987", "42000", "1", \
		   "null") "," ENTITY("patients", "pending", "1200000", "0", "null", "null", "0", \
				      WAIT("parents", "null", "'doctors'"))

#define RUNNING FRAME(SESSION("running", "null", "null", "61000", "null"), THREE, "")

#define NO_CYCLES "'window':null,'time_zone':null,'sweep_every_ms':0"
#define CYCLES \
	",'cycles':{'every_ms':60000," NO_CYCLES ",'next':'2026-01-05T09:20:00Z','lag_ms':3000," \
	"'last':[{'started':'2026-01-05T09:12:00Z','elapsed_ms':40,'result':'quiet','sweep':false," \
	"'changed':0,'session':null,'reason':null},{'started':'2026-01-05T09:11:00Z'," \
	"'elapsed_ms':4210,'result':'migrated','sweep':false,'changed':12,'session':'" ID \
	"','reason':null}]}"

static void append_frame(struct text *out, struct live *live, const char *title, const char *json,
			 int columns, size_t lines)
{
	json_auto_t *frame = reply_of(json);

	text_appendf(out, "--- %s (%d x %zu)\n", title, columns, lines);
	live_append(live, out, frame, 1000, columns, lines);
}

static void press(struct live *live, const char *json, const char *keys)
{
	json_auto_t *frame = reply_of(json);

	for (size_t taken; *keys; keys += taken)
		assert_int_equal(live_key(live, frame, keys_next(keys, strlen(keys), &taken)),
				 LIVE_NOTHING);
}

static void test_each_state_says_what_goes_on_or_why_nothing_does(void **state)
{
	static const struct {
		const char *title, *json;
	} states[] = {
		{ "running", RUNNING },
		{ "looking for changes", FRAME(SESSION("pending", "null", "null", "null",
						       WAIT("detecting", "null", "null")),
					       "", "") },
		{ "disk full",
		  FRAME(SESSION("paused", "'environment'",
				"'disk full on target: could not extend file: No "
				"space left on device'",
				"null", WAIT("paused", "null", "'disk full on target'")),
			THREE, "") },
		{ "a breaker",
		  FRAME(SESSION("paused", "'breaker'",
				"'200 of 300 rows of beds are gone; migratectl resume lets them go'",
				"null", WAIT("paused", "null", "null")),
			THREE, "") },
		{ "stalled", FRAME(SESSION("running", "null", "null", "null",
					   WAIT("stalled", "'2026-01-05T09:12:11Z'", "null")),
				   ENTITY("orders", "running", "10", "5", "null", "null", "0",
					  WAIT("stalled", "'2026-01-05T09:12:11Z'", "null")),
				   "") },
		{ "the source is away",
		  FRAME(SESSION("running", "null", "null", "null",
				WAIT("source", "'2026-01-05T09:12:11Z'", "'refused'")),
			THREE, "") },
		{ "throttled", FRAME(SESSION("running", "null", "null", "null",
					     WAIT("throttled", "null", "'lag is 42'")),
				     THREE, "") },
		{ "a kind that is not known",
		  FRAME(SESSION("running", "null", "null", "null",
				WAIT("meditating", "null", "'of its own'")),
			THREE, "") },
		{ "in cycles, a session under way",
		  FRAME(SESSION("running", "null", "null", "61000", "null"), THREE, CYCLES) },
		{ "in cycles, between sessions", FRAME("null", "", CYCLES) },
		{ "in cycles, after a session",
		  FRAME(SESSION("completed", "null", "null", "null", "null"), THREE, CYCLES) },
		{ "nothing under way", FRAME("null", "", "") },
	};
	_cleanup_text_ struct text out = TEXT_INIT;
	struct live live;

	(void)state;
	live_init(&live, &plain);
	live.keys = true;
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		append_frame(&out, &live, states[i].title, states[i].json, 80, 23);
	live_set_lost(&live, "the daemon is gone since 09:12:44; reconnecting");
	append_frame(&out, &live, "the daemon is gone", RUNNING, 80, 23);
	live_done(&live);
	assert_golden("ctl_live_states.txt", text_string(&out));
}

static void test_every_size_shows_what_matters_first(void **state)
{
	static const struct {
		int columns;
		size_t lines;
	} sizes[] = { { 200, 50 }, { 120, 8 }, { 79, 7 }, { 60, 6 }, { 40, 9 },
		      { 40, 4 },   { 20, 3 },  { 10, 2 }, { 5, 1 } };
	_cleanup_text_ struct text out = TEXT_INIT;
	struct live live;

	(void)state;
	live_init(&live, &plain);
	live.keys = true;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		append_frame(&out, &live, "running", RUNNING, sizes[i].columns, sizes[i].lines);
	live_done(&live);
	assert_golden("ctl_live_sizes.txt", text_string(&out));
}

static void test_more_entities_than_rows_are_scrolled_and_summed_up(void **state)
{
	static const char *const keys[] = { "j", "j", "G", "k", "\033[6~", "g", "\033[5~" };
	_cleanup_text_ struct text entities = TEXT_INIT, out = TEXT_INIT;
	static const char *const states[] = { "completed", "completed", "pending", "running",
					      "failed" };
	struct live live;

	(void)state;
	for (int i = 0; i < 25; i++)
		text_appendf(&entities, "%s{'entity':'e%02d','status':'%s','total':10,'done':5}",
			     i > 0 ? "," : "", i, states[i % 5]);
	_cleanup_free_ char *json = text_format("{'session':" SESSION("running", "null", "null",
								      "1000",
								      "null") ",'entities':[%s]}",
						text_string(&entities));

	live_init(&live, &plain);
	append_frame(&out, &live, "at first", json, 80, 12);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		press(&live, json, keys[i]);
		append_frame(&out, &live, "after a key", json, 80, 12);
	}
	live_done(&live);
	assert_golden("ctl_live_scrolled.txt", text_string(&out));
}

static void test_an_entity_in_full_and_the_help(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;
	struct live live;

	(void)state;
	live_init(&live, &coloured);
	live.keys = true;
	press(&live, RUNNING, "jj\r");
	assert_string_equal(live_entity(&live), "doctors");
	append_frame(&out, &live, "details", RUNNING, 80, 23);
	live.letters = reply_of("{'counts':[{'sqlstate':'23505','constraint':'doctors_email_key',"
				"'column':null,'rows':5},{'sqlstate':'22P02','constraint':null,"
				"'column':'born','rows':1}]}");
	strcpy(live.letters_of, "doctors");
	append_frame(&out, &live, "with dead letters", RUNNING, 80, 23);
	press(&live, RUNNING, "j");
	append_frame(&out, &live, "the next", RUNNING, 80, 23);
	press(&live, RUNNING, "?");
	append_frame(&out, &live, "help", RUNNING, 80, 23);
	press(&live, RUNNING, "?\033");
	assert_null(live_entity(&live));
	live_done(&live);
	assert_golden("ctl_live_details.txt", text_string(&out));
}

static enum live_wish key(struct live *live, const char *json, int pressed)
{
	json_auto_t *frame = reply_of(json);

	return live_key(live, frame, pressed);
}

static void test_what_ends_or_approves_something_is_asked_for_first(void **state)
{
	static const char breaker[] = FRAME(SESSION("paused", "'breaker'",
						    "'300 rows of beds are gone'", "null", "null"),
					    THREE, "");
	static const char pause[] = FRAME(SESSION("paused", "'operator'", "null", "null", "null"),
					  THREE, "");
	_cleanup_text_ struct text out = TEXT_INIT;
	struct live live;

	(void)state;
	live_init(&live, &plain);
	assert_int_equal(key(&live, RUNNING, 'p'), LIVE_PAUSE);
	assert_int_equal(key(&live, pause, 'r'), LIVE_RESUME);
	assert_int_equal(key(&live, breaker, 'r'), LIVE_NOTHING);
	append_frame(&out, &live, "approve", breaker, 40, 9);
	assert_int_equal(key(&live, breaker, 'y'), LIVE_RESUME);
	assert_int_equal(key(&live, RUNNING, 'c'), LIVE_NOTHING);
	append_frame(&out, &live, "cancel", RUNNING, 80, 9);
	append_frame(&out, &live, "cancel", RUNNING, 20, 3);
	assert_int_equal(key(&live, RUNNING, 'p'), LIVE_NOTHING); // anything but y is a no
	append_frame(&out, &live, "no", RUNNING, 80, 9);
	assert_int_equal(key(&live, RUNNING, 'c'), LIVE_NOTHING);
	assert_int_equal(key(&live, RUNNING, 'Y'), LIVE_CANCEL);
	assert_int_equal(key(&live, FRAME("null", "", ""), 'p'), LIVE_NOTHING);
	append_frame(&out, &live, "no session", FRAME("null", "", ""), 80, 9);
	assert_int_equal(key(&live, RUNNING, 'q'), LIVE_QUIT);
	live_done(&live);
	assert_golden("ctl_live_questions.txt", text_string(&out));
}

static void test_in_details_the_entity_is_meant_unless_all_of_the_session_is_paused(void **state)
{
	json_auto_t *running = reply_of(RUNNING);
	json_auto_t *paused = reply_of(
		FRAME(SESSION("paused", "'operator'", "null", "null", "null"), THREE, ""));
	struct live live;

	(void)state;
	live_init(&live, &plain);
	assert_null(live_meant(&live, running, LIVE_PAUSE));
	press(&live, RUNNING, "jj\r");
	assert_string_equal(live_meant(&live, running, LIVE_PAUSE), "doctors");
	assert_string_equal(live_meant(&live, running, LIVE_RESUME), "doctors");
	assert_null(live_meant(&live, paused, LIVE_RESUME));
	live_done(&live);
}

static void test_a_refusal_is_said_and_the_screen_stays(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;
	struct error err;
	struct live live;

	(void)state;
	error_set(&err, ERROR_DENIED, "Pause needs the right to operate");
	error_hint(&err, "members of migrated-admin have it");
	live_init(&live, &plain);
	live.keys = true;
	live_answered(&live, LIVE_PAUSE, NULL, &err);
	append_frame(&out, &live, "denied", RUNNING, 100, 9);
	live_answered(&live, LIVE_PAUSE, "paused", NULL);
	append_frame(&out, &live, "done", RUNNING, 100, 9);
	live_done(&live);
	assert_golden("ctl_live_answers.txt", text_string(&out));
}

static void test_frames_of_another_shape_crash_nothing(void **state)
{
	static const char *const shapes[] = { "{}", "{'session':5,'entities':{},'cycles':[]}",
					      "{'session':{},'entities':[{},5,null]}",
					      "{'session':{'wait':5},'entities':[{'wait':[]}]}" };
	static const char keys[] = "jk\r?\033rpcyG g\033[A\033[B";

	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		json_auto_t *frame = reply_of(shapes[i]);
		struct live live;
		size_t taken;

		live_init(&live, &plain);
		for (const char *at = keys; *at; at += taken) {
			_cleanup_text_ struct text out = TEXT_INIT;

			live_key(&live, frame, keys_next(at, strlen(at), &taken));
			live_append(&live, &out, frame, 0, 40, 10);
		}
		live_done(&live);
	}
}

static void test_keys_are_told_from_the_bytes_of_terminals(void **state)
{
	static const struct {
		const char *bytes;
		int key;
		size_t taken;
	} keys[] = {
		{ "j", 'j', 1 },
		{ "\r", KEY_ENTER, 1 },
		{ "\n", KEY_ENTER, 1 },
		{ "\033[A", KEY_UP, 3 },
		{ "\033OB", KEY_DOWN, 3 },
		{ "\033[5~x", KEY_PAGE_UP, 4 },
		{ "\033[1;5C", KEY_OTHER, 6 },
		{ "\033[200~", KEY_OTHER, 6 },
		{ "\033", KEY_ESCAPE, 1 },
		{ "\033x", KEY_ESCAPE, 1 },
		{ "\033[", KEY_OTHER, 2 },
		{ "\xc3\xa4", KEY_OTHER, 1 },
		{ "", KEY_NONE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		size_t taken;

		assert_int_equal(keys_next(keys[i].bytes, strlen(keys[i].bytes), &taken),
				 keys[i].key);
		assert_int_equal(taken, keys[i].taken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_state_says_what_goes_on_or_why_nothing_does),
		cmocka_unit_test(test_every_size_shows_what_matters_first),
		cmocka_unit_test(test_more_entities_than_rows_are_scrolled_and_summed_up),
		cmocka_unit_test(test_an_entity_in_full_and_the_help),
		cmocka_unit_test(test_what_ends_or_approves_something_is_asked_for_first),
		cmocka_unit_test(
			test_in_details_the_entity_is_meant_unless_all_of_the_session_is_paused),
		cmocka_unit_test(test_a_refusal_is_said_and_the_screen_stays),
		cmocka_unit_test(test_frames_of_another_shape_crash_nothing),
		cmocka_unit_test(test_keys_are_told_from_the_bytes_of_terminals),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
