/*
 * Peer credentials from the kernel, and the rule that turns them into a standing.
 */
#include "control/credentials.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/text.h"

#define NO_GROUP ((gid_t)-1)

static gid_t group_number(const char *name)
{
	const struct group *group = name && name[0] ? getgrnam(name) : NULL;

	if (name && name[0] && !group)
		log_notice("group %s does not exist here, so membership of it lets nobody in",
			   name);
	return group ? group->gr_gid : NO_GROUP;
}

struct access_groups credentials_groups(const char *observe_group, const char *operate_group)
{
	return (struct access_groups){
		.observe = group_number(observe_group),
		.operate = group_number(operate_group),
	};
}

/* The length is not known beforehand; the kernel says it with ERANGE. */
static bool read_groups(int fd, struct control_credentials *credentials)
{
	socklen_t length = 0;

	while (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, credentials->groups, &length) < 0) {
		if (errno != ERANGE)
			return false;
		credentials->groups = memory_grow(credentials->groups, length, 1);
	}
	credentials->group_count = length / sizeof(gid_t);
	return true;
}

bool credentials_of_peer(int fd, struct control_credentials *ret_credentials)
{
	struct control_credentials credentials = { 0 };
	struct ucred peer;
	socklen_t length = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || length != sizeof peer)
		return false;
	if (!read_groups(fd, &credentials)) {
		free(credentials.groups);
		return false;
	}
	credentials.uid = peer.uid;
	credentials.gid = peer.gid;
	credentials.pid = peer.pid;
	*ret_credentials = credentials;
	return true;
}

static bool is_member(const struct control_credentials *credentials, gid_t group)
{
	if (group == NO_GROUP)
		return false;
	if (credentials->gid == group)
		return true;
	for (size_t i = 0; i < credentials->group_count; i++)
		if (credentials->groups[i] == group)
			return true;
	return false;
}

enum standing credentials_standing(const struct control_credentials *credentials,
				   const struct access_groups *groups)
{
	if (credentials->uid == 0 || credentials->uid == geteuid() ||
	    is_member(credentials, groups->operate))
		return STANDING_OPERATOR;
	if (is_member(credentials, groups->observe))
		return STANDING_OBSERVER;
	return STANDING_STRANGER;
}

bool credentials_suffice(enum standing standing, enum access needed)
{
	switch (needed) {
	case ACCESS_OBSERVE:
		return standing >= STANDING_OBSERVER;
	case ACCESS_OPERATE:
		return standing >= STANDING_OPERATOR;
	}
	return false;
}

const char *credentials_access_name(enum access access)
{
	return access == ACCESS_OPERATE ? "operate" : "observe";
}
