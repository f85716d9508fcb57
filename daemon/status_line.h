/*
 * The line that `systemctl status` shows: what the daemon does, or why it does not. It is told when it has changed, at most once a second.
 */
#ifndef DAEMON_STATUS_LINE_H
#define DAEMON_STATUS_LINE_H

#include <event2/event.h>

#include "run/engine.h"

struct status_line;

/* Told for the first time at once. The engine is borrowed. */
struct status_line *status_line_new(struct event_base *base, struct engine *engine);
/* Before the engine goes; NULL is allowed. */
void status_line_free(struct status_line *line);

#endif
