/*
 * Takes connections from a listening socket: several a turn of the loop, never all that wait, and those that are refused no faster
 * than that costs little. Without a free descriptor each is still taken, with one kept for that, so that it can be told why.
 */
#ifndef DAEMON_CONTROL_DOOR_H
#define DAEMON_CONTROL_DOOR_H

#include <event2/event.h>
#include <stdbool.h>

struct door;

struct door_settings {
	struct event_base *base;
	int fd; /* listens, and does not block; the door closes it */

	/* Takes the descriptor over. False: it was refused. */
	bool (*on_entry)(void *arg, int fd);
	/* There are no descriptors left: to be told so, and closed at once. */
	void (*on_crowded)(void *arg, int fd);
	void *arg;
};

struct door *door_new(const struct door_settings *settings);
void door_free(struct door *door);

#endif
