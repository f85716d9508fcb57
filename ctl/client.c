/*
 * The client's end of the control socket.
 */
#include "ctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

#define CONNECT_TIMEOUT_MS 10000 /* also of commands that may take for ever */

/* --- waiting ---------------------------------------------------------------------------------- */

void client_set_timeout(struct client *client, int64_t timeout_ms)
{
	client->timeout_ms = timeout_ms;
	client->deadline_ms = timeout_ms > 0 ? clock_monotonic_ms() + timeout_ms : 0;
}

/* Until when to wait, by the tick and the deadline; -1: for ever. */
static int64_t wait_ms(const struct client *client, int tick_ms)
{
	int64_t left = client->deadline_ms ? client->deadline_ms - clock_monotonic_ms() : -1;

	if (!client->deadline_ms)
		return tick_ms;
	if (left < 0)
		left = 0;
	return tick_ms >= 0 && tick_ms < left ? tick_ms : left;
}

static bool timed_out(const struct client *client, struct failure *failure)
{
	failure_set(failure, EXIT_TIMED_OUT, "the daemon did not answer within %g seconds",
		    (double)client->timeout_ms / 1000);
	return error_hint(&failure->err, "--timeout gives it longer");
}

enum waited { WAITED_READY, WAITED_TICK, WAITED_SIGNAL, WAITED_ALSO, WAITED_TIMEOUT };

static enum waited wait_for(struct client *client, short events, int tick_ms)
{
	struct pollfd entries[1 + CLIENT_ALSO_MOST] = { { .fd = client->fd, .events = events } };
	int64_t ms = wait_ms(client, tick_ms);
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	int ready;

	for (size_t i = 0; i < client->also_count; i++)
		entries[1 + i] = (struct pollfd){ .fd = client->also[i], .events = POLLIN };
	ready = ppoll(entries, 1 + client->also_count, ms < 0 ? NULL : &time, client->signals);
	if (ready > 0)
		return entries[0].revents ? WAITED_READY : WAITED_ALSO;
	if (ready < 0)
		return WAITED_SIGNAL;
	return client->deadline_ms && clock_monotonic_ms() >= client->deadline_ms ? WAITED_TIMEOUT
										  : WAITED_TICK;
}

/* --- connecting ------------------------------------------------------------------------------- */

/* connect() on a Unix socket succeeds at once, or waits for room in the backlog, bounded by
   SO_SNDTIMEO. */
static int connect_within(int fd, const struct sockaddr_un *address, int64_t timeout_ms)
{
	struct timeval limit = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	while (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

/* Linux refuses the connection to what is no socket, as to one where nobody listens. */
static int true_reason(int reason, const char *path)
{
	struct stat status;
	bool is_other = reason == ECONNREFUSED && stat(path, &status) == 0 &&
			!S_ISSOCK(status.st_mode);

	return is_other ? ENOTSOCK : reason;
}

bool client_open(struct client *client, const char *path, int64_t timeout_ms,
		 struct failure *failure)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*client = (struct client){ .fd = -1, .path = path };
	varlink_splitter_init(&client->splitter, VARLINK_REPLY_MAX);
	client_set_timeout(client, timeout_ms);
	if (strlen(path) >= sizeof address.sun_path)
		return failure_set(failure, EXIT_USAGE,
				   "a socket's path has at most %zu bytes, this one has more: %s",
				   sizeof address.sun_path - 1, path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return failure_set(failure, EXIT_FAILED, "cannot make a socket: %s",
				   strerror(errno));
	int reason = connect_within(client->fd, &address,
				    timeout_ms > 0 ? timeout_ms : CONNECT_TIMEOUT_MS);

	if (reason)
		return failure_of_connect(failure, path, true_reason(reason, path));
	fcntl(client->fd, F_SETFL, fcntl(client->fd, F_GETFL) | O_NONBLOCK);
	return true;
}

void client_done(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	varlink_splitter_done(&client->splitter);
	varlink_splitter_init(&client->splitter, VARLINK_REPLY_MAX);
}

/* --- calling ---------------------------------------------------------------------------------- */

static bool daemon_gone(struct failure *failure)
{
	failure_set(failure, EXIT_NOT_RUNNING, "the daemon has closed the connection");
	return error_hint(
		&failure->err,
		"systemctl status migrated says why; a session that was under way resumes when it "
		"runs again");
}

bool client_send(struct client *client, const char *method, json_t *parameters, bool more,
		 struct failure *failure)
{
	_cleanup_text_ struct text message = TEXT_INIT;
	size_t sent = 0;

	varlink_append_call(&message, method, parameters, more, false);
	while (sent < message.length) {
		ssize_t length = send(client->fd, message.data + sent, message.length - sent,
				      MSG_NOSIGNAL | MSG_DONTWAIT);

		if (length >= 0)
			sent += (size_t)length;
		else if (errno == EPIPE || errno == ECONNRESET)
			return true; /* why may stand in what it has sent before it closed */
		else if (errno != EAGAIN && errno != EINTR)
			return failure_set(failure, EXIT_FAILED, "cannot send to the daemon: %s",
					   strerror(errno));
		else if (wait_for(client, POLLOUT, -1) == WAITED_TIMEOUT)
			return timed_out(client, failure);
	}
	return true;
}

/* Reads what is there. False when that is the end. */
static bool read_some(struct client *client, struct failure *failure)
{
	char chunk[32 * 1024];
	ssize_t length = recv(client->fd, chunk, sizeof chunk, MSG_DONTWAIT);

	if (length > 0) {
		varlink_splitter_push(&client->splitter, chunk, (size_t)length);
		return true;
	}
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (length < 0 && errno != ECONNRESET)
		return failure_set(failure, EXIT_FAILED, "cannot read from the daemon: %s",
				   strerror(errno));
	return daemon_gone(failure);
}

static bool parse_reply(const char *bytes, size_t length, struct varlink_reply *ret_reply,
			struct failure *failure)
{
	struct varlink_reply reply;

	if (!varlink_parse_reply(bytes, length, &reply, &failure->err)) {
		failure->status = EXIT_FAILED;
		return error_context(&failure->err, "what answers is not the daemon");
	}
	if (!reply.error) {
		*ret_reply = reply;
		return true;
	}
	failure_of_reply(failure, &reply);
	varlink_reply_done(&reply);
	return false;
}

enum client_result client_receive(struct client *client, int tick_ms,
				  struct varlink_reply *ret_reply, struct failure *failure)
{
	const char *bytes;
	size_t length;

	for (;;) {
		switch (varlink_splitter_next(&client->splitter, &bytes, &length)) {
		case VARLINK_SPLIT_MESSAGE:
			return parse_reply(bytes, length, ret_reply, failure) ? CLIENT_REPLY
									      : CLIENT_FAILED;
		case VARLINK_SPLIT_TOO_LARGE:
			failure_set(failure, EXIT_FAILED, "the daemon's answer is too large");
			return CLIENT_FAILED;
		case VARLINK_SPLIT_MORE:
			break;
		}
		switch (wait_for(client, POLLIN, tick_ms)) {
		case WAITED_READY:
			break;
		case WAITED_TICK:
			return CLIENT_TICK;
		case WAITED_SIGNAL:
			return CLIENT_SIGNAL;
		case WAITED_ALSO:
			return CLIENT_ALSO;
		case WAITED_TIMEOUT:
			timed_out(client, failure);
			return CLIENT_FAILED;
		}
		if (!read_some(client, failure))
			return CLIENT_FAILED;
	}
}

json_t *client_call(struct client *client, const char *method, json_t *parameters,
		    struct failure *failure)
{
	struct varlink_reply reply;
	enum client_result result;

	if (!client_send(client, method, parameters, false, failure))
		return NULL;
	do
		result = client_receive(client, -1, &reply, failure);
	while (result != CLIENT_REPLY && result != CLIENT_FAILED);
	if (result == CLIENT_FAILED)
		return NULL;
	json_t *answered = json_incref(reply.parameters);

	varlink_reply_done(&reply);
	return answered;
}
