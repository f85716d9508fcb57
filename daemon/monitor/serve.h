/*
 * Metrics over HTTP, for Prometheus: GET /metrics on an address of this machine or a Unix socket, and nothing else.
 *
 * Whoever asks gets no place for long: so many at a time, each one request, of bounded size, in bounded time. Others wait in the
 * kernel's queue. A port that is taken keeps nobody from starting: it is tried again.
 */
#ifndef DAEMON_MONITOR_SERVE_H
#define DAEMON_MONITOR_SERVE_H

#include <event2/event.h>

#include "common/text.h"

struct server;

/* `write` appends what is served. `listen` as config/listen_address.h has it; copied. */
typedef void server_write(void *arg, struct text *text);
struct server *server_new(struct event_base *base, const char *listen, server_write *write,
			  void *arg);
void server_free(struct server *server);

#endif
