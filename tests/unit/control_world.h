// A control socket with stand-in handlers and any number of peers, all in one process and one loop.
#ifndef TESTS_UNIT_CONTROL_WORLD_H
#define TESTS_UNIT_CONTROL_WORLD_H

#include "tests/unit/testing.h"

#include <event2/event.h>

#include "common/varlink.h"
#include "control/control.h"

/*
 * Stand-in handlers:
 *   Status  replies at once; with {"bytes": n} with a string of that length.
 *   Watch   keeps the call in `held`, and hears of its peer's death.
 *   Analyze keeps the call in `held`, and asks not to be told of anything.
 *   Pause   replies at once (an operator's method), and is counted.
 */
struct world {
	char directory[64];
	char path[96];
	struct event_base *base;
	struct control_settings settings;
	struct control *control;

	struct control_call *held;
	int gone;
	int entered; // calls that have reached any handler
	int paused;
};

// Listens at world->path with world->settings, which may be changed before.
void world_init(struct world *world);
void world_listen(struct world *world);
void world_done(struct world *world);

// Turns the loop until the condition holds; fails the test after five seconds.
#define world_wait(world, condition) \
	do { \
		int64_t end_ms_ = clock_monotonic_ms() + 5000; \
		while (!(condition)) { \
			if (clock_monotonic_ms() > end_ms_) \
				fail_msg("waited in vain for: %s", #condition); \
			world_turn(world); \
		} \
	} while (0)

void world_turn(struct world *world);

// A peer; its descriptor does not block.
int world_connect(struct world *world);
void world_send(struct world *world, int fd, const void *bytes, size_t length);
void world_send_text(struct world *world, int fd, const char *message); // with its NUL

// The next message from the daemon, parsed; NULL when the connection was closed instead.
json_t *world_receive(struct world *world, int fd);
void world_expect(struct world *world, int fd, const char *expected_json);
void world_expect_closed(struct world *world, int fd);

#endif
