/*
 * Where metrics are offered: an address of this machine alone, or a Unix socket.
 */
#ifndef DAEMON_CONFIG_LISTEN_ADDRESS_H
#define DAEMON_CONFIG_LISTEN_ADDRESS_H

#include <sys/socket.h>

#include "common/error.h"

struct listen_address {
	struct sockaddr_storage address;
	socklen_t length;
	const char *path; /* of a Unix socket, within the text that was read; NULL: it is TCP */
};

/* "127.0.0.1:9187", "[::1]:9187", "unix:/run/migrated/metrics". Names and addresses that others can reach are refused: whoever wants that
   puts something in front that knows whom it answers. */
bool listen_address_read(const char *text, struct listen_address *ret_address,
			 struct error *err) _warn_unused_;

#endif
