/*
 * The control socket: Varlink over a Unix stream socket, one peer a connection.
 *
 * The room knows how to speak; what a method does is told to it by callbacks (struct
 * control_handler). Access is checked from the peer's credentials before any handler is entered.
 * Peers are bounded in number, in the size and depth of what they may send, and in what may wait to
 * be sent to them; a peer that breaks a bound is closed, others never notice. A peer's calls are
 * entered one after the other, each when the one before has been answered.
 *
 * The socket file is open to everybody (0666), because one file cannot belong to the two groups
 * that may use it, and so that a refusal can be named and logged. What protects it is the default:
 * a peer that is neither root, nor our own user, nor in one of the groups is refused whatever it
 * asks, and gets neither a place among the peers nor much time.
 *
 * The program must ignore SIGPIPE, and should raise its soft RLIMIT_NOFILE: peers are bounded by it
 * too.
 */
#ifndef DAEMON_CONTROL_CONTROL_H
#define DAEMON_CONTROL_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/command.h"
#include "common/error.h"

struct control;

/* A call that has not been answered to its end. Handlers answer now or later. It stays valid until
   its last reply, or until on_gone was called because the peer went away; after either it must not
   be used. */
struct control_call;

const char *control_call_method(const struct control_call *call);
/* Borrowed; an object, never NULL. */
json_t *control_call_parameters(const struct control_call *call);
bool control_call_wants_more(const struct control_call *call);

/* Whose call it is, for the audit. */
uid_t control_call_uid(const struct control_call *call);
pid_t control_call_pid(const struct control_call *call);

/* For what a parameter asks beyond the method's own access. Answers PermissionDenied, and logs it, when the peer may not; what it may
   operate is logged, too. */
bool control_call_may(struct control_call *call, enum access needed) _warn_unused_;

/* Asks to be told when the peer goes before the call is answered to its end. Never called from
   within one of the functions below, so a handler's state does not vanish under it. */
void control_call_on_gone(struct control_call *call, void (*on_gone)(void *arg), void *arg);

/* Replies steal `parameters` (NULL: {}). Only control_call_continue leaves the call open; it
   returns false, and drops the frame, when the peer has not read enough of what it was sent before (a
   slow watcher misses frames, it does not stop anybody), and when the call does not want more. What
   must not be missed belongs into the last reply, which is never dropped. */
void control_call_reply(struct control_call *call, json_t *parameters);
bool control_call_continue(struct control_call *call, json_t *parameters);
void control_call_error(struct control_call *call, const char *error_name, json_t *parameters);

/* What many calls are told, written out once for all of them. Takes `parameters` over. */
struct control_frame;
struct control_frame *control_frame_new(json_t *parameters);
void control_frame_free(struct control_frame *frame); /* NULL is allowed */

/* As control_call_continue() and control_call_reply(); the frame stays the caller's, and may be freed at once. */
bool control_call_continue_frame(struct control_call *call, struct control_frame *frame);
void control_call_reply_frame(struct control_call *call, struct control_frame *frame);

/* io.migrated.Failed made of an error, its kind included; NoSuchEntity for ERROR_NOT_FOUND with an
   entity. For a session, an analysis or a database that cannot be reached, control_call_error()
   names the error more closely. */
void control_call_fail(struct control_call *call, const struct error *err);

/* org.varlink.service.InvalidParameter for the named parameter. */
void control_call_invalid(struct control_call *call, const char *parameter);

struct control_handler {
	const char *method; /* "io.migrated.Status" */
	void (*handle)(void *arg, struct control_call *call);
};

/* For control_settings.before: the handler is entered later, by control_call_enter(), if at all. Until then nothing has begun that
   would have to be recorded. */
void control_call_defer(struct control_call *call);
void control_call_enter(struct control_call *call, const struct control_handler *handler,
			void *arg);

/* What became of a call, or of what was none: for the audit. Strings and parameters are borrowed for as long as on_record lasts. */
struct control_record {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	const char *method; /* NULL: it was no call */
	json_t *parameters;
	bool is_strangers; /* of one who may not speak here: none of its own words are worth keeping */
	/* CONTROL_BEGUN, CONTROL_OK, CONTROL_GONE, CONTROL_MALFORMED, or the name of an error. */
	const char *result;
	int64_t at_us;		   /* when it came */
	int64_t ended_us;	   /* 0: it goes on */
	bool operates;		   /* of a method that operates, and its peer may */
	struct control_call *call; /* whose last answer may be kept back; NULL: there is none */
};

#define CONTROL_BEGUN "begun" /* it is not answered yet; its end is recorded, too */
#define CONTROL_OK "ok"
#define CONTROL_GONE "gone"	      /* the peer went before it was answered */
#define CONTROL_MALFORMED "malformed" /* no call of Varlink's */

/* Lets a last answer go that was kept back. */
void control_call_release(struct control_call *call);

/* Who a peer is, as the kernel knows it since the peer connected. */
struct control_credentials {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	gid_t *groups; /* supplementary ones; malloc()ed, freed by the room */
	size_t group_count;
};

struct control_settings {
	const char *path; /* of the socket; ignored when fd is given */
	int listen_fd;	  /* from socket activation; -1: make one at path */

	/* "migrated", "migrated-admin"; NULL, or unknown to the system, lets nobody in. */
	const char *observe_group;
	const char *operate_group;

	const struct control_handler *handlers; /* ends with a NULL method */
	void *handler_arg;
	/* Asked before a handler is entered; true: it has deferred the call, or answered it. NULL: nobody is asked. */
	bool (*before)(void *handler_arg, struct control_call *call,
		       const struct control_handler *handler);

	/* Told of every call once when it ends, and of those that go on after their handler has returned (streams, and methods that
	   operate) also when they begin. True: the answer waits for control_call_release(), which must come soon, and before
	   control_free(). NULL: nobody is told. */
	bool (*on_record)(void *arg, const struct control_record *record);
	void *record_arg;

	/* Bounds; 0 stands for the default in brackets. */
	size_t max_peers;	  /* [8192], and a few more for those who may operate */
	size_t other_descriptors; /* of RLIMIT_NOFILE, that peers leave to the rest of the process [128] */
	size_t request_max; /* bytes of one request [1 MiB] */
	size_t output_soft; /* bytes a peer has not read above which frames are dropped [32 KiB] */
	size_t output_hard; /* … above which the peer is closed [32 MiB] */

	/* For tests: where credentials come from instead of the kernel; NULL otherwise. */
	bool (*credentials)(int fd, struct control_credentials *ret_credentials);
};

/* Listens. A stale socket file of a dead daemon is replaced; one that somebody listens on is an
   error that says so. The settings are copied; the handlers table must stay. NULL with the error
   set. */
struct control *control_new(struct event_base *base, const struct control_settings *settings,
			    struct error *err);

/* Closes every peer (their calls' on_gone are called) and removes the socket file if it is still
   ours. Not to be called from a handler or from on_gone. NULL is allowed. */
void control_free(struct control *control);

/* Peers that are connected and may at least observe; how many there may be, unless they operate; and how many connections have
   been refused for want of room. */
size_t control_peer_count(const struct control *control);
size_t control_peers_most(const struct control *control);
uint64_t control_refused(const struct control *control);

/* How many calls were refused since their peers may not make them. */
uint64_t control_denied(const struct control *control);

#endif
