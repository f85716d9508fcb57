/*
 * One peer of the control socket: its connection, its requests one after the other, and the call
 * that is open.
 *
 *   OPEN ──▶ CLOSING ──▶ DEAD ──▶ peer_free()
 *     └───▶ ABANDONED ───▲
 *
 * A peer becomes DEAD from its own events alone, never from within a reply, and its memory goes
 * later still: when its owner, told by on_dead, gets round to it.
 */
#ifndef DAEMON_CONTROL_PEER_H
#define DAEMON_CONTROL_PEER_H

#include <event2/bufferevent.h>
#include <sys/queue.h>

#include "common/varlink.h"
#include "control/control.h"
#include "control/credentials.h"

enum peer_state {
	PEER_OPEN,
	PEER_CLOSING,	/* what waits is sent, nothing is read any more */
	PEER_ABANDONED, /* broke a bound: dies at the next turn of the loop, whatever waits */
	PEER_DEAD,	/* its call's on_gone and its owner's on_dead have been told */
};

struct peer;

struct peer_limits {
	size_t request_max;
	size_t output_soft;
	size_t output_hard;
};

struct peer_settings {
	struct event_base *base;
	struct peer_limits limits;

	/* A well-formed request has arrived; it is to be answered through control_call_…(). */
	void (*on_call)(void *arg, struct control_call *call);
	/* A peer is dead: to be freed, but later, and only once it is not held. Called again, as no
	   news, when it no longer is. */
	void (*on_dead)(void *arg, struct peer *peer, bool is_news);
	/* What became of a call; true: its answer waits for control_call_release(). */
	bool (*on_record)(void *arg, const struct control_record *record);
	void *arg;
};

struct peer {
	TAILQ_ENTRY(peer) link; /* its owner's */
	struct peer_settings settings;
	enum standing standing;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	enum peer_state state;
	struct bufferevent *stream;
	struct event *turn; /* goes on with its requests, from the loop */
	struct varlink_splitter splitter;
	bool input_ended;

	struct control_call *call;     /* not yet answered to its end */
	struct control_call *answered; /* kept until its handler has surely returned */
};

/* Takes the descriptor over, also when it fails; NULL then. */
struct peer *peer_new(int fd, const struct control_credentials *credentials, enum standing standing,
		      const struct peer_settings *settings);
void peer_free(struct peer *peer);

/* Makes it DEAD at once. Not to be called from a handler. */
void peer_kill(struct peer *peer, const char *why);

/* A handler that did not ask to be told of the peer's death may still answer its call. */
bool peer_is_held(const struct peer *peer);

enum standing peer_standing_of_call(const struct control_call *call);

#endif
