/*
 * What people and machines are told unasked: metrics for Prometheus, over HTTP or as a file, and alerts by a command. All of it as the
 * configuration says; nothing of it unless it does.
 */
#ifndef DAEMON_MONITOR_MONITOR_H
#define DAEMON_MONITOR_MONITOR_H

#include <event2/event.h>

struct control;
struct engine;
struct monitor;

/* Engine and control socket outlive it. Another configuration of the engine's is followed at once. */
struct monitor *monitor_new(struct event_base *base, struct engine *engine,
			    const struct control *control);

/* Before anything is taken down: alerts that wait get a moment, within which the loop is run. NULL is allowed, here and below. */
void monitor_finish(struct monitor *monitor);
void monitor_free(struct monitor *monitor);

#endif
