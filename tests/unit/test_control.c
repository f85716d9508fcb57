// The control socket as peers see it: answers, order, streams, and how it takes what it cannot
// understand.
#include "tests/unit/control_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "interface.h"

#define STATUS "{\"method\":\"io.migrated.Status\"}"
#define STATUS_REPLY "{\"parameters\":{\"state\":\"\"}}"
#define WATCH "{\"method\":\"io.migrated.Watch\",\"more\":true}"
#define ANALYZE "{\"method\":\"io.migrated.Analyze\"}"
#define PAUSE "{\"method\":\"io.migrated.Pause\"}"
#define PAUSE_REPLY "{\"parameters\":{\"session\":\"s\",\"state\":\"paused\"}}"

static int setup(void **state)
{
	struct world *world = malloc(sizeof *world);

	world_init(world);
	world_listen(world);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	world_done(*state);
	free(*state);
	return 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_a_call_is_answered(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send_text(world, fd, STATUS);
	world_expect(world, fd, STATUS_REPLY);
	assert_int_equal(control_peer_count(world->control), 1);
	close(fd);
	world_wait(world, control_peer_count(world->control) == 0);
}

static void test_a_call_may_arrive_byte_by_byte(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	for (size_t i = 0; i < sizeof STATUS; i++) {
		world_send(world, fd, &STATUS[i], 1);
		world_turn(world);
	}
	world_expect(world, fd, STATUS_REPLY);
	close(fd);
}

static void test_many_calls_in_one_piece_are_answered_in_order(void **state)
{
	struct world *world = *state;
	_cleanup_text_ struct text calls = TEXT_INIT;
	int fd = world_connect(world);

	for (int i = 0; i < 500; i++) {
		text_append_bytes(&calls, STATUS, sizeof STATUS);
		text_append_bytes(&calls, PAUSE, sizeof PAUSE);
	}
	world_send(world, fd, calls.data, calls.length);
	for (int i = 0; i < 500; i++) {
		world_expect(world, fd, STATUS_REPLY);
		world_expect(world, fd, PAUSE_REPLY);
	}
	assert_int_equal(world->entered, 1000);
	close(fd);
}

static void test_the_next_call_waits_until_the_one_before_is_answered(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send(world, fd, ANALYZE "\0" STATUS, sizeof ANALYZE + sizeof STATUS);
	world_wait(world, world->held);
	for (int i = 0; i < 20; i++)
		world_turn(world);
	assert_int_equal(world->entered, 1);
	control_call_reply(world->held, NULL);
	world_expect(world, fd, "{\"parameters\":{}}");
	world_expect(world, fd, STATUS_REPLY);
	close(fd);
}

static void test_one_way_calls_are_carried_out_and_not_answered(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send_text(world, fd, "{\"method\":\"io.migrated.Pause\",\"oneway\":true}");
	world_send_text(world, fd, STATUS);
	world_expect(world, fd, STATUS_REPLY);
	assert_int_equal(world->paused, 1);
	close(fd);
}

static void test_who_has_stopped_sending_still_gets_the_answers(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send(world, fd, ANALYZE "\0" STATUS, sizeof ANALYZE + sizeof STATUS);
	shutdown(fd, SHUT_WR);
	world_wait(world, world->held);
	for (int i = 0; i < 20; i++)
		world_turn(world);
	control_call_reply(world->held, NULL);
	world_expect(world, fd, "{\"parameters\":{}}");
	world_expect(world, fd, STATUS_REPLY);
	world_expect_closed(world, fd);
	close(fd);
}

/* --- the service itself ----------------------------------------------------------------------- */

static void test_the_service_describes_itself(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send_text(world, fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	json_auto_t *info = world_receive(world, fd);
	json_t *parameters = json_object_get(info, "parameters");

	assert_string_equal(json_string_value(json_object_get(parameters, "product")), "migrated");
	assert_int_equal(json_array_size(json_object_get(parameters, "interfaces")), 2);
	world_send_text(world, fd,
			"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
			"\"parameters\":{\"interface\":\"io.migrated\"}}");
	json_auto_t *answer = world_receive(world, fd);
	json_t *description = json_object_get(json_object_get(answer, "parameters"), "description");

	assert_string_equal(json_string_value(description), interface_io_migrated);
	close(fd);
}

static void test_what_is_unknown_is_named(void **state)
{
	static const struct {
		const char *call;
		const char *reply;
	} cases[] = {
		{ "{\"method\":\"io.migrated.Nope\"}",
		  "{\"error\":\"org.varlink.service.MethodNotFound\","
		  "\"parameters\":{\"method\":\"io.migrated.Nope\"}}" },
		{ "{\"method\":\"io.other.Status\"}",
		  "{\"error\":\"org.varlink.service.InterfaceNotFound\","
		  "\"parameters\":{\"interface\":\"io.other\"}}" },
		{ "{\"method\":\"nodots\"}", "{\"error\":\"org.varlink.service.InterfaceNotFound\","
					     "\"parameters\":{\"interface\":\"\"}}" },
		{ "{\"method\":\"io.migrated.Check\"}",
		  "{\"error\":\"org.varlink.service.MethodNotImplemented\","
		  "\"parameters\":{\"method\":\"io.migrated.Check\"}}" },
		{ "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		  "\"parameters\":{\"interface\":\"io.other\"}}",
		  "{\"error\":\"org.varlink.service.InterfaceNotFound\","
		  "\"parameters\":{\"interface\":\"io.other\"}}" },
		{ "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
		  "{\"error\":\"org.varlink.service.InvalidParameter\","
		  "\"parameters\":{\"parameter\":\"interface\"}}" },
	};
	struct world *world = *state;
	int fd = world_connect(world);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		world_send_text(world, fd, cases[i].call);
		world_expect(world, fd, cases[i].reply);
	}
	close(fd);
}

static void test_errors_become_answers(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);
	struct error err;

	error_set(&err, ERROR_STRUCTURE, "column nope does not exist");
	error_hint(&err, "mend the mapping");
	strcpy(err.sqlstate, "42703");
	strcpy(err.entity, "orders");
	world_send_text(world, fd, ANALYZE);
	world_wait(world, world->held);
	control_call_fail(world->held, &err);
	world_expect(world, fd,
		     "{\"error\":\"io.migrated.Failed\",\"parameters\":{\"kind\":\"structure\","
		     "\"message\":\"column nope does not exist\",\"sqlstate\":\"42703\","
		     "\"entity\":\"orders\",\"hint\":\"mend the mapping\"}}");

	error_set(&err, ERROR_CONNECTION, "Rolle \xbbx\xab existiert nicht");
	world->held = NULL;
	world_send_text(world, fd, ANALYZE);
	world_wait(world, world->held);
	control_call_fail(world->held, &err);
	world_expect(world, fd,
		     "{\"error\":\"io.migrated.Failed\",\"parameters\":{\"kind\":\"connection\","
		     "\"message\":\"Rolle ?x? existiert nicht\"}}");

	error_set(&err, ERROR_NOT_FOUND, "no such entity");
	strcpy(err.entity, "ordres");
	world->held = NULL;
	world_send_text(world, fd, ANALYZE);
	world_wait(world, world->held);
	control_call_fail(world->held, &err);
	world_expect(world, fd,
		     "{\"error\":\"io.migrated.NoSuchEntity\","
		     "\"parameters\":{\"entity\":\"ordres\"}}");
	close(fd);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void test_a_watcher_gets_frames_and_a_last_reply(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send_text(world, fd, WATCH);
	world_wait(world, world->held);
	assert_true(control_call_continue(world->held, json_pack("{s:i}", "n", 1)));
	assert_true(control_call_continue(world->held, json_pack("{s:i}", "n", 2)));
	control_call_reply(world->held, json_pack("{s:i}", "n", 3));
	world_expect(world, fd, "{\"parameters\":{\"n\":1},\"continues\":true}");
	world_expect(world, fd, "{\"parameters\":{\"n\":2},\"continues\":true}");
	world_expect(world, fd, "{\"parameters\":{\"n\":3}}");
	close(fd);
}

static void test_who_does_not_want_more_is_not_sent_more(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send_text(world, fd, "{\"method\":\"io.migrated.Watch\"}");
	world_wait(world, world->held);
	assert_false(control_call_wants_more(world->held));
	assert_false(control_call_continue(world->held, NULL));
	control_call_reply(world->held, json_pack("{s:i}", "n", 1));
	world_expect(world, fd, "{\"parameters\":{\"n\":1}}");
	close(fd);
}

static void test_a_frame_is_given_to_many_watchers_at_once(void **state)
{
	struct world *world = *state;
	struct control_call *calls[100];
	int fds[100];
	struct control_frame *frame = control_frame_new(json_pack("{s:i}", "n", 7));

	for (int i = 0; i < 100; i++) {
		fds[i] = world_connect(world);
		world->held = NULL;
		world_send_text(world, fds[i], WATCH);
		world_wait(world, world->held);
		calls[i] = world->held;
	}
	for (int i = 0; i < 100; i++)
		assert_true(control_call_continue_frame(calls[i], frame));
	for (int i = 0; i < 50; i++)
		control_call_reply_frame(calls[i], frame);
	control_frame_free(frame);
	for (int i = 0; i < 100; i++) {
		world_expect(world, fds[i], "{\"parameters\":{\"n\":7},\"continues\":true}");
		if (i < 50)
			world_expect(world, fds[i], "{\"parameters\":{\"n\":7}}");
		close(fds[i]);
	}
	world_wait(world, world->gone == 50);
}

static void test_a_slow_watcher_misses_frames_and_still_gets_the_last(void **state)
{
	struct world *world = *state;
	char filler[4096] = { 0 };
	int sent = 0;
	int fd = world_connect(world);

	memset(filler, 'x', sizeof filler - 1);
	world_send_text(world, fd, WATCH);
	world_wait(world, world->held);
	for (int i = 0; i < 2000; i++) {
		sent += control_call_continue(world->held, json_pack("{s:s}", "f", filler));
		world_turn(world);
	}
	assert_in_range(sent, 1, 1000); // 8 MB were offered; the socket and 32 KiB took some
	control_call_reply(world->held, json_pack("{s:s}", "last", "yes"));
	for (int i = 0; i < sent; i++) {
		json_auto_t *frame = world_receive(world, fd);

		assert_true(json_is_true(json_object_get(frame, "continues")));
	}
	world_expect(world, fd, "{\"parameters\":{\"last\":\"yes\"}}");
	world_send_text(world, fd, STATUS);
	world_expect(world, fd, STATUS_REPLY);
	close(fd);
}

/* --- peers that go ---------------------------------------------------------------------------- */

static void test_a_peer_that_vanishes_tells_its_call(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send_text(world, fd, WATCH);
	world_wait(world, world->held);
	assert_int_equal(world->gone, 0);
	close(fd);
	world_wait(world, world->gone == 1);
	world_wait(world, control_peer_count(world->control) == 0);
	assert_int_equal(world->gone, 1);
}

static void test_an_answer_to_a_vanished_peer_goes_nowhere(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send_text(world, fd, ANALYZE);
	world_wait(world, world->held);
	close(fd);
	for (int i = 0; i < 20; i++)
		world_turn(world);
	assert_string_equal(control_call_method(world->held), "io.migrated.Analyze");
	control_call_reply(world->held, json_pack("{s:i}", "n", 1));
	world_wait(world, control_peer_count(world->control) == 0);
}

static void test_a_peer_that_vanishes_while_its_answer_is_sent_disturbs_nobody(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);
	int other = world_connect(world);

	world_send_text(world, fd,
			"{\"method\":\"io.migrated.Status\","
			"\"parameters\":{\"bytes\":8000000}}");
	world_wait(world, world->entered == 1);
	close(fd);
	world_send_text(world, other, STATUS);
	world_expect(world, other, STATUS_REPLY);
	world_wait(world, control_peer_count(world->control) == 1);
	close(other);
}

static void test_the_end_of_the_daemon_tells_open_calls(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send_text(world, fd, WATCH);
	world_wait(world, world->held);
	control_free(world->control);
	world->control = NULL;
	assert_int_equal(world->gone, 1);
	world_expect_closed(world, fd);
	close(fd);
}

/* --- nonsense --------------------------------------------------------------------------------- */

static void append_nested(struct text *call, int depth)
{
	text_append(call, "{\"method\":\"io.migrated.Status\",\"parameters\":{\"a\":");
	for (int i = 0; i < depth - 2; i++)
		text_append(call, "[");
	for (int i = 0; i < depth - 2; i++)
		text_append(call, "]");
	text_append(call, "}}");
}

static void test_nonsense_closes_the_connection_and_disturbs_nobody(void **state)
{
	_cleanup_text_ struct text deep = TEXT_INIT, deeper = TEXT_INIT;

	append_nested(&deep, 33);
	append_nested(&deeper, 5000);
	const char *const messages[] = {
		"hello",
		"",
		"[]",
		"{}",
		"null",
		"{\"method\":1}",
		"{\"method\":\"\"}",
		"{\"method\":null}",
		"{\"method\":\"io.migrated.Status\"} x",
		"{\"method\":\"io.migrated.Status\",\"parameters\":[]}",
		"{\"method\":\"io.migrated.Status\",\"more\":1}",
		"{\"method\":\"io.migrated.Status\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"io.migrated.Status\",\"upgrade\":true}",
		"{\"method\":\"io.migrated.Status\",\"surprise\":1}",
		"{\"method\":\"io.migrated.Status\",\"method\":\"io.migrated.Status\"}",
		"{\"method\":\"io.migrated.Status\",\"parameters\":{\"a\":1,\"a\":2}}",
		"{\"method\":\"\xff\xfe\"}",
		"GET / HTTP/1.1\r\n\r\n",
		text_string(&deep),
		text_string(&deeper),
	};
	struct world *world = *state;
	int other = world_connect(world);

	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		int fd = world_connect(world);

		world_send_text(world, fd, messages[i]);
		world_expect_closed(world, fd);
		close(fd);
	}
	assert_int_equal(world->entered, 0);
	world_send_text(world, other, STATUS);
	world_expect(world, other, STATUS_REPLY);
	close(other);
}

static void test_what_was_asked_before_nonsense_is_answered(void **state)
{
	struct world *world = *state;
	int fd = world_connect(world);

	world_send(world, fd, STATUS "\0{", sizeof STATUS + 2);
	world_expect(world, fd, STATUS_REPLY);
	world_expect_closed(world, fd);
	close(fd);
}

static void test_an_oversized_request_closes_the_connection(void **state)
{
	struct world *world = *state;
	char *filler = malloc(VARLINK_REQUEST_MAX + 100000);
	int fd = world_connect(world);

	memset(filler, ' ', VARLINK_REQUEST_MAX + 100000);
	world_send(world, fd, filler, VARLINK_REQUEST_MAX + 100000);
	world_expect_closed(world, fd);
	close(fd);

	// At the limit exactly it is only large.
	memcpy(filler, STATUS, sizeof STATUS - 1);
	filler[VARLINK_REQUEST_MAX] = '\0';
	fd = world_connect(world);
	world_send(world, fd, filler, VARLINK_REQUEST_MAX + 1);
	world_expect(world, fd, STATUS_REPLY);
	close(fd);
	free(filler);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_call_is_answered),
		TEST(test_a_call_may_arrive_byte_by_byte),
		TEST(test_many_calls_in_one_piece_are_answered_in_order),
		TEST(test_the_next_call_waits_until_the_one_before_is_answered),
		TEST(test_one_way_calls_are_carried_out_and_not_answered),
		TEST(test_who_has_stopped_sending_still_gets_the_answers),
		TEST(test_the_service_describes_itself),
		TEST(test_what_is_unknown_is_named),
		TEST(test_errors_become_answers),
		TEST(test_a_watcher_gets_frames_and_a_last_reply),
		TEST(test_who_does_not_want_more_is_not_sent_more),
		TEST(test_a_frame_is_given_to_many_watchers_at_once),
		TEST(test_a_slow_watcher_misses_frames_and_still_gets_the_last),
		TEST(test_a_peer_that_vanishes_tells_its_call),
		TEST(test_an_answer_to_a_vanished_peer_goes_nowhere),
		TEST(test_a_peer_that_vanishes_while_its_answer_is_sent_disturbs_nobody),
		TEST(test_the_end_of_the_daemon_tells_open_calls),
		TEST(test_nonsense_closes_the_connection_and_disturbs_nobody),
		TEST(test_what_was_asked_before_nonsense_is_answered),
		TEST(test_an_oversized_request_closes_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
