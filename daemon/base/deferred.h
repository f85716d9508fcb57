/*
 * Freeing an object when the loop is out of its callbacks.
 *
 * An object that is told to go away may be on the stack below: its callback called us. So it is
 * marked dead, its events are deleted, and its memory goes in a turn of the loop of its own.
 */
#ifndef DAEMON_BASE_DEFERRED_H
#define DAEMON_BASE_DEFERRED_H

#include <event2/event.h>

/*
 * Calls release(object) once, from the loop, after the present callback has returned. A program
 * that ends gives the loop one more turn, event_base_loop(base, EVLOOP_NONBLOCK), before it frees
 * the base.
 */
void deferred_free(struct event_base *base, void (*release)(void *object), void *object);

#endif
