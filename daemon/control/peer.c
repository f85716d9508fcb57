/*
 * A peer's life on the event loop, and the calls it makes.
 *
 * A request is taken from the stream only when the one before has been answered and the peer reads
 * its answers; until then the rest waits in its socket. So a peer holds at most one request, one
 * buffer of input and, unless it is closed for it, output_hard bytes of output.
 */
#include "control/peer.h"

#include <event2/buffer.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define INPUT_MAX (64 * 1024) /* bytes read ahead of the requests that are being answered */
#define REQUESTS_A_TURN 16    /* so that a peer with many requests does not keep others waiting */
#define STRANGER_TIMEOUT_S 5  /* for a stranger to ask what will be refused */
#define CLOSING_TIMEOUT_S 5   /* for a closing peer to read what still waits */

struct control_call {
	struct peer *peer;
	struct varlink_call message;
	void (*on_gone)(void *arg);
	void *on_gone_arg;
	int64_t at_us;
	bool deferred;	    /* its handler is entered later */
	struct text answer; /* the last one, while it is kept back */
};

struct control_frame {
	json_t *parameters;
	struct text written
		[2]; /* as a last answer, and as one that others follow; made when first asked for */
};

static size_t output_length(const struct peer *peer)
{
	return evbuffer_get_length(bufferevent_get_output(peer->stream));
}

/* What we keep for it, and what lies in its socket: the kernel would keep some 200 KB for each that does not read. */
static size_t unread_length(const struct peer *peer)
{
	int in_socket = 0;

	if (ioctl(bufferevent_getfd(peer->stream), SIOCOUTQ, &in_socket) < 0 || in_socket < 0)
		in_socket = 0;
	return output_length(peer) + (size_t)in_socket;
}

/* By way of the timers, after the others' sockets have been looked at: what is made active would still be done before. */
static void next_turn(struct peer *peer)
{
	event_add(peer->turn, &(struct timeval){ 0 });
}

static const char *state_name(enum peer_state state)
{
	switch (state) {
	case PEER_OPEN:
		return "open";
	case PEER_CLOSING:
		return "closing";
	case PEER_ABANDONED:
		return "abandoned";
	case PEER_DEAD:
		return "dead";
	}
	return "unknown";
}

static void peer_set_state(struct peer *peer, enum peer_state state, const char *why)
{
	if (state <= peer->state)
		return;
	log_debug("control: peer of uid %lu, pid %ld: %s -> %s: %s", (unsigned long)peer->uid,
		  (long)peer->pid, state_name(peer->state), state_name(state), why);
	peer->state = state;
	if (state == PEER_CLOSING) {
		bufferevent_disable(peer->stream, EV_READ);
		bufferevent_set_timeouts(peer->stream, NULL,
					 &(struct timeval){ .tv_sec = CLOSING_TIMEOUT_S });
	}
	if (state != PEER_DEAD)
		next_turn(peer);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void call_free(struct control_call *call)
{
	if (!call)
		return;
	varlink_call_done(&call->message);
	text_done(&call->answer);
	free(call);
}

static bool operates(const struct control_call *call)
{
	return command_access(call->message.method) == ACCESS_OPERATE &&
	       credentials_suffice(call->peer->standing, ACCESS_OPERATE);
}

/* True: its answer is to be kept back; only with `answered`. */
static bool call_record(struct control_call *call, const char *result, int64_t ended_us,
			bool answered)
{
	const struct peer *peer = call->peer;
	return peer->settings.on_record(peer->settings.arg,
					&(struct control_record){
						.uid = peer->uid,
						.gid = peer->gid,
						.pid = peer->pid,
						.method = call->message.method,
						.parameters = call->message.parameters,
						.is_strangers = peer->standing == STANDING_STRANGER,
						.result = result,
						.at_us = call->at_us,
						.ended_us = ended_us,
						.operates = operates(call),
						.call = answered ? call : NULL,
					});
}

/* Of bytes that are no call. */
static void record_malformed(const struct peer *peer)
{
	int64_t now_us = clock_wall_us();

	peer->settings.on_record(peer->settings.arg,
				 &(struct control_record){ .uid = peer->uid,
							   .gid = peer->gid,
							   .pid = peer->pid,
							   .result = CONTROL_MALFORMED,
							   .at_us = now_us,
							   .ended_us = now_us });
}

/* What the socket takes at once needs no buffer, nor to be waited for; that the peer is gone, its events say. */
static size_t send_at_once(const struct peer *peer, const struct text *message)
{
	ssize_t sent = 0;

	if (output_length(peer) == 0)
		sent = send(bufferevent_getfd(peer->stream), message->data, message->length,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent > 0 ? (size_t)sent : 0;
}

static void peer_send(struct peer *peer, const struct text *message)
{
	if (peer->state >= PEER_ABANDONED)
		return;
	if (output_length(peer) + message->length > peer->settings.limits.output_hard) {
		peer_set_state(peer, PEER_ABANDONED, "it does not read what it asked for");
		return;
	}
	size_t sent = send_at_once(peer, message);

	if (sent < message->length)
		bufferevent_write(peer->stream, message->data + sent, message->length - sent);
}

/* The call has got its last reply. A dead peer was waiting for nothing else. */
static void call_finish(struct control_call *call)
{
	struct peer *peer = call->peer;

	peer->call = NULL;
	peer->answered = call;
	if (peer->state == PEER_DEAD)
		peer->settings.on_dead(peer->settings.arg, peer, false);
	else if (peer->standing == STANDING_STRANGER)
		peer_set_state(peer, PEER_CLOSING, "a stranger has been refused");
	else
		next_turn(peer);
}

const char *control_call_method(const struct control_call *call)
{
	return call->message.method;
}

json_t *control_call_parameters(const struct control_call *call)
{
	return call->message.parameters;
}

bool control_call_wants_more(const struct control_call *call)
{
	return call->message.more;
}

uid_t control_call_uid(const struct control_call *call)
{
	return call->peer->uid;
}

pid_t control_call_pid(const struct control_call *call)
{
	return call->peer->pid;
}

enum standing peer_standing_of_call(const struct control_call *call)
{
	return call->peer->standing;
}

void control_call_on_gone(struct control_call *call, void (*on_gone)(void *arg), void *arg)
{
	call->on_gone = on_gone;
	call->on_gone_arg = arg;
}

void control_call_release(struct control_call *call)
{
	if (!call->message.oneway)
		peer_send(call->peer, &call->answer);
	text_done(&call->answer);
	call_finish(call);
}

/* Its last answer stands in it. While that is kept back the handler has done with it, and the peer waits as for any answer. */
static void call_end(struct control_call *call, const char *result)
{
	call->on_gone = NULL;
	if (!call_record(call, result, clock_wall_us(), true))
		control_call_release(call);
}

void control_call_reply(struct control_call *call, json_t *parameters)
{
	varlink_append_reply(&call->answer, parameters, false);
	json_decref(parameters);
	call_end(call, CONTROL_OK);
}

void control_call_error(struct control_call *call, const char *error_name, json_t *parameters)
{
	varlink_append_error(&call->answer, error_name, parameters);
	json_decref(parameters);
	call_end(call, error_name);
}

void control_call_invalid(struct control_call *call, const char *parameter)
{
	control_call_error(call, "org.varlink.service.InvalidParameter",
			   json_pack("{s:s}", "parameter", parameter));
}

/* A server's words from before an encoding was agreed on may be in any. */
static json_t *readable(const char *string)
{
	json_t *value = json_string(string);

	if (value)
		return value;
	_cleanup_free_ char *ascii = text_copy(string);

	for (char *at = ascii; *at; at++)
		*at = (unsigned char)*at < 0x80 ? *at : '?';
	return json_string(ascii);
}

static void set_unless_empty(json_t *object, const char *key, const char *value)
{
	if (value[0])
		json_object_set_new(object, key, readable(value));
}

void control_call_fail(struct control_call *call, const struct error *err)
{
	if (err->kind == ERROR_NOT_FOUND && err->entity[0]) {
		control_call_error(call, "io.migrated.NoSuchEntity",
				   json_pack("{s:o}", "entity", readable(err->entity)));
		return;
	}
	json_t *parameters = json_pack("{s:s, s:o}", "kind", error_kind_name(err->kind), "message",
				       readable(err->message));

	set_unless_empty(parameters, "sqlstate", err->sqlstate);
	set_unless_empty(parameters, "entity", err->entity);
	set_unless_empty(parameters, "hint", err->hint);
	control_call_error(call, "io.migrated.Failed", parameters);
}

/* --- frames ----------------------------------------------------------------------------------- */

struct control_frame *control_frame_new(json_t *parameters)
{
	struct control_frame *frame = memory_new(sizeof *frame);

	frame->parameters = parameters;
	return frame;
}

void control_frame_free(struct control_frame *frame)
{
	if (!frame)
		return;
	json_decref(frame->parameters);
	text_done(&frame->written[false]);
	text_done(&frame->written[true]);
	free(frame);
}

static const struct text *frame_text(struct control_frame *frame, bool continues)
{
	struct text *text = &frame->written[continues];

	if (text->length == 0)
		varlink_append_reply(text, frame->parameters, continues);
	return text;
}

static bool takes_frames(const struct control_call *call)
{
	const struct peer *peer = call->peer;

	return call->message.more && peer->state == PEER_OPEN &&
	       unread_length(peer) <= peer->settings.limits.output_soft;
}

bool control_call_continue_frame(struct control_call *call, struct control_frame *frame)
{
	if (!takes_frames(call))
		return false;
	peer_send(call->peer, frame_text(frame, true));
	return true;
}

void control_call_reply_frame(struct control_call *call, struct control_frame *frame)
{
	const struct text *text = frame_text(frame, false);

	text_append_bytes(&call->answer, text->data, text->length);
	call_end(call, CONTROL_OK);
}

bool control_call_continue(struct control_call *call, json_t *parameters)
{
	struct control_frame *frame = control_frame_new(parameters);
	bool taken = control_call_continue_frame(call, frame);

	control_frame_free(frame);
	return taken;
}

/* --- requests --------------------------------------------------------------------------------- */

/* What ends soon is recorded when it has ended; a stream, or what may change something, must be known of even if it never does. */
static void record_begun(struct control_call *call)
{
	bool is_open = call->peer->call == call && call->answer.length == 0 && !call->deferred;

	if (is_open && (call->message.more || operates(call)))
		call_record(call, CONTROL_BEGUN, 0, false);
}

void control_call_defer(struct control_call *call)
{
	call->deferred = true;
}

void control_call_enter(struct control_call *call, const struct control_handler *handler, void *arg)
{
	call->deferred = false;
	handler->handle(arg, call);
	record_begun(call);
}

static void enter_request(struct peer *peer, const char *bytes, size_t length)
{
	struct control_call *call = memory_new(sizeof *call);
	struct error err;

	if (!varlink_parse_call(bytes, length, &call->message, &err)) {
		call_free(call);
		record_malformed(peer);
		peer_set_state(peer, PEER_CLOSING, err.message);
		return;
	}
	call->peer = peer;
	call->at_us = clock_wall_us();
	peer->call = call;
	peer->settings.on_call(peer->settings.arg, call);
	record_begun(call);
}

/* Moves what has arrived to the splitter; false when nothing has. */
static bool take_input(struct peer *peer)
{
	struct evbuffer *input = bufferevent_get_input(peer->stream);
	char chunk[16 * 1024];
	int length = evbuffer_remove(input, chunk, sizeof chunk);

	if (length <= 0)
		return false;
	varlink_splitter_push(&peer->splitter, chunk, (size_t)length);
	return true;
}

/* Enters the next request; false when there is none. */
static bool take_request(struct peer *peer)
{
	const char *bytes;
	size_t length;

	for (;;) {
		switch (varlink_splitter_next(&peer->splitter, &bytes, &length)) {
		case VARLINK_SPLIT_MESSAGE:
			enter_request(peer, bytes, length);
			return true;
		case VARLINK_SPLIT_TOO_LARGE:
			record_malformed(peer);
			peer_set_state(peer, PEER_CLOSING, "its request is too large");
			return false;
		case VARLINK_SPLIT_MORE:
			if (!take_input(peer))
				return false;
		}
	}
}

static bool may_take_request(const struct peer *peer)
{
	return peer->state == PEER_OPEN && !peer->call &&
	       output_length(peer) <= peer->settings.limits.output_soft;
}

/* The answer to the last of them brings the next turn. */
static void take_requests(struct peer *peer)
{
	for (int i = 0; i < REQUESTS_A_TURN; i++) {
		call_free(peer->answered);
		peer->answered = NULL;
		if (!may_take_request(peer))
			return;
		if (!take_request(peer)) {
			if (peer->input_ended)
				peer_set_state(peer, PEER_CLOSING, "it has nothing more to ask");
			return;
		}
	}
}

static void peer_advance(struct peer *peer)
{
	switch (peer->state) {
	case PEER_OPEN:
		take_requests(peer);
		return;
	case PEER_CLOSING:
		if (!peer->call && output_length(peer) == 0)
			peer_kill(peer, "all has been sent");
		return;
	case PEER_ABANDONED:
		peer_kill(peer, "a bound was broken");
		return;
	case PEER_DEAD:
		return;
	}
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_turn(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	peer_advance(arg);
}

static void on_stream(struct bufferevent *stream, void *arg)
{
	(void)stream;
	peer_advance(arg);
}

/* A peer that has only finished writing still waits for its answers. */
static bool has_hung_up(const struct peer *peer)
{
	struct pollfd hangup = { .fd = bufferevent_getfd(peer->stream) };

	return poll(&hangup, 1, 0) == 1 && (hangup.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_stream_event(struct bufferevent *stream, short what, void *arg)
{
	struct peer *peer = arg;

	(void)stream;
	if ((what & BEV_EVENT_EOF) && !has_hung_up(peer)) {
		peer->input_ended = true;
		peer_advance(peer);
	} else if (what & BEV_EVENT_TIMEOUT) {
		peer_kill(peer, "it took too long");
	} else {
		peer_kill(peer, "it went away");
	}
}

/* --- coming and going ------------------------------------------------------------------------- */

struct peer *peer_new(int fd, const struct control_credentials *credentials, enum standing standing,
		      const struct peer_settings *settings)
{
	struct bufferevent *stream = bufferevent_socket_new(settings->base, fd,
							    BEV_OPT_CLOSE_ON_FREE);

	if (!stream) {
		close(fd);
		return NULL;
	}
	struct peer *peer = memory_new(sizeof *peer);

	peer->settings = *settings;
	peer->standing = standing;
	peer->uid = credentials->uid;
	peer->gid = credentials->gid;
	peer->pid = credentials->pid;
	peer->stream = stream;
	peer->turn = event_new(settings->base, -1, 0, on_turn, peer);
	varlink_splitter_init(&peer->splitter, settings->limits.request_max);
	bufferevent_setcb(stream, on_stream, on_stream, on_stream_event, peer);
	bufferevent_setwatermark(stream, EV_READ, 0, INPUT_MAX);
	if (standing == STANDING_STRANGER)
		bufferevent_set_timeouts(stream, &(struct timeval){ .tv_sec = STRANGER_TIMEOUT_S },
					 NULL);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
	return peer;
}

void peer_kill(struct peer *peer, const char *why)
{
	struct control_call *call = peer->call;

	if (peer->state == PEER_DEAD)
		return;
	peer_set_state(peer, PEER_DEAD, why);
	bufferevent_disable(peer->stream, EV_READ | EV_WRITE);
	bufferevent_setcb(peer->stream, NULL, NULL, NULL, NULL);
	if (call && call->on_gone) {
		peer->call = NULL;
		call->on_gone(call->on_gone_arg);
		call_record(call, CONTROL_GONE, clock_wall_us(), false);
		call_free(peer->answered);
		peer->answered = call;
	}
	peer->settings.on_dead(peer->settings.arg, peer, true);
}

bool peer_is_held(const struct peer *peer)
{
	return peer->call != NULL;
}

void peer_free(struct peer *peer)
{
	if (!peer)
		return;
	call_free(peer->call);
	call_free(peer->answered);
	varlink_splitter_done(&peer->splitter);
	event_free(peer->turn);
	bufferevent_free(peer->stream);
	free(peer);
}
