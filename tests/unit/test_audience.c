// Many who watch the same: one frame for all of them, who comes and goes meanwhile, who does not read.
#include "tests/unit/control_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "control/audience.h"

#define FOREVER_MS 1000000000000 // within which no second frame is due
#define MOST 100
#define WATCH "{\"method\":\"io.migrated.Watch\",\"more\":true}"

struct stage {
	struct world world;
	struct audience *audience;
	int frames; // made so far
	int news;   // what they say
	size_t filler;
	bool going;
	const char *over; // the topic
	int attended;	  // 1: there are members
	int fds[MOST];
};

/* --- what it is asked --------------------------------------------------------------------------- */

static json_t *frame(void *arg)
{
	struct stage *stage = arg;
	char *filler = calloc(1, stage->filler + 1);
	json_t *parameters;

	memset(filler, 'x', stage->filler);
	stage->frames++;
	parameters = json_pack("{s:i, s:s}", "n", stage->news, "filler", filler);
	free(filler);
	return parameters;
}

static bool is_going(void *arg)
{
	const struct stage *stage = arg;

	return stage->going;
}

static bool is_over(void *arg, const char *topic)
{
	const struct stage *stage = arg;

	return stage->over && strcmp(stage->over, topic) == 0;
}

static void on_attended(void *arg, bool attended)
{
	struct stage *stage = arg;

	stage->attended += attended ? 1 : -1;
}

static void handle_watch(void *arg, struct control_call *call)
{
	struct stage *stage = arg;
	const json_t *parameters = control_call_parameters(call);
	const char *session = json_string_value(json_object_get(parameters, "session"));

	audience_join(stage->audience, call, session ? session : "",
		      json_integer_value(json_object_get(parameters, "interval_ms")));
}

static const struct control_handler handlers[] = {
	{ "io.migrated.Watch", handle_watch },
	{ NULL, NULL },
};

/* --- the stage ---------------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct stage *stage = calloc(1, sizeof *stage);

	world_init(&stage->world);
	stage->world.settings.handlers = handlers;
	stage->world.settings.handler_arg = stage;
	world_listen(&stage->world);
	*state = stage;
	return 0;
}

static void open_stage(struct stage *stage, int64_t tick_ms, size_t members_a_turn)
{
	stage->audience = audience_new(&(struct audience_settings){
		.base = stage->world.base,
		.tick_ms = tick_ms,
		.members_a_turn = members_a_turn,
		.frame = frame,
		.is_going = is_going,
		.is_over = is_over,
		.on_attended = on_attended,
		.arg = stage,
	});
}

static int teardown(void **state)
{
	struct stage *stage = *state;

	control_free(stage->world.control);
	stage->world.control = NULL;
	assert_int_equal(stage->attended, 0);
	audience_free(stage->audience);
	world_done(&stage->world);
	free(stage);
	return 0;
}

static int watch_about(struct stage *stage, const char *parameters)
{
	_cleanup_free_ char *call = text_format("{\"method\":\"io.migrated.Watch\","
						"\"parameters\":{%s},\"more\":true}",
						parameters);
	int fd = world_connect(&stage->world);
	size_t size = audience_size(stage->audience);

	world_send_text(&stage->world, fd, call);
	world_wait(&stage->world, audience_size(stage->audience) == size + 1);
	return fd;
}

static int watch(struct stage *stage)
{
	return watch_about(stage, "");
}

// The number that the next frame says; the last one is negative.
static int receive(struct stage *stage, int fd)
{
	json_auto_t *reply = world_receive(&stage->world, fd);
	int number = (int)json_integer_value(
		json_object_get(json_object_get(reply, "parameters"), "n"));

	assert_non_null(reply);
	return json_is_true(json_object_get(reply, "continues")) ? number : -number;
}

static void assert_silent(struct stage *stage, int fd)
{
	char byte;

	for (int i = 0; i < 20; i++)
		world_turn(&stage->world);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
}

static void tell_news(struct stage *stage, int news)
{
	stage->news = news;
	audience_changed(stage->audience);
}

/* --- frames ------------------------------------------------------------------------------------- */

static void test_a_frame_is_made_once_for_all(void **state)
{
	struct stage *stage = *state;
	int made;

	open_stage(stage, 1, 7);
	for (int i = 0; i < MOST; i++)
		stage->fds[i] = watch(stage);
	for (int i = 0; i < MOST; i++)
		assert_int_equal(receive(stage, stage->fds[i]), 0);
	made = stage->frames;
	tell_news(stage, 5);
	for (int i = 0; i < MOST; i++)
		assert_int_equal(receive(stage, stage->fds[i]), 5);
	assert_int_equal(stage->frames, made + 1);
	for (int i = 0; i < MOST; i++)
		close(stage->fds[i]);
	world_wait(&stage->world, stage->attended == 0);
}

static void test_who_comes_is_told_at_once_and_then_once_a_tick(void **state)
{
	struct stage *stage = *state;
	int first, second;

	open_stage(stage, FOREVER_MS, 10);
	stage->going = true;
	stage->news = 1;
	first = watch(stage);
	assert_int_equal(receive(stage, first), 1);
	for (int news = 2; news < 50; news++)
		tell_news(stage, news);
	assert_silent(stage, first);
	second = watch(stage);
	assert_int_equal(receive(stage, second), 49);
	assert_silent(stage, first);
	close(first);
	close(second);
}

static void test_nothing_new_is_not_told_unless_time_goes_on(void **state)
{
	struct stage *stage = *state;
	int fd;

	open_stage(stage, 1, 10);
	fd = watch(stage);
	assert_int_equal(receive(stage, fd), 0);
	assert_silent(stage, fd);
	assert_int_equal(stage->frames, 1);
	stage->going = true;
	tell_news(stage, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(receive(stage, fd), 1);
	close(fd);
}

static void test_who_asks_for_fewer_frames_gets_fewer(void **state)
{
	struct stage *stage = *state;
	int often, seldom;

	open_stage(stage, 1, 10);
	stage->going = true;
	often = watch_about(stage, "\"interval_ms\": 1");
	seldom = watch_about(stage, "\"interval_ms\": 1000000000");
	assert_int_equal(receive(stage, seldom), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(receive(stage, often), 0);
	assert_silent(stage, seldom);
	close(often);
	close(seldom);
}

static void test_what_changes_in_the_middle_of_a_round_is_told_to_the_rest_of_it(void **state)
{
	struct stage *stage = *state;

	open_stage(stage, FOREVER_MS, 1);
	for (int i = 0; i < 3; i++)
		stage->fds[i] = world_connect(&stage->world);
	world_wait(&stage->world, control_peer_count(stage->world.control) == 3);
	stage->news = 1;
	for (int i = 0; i < 3; i++)
		assert_true(send(stage->fds[i], WATCH, sizeof WATCH, MSG_NOSIGNAL) > 0);
	while (stage->frames == 0)
		event_base_loop(stage->world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	tell_news(stage, 2);
	int said = 0;

	for (int i = 0; i < 3; i++)
		said += receive(stage, stage->fds[i]);
	assert_int_equal(said, 1 + 2 + 2);
	assert_int_equal(stage->frames, 2);
	for (int i = 0; i < 3; i++)
		close(stage->fds[i]);
}

/* --- who does not read ---------------------------------------------------------------------------- */

static void test_who_does_not_read_misses_frames_and_gets_the_next(void **state)
{
	struct stage *stage = *state;
	int deaf, other, kept = 0, last = -1;

	open_stage(stage, 1, 10);
	stage->filler = 4000;
	deaf = watch(stage);
	other = watch(stage);
	receive(stage, other);
	for (int news = 1; news <= 500; news++) {
		tell_news(stage, news);
		assert_int_equal(receive(stage, other), news);
	}
	// 2 MB were offered; the daemon keeps nothing of it, and the kernel little.
	while (last < 500) {
		last = receive(stage, deaf);
		kept++;
	}
	assert_in_range(kept, 2, 32);
	close(deaf);
	close(other);
}

/* --- coming and going ----------------------------------------------------------------------------- */

static void test_members_that_vanish_in_the_middle_of_a_round_stop_nobody(void **state)
{
	struct stage *stage = *state;

	open_stage(stage, 1, 1);
	for (int i = 0; i < 20; i++) {
		stage->fds[i] = watch(stage);
		assert_int_equal(receive(stage, stage->fds[i]), 0);
	}
	tell_news(stage, 1);
	for (int i = 1; i < 19; i++)
		close(stage->fds[i]);
	assert_int_equal(receive(stage, stage->fds[0]), 1);
	assert_int_equal(receive(stage, stage->fds[19]), 1);
	world_wait(&stage->world, audience_size(stage->audience) == 2);
	tell_news(stage, 2);
	assert_int_equal(receive(stage, stage->fds[19]), 2);
	close(stage->fds[19]);
	close(stage->fds[0]);
}

static void test_the_end_of_what_is_watched_is_told_at_once_and_last(void **state)
{
	struct stage *stage = *state;
	int mine, other;

	open_stage(stage, FOREVER_MS, 1);
	stage->going = true;
	mine = watch_about(stage, "\"session\": \"a\"");
	other = watch_about(stage, "\"session\": \"b\"");
	receive(stage, mine);
	receive(stage, other);
	stage->over = "a";
	tell_news(stage, 7);
	assert_int_equal(receive(stage, mine), -7);
	assert_silent(stage, other);
	assert_int_equal(audience_size(stage->audience), 1);
	// It may ask for something else now.
	stage->over = NULL;
	world_send_text(&stage->world, mine, WATCH);
	assert_int_equal(receive(stage, mine), 7);
	close(mine);
	close(other);
}

static void test_the_daemon_stops_in_the_middle_of_a_round(void **state)
{
	struct stage *stage = *state;

	open_stage(stage, 1, 1);
	for (int i = 0; i < 5; i++) {
		stage->fds[i] = watch(stage);
		receive(stage, stage->fds[i]);
	}
	assert_int_equal(stage->frames, 5);
	tell_news(stage, 1);
	while (stage->frames == 5)
		event_base_loop(stage->world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	control_free(stage->world.control);
	stage->world.control = NULL;
	assert_int_equal(audience_size(stage->audience), 0);
	for (int i = 0; i < 20; i++)
		world_turn(&stage->world);
	for (int i = 0; i < 5; i++)
		close(stage->fds[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_frame_is_made_once_for_all),
		TEST(test_who_comes_is_told_at_once_and_then_once_a_tick),
		TEST(test_nothing_new_is_not_told_unless_time_goes_on),
		TEST(test_who_asks_for_fewer_frames_gets_fewer),
		TEST(test_what_changes_in_the_middle_of_a_round_is_told_to_the_rest_of_it),
		TEST(test_who_does_not_read_misses_frames_and_gets_the_next),
		TEST(test_members_that_vanish_in_the_middle_of_a_round_stop_nobody),
		TEST(test_the_end_of_what_is_watched_is_told_at_once_and_last),
		TEST(test_the_daemon_stops_in_the_middle_of_a_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
