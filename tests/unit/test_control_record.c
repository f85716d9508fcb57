// Who is told of calls, and answers that are kept back until that is written down.
#include "tests/unit/control_world.h"

#include <string.h>
#include <unistd.h>

#include "common/clock.h"

#define STATUS "{\"method\":\"io.migrated.Status\"}"
#define STATUS_REPLY "{\"parameters\":{\"state\":\"\"}}"
#define WATCH "{\"method\":\"io.migrated.Watch\",\"more\":true}"
#define ANALYZE "{\"method\":\"io.migrated.Analyze\"}"
#define PAUSE "{\"method\":\"io.migrated.Pause\"}"
#define PAUSE_REPLY "{\"parameters\":{\"session\":\"s\",\"state\":\"paused\"}}"

// "Pause:ok Watch:begun": what was told, and the call whose answer is kept back.
struct told {
	struct text text;
	bool keeps_back;
	struct control_call *kept;
};

static struct world world;
static struct told told;

static bool on_record(void *arg, const struct control_record *record)
{
	const char *method = record->method ? strrchr(record->method, '.') + 1 : "-";
	(void)arg;
	text_separate(&told.text, " ");
	text_appendf(&told.text, "%s:%s%s", method, record->result, record->operates ? "!" : "");
	assert_int_equal(record->uid, getuid());
	assert_int_equal(record->gid, getgid());
	assert_int_equal(record->pid, getpid());
	assert_true(record->ended_us == 0 || record->ended_us >= record->at_us);
	if (!told.keeps_back || !record->operates || !record->call)
		return false;
	told.kept = record->call;
	return true;
}

static int setup(void **state)
{
	(void)state;
	told = (struct told){ 0 };
	world_init(&world);
	world.settings.on_record = on_record;
	world_listen(&world);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (told.kept)
		control_call_release(told.kept);
	world_done(&world);
	text_done(&told.text);
	return 0;
}

static void assert_told(const char *expected)
{
	assert_string_equal(text_string(&told.text), expected);
}

static void release(void)
{
	struct control_call *kept = told.kept;

	told.kept = NULL;
	control_call_release(kept);
}

static void test_every_call_is_told_with_its_result(void **state)
{
	int fd = world_connect(&world);

	(void)state;
	world_send_text(&world, fd, STATUS);
	world_expect(&world, fd, STATUS_REPLY);
	world_send_text(&world, fd, PAUSE);
	world_expect(&world, fd, PAUSE_REPLY);
	world_send_text(&world, fd, "{\"method\":\"io.migrated.Nothing\"}");
	json_decref(world_receive(&world, fd));
	world_send_text(&world, fd, "{\"method\":7}");
	world_expect_closed(&world, fd);
	assert_told("Status:ok Pause:ok! Nothing:org.varlink.service.MethodNotFound -:malformed");
	close(fd);
}

static void test_a_stream_is_told_when_it_begins_and_ends(void **state)
{
	int fd = world_connect(&world);

	(void)state;
	world_send_text(&world, fd, WATCH);
	world_wait(&world, world.held);
	assert_told("Watch:begun");
	control_call_continue(world.held, NULL);
	control_call_reply(world.held, NULL);
	assert_told("Watch:begun Watch:ok");
	world_send_text(&world, fd, WATCH);
	world_wait(&world, world.entered == 2);
	close(fd);
	world_wait(&world, world.gone == 1);
	assert_told("Watch:begun Watch:ok Watch:begun Watch:gone");
}

static void test_what_is_answered_later_is_told_once(void **state)
{
	int fd = world_connect(&world);

	(void)state;
	world_send_text(&world, fd, ANALYZE);
	world_wait(&world, world.held);
	assert_told("");
	control_call_reply(world.held, NULL);
	assert_told("Analyze:ok");
	close(fd);
}

static void test_an_answer_that_is_kept_back_comes_when_it_is_released(void **state)
{
	int fd = world_connect(&world);
	char byte;

	(void)state;
	told.keeps_back = true;
	world_send_text(&world, fd, PAUSE);
	world_send_text(&world, fd, STATUS);
	world_wait(&world, told.kept);
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	assert_int_equal(read(fd, &byte, 1), -1);
	assert_told("Pause:ok!");
	release();
	world_expect(&world, fd, PAUSE_REPLY);
	world_expect(&world, fd, STATUS_REPLY);
	close(fd);
}

static void test_a_peer_may_go_while_its_answer_is_kept_back(void **state)
{
	int fd = world_connect(&world);

	(void)state;
	told.keeps_back = true;
	world_send_text(&world, fd, PAUSE);
	world_wait(&world, told.kept);
	close(fd);
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	assert_int_equal(control_peer_count(world.control), 1);
	release();
	world_wait(&world, control_peer_count(world.control) == 0);
	assert_told("Pause:ok!");
}

static void test_a_call_that_wants_no_answer_may_be_kept_back(void **state)
{
	int fd = world_connect(&world);

	(void)state;
	told.keeps_back = true;
	world_send_text(&world, fd, "{\"method\":\"io.migrated.Pause\",\"oneway\":true}");
	world_send_text(&world, fd, STATUS);
	world_wait(&world, told.kept);
	release();
	world_expect(&world, fd, STATUS_REPLY);
	close(fd);
}

static void test_who_is_turned_away_is_told(void **state)
{
	int fds[40];
	size_t count = 0;

	(void)state;
	control_free(world.control);
	world.settings.max_peers = 1;
	world_listen(&world);
	while (told.text.length == 0 && count < 40) {
		fds[count++] = world_connect(&world);
		world_turn(&world);
	}
	assert_told("-:io.migrated.TooManyPeers");
	while (count > 0)
		close(fds[--count]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_call_is_told_with_its_result),
		TEST(test_a_stream_is_told_when_it_begins_and_ends),
		TEST(test_what_is_answered_later_is_told_once),
		TEST(test_an_answer_that_is_kept_back_comes_when_it_is_released),
		TEST(test_a_peer_may_go_while_its_answer_is_kept_back),
		TEST(test_a_call_that_wants_no_answer_may_be_kept_back),
		TEST(test_who_is_turned_away_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
