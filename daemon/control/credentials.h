/*
 * Who a peer is, and what that lets it do. Everything is refused that is not allowed here.
 */
#ifndef DAEMON_CONTROL_CREDENTIALS_H
#define DAEMON_CONTROL_CREDENTIALS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/command.h"
#include "control/control.h"

enum standing {
	STANDING_STRANGER, /* may do nothing */
	STANDING_OBSERVER, /* in the observe group */
	STANDING_OPERATOR, /* root, our own user, or in the operate group */
};

/* The two groups as numbers; (gid_t)-1 for one that is not wanted or that the system does not know.
   */
struct access_groups {
	gid_t observe;
	gid_t operate;
};

struct access_groups credentials_groups(const char *observe_group, const char *operate_group);

/* SO_PEERCRED and SO_PEERGROUPS. False when the kernel will not say, which makes a stranger. */
bool credentials_of_peer(int fd, struct control_credentials *ret_credentials);

enum standing credentials_standing(const struct control_credentials *credentials,
				   const struct access_groups *groups);

bool credentials_suffice(enum standing standing, enum access needed);

/* "observe", "operate": as it stands in PermissionDenied. */
const char *credentials_access_name(enum access access);

#endif
