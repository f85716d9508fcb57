/*
 * The listening side: who comes in, how many, and what becomes of those who have gone.
 */
#include "control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/event.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "common/varlink.h"
#include "control/credentials.h"
#include "control/door.h"
#include "control/listen.h"
#include "control/peer.h"
#include "control/route.h"

#define DEFAULT_MAX_PEERS 8192
#define DEFAULT_OUTPUT_SOFT ((size_t)32 * 1024)
#define DEFAULT_OUTPUT_HARD ((size_t)32 * 1024 * 1024)
#define OPERATOR_RESERVE 16	      /* places that observers cannot fill */
#define STRANGERS_MAX 16	      /* at a time; further ones are closed unheard */
#define DEFAULT_OTHER_DESCRIPTORS 128 /* for databases and files, of the process's limit */
#define FEWEST_PEERS 8
#define TOO_MANY_PEERS "io.migrated.TooManyPeers"
#define PERMISSION_DENIED "io.migrated.PermissionDenied"

TAILQ_HEAD(peer_list, peer);

struct control {
	struct event_base *base;
	struct control_settings settings;
	struct access_groups groups;
	struct listen_socket socket;
	struct door *door;
	struct event *reap;
	struct peer_list peers;
	struct peer_list dead; /* until they are reaped */
	size_t peer_count;
	size_t stranger_count;
	uint64_t refused;
	uint64_t denied;
};

static size_t *count_of(struct control *control, enum standing standing)
{
	return standing == STANDING_STRANGER ? &control->stranger_count : &control->peer_count;
}

static void forget_dead(struct control *control, struct peer *peer)
{
	TAILQ_REMOVE(&control->dead, peer, link);
	--*count_of(control, peer->standing);
	peer_free(peer);
}

static void on_reap(evutil_socket_t fd, short events, void *arg)
{
	struct control *control = arg;
	struct peer *next;

	(void)fd;
	(void)events;
	for (struct peer *peer = TAILQ_FIRST(&control->dead); peer; peer = next) {
		next = TAILQ_NEXT(peer, link);
		if (!peer_is_held(peer))
			forget_dead(control, peer);
	}
}

static void on_peer_dead(void *arg, struct peer *peer, bool is_news)
{
	struct control *control = arg;

	if (is_news) {
		TAILQ_REMOVE(&control->peers, peer, link);
		TAILQ_INSERT_TAIL(&control->dead, peer, link);
	}
	event_active(control->reap, 0, 0);
}

/* --- coming ----------------------------------------------------------------------------------- */

static void on_call(void *arg, struct control_call *call)
{
	struct control *control = arg;

	route_call(&control->settings, call);
}

static bool on_record(void *arg, const struct control_record *record)
{
	struct control *control = arg;

	control->denied += strcmp(record->result, PERMISSION_DENIED) == 0;
	return control->settings.on_record &&
	       control->settings.on_record(control->settings.record_arg, record);
}

static size_t limit_of(const struct control *control, enum standing standing)
{
	switch (standing) {
	case STANDING_STRANGER:
		return STRANGERS_MAX;
	case STANDING_OBSERVER:
		return control->settings.max_peers;
	case STANDING_OPERATOR:
		return control->settings.max_peers + OPERATOR_RESERVE;
	}
	return 0;
}

/* Answers what has not even been asked: it is all the same, and costs no place. */
static void turn_away(struct control *control, int fd,
		      const struct control_credentials *credentials, size_t limit)
{
	int64_t now_us = clock_wall_us();
	_cleanup_text_ struct text message = TEXT_INIT;
	json_auto_t *parameters = json_pack("{s:I}", "limit", (json_int_t)limit);

	control->refused++;
	on_record(control, &(struct control_record){ .uid = credentials->uid,
						     .gid = credentials->gid,
						     .pid = credentials->pid,
						     .result = TOO_MANY_PEERS,
						     .at_us = now_us,
						     .ended_us = now_us });
	event_log(EVENT_CONNECTION_LIMIT, NULL,
		  "control: uid %lu was turned away: there are %zu connections already",
		  (unsigned long)credentials->uid, limit);
	varlink_append_error(&message, TOO_MANY_PEERS, parameters);
	(void)!send(fd, message.data, message.length, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static bool admit(struct control *control, int fd, const struct control_credentials *credentials)
{
	enum standing standing = credentials_standing(credentials, &control->groups);
	const struct peer_settings settings = {
		.base = control->base,
		.limits = { control->settings.request_max, control->settings.output_soft,
			    control->settings.output_hard },
		.on_call = on_call,
		.on_dead = on_peer_dead,
		.on_record = on_record,
		.arg = control,
	};

	if (*count_of(control, standing) >= limit_of(control, standing)) {
		turn_away(control, fd, credentials,
			  standing == STANDING_STRANGER ? STRANGERS_MAX
							: control->settings.max_peers);
		return false;
	}
	struct peer *peer = peer_new(fd, credentials, standing, &settings);

	if (!peer)
		return false;
	TAILQ_INSERT_TAIL(&control->peers, peer, link);
	++*count_of(control, standing);
	return true;
}

static bool with_credentials(struct control *control, int fd,
			     struct control_credentials *ret_credentials)
{
	if (control->settings.credentials(fd, ret_credentials))
		return true;
	log_warning("control: a peer without credentials was turned away: %s", strerror(errno));
	close(fd);
	return false;
}

static bool on_entry(void *arg, int fd)
{
	struct control *control = arg;
	struct control_credentials credentials;

	if (!with_credentials(control, fd, &credentials))
		return false;
	bool admitted = admit(control, fd, &credentials);

	free(credentials.groups);
	return admitted;
}

static void on_crowded(void *arg, int fd)
{
	struct control *control = arg;
	struct control_credentials credentials;

	if (!with_credentials(control, fd, &credentials))
		return;
	event_log(EVENT_DESCRIPTORS_EXHAUSTED, NULL,
		  "control: there are no descriptors left, with %zu connections",
		  control->peer_count);
	turn_away(control, fd, &credentials, control->peer_count);
	free(credentials.groups);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static size_t or_default(size_t value, size_t default_value)
{
	return value > 0 ? value : default_value;
}

/* Peers must leave the databases their descriptors. */
static size_t bounded_by_descriptors(size_t max_peers, size_t others)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return max_peers;
	size_t available = limit.rlim_cur > 2 * others ? limit.rlim_cur - others
						       : limit.rlim_cur / 2;

	available = available > OPERATOR_RESERVE + STRANGERS_MAX + FEWEST_PEERS
			    ? available - OPERATOR_RESERVE - STRANGERS_MAX
			    : FEWEST_PEERS;
	return max_peers < available ? max_peers : available;
}

static void take_settings(struct control *control, const struct control_settings *settings)
{
	struct control_settings *ours = &control->settings;

	*ours = *settings;
	ours->max_peers = bounded_by_descriptors(or_default(ours->max_peers, DEFAULT_MAX_PEERS),
						 or_default(ours->other_descriptors,
							    DEFAULT_OTHER_DESCRIPTORS));
	ours->request_max = or_default(ours->request_max, VARLINK_REQUEST_MAX);
	ours->output_soft = or_default(ours->output_soft, DEFAULT_OUTPUT_SOFT);
	ours->output_hard = or_default(ours->output_hard, DEFAULT_OUTPUT_HARD);
	if (!ours->credentials)
		ours->credentials = credentials_of_peer;
	control->groups = credentials_groups(settings->observe_group, settings->operate_group);
}

struct control *control_new(struct event_base *base, const struct control_settings *settings,
			    struct error *err)
{
	struct listen_socket socket;
	bool is_open = settings->listen_fd >= 0 ? listen_adopt(&socket, settings->listen_fd, err)
						: listen_open(&socket, settings->path, err);

	if (!is_open)
		return NULL;
	struct control *control = memory_new(sizeof *control);

	control->base = base;
	control->socket = socket;
	TAILQ_INIT(&control->peers);
	TAILQ_INIT(&control->dead);
	take_settings(control, settings);
	control->reap = event_new(base, -1, 0, on_reap, control);
	control->door = door_new(&(struct door_settings){ .base = base,
							  .fd = socket.fd,
							  .on_entry = on_entry,
							  .on_crowded = on_crowded,
							  .arg = control });
	return control;
}

void control_free(struct control *control)
{
	struct peer *peer;

	if (!control)
		return;
	listen_done(&control->socket);
	door_free(control->door);
	while ((peer = TAILQ_FIRST(&control->peers)))
		peer_kill(peer, "the daemon stops");
	while ((peer = TAILQ_FIRST(&control->dead)))
		forget_dead(control, peer);
	event_free(control->reap);
	free(control);
}

size_t control_peer_count(const struct control *control)
{
	return control->peer_count;
}

size_t control_peers_most(const struct control *control)
{
	return control->settings.max_peers;
}

uint64_t control_refused(const struct control *control)
{
	return control->refused;
}

uint64_t control_denied(const struct control *control)
{
	return control->denied;
}
