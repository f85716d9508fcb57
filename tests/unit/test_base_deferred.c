// Freeing after the callback.
#include "tests/unit/testing.h"

#include <stdlib.h>

#include "base/deferred.h"

struct object {
	struct event_base *base;
	struct event *event;
	int *freed;
	int *alive_at_the_end; /* of its callback */
};

static void release(void *arg)
{
	struct object *object = arg;

	event_free(object->event);
	++*object->freed;
	free(object);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct object *object = arg;

	(void)fd;
	(void)what;
	event_del(object->event);
	deferred_free(object->base, release, object);
	*object->alive_at_the_end = *object->freed == 0;
}

static void test_object_outlives_its_own_callback(void **state)
{
	struct event_base *base = event_base_new();
	struct object *object = malloc(sizeof *object);
	struct timeval soon = { .tv_usec = 1000 };
	int freed = 0, alive = 0;

	(void)state;
	*object = (struct object){ base, NULL, &freed, &alive };
	object->event = event_new(base, -1, EV_PERSIST, on_event, object);
	event_add(object->event, &soon);
	event_base_dispatch(base);
	assert_int_equal(alive, 1);
	assert_int_equal(freed, 1);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_object_outlives_its_own_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
