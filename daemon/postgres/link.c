/*
 * The link of a connection, which is a PGconn and its socket: how it is begun, with the connection
 * string as it was configured and what all links of ours have in common; how its input and output
 * are waited for; and what it says when it dies. What that means for the connection's state is left
 * to connection.c.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/password_file.h"
#include "common/log.h"
#include "common/text.h"
#include "postgres/internal.h"

/* --- what it says ----------------------------------------------------------------------------- */

bool pg_is_made_up(const struct pg_connection *connection, const PGresult *result)
{
	return PQstatus(connection->link) == CONNECTION_BAD &&
	       PQresultStatus(result) == PGRES_FATAL_ERROR &&
	       !PQresultErrorField(result, PG_DIAG_SQLSTATE);
}

/* An immediate shutdown or a crash of another backend comes as a WARNING, since the backend does
   not wait to see it delivered; its SQLSTATE tells. */
static bool is_fatal(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)) ||
	       (sqlstate && strncmp(sqlstate, "57P0", 4) == 0);
}

void pg_note_fatal(struct pg_connection *connection, const PGresult *result)
{
	if (!is_fatal(result))
		return;
	pg_error_from_result(&connection->parting, result);
	connection->parting.kind = ERROR_CONNECTION; /* whatever it was, the link goes with it */
}

static void on_notice(void *arg, const PGresult *result)
{
	struct pg_connection *connection = arg;
	struct error notice;

	connection->notice_count++;
	pg_note_fatal(connection, result);
	pg_error_from_result(&notice, result);
	log_event(LOG_DEBUG,
		  &(struct log_fields){ .database = pg_database(connection),
					.sqlstate = notice.sqlstate },
		  "%s: notice: %s", connection->settings.name, notice.message);
}

/* --- its beginning ---------------------------------------------------------------------------- */

/*
 * A peer that vanished without a word is noticed by the kernel's keepalives when nothing is in
 * flight: half of peer_timeout is waited, four probes follow in the rest. They say nothing while
 * something is unacknowledged; that is watch.c's. tcp_user_timeout is not set: it would also end a
 * connection whose peer acknowledges but has not read for so long (tcp(7): "buffered data may
 * remain untransmitted (due to zero window size)"), as a busy target in a COPY may, and with it
 * the kernel does not count keepalives any more.
 */
static const struct {
	const char *keyword;
	int64_t (*seconds)(int64_t peer_timeout_ms);
} keepalives[] = {
	{ "keepalives_idle", pg_keepalive_idle_s },
	{ "keepalives_interval", pg_keepalive_interval_s },
	{ "keepalives_count", pg_keepalive_count },
};

static int64_t at_least_one(int64_t number)
{
	return number > 0 ? number : 1;
}

int64_t pg_keepalive_idle_s(int64_t peer_timeout_ms)
{
	return at_least_one(peer_timeout_ms / 2000);
}

int64_t pg_keepalive_interval_s(int64_t peer_timeout_ms)
{
	return at_least_one(peer_timeout_ms / 8000);
}

int64_t pg_keepalive_count(int64_t peer_timeout_ms)
{
	int64_t rest = peer_timeout_ms / 1000 - pg_keepalive_idle_s(peer_timeout_ms);

	return at_least_one(rest / pg_keepalive_interval_s(peer_timeout_ms));
}

/* The caller frees; NULL: the kernel's. */
static char *default_of(const struct pg_connection_settings *settings, const char *keyword)
{
	for (size_t i = 0; i < sizeof keepalives / sizeof *keepalives; i++)
		if (settings->peer_timeout_ms > 0 && strcmp(keepalives[i].keyword, keyword) == 0)
			return text_format("%lld", (long long)keepalives[i].seconds(
							   settings->peer_timeout_ms));
	return NULL;
}

/* Ours whatever the connection string says: the quoting relies on UTF-8, and operators find us
   by name. */
static const char *fixed_value(const struct pg_connection_settings *settings, const char *keyword)
{
	if (strcmp(keyword, "client_encoding") == 0)
		return "UTF8";
	if (strcmp(keyword, "application_name") == 0)
		return settings->application_name;
	return NULL;
}

static size_t count_options(const PQconninfoOption *options)
{
	size_t count = 0;

	while (options[count].keyword)
		count++;
	return count;
}

static bool is_set(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val && options->val[0] != '\0';
	return false;
}

static PGconn *start_with(const struct pg_connection_settings *settings,
			  const PQconninfoOption *options, const char *password)
{
	size_t count = count_options(options);
	const char **keywords = memory_new((count + 1) * sizeof *keywords);
	const char **values = memory_new((count + 1) * sizeof *values);
	char **defaults = memory_new((count + 1) * sizeof *defaults);
	PGconn *link;

	for (size_t i = 0; i < count; i++) {
		const char *fixed = fixed_value(settings, options[i].keyword);

		keywords[i] = options[i].keyword;
		values[i] = fixed ? fixed : options[i].val;
		if (password && strcmp(keywords[i], "password") == 0)
			values[i] = password;
		if (!values[i])
			values[i] = defaults[i] = default_of(settings, options[i].keyword);
	}
	link = PQconnectStartParams(keywords, values, 0);
	for (size_t i = 0; i < count; i++)
		free(defaults[i]);
	free(defaults);
	free(keywords);
	free(values);
	return link;
}

bool pg_link_start(struct pg_connection *connection, struct error *err)
{
	const struct pg_connection_settings *settings = &connection->settings;
	PQconninfoOption *options = PQconninfoParse(settings->conninfo, NULL);
	char *password = NULL;

	if (!options) { /* libpq's message would quote what it stumbled over, a password perhaps */
		error_set(err, ERROR_CONFIG, "the connection string of the %s makes no sense",
			  settings->name);
		return error_hint(err,
				  "write it as \"host=… dbname=… user=…\" or as postgresql://…, "
				  "with special characters of a password in a URI %%-encoded");
	}
	if (settings->password_file &&
	    !password_file_read(settings->password_file, &password, err)) {
		PQconninfoFree(options);
		return error_context(err, "the password of the %s, %s", settings->name,
				     settings->password_file);
	}
	connection->link = start_with(settings, options, password);
	password_wipe(password);
	connection->owes_acknowledgements = settings->peer_timeout_ms > 0 &&
					    !is_set(options, "tcp_user_timeout");
	PQconninfoFree(options);
	if (!connection->link)
		return error_set(err, ERROR_ENVIRONMENT, "out of memory for a connection");
	/* libpq keeps no SQLSTATE of a failed attempt, but in this verbosity its message does. */
	PQsetErrorVerbosity(connection->link, PQERRORS_VERBOSE);
	PQsetNoticeReceiver(connection->link, on_notice, connection);
	return true;
}

/* --- its events ------------------------------------------------------------------------------- */

static void on_io(evutil_socket_t fd, short what, void *arg);

/*
 * Waits for these events of the socket and for no others. libpq closes the socket by itself when it
 * finds it dead; the kernel forgets it then, and libevent can only remove what is left in one
 * piece, hence one event and not two.
 */
static void watch(struct pg_connection *connection, short events)
{
	event_del(connection->io_event);
	connection->watched = events;
	if (events == 0)
		return;
	event_assign(connection->io_event, connection->base, PQsocket(connection->link),
		     (short)(events | EV_PERSIST), on_io, connection);
	event_add(connection->io_event, NULL);
}

static void watch_also(struct pg_connection *connection, short events)
{
	if ((connection->watched & events) != events)
		watch(connection, (short)(connection->watched | events));
}

static void watch_no_more(struct pg_connection *connection, short events)
{
	if (connection->watched & events)
		watch(connection, (short)(connection->watched & ~events));
}

void pg_link_drop(struct pg_connection *connection)
{
	watch(connection, 0); /* before libpq closes the socket */
	pg_watch_end(connection);
	PQfinish(connection->link);
	connection->link = NULL;
	connection->link_is_dead = false;
	connection->driver = NULL;
	error_clear(&connection->parting);
}

/* libpq has closed the socket, so it must not be watched any longer: its number may soon be
   another's. What it means is told from the loop, since we may be deep in a driver's work. */
static void note_death(struct pg_connection *connection)
{
	watch(connection, 0);
	connection->link_is_dead = true;
	event_active(connection->kick, EV_TIMEOUT, 0);
}

static bool socket_is_drained(PGconn *link)
{
	int waiting = 0;

	return ioctl(PQsocket(link), FIONREAD, &waiting) == 0 && waiting == 0;
}

bool pg_consume(struct pg_connection *connection)
{
	PGconn *link = connection->link;
	bool alive = !connection->link_is_dead && PQconsumeInput(link);

	/* A TLS record may be larger than the room libpq offered for it. The rest is in
	   OpenSSL's hands, where no poll of the socket sees it: a proxy's 16 kB records would
	   leave us waiting for what we have. */
	if (alive && (PQsslInUse(link) || PQgssEncInUse(link)) && socket_is_drained(link))
		alive = PQconsumeInput(link);
	if (!alive && !connection->link_is_dead)
		note_death(connection);
	return alive;
}

bool pg_flush(struct pg_connection *connection)
{
	int rest;

	if (connection->link_is_dead)
		return false;
	rest = PQflush(connection->link);
	if (rest < 0 || PQstatus(connection->link) == CONNECTION_BAD)
		note_death(connection);
	else if (rest > 0)
		watch_also(connection, EV_WRITE);
	else
		watch_no_more(connection, EV_WRITE);
	if (rest == 0)
		pg_watch_moved(connection);
	return rest == 0 && !connection->link_is_dead;
}

void pg_read_pause(struct pg_connection *connection)
{
	watch_no_more(connection, EV_READ);
}

void pg_read_resume(struct pg_connection *connection)
{
	if (!connection->link_is_dead)
		watch_also(connection, EV_READ);
}

static void free_notifications(PGconn *link)
{
	PGnotify *notification;

	while ((notification = PQnotifies(link)))
		PQfreemem(notification);
}

static void read_input(struct pg_connection *connection)
{
	pg_consume(connection); /* what came before the end is worth parsing all the same */
	if (connection->driver)
		connection->driver->on_input(connection->driver_arg);
	else
		PQisBusy(connection->link); /* parses notices and notifications */
	if (connection->link)
		free_notifications(connection->link);
}

static void write_output(struct pg_connection *connection)
{
	if (pg_flush(connection) && connection->driver && connection->driver->on_flushed)
		connection->driver->on_flushed(connection->driver_arg);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;

	(void)fd;
	pg_watch_moved(connection);
	if (what & EV_READ)
		read_input(connection);
	if ((what & EV_WRITE) && connection->link) /* which the input may have ended */
		write_output(connection);
}
