/*
 * See serve.h. evhttp of libevent 2.1 knows no limit on connections, and its timeouts begin anew with every byte; so the
 * bufferevents it works on are ours: we hold a reference to each, which keeps its descriptor ours too, and can end those that are late.
 */
#include "monitor/serve.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "config/listen_address.h"
#include "monitor/exposition.h"

#define VISITS_MAX 16
#define VISIT_MS 10000 /* from connecting to the last byte */
#define HEADERS_MAX 8192
#define BACKLOG 64
#define LOOK_MS 500  /* how often visits are looked at while there are any */
#define PAUSE_MS 200 /* of accepting, when there are no descriptors */
#define LISTEN_AGAIN_S 30
#define SOCKET_MODE 0666 /* metrics hold nothing that is secret; its directory says who may come */

struct visit {
	struct bufferevent *stream;
	int64_t until_ms;
	TAILQ_ENTRY(visit) link;
};

struct server {
	struct event_base *base;
	char *listen;
	server_write *write;
	void *arg;
	struct evhttp *http;
	struct evconnlistener *listener; /* http's; NULL: it does not listen */
	char *path;			 /* of a Unix socket that we have made */
	struct event *look;
	struct event *resume;
	struct event *again;
	bool told; /* that it cannot listen */
	TAILQ_HEAD(visit_list, visit) visits;
	size_t visit_count;
};

/* --- who is there -------------------------------------------------------------------------------- */

/* evhttp has freed it, but for our reference: then it has taken its callbacks off. */
static bool is_over(const struct visit *visit)
{
	bufferevent_data_cb on_read, on_write;
	bufferevent_event_cb on_event;
	void *arg;

	bufferevent_getcb(visit->stream, &on_read, &on_write, &on_event, &arg);
	return on_event == NULL;
}

static void forget(struct server *server, struct visit *visit)
{
	TAILQ_REMOVE(&server->visits, visit, link);
	server->visit_count--;
	bufferevent_decref(visit->stream); /* the last one: closes the descriptor */
	free(visit);
}

static void look_in(struct server *server, int64_t ms)
{
	event_add(server->look, &(struct timeval){ .tv_usec = ms * 1000 });
}

/* evhttp hears of it as of a peer that has gone, and frees what is its own. */
static void hang_up(const struct visit *visit)
{
	shutdown(bufferevent_getfd(visit->stream), SHUT_RDWR);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	int64_t now = clock_monotonic_ms();
	struct visit *next;

	(void)fd;
	(void)what;
	for (struct visit *visit = TAILQ_FIRST(&server->visits); visit != NULL; visit = next) {
		next = TAILQ_NEXT(visit, link);
		if (is_over(visit))
			forget(server, visit);
		else if (visit->until_ms <= now)
			hang_up(visit);
	}
	if (server->visit_count < VISITS_MAX && server->listener != NULL &&
	    !event_pending(server->resume, EV_TIMEOUT, NULL))
		evconnlistener_enable(server->listener);
	if (server->visit_count > 0)
		look_in(server, LOOK_MS);
}

/* Called by evhttp for everybody who connects. */
static struct bufferevent *on_visit(struct event_base *base, void *arg)
{
	struct server *server = arg;
	struct visit *visit = memory_new(sizeof(*visit));

	visit->stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	visit->until_ms = clock_monotonic_ms() + VISIT_MS;
	bufferevent_incref(visit->stream);
	TAILQ_INSERT_TAIL(&server->visits, visit, link);
	if (++server->visit_count == VISITS_MAX)
		evconnlistener_disable(server->listener);
	look_in(server, LOOK_MS);
	return visit->stream;
}

/* --- what they get ------------------------------------------------------------------------------- */

static void on_answered(struct evhttp_request *request, void *arg)
{
	(void)request;
	look_in(arg, 0);
}

static void reply_with(struct server *server, struct evhttp_request *request)
{
	_cleanup_text_ struct text text = TEXT_INIT;
	char length[32];

	server->write(server->arg, &text);
	snprintf(length, sizeof(length), "%zu", text.length);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", length);
	if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
		evbuffer_add(evhttp_request_get_output_buffer(request), text_string(&text),
			     text.length);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
			  exposition_content_type);
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

static void refuse(struct evhttp_request *request, int code, const char *reason)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	evhttp_add_header(headers, "Content-Type", "text/plain; charset=utf-8");
	if (code == HTTP_BADMETHOD)
		evhttp_add_header(headers, "Allow", "GET, HEAD");
	evbuffer_add_printf(evhttp_request_get_output_buffer(request), "%s\n", reason);
	evhttp_send_reply(request, code, reason, NULL);
}

static void on_request(struct evhttp_request *request, void *arg)
{
	struct server *server = arg;
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

	evhttp_request_set_on_complete_cb(request, on_answered, server);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
	if (path == NULL || strcmp(path, "/metrics") != 0)
		refuse(request, HTTP_NOTFOUND, "There is nothing but /metrics here.");
	else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD)
		refuse(request, HTTP_BADMETHOD, "Metrics can only be read.");
	else
		reply_with(server, request);
}

/* --- where they come in -------------------------------------------------------------------------- */

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)what;
	if (server->visit_count < VISITS_MAX)
		evconnlistener_enable(server->listener);
}

/* Mostly EMFILE: whoever waits stays in the queue, so the listener would be ready again at once and for ever. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct server *server = arg;

	evconnlistener_disable(listener);
	event_add(server->resume, &(struct timeval){ .tv_usec = PAUSE_MS * 1000 });
}

/* A file that nobody listens on, of a daemon that was killed, makes room. */
static void remove_stale(const struct listen_address *address)
{
	struct stat status;
	int fd;

	if (address->path == NULL || lstat(address->path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&address->address, address->length) < 0 &&
	    errno == ECONNREFUSED)
		unlink(address->path);
	close(fd);
}

/* A descriptor that listens; negative with the error. */
static int listen_at(const struct listen_address *address, struct error *err)
{
	const struct sockaddr *where = (const struct sockaddr *)&address->address;
	int fd = socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int reason;

	remove_stale(address);
	if (fd >= 0 && address->path == NULL)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (fd >= 0 && bind(fd, where, address->length) == 0 &&
	    (address->path == NULL || chmod(address->path, SOCKET_MODE) == 0) &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	reason = errno;
	if (fd >= 0)
		close(fd);
	error_set(err, ERROR_ENVIRONMENT, "%s", strerror(reason));
	return -1;
}

static bool start_listening(struct server *server, struct error *err)
{
	struct listen_address address;
	int fd;

	if (!listen_address_read(server->listen, &address, err))
		return false;
	fd = listen_at(&address, err);
	if (fd < 0)
		return false;
	server->path = text_copy(address.path);
	server->listener = evconnlistener_new(server->base, NULL, NULL,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	evhttp_bind_listener(server->http, server->listener);
	evconnlistener_set_error_cb(server->listener, on_accept_error);
	return true;
}

static void try_to_listen(struct server *server)
{
	struct error err;

	if (start_listening(server, &err)) {
		log_info("metrics are served at %s", server->listen);
		return;
	}
	if (!server->told) {
		error_context(&err, "metrics cannot be served at %s", server->listen);
		error_hint(&err, "it is tried again every %d s", LISTEN_AGAIN_S);
		log_error(LOG_ERR, &err);
	}
	server->told = true;
	event_add(server->again, &(struct timeval){ .tv_sec = LISTEN_AGAIN_S });
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	try_to_listen(arg);
}

/* --- life ---------------------------------------------------------------------------------------- */

struct server *server_new(struct event_base *base, const char *listen, server_write *write,
			  void *arg)
{
	struct server *server = memory_new(sizeof(*server));

	*server = (struct server){ .base = base,
				   .listen = text_copy(listen),
				   .write = write,
				   .arg = arg };
	TAILQ_INIT(&server->visits);
	server->look = event_new(base, -1, 0, on_look, server);
	server->resume = event_new(base, -1, 0, on_resume, server);
	server->again = event_new(base, -1, 0, on_again, server);
	server->http = evhttp_new(base);
	evhttp_set_bevcb(server->http, on_visit, server);
	evhttp_set_gencb(server->http, on_request, server);
	evhttp_set_max_headers_size(server->http, HEADERS_MAX);
	evhttp_set_max_body_size(server->http, 0);
	evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD |
							 EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
							 EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
							 EVHTTP_REQ_TRACE | EVHTTP_REQ_PATCH);
	try_to_listen(server);
	return server;
}

void server_free(struct server *server)
{
	if (server == NULL)
		return;
	evhttp_free(server->http); /* and the listener */
	while (!TAILQ_EMPTY(&server->visits))
		forget(server, TAILQ_FIRST(&server->visits));
	if (server->path != NULL)
		unlink(server->path);
	event_free(server->look);
	event_free(server->resume);
	event_free(server->again);
	free(server->path);
	free(server->listen);
	free(server);
}
