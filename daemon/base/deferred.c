/*
 * Deferred freeing by a one-shot event of libevent, which owns the event itself.
 */
#include "base/deferred.h"

#include <stdlib.h>

#include "common/text.h"

struct deferred {
	void (*release)(void *object);
	void *object;
};

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct deferred *deferred = arg;

	(void)fd;
	(void)what;
	deferred->release(deferred->object);
	free(deferred);
}

void deferred_free(struct event_base *base, void (*release)(void *object), void *object)
{
	struct deferred *deferred = memory_new(sizeof *deferred);

	*deferred = (struct deferred){ .release = release, .object = object };
	if (event_base_once(base, -1, EV_TIMEOUT, on_turn, deferred, NULL) < 0)
		abort(); /* only for want of memory */
}
