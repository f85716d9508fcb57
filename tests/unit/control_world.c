// A control socket with stand-in handlers. See control_world.h.
#include "tests/unit/control_world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

static void handle_status(void *arg, struct control_call *call)
{
	struct world *world = arg;
	json_int_t length = json_integer_value(
		json_object_get(control_call_parameters(call), "bytes"));
	char *filler = malloc((size_t)length + 1);

	memset(filler, 'x', (size_t)length);
	filler[length] = '\0';
	world->entered++;
	control_call_reply(call, json_pack("{s:s}", "state", filler));
	free(filler);
}

static void on_gone(void *arg)
{
	struct world *world = arg;

	world->gone++;
	world->held = NULL;
}

static void handle_watch(void *arg, struct control_call *call)
{
	struct world *world = arg;

	world->entered++;
	world->held = call;
	control_call_on_gone(call, on_gone, world);
}

static void handle_analyze(void *arg, struct control_call *call)
{
	struct world *world = arg;

	world->entered++;
	world->held = call;
}

static void handle_pause(void *arg, struct control_call *call)
{
	struct world *world = arg;

	world->entered++;
	world->paused++;
	control_call_reply(call, json_pack("{s:s, s:s}", "session", "s", "state", "paused"));
}

static const struct control_handler handlers[] = {
	{ "io.migrated.Status", handle_status },
	{ "io.migrated.Watch", handle_watch },
	{ "io.migrated.Analyze", handle_analyze },
	{ "io.migrated.Pause", handle_pause },
	{ NULL, NULL },
};

void world_init(struct world *world)
{
	*world = (struct world){ 0 };
	signal(SIGPIPE, SIG_IGN);
	snprintf(world->directory, sizeof world->directory, "/tmp/test_control.XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	snprintf(world->path, sizeof world->path, "%s/control", world->directory);
	world->base = event_base_new();
	world->settings = (struct control_settings){
		.path = world->path,
		.listen_fd = -1,
		.handlers = handlers,
		.handler_arg = world,
	};
}

void world_listen(struct world *world)
{
	struct error err = { 0 };

	world->control = control_new(world->base, &world->settings, &err);
	if (!world->control)
		fail_msg("%s", err.message);
}

void world_done(struct world *world)
{
	control_free(world->control);
	event_base_loop(world->base, EVLOOP_NONBLOCK);
	event_base_free(world->base);
	unlink(world->path);
	assert_int_equal(rmdir(world->directory), 0);
}

void world_turn(struct world *world)
{
	event_base_loop(world->base, EVLOOP_NONBLOCK);
}

int world_connect(struct world *world)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", world->path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

void world_send(struct world *world, int fd, const void *bytes, size_t length)
{
	const char *rest = bytes;
	int64_t end_ms = clock_monotonic_ms() + 5000;

	while (length > 0) {
		ssize_t sent = send(fd, rest, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EPIPE)
			return; // closed meanwhile, which is for the test to find
		if (clock_monotonic_ms() > end_ms)
			fail_msg("the daemon does not read");
		rest += sent > 0 ? sent : 0;
		length -= sent > 0 ? (size_t)sent : 0;
		world_turn(world);
	}
}

void world_send_text(struct world *world, int fd, const char *message)
{
	world_send(world, fd, message, strlen(message) + 1);
}

// One byte, turning the loop until it comes; false at the end of the connection.
static bool receive_byte(struct world *world, int fd, char *ret_byte)
{
	int64_t end_ms = clock_monotonic_ms() + 5000;

	for (;;) {
		ssize_t length = recv(fd, ret_byte, 1, MSG_DONTWAIT);

		if (length == 1)
			return true;
		if (length == 0 || errno == ECONNRESET)
			return false;
		if (clock_monotonic_ms() > end_ms)
			fail_msg("the daemon does not answer");
		world_turn(world);
	}
}

// Byte by byte, so that nothing of the next message is taken: there is no buffer to keep it in.
json_t *world_receive(struct world *world, int fd)
{
	_cleanup_text_ struct text message = TEXT_INIT;
	char byte;

	do {
		if (!receive_byte(world, fd, &byte))
			return NULL;
		text_append_bytes(&message, &byte, 1);
	} while (byte != '\0');
	return json_loads(text_string(&message), 0, NULL);
}

void world_expect(struct world *world, int fd, const char *expected_json)
{
	json_auto_t *expected = json_loads(expected_json, 0, NULL);
	json_auto_t *received = world_receive(world, fd);

	assert_non_null(expected);
	if (!json_equal(expected, received)) {
		char *text = received ? json_dumps(received, 0) : NULL;

		fail_msg("expected %s, received %s", expected_json, text ? text : "the end");
	}
}

void world_expect_closed(struct world *world, int fd)
{
	json_auto_t *received = world_receive(world, fd);

	assert_null(received);
}
