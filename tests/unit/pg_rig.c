// See pg_rig.h.
#include "tests/unit/pg_rig.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/journal.h"
#include "common/clock.h"
#include "common/text.h"

#define LIMIT_MS 60000

const char *rig_server(const char *variable)
{
	const char *conninfo = getenv(variable);

	if (!conninfo || !*conninfo)
		skip();
	return conninfo;
}

void rig_wait(struct event_base *base, const int *counter, int wanted)
{
	int64_t until = clock_monotonic_ms() + LIMIT_MS;

	while (*counter < wanted) {
		struct timeval limit = { .tv_usec = 50 * 1000 };

		if (clock_monotonic_ms() > until)
			fail_msg("waited in vain: %d, wanted %d", *counter, wanted);
		event_base_loopexit(base, &limit);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

void rig_run(struct event_base *base, int ms)
{
	int64_t until = clock_monotonic_ms() + ms;

	while (clock_monotonic_ms() < until) {
		struct timeval limit = { .tv_usec = 5 * 1000 };

		event_base_loopexit(base, &limit);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

int rig_make_base(void **state)
{
	signal(SIGPIPE, SIG_IGN); /* as the daemon does: the relay writes to sockets that are cut */
	journal_init(LOG_CRIT);
	*state = event_base_new();
	return 0;
}

int rig_free_base(void **state)
{
	rig_base_free(*state);
	return 0;
}

static int spare_stderr;

uint64_t rig_begin_log(int max_priority)
{
	spare_stderr = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	assert_int_equal(open("/dev/null", O_WRONLY), STDERR_FILENO);
	journal_init(max_priority);
	return journal_last_number();
}

void rig_end_log(void)
{
	journal_init(LOG_CRIT);
	dup2(spare_stderr, STDERR_FILENO);
	close(spare_stderr);
}

void rig_base_free(struct event_base *base)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_free(base);
}

/* --- connections ------------------------------------------------------------------------------ */

static void on_state(void *arg, struct pg_connection *connection, enum pg_state state,
		     const struct error *err)
{
	struct rig_link *link = arg;

	assert_int_equal(pg_connection_state(connection), state);
	link->entered[state]++;
	if (err)
		link->last = *err;
}

void rig_begin(struct rig_link *link, struct event_base *base, const char *name,
	       const char *conninfo, const char *setup_sql, int connect_timeout_ms)
{
	struct pg_connection_settings settings = {
		.name = name,
		.conninfo = conninfo,
		.application_name = "migrated-test",
		.setup_sql = setup_sql,
		.connect_timeout_ms = connect_timeout_ms,
		.backoff_min_ms = 10,
		.backoff_max_ms = 100,
		.reconnect = true,
	};

	*link = (struct rig_link){ .base = base };
	link->connection = pg_connection_new(base, &settings, on_state, link);
	pg_connection_open(link->connection);
}

void rig_open(struct rig_link *link, struct event_base *base, const char *name,
	      const char *conninfo)
{
	rig_begin(link, base, name, conninfo, "SET client_min_messages = notice", 5000);
	rig_wait(base, &link->entered[PG_READY], 1);
}

void rig_on_answer(void *arg, const struct pg_answer *answer)
{
	struct rig_answer *seen = arg;
	const PGresult *rows = pg_answer_rows(answer);

	seen->count++;
	seen->results = answer->count;
	if (rows && PQntuples(rows) > 0)
		snprintf(seen->value, sizeof seen->value, "%s", PQgetvalue(rows, 0, 0));
	if (answer->error)
		seen->error = *answer->error;
}

void rig_query(struct rig_link *link, const char *sql, struct rig_answer *ret_answer)
{
	*ret_answer = (struct rig_answer){ 0 };
	pg_submit(link->connection, sql, 0, NULL, rig_on_answer, ret_answer);
	rig_wait(link->base, &ret_answer->count, 1);
}

void rig_must(struct rig_link *link, const char *sql)
{
	struct rig_answer answer;

	rig_query(link, sql, &answer);
	if (answer.error.kind != ERROR_NONE)
		fail_msg("%s: %s", sql, answer.error.message);
}

void rig_assert_value(struct rig_link *link, const char *sql, const char *expected)
{
	struct rig_answer answer;

	rig_query(link, sql, &answer);
	assert_string_equal(answer.error.message, "");
	assert_string_equal(answer.value, expected);
}

/* --- the relay -------------------------------------------------------------------------------- */

struct pipe {
	LIST_ENTRY(pipe) entry;
	struct rig_relay *relay;
	struct bufferevent *client, *server;
	bool stalled;
};

struct rig_relay {
	struct event_base *base;
	struct evconnlistener *listener;
	char *conninfo;
	int port;
	struct sockaddr_storage server;
	socklen_t server_length;
	LIST_HEAD(, pipe) pipes;
	bool cut_at_startup, answers;
	char *sqlstate, *message;
	int accepted;
};

static void pipe_free(struct pipe *pipe)
{
	LIST_REMOVE(pipe, entry);
	bufferevent_free(pipe->client);
	if (pipe->server)
		bufferevent_free(pipe->server);
	free(pipe);
}

static void on_end(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		pipe_free(arg);
}

static void append_field(struct text *body, char type, const char *value)
{
	text_append_bytes(body, &type, 1);
	text_append_bytes(body, value, strlen(value) + 1);
}

/* ErrorResponse, as in "Message Formats" of PostgreSQL's manual. */
static void send_error(struct bufferevent *client, const char *sqlstate, const char *message)
{
	_cleanup_text_ struct text body = TEXT_INIT;
	uint32_t length;

	append_field(&body, 'S', "FATAL");
	append_field(&body, 'V', "FATAL");
	append_field(&body, 'C', sqlstate);
	append_field(&body, 'M', message);
	append_field(&body, 'D', "a detail, 12345: with codes");
	text_append_bytes(&body, "", 1);
	length = htonl((uint32_t)body.length + 4);
	bufferevent_write(client, "E", 1);
	bufferevent_write(client, &length, sizeof length);
	bufferevent_write(client, body.data, body.length);
}

static bool is_ssl_request(struct evbuffer *input)
{
	static const unsigned char request[8] = { 0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f };
	unsigned char first[8] = { 0 };

	return evbuffer_get_length(input) == sizeof first &&
	       evbuffer_copyout(input, first, sizeof first) == sizeof first &&
	       memcmp(first, request, sizeof first) == 0;
}

static void on_flushed_error(struct bufferevent *client, void *arg)
{
	if (evbuffer_get_length(bufferevent_get_output(client)) == 0)
		pipe_free(arg);
}

static void answer_startup(struct pipe *pipe)
{
	struct rig_relay *relay = pipe->relay;
	struct evbuffer *input = bufferevent_get_input(pipe->client);
	bool ssl_request = is_ssl_request(input);

	evbuffer_drain(input, evbuffer_get_length(input));
	if (ssl_request) {
		bufferevent_write(pipe->client, "N", 1);
	} else if (relay->sqlstate) {
		send_error(pipe->client, relay->sqlstate, relay->message);
		bufferevent_setcb(pipe->client, NULL, on_flushed_error, on_end, pipe);
	}
}

#define RELAY_BYTES (1024 * 1024)

/* Holds the client back while the server is slow, as the network would. */
static void pass_to_server(struct pipe *pipe)
{
	bufferevent_write_buffer(pipe->server, bufferevent_get_input(pipe->client));
	if (evbuffer_get_length(bufferevent_get_output(pipe->server)) > RELAY_BYTES)
		bufferevent_disable(pipe->client, EV_READ);
}

static void on_server_drained(struct bufferevent *bev, void *arg)
{
	struct pipe *pipe = arg;

	(void)bev;
	if (!pipe->stalled)
		bufferevent_enable(pipe->client, EV_READ);
}

static void on_client_data(struct bufferevent *bev, void *arg)
{
	struct pipe *pipe = arg;

	(void)bev;
	if (pipe->relay->cut_at_startup)
		pipe_free(pipe);
	else if (pipe->relay->answers)
		answer_startup(pipe);
	else
		pass_to_server(pipe);
}

static void on_server_data(struct bufferevent *bev, void *arg)
{
	struct pipe *pipe = arg;

	bufferevent_write_buffer(pipe->client, bufferevent_get_input(bev));
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *arg)
{
	struct rig_relay *relay = arg;
	struct pipe *pipe = memory_new(sizeof *pipe);

	(void)listener;
	(void)address;
	(void)length;
	relay->accepted++;
	pipe->relay = relay;
	LIST_INSERT_HEAD(&relay->pipes, pipe, entry);
	pipe->client = bufferevent_socket_new(relay->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(pipe->client, on_client_data, NULL, on_end, pipe);
	if (!relay->answers && !relay->cut_at_startup) {
		pipe->server = bufferevent_socket_new(relay->base, -1, BEV_OPT_CLOSE_ON_FREE);
		bufferevent_setcb(pipe->server, on_server_data, on_server_drained, on_end, pipe);
		bufferevent_socket_connect(pipe->server, (struct sockaddr *)&relay->server,
					   (int)relay->server_length);
		bufferevent_enable(pipe->server, EV_READ | EV_WRITE);
	}
	bufferevent_enable(pipe->client, EV_READ | EV_WRITE);
}

static void listen_on(struct rig_relay *relay, int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof address;

	relay->listener = evconnlistener_new_bind(relay->base, on_accept, relay,
						  LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 16,
						  (struct sockaddr *)&address, sizeof address);
	assert_non_null(relay->listener);
	getsockname(evconnlistener_get_fd(relay->listener), (struct sockaddr *)&address, &length);
	relay->port = ntohs(address.sin_port);
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val;
	return NULL;
}

static void find_server(struct rig_relay *relay, const PQconninfoOption *options)
{
	const char *host = option(options, "host"), *port = option(options, "port");
	struct sockaddr_un *path = (struct sockaddr_un *)&relay->server;
	struct addrinfo *found = NULL;

	if (!port)
		port = "5432";
	if (!host || *host == '/') {
		path->sun_family = AF_UNIX;
		snprintf(path->sun_path, sizeof path->sun_path, "%s/.s.PGSQL.%s",
			 host ? host : "/var/run/postgresql", port);
		relay->server_length = sizeof *path;
		return;
	}
	assert_int_equal(getaddrinfo(host, port, NULL, &found), 0);
	memcpy(&relay->server, found->ai_addr, found->ai_addrlen);
	relay->server_length = found->ai_addrlen;
	freeaddrinfo(found);
}

static void append_option(struct text *conninfo, const char *keyword, const char *value)
{
	text_appendf(conninfo, "%s='", keyword);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			text_append(conninfo, "\\");
		text_append_bytes(conninfo, value, 1);
	}
	text_append(conninfo, "' ");
}

struct rig_relay *rig_relay_new(struct event_base *base, const char *conninfo)
{
	struct rig_relay *relay = memory_new(sizeof *relay);
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	struct text ours = TEXT_INIT;

	assert_non_null(options);
	relay->base = base;
	LIST_INIT(&relay->pipes);
	find_server(relay, options);
	listen_on(relay, 0);
	for (const PQconninfoOption *each = options; each->keyword; each++)
		if (each->val && strcmp(each->keyword, "host") != 0 &&
		    strcmp(each->keyword, "hostaddr") != 0 && strcmp(each->keyword, "port") != 0)
			append_option(&ours, each->keyword, each->val);
	text_appendf(&ours, "host=127.0.0.1 port=%d", relay->port);
	relay->conninfo = text_steal(&ours);
	PQconninfoFree(options);
	return relay;
}

void rig_relay_free(struct rig_relay *relay)
{
	rig_relay_cut(relay);
	if (relay->listener)
		evconnlistener_free(relay->listener);
	free(relay->conninfo);
	free(relay->sqlstate);
	free(relay->message);
	free(relay);
}

const char *rig_relay_conninfo(const struct rig_relay *relay)
{
	return relay->conninfo;
}

void rig_relay_cut(struct rig_relay *relay)
{
	while (!LIST_EMPTY(&relay->pipes))
		pipe_free(LIST_FIRST(&relay->pipes));
}

void rig_relay_refuse(struct rig_relay *relay, bool refuse)
{
	if (refuse) {
		evconnlistener_free(relay->listener);
		relay->listener = NULL;
	} else {
		listen_on(relay, relay->port);
	}
}

void rig_relay_stall(struct rig_relay *relay, bool stall)
{
	struct pipe *pipe;

	LIST_FOREACH(pipe, &relay->pipes, entry) {
		pipe->stalled = stall;
		if (stall)
			bufferevent_disable(pipe->client, EV_READ);
		else
			bufferevent_enable(pipe->client, EV_READ);
	}
}

void rig_relay_cut_at_startup(struct rig_relay *relay, bool cut)
{
	relay->cut_at_startup = cut;
}

void rig_relay_answer(struct rig_relay *relay, bool answer, const char *sqlstate,
		      const char *message)
{
	free(relay->sqlstate);
	free(relay->message);
	relay->answers = answer;
	relay->sqlstate = text_copy(sqlstate);
	relay->message = text_copy(message);
}

int rig_relay_accepted(const struct rig_relay *relay)
{
	return relay->accepted;
}
