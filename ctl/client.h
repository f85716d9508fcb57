/*
 * A Varlink client: connects, sends a call, receives what is answered; it waits with poll() and
 * gives up in time.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <signal.h>
#include <stdint.h>

#include "common/varlink.h"
#include "ctl/failure.h"

#define CLIENT_ALSO_MOST 4

struct client {
	int fd;
	const char *path; /* borrowed */
	struct varlink_splitter splitter;
	int64_t deadline_ms;	 /* by the monotonic clock; 0: none */
	int64_t timeout_ms;	 /* that led to it, to say so */
	const sigset_t *signals; /* the mask while waiting; NULL: as it is */
	const int *also;	 /* other descriptors to wait for; negative ones are passed over */
	size_t also_count;	 /* at most CLIENT_ALSO_MOST */
};

/* A timeout of 0 is none; it holds for everything the client does from now on. */
_warn_unused_ bool client_open(struct client *client, const char *path, int64_t timeout_ms,
			       struct failure *failure);
void client_done(struct client *client);

/* Gives the client so long from now on; 0: for ever. */
void client_set_timeout(struct client *client, int64_t timeout_ms);

/* `parameters` is borrowed; NULL is {}. */
_warn_unused_ bool client_send(struct client *client, const char *method, json_t *parameters,
			       bool more, struct failure *failure);

enum client_result {
	CLIENT_REPLY,  /* *ret_reply is set, and the caller's; it is not an error */
	CLIENT_TICK,   /* nothing came for tick_ms */
	CLIENT_SIGNAL, /* a signal came instead */
	CLIENT_ALSO,   /* one of the other descriptors is readable */
	CLIENT_FAILED, /* *failure is set */
};

/* Waits for the next reply; `tick_ms` < 0: until it comes or the time is up. Without a connection (fd < 0) it comes never. */
enum client_result client_receive(struct client *client, int tick_ms,
				  struct varlink_reply *ret_reply, struct failure *failure);

/* One call, one reply; NULL with the failure set. The caller owns the parameters that were
   answered. */
json_t *client_call(struct client *client, const char *method, json_t *parameters,
		    struct failure *failure);

#endif
