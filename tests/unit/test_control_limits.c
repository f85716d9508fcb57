// What the control socket bears: many peers, too many, no descriptors, output nobody reads; and its
// file.
#include "tests/unit/control_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

#define STATUS "{\"method\":\"io.migrated.Status\"}"
#define STATUS_REPLY "{\"parameters\":{\"state\":\"\"}}"

static int setup(void **state)
{
	struct world *world = malloc(sizeof *world);

	world_init(world);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	world_done(*state);
	free(*state);
	return 0;
}

/* --- peers ------------------------------------------------------------------------------------ */

static void test_three_hundred_peers_are_served(void **state)
{
	struct world *world = *state;
	int fds[300];

	world_listen(world);
	for (int i = 0; i < 300; i++)
		fds[i] = world_connect(world);
	world_wait(world, control_peer_count(world->control) == 300);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 300; i++)
			world_send_text(world, fds[i], STATUS);
		for (int i = 0; i < 300; i++)
			world_expect(world, fds[i], STATUS_REPLY);
	}
	for (int i = 0; i < 300; i++)
		close(fds[i]);
	world_wait(world, control_peer_count(world->control) == 0);
}

static void test_a_peer_too_many_is_told_so(void **state)
{
	struct world *world = *state;
	int fds[26];

	world->settings.max_peers = 10; // and 16 more for operators, which we are
	world_listen(world);
	for (int i = 0; i < 26; i++)
		fds[i] = world_connect(world);
	world_wait(world, control_peer_count(world->control) == 26);
	int extra = world_connect(world);

	world_expect(world, extra,
		     "{\"error\":\"io.migrated.TooManyPeers\",\"parameters\":{\"limit\":10}}");
	world_expect_closed(world, extra);
	close(extra);
	close(fds[0]);
	world_wait(world, control_peer_count(world->control) == 25);
	fds[0] = world_connect(world);
	world_send_text(world, fds[0], STATUS);
	world_expect(world, fds[0], STATUS_REPLY);
	for (int i = 0; i < 26; i++)
		close(fds[i]);
}

static void test_peers_are_bounded_by_descriptors_too(void **state)
{
	struct world *world = *state;
	struct rlimit before, limit;

	getrlimit(RLIMIT_NOFILE, &before);
	limit = before;
	limit.rlim_cur = 300;
	setrlimit(RLIMIT_NOFILE, &limit);
	world_listen(world);
	setrlimit(RLIMIT_NOFILE, &before);
	int fds[400];

	for (int i = 0; i < 400; i++)
		fds[i] = world_connect(world);
	assert_int_equal(control_peers_most(world->control), 300 - 128 - 16 - 16);
	world_wait(world, control_peer_count(world->control) == 300 - 128 - 16);
	world_wait(world, control_refused(world->control) == 400 - (300 - 128 - 16));
	for (int i = 0; i < 400; i++)
		close(fds[i]);
}

// Leaves no descriptor free; what was the limit is put back by the caller.
static struct rlimit use_up_descriptors(int highest)
{
	struct rlimit before, limit;

	getrlimit(RLIMIT_NOFILE, &before);
	limit = before;
	limit.rlim_cur = (rlim_t)highest + 1; // the lowest free number is not below it
	setrlimit(RLIMIT_NOFILE, &limit);
	return before;
}

static void test_without_descriptors_who_comes_is_told_so(void **state)
{
	struct world *world = *state;
	struct rlimit before;
	int fds[50];

	world_listen(world);
	for (int i = 0; i < 50; i++)
		fds[i] = world_connect(world);
	before = use_up_descriptors(fds[49]);
	world_wait(world, control_refused(world->control) == 50);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(control_peer_count(world->control), 0);
	for (int i = 0; i < 50; i++) {
		world_expect(
			world, fds[i],
			"{\"error\":\"io.migrated.TooManyPeers\",\"parameters\":{\"limit\":0}}");
		world_expect_closed(world, fds[i]);
		close(fds[i]);
	}
	fds[0] = world_connect(world);
	world_send_text(world, fds[0], STATUS);
	world_expect(world, fds[0], STATUS_REPLY);
	close(fds[0]);
}

// Somebody else has taken the one that was kept for telling, too.
static void test_without_any_descriptor_accepting_pauses_and_goes_on(void **state)
{
	struct world *world = *state;
	struct rlimit before;
	int turns = 0;

	world_listen(world);
	int spare = dup(0) - 1; // the last that the door has opened
	int fd = world_connect(world);

	before = use_up_descriptors(spare - 1);
	// A listener that is not paused makes every one of these turns return at once.
	for (int64_t end_ms = clock_monotonic_ms() + 100; clock_monotonic_ms() < end_ms; turns++)
		event_base_loop(world->base, EVLOOP_ONCE);
	assert_in_range(turns, 1, 10);
	assert_int_equal(control_peer_count(world->control), 0);
	setrlimit(RLIMIT_NOFILE, &before);
	world_send_text(world, fd, STATUS);
	world_expect(world, fd, STATUS_REPLY);
	close(fd);
	close(spare + 1);
}

static void test_many_who_come_at_once_are_taken_a_few_a_turn(void **state)
{
	struct world *world = *state;
	int fds[200];
	size_t most = 0;

	world_listen(world);
	for (int i = 0; i < 200; i++)
		fds[i] = world_connect(world);
	while (control_peer_count(world->control) < 200) {
		size_t before = control_peer_count(world->control);

		event_base_loop(world->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		if (control_peer_count(world->control) - before > most)
			most = control_peer_count(world->control) - before;
	}
	assert_in_range(most, 1, 32);
	for (int i = 0; i < 200; i++)
		close(fds[i]);
}

static void test_who_asks_for_more_than_it_reads_is_not_asked_further(void **state)
{
	static const char big[] = "{\"method\":\"io.migrated.Status\",\"parameters\":{\"bytes\":"
				  "100000}}";
	struct world *world = *state;
	int fd;

	world_listen(world);
	fd = world_connect(world);
	for (int i = 0; i < 200; i++)
		world_send(world, fd, big, sizeof big);
	for (int i = 0; i < 100; i++)
		world_turn(world);
	// 200 answers are 20 MB: the socket takes some, 32 KiB may wait, the rest is not made.
	assert_in_range(world->entered, 1, 20);
	for (int i = 0; i < 200; i++) {
		json_auto_t *reply = world_receive(world, fd);

		assert_non_null(reply);
	}
	assert_int_equal(world->entered, 200);
	close(fd);
}

static void test_an_answer_beyond_the_cap_closes_the_connection(void **state)
{
	struct world *world = *state;
	int other, fd;

	world->settings.output_hard = 1000000;
	world_listen(world);
	other = world_connect(world);
	fd = world_connect(world);
	world_send_text(world, fd,
			"{\"method\":\"io.migrated.Status\",\"parameters\":{\"bytes\":1000001}}");
	world_expect_closed(world, fd);
	world_send_text(world, other, STATUS);
	world_expect(world, other, STATUS_REPLY);
	close(fd);
	close(other);
}

/* --- the socket file -------------------------------------------------------------------------- */

static int bind_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void test_a_stale_socket_is_replaced(void **state)
{
	struct world *world = *state;

	close(bind_at(world->path));
	world_listen(world);
	int fd = world_connect(world);

	world_send_text(world, fd, STATUS);
	world_expect(world, fd, STATUS_REPLY);
	close(fd);
}

static void assert_refused(struct world *world, enum error_kind kind, const char *message)
{
	struct error err;

	assert_null(control_new(world->base, &world->settings, &err));
	assert_int_equal(err.kind, kind);
	if (!strstr(err.message, message))
		fail_msg("expected \"%s\" in \"%s\"", message, err.message);
}

static void test_a_living_socket_is_left_alone(void **state)
{
	struct world *world = *state;
	struct stat status;

	world_listen(world);
	assert_refused(world, ERROR_ENVIRONMENT, "another migrated listens on");
	int fd = world_connect(world);

	world_send_text(world, fd, STATUS);
	world_expect(world, fd, STATUS_REPLY);
	close(fd);
	control_free(world->control);
	world->control = NULL;
	assert_int_equal(lstat(world->path, &status), -1);
}

static void test_a_file_that_is_no_socket_is_left_alone(void **state)
{
	struct world *world = *state;

	close(open(world->path, O_CREAT | O_WRONLY, 0600));
	assert_refused(world, ERROR_CONFIG, "is not a socket");
	assert_int_equal(access(world->path, F_OK), 0);
}

static void test_impossible_paths_are_named(void **state)
{
	struct world *world = *state;
	char longer[200];

	memset(longer, 'x', sizeof longer);
	longer[0] = '/';
	longer[sizeof longer - 1] = '\0';
	world->settings.path = longer;
	assert_refused(world, ERROR_CONFIG, "more than 107 bytes");
	world->settings.path = "relative";
	assert_refused(world, ERROR_CONFIG, "absolute path");
	world->settings.path = NULL;
	assert_refused(world, ERROR_CONFIG, "absolute path");
	world->settings.path = "/nonexistent/control";
	assert_refused(world, ERROR_ENVIRONMENT, "No such file or directory");
}

static void test_the_end_leaves_a_successors_socket_alone(void **state)
{
	struct world *world = *state;
	int successor;

	world_listen(world);
	unlink(world->path);
	successor = bind_at(world->path);
	control_free(world->control);
	world->control = NULL;
	assert_int_equal(access(world->path, F_OK), 0);
	close(successor);
}

static void test_everybody_may_open_the_socket(void **state)
{
	struct world *world = *state;
	struct stat status;

	world_listen(world);
	assert_int_equal(lstat(world->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0666);
}

static void test_a_passed_socket_is_used_and_its_file_stays(void **state)
{
	struct world *world = *state;

	world->settings.listen_fd = bind_at(world->path);
	assert_refused(world, ERROR_CONFIG, "is not a listening Unix stream socket");
	listen(world->settings.listen_fd, 5);
	world_listen(world);
	int fd = world_connect(world);

	world_send_text(world, fd, STATUS);
	world_expect(world, fd, STATUS_REPLY);
	close(fd);
	control_free(world->control);
	world->control = NULL;
	assert_int_equal(access(world->path, F_OK), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_three_hundred_peers_are_served),
		TEST(test_a_peer_too_many_is_told_so),
		TEST(test_peers_are_bounded_by_descriptors_too),
		TEST(test_without_descriptors_who_comes_is_told_so),
		TEST(test_without_any_descriptor_accepting_pauses_and_goes_on),
		TEST(test_many_who_come_at_once_are_taken_a_few_a_turn),
		TEST(test_who_asks_for_more_than_it_reads_is_not_asked_further),
		TEST(test_an_answer_beyond_the_cap_closes_the_connection),
		TEST(test_a_stale_socket_is_replaced),
		TEST(test_a_living_socket_is_left_alone),
		TEST(test_a_file_that_is_no_socket_is_left_alone),
		TEST(test_impossible_paths_are_named),
		TEST(test_the_end_leaves_a_successors_socket_alone),
		TEST(test_everybody_may_open_the_socket),
		TEST(test_a_passed_socket_is_used_and_its_file_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
