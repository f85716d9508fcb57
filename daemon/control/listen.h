/*
 * The socket file: made, replaced when stale, left alone when somebody listens on it, removed when
 * still ours.
 */
#ifndef DAEMON_CONTROL_LISTEN_H
#define DAEMON_CONTROL_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

struct listen_socket {
	int fd;
	char *path;   /* NULL when the socket was passed to us and the file is somebody else's */
	dev_t device; /* of the file we made */
	ino_t inode;
};

/* Binds and listens at `path`, open to everybody (see control.h). */
_warn_unused_ bool listen_open(struct listen_socket *ret_socket, const char *path,
			       struct error *err);

/* Takes over a listening Unix stream socket, as socket activation passes it. */
_warn_unused_ bool listen_adopt(struct listen_socket *ret_socket, int fd, struct error *err);

/* Removes the file if it is still the one that was made, and forgets the descriptor, which is
   closed by whoever accepts on it. */
void listen_done(struct listen_socket *socket);

#endif
