/*
 * See door.h. What cannot be accepted stays ready, and so would be tried again at once and for ever: then, and after refusals, the
 * door is shut for a moment, and who comes meanwhile waits in the backlog.
 */
#include "control/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/event.h"
#include "common/text.h"

#define ENTRIES_A_TURN 32
#define REFUSED_PAUSE_MS 10
#define HELPLESS_PAUSE_MS 200

struct door {
	struct door_settings settings;
	struct event *ready;
	struct event *again;
	int spare;	  /* given up to take one for whom there is none */
	bool is_helpless; /* said so already */
};

static void keep_spare(struct door *door)
{
	if (door->spare < 0)
		door->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void shut_for(struct door *door, int ms)
{
	event_del(door->ready);
	event_add(door->again, &(struct timeval){ .tv_usec = ms * 1000 });
}

static int take(const struct door *door)
{
	return accept4(door->settings.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Others may have been quicker to use it. */
static bool turn_one_away(struct door *door)
{
	if (door->spare < 0)
		return false;
	close(door->spare);
	door->spare = -1;
	int fd = take(door);

	if (fd >= 0)
		door->settings.on_crowded(door->settings.arg, fd);
	keep_spare(door);
	return fd >= 0;
}

static void be_helpless(struct door *door, int reason)
{
	if (!door->is_helpless)
		event_log(EVENT_DESCRIPTORS_EXHAUSTED, NULL,
			  "control: cannot accept connections: %s; trying again every %d ms",
			  strerror(reason), HELPLESS_PAUSE_MS);
	door->is_helpless = true;
	shut_for(door, HELPLESS_PAUSE_MS);
}

enum outcome { ENTERED, REFUSED, NOBODY_THERE, HELPLESS }; /* after the first two it goes on */

static enum outcome let_one_in(struct door *door)
{
	int fd = take(door);

	if (fd >= 0)
		return door->settings.on_entry(door->settings.arg, fd) ? ENTERED : REFUSED;
	switch (errno) {
	case EAGAIN:
		return NOBODY_THERE;
	case EINTR:
	case ECONNABORTED: /* it went away while it waited */
		return ENTERED;
	case EMFILE:
	case ENFILE:
		if (turn_one_away(door))
			return REFUSED;
		errno = EMFILE;
		return HELPLESS;
	default:
		return HELPLESS;
	}
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct door *door = arg;
	enum outcome outcome = ENTERED;
	bool refused = false;

	(void)fd;
	(void)what;
	for (int i = 0; i < ENTRIES_A_TURN && outcome <= REFUSED; i++) {
		outcome = let_one_in(door);
		refused |= outcome == REFUSED;
	}
	if (outcome == HELPLESS)
		be_helpless(door, errno);
	else if (refused)
		shut_for(door, REFUSED_PAUSE_MS);
	door->is_helpless &= outcome == HELPLESS;
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct door *door = arg;

	(void)fd;
	(void)what;
	keep_spare(door);
	event_add(door->ready, NULL);
}

struct door *door_new(const struct door_settings *settings)
{
	struct door *door = memory_new(sizeof *door);

	door->settings = *settings;
	door->spare = -1;
	keep_spare(door);
	door->ready = event_new(settings->base, settings->fd, EV_READ | EV_PERSIST, on_ready, door);
	door->again = evtimer_new(settings->base, on_again, door);
	event_add(door->ready, NULL);
	return door;
}

void door_free(struct door *door)
{
	if (!door)
		return;
	event_free(door->ready);
	event_free(door->again);
	if (door->spare >= 0)
		close(door->spare);
	close(door->settings.fd);
	free(door);
}
