/*
 * Tables from what went wrong to what a person is told. Words in braces are filled in.
 */
#include "ctl/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "ctl/format.h"
#include "ctl/reply.h"

#define MEMBERSHIP \
	"members of the group migrated may observe, those of migrated-admin and root operate; " \
	"a new membership counts from the next login"

bool failure_set(struct failure *failure, enum exit_status status, const char *format, ...)
{
	_cleanup_text_ struct text message = TEXT_INIT;
	va_list arguments;

	va_start(arguments, format);
	text_vappendf(&message, format, arguments);
	va_end(arguments);
	failure->status = status;
	return error_set(&failure->err, ERROR_INTERNAL, "%s", text_string(&message));
}

static bool fill_failure(struct failure *failure, enum exit_status status, const char *message,
			 const struct text_hole *holes, const char *hint)
{
	_cleanup_text_ struct text filled = TEXT_INIT;

	text_fill(&filled, message, holes);
	failure_set(failure, status, "%s", text_string(&filled));
	return hint ? error_hint(&failure->err, "%s", hint) : false;
}

/* --- connecting ------------------------------------------------------------------------------- */

#define START_IT \
	"start it with systemctl start migrated, or name its socket with -H or $MIGRATED_SOCKET"

static const struct {
	int reason;
	enum exit_status status;
	const char *message;
	const char *hint;
} connect_failures[] = {
	{ ENOENT, EXIT_NOT_RUNNING, "the daemon is not running: there is no socket {path}",
	  START_IT },
	{ ENOTDIR, EXIT_NOT_RUNNING, "the daemon is not running: there is no socket {path}",
	  START_IT },
	{ ENOTSOCK, EXIT_NOT_RUNNING, "{path} is not a socket", START_IT },
	{ ECONNREFUSED, EXIT_NOT_RUNNING,
	  "the daemon is not running: it left the socket {path} behind, and nobody listens on it",
	  "systemctl status migrated says why it stopped; starting it replaces the socket" },
	{ EACCES, EXIT_DENIED, "you may not open the socket {path}", MEMBERSHIP },
	{ EPERM, EXIT_DENIED, "you may not open the socket {path}",
	  "a security policy forbids it" },
	{ EAGAIN, EXIT_TIMED_OUT, "the daemon does not take connections on {path}",
	  "too many clients wait for it; systemctl status migrated shows how it is" },
};

bool failure_of_connect(struct failure *failure, const char *path, int reason)
{
	const struct text_hole holes[] = { { "path", path }, { NULL, NULL } };

	for (size_t i = 0; i < sizeof connect_failures / sizeof connect_failures[0]; i++)
		if (connect_failures[i].reason == reason)
			return fill_failure(failure, connect_failures[i].status,
					    connect_failures[i].message, holes,
					    connect_failures[i].hint);
	return failure_set(failure, EXIT_NOT_RUNNING, "cannot connect to %s: %s", path,
			   strerror(reason));
}

/* --- answers ---------------------------------------------------------------------------------- */

#define OTHER_VERSION "migratectl and migrated may be of different versions"

static const struct error_words {
	const char *error;
	enum exit_status status;
	const char *parameter; /* the hole {it} */
	const char *message;
	const char *hint;
} error_words[] = {
	{ "io.migrated.NoSuchSession", EXIT_NO_SUCH, "session", "there is no session {it}",
	  "migratectl list shows the sessions, migratectl status the one under way" },
	{ "io.migrated.NoSuchEntity", EXIT_NO_SUCH, "entity", "there is no entity {it}",
	  "migratectl plan shows the entities" },
	{ "io.migrated.NoSuchConflict", EXIT_NO_SUCH, "id", "there is no conflict {it}",
	  "migratectl conflicts list --state all shows them" },
	{ "io.migrated.NoSuchValidation", EXIT_NO_SUCH, "validation", "there is no validation {it}",
	  "migratectl validate --show shows the last one" },
	{ "io.migrated.NoSuchAnalysis", EXIT_NO_SUCH, "analysis", "there is no analysis {it}",
	  "migratectl detect makes one" },
	{ "io.migrated.NoSuchDeadLetter", EXIT_NO_SUCH, "id", "there is no dead letter {it}",
	  "migratectl dead-letters list shows them" },
	{ "io.migrated.AlreadyRunning", EXIT_FAILED, "session", "session {it} is under way already",
	  "migratectl watch follows it, migratectl cancel ends it" },
	{ "io.migrated.InvalidState", EXIT_FAILED, "message", "{it}",
	  "migratectl status shows how things are, migratectl migrate begins a session" },
	{ "io.migrated.PermissionDenied", EXIT_DENIED, "needs", "you may not {it} this daemon",
	  MEMBERSHIP },
	{ "io.migrated.TooManyPeers", EXIT_FAILED, "limit",
	  "the daemon already serves {it} clients, and no more", "try again later" },
	{ "org.varlink.service.InvalidParameter", EXIT_USAGE, "parameter",
	  "the daemon does not accept what is given as {it}", NULL },
	{ "org.varlink.service.MethodNotFound", EXIT_FAILED, "method",
	  "the daemon does not know {it}", OTHER_VERSION },
	{ "org.varlink.service.MethodNotImplemented", EXIT_FAILED, "method",
	  "the daemon cannot do {it} yet", OTHER_VERSION },
	{ "org.varlink.service.InterfaceNotFound", EXIT_FAILED, "interface",
	  "the daemon does not know {it}", OTHER_VERSION },
};

static char *value_text(const json_t *value)
{
	if (json_is_array(value))
		return reply_join(value);
	if (json_is_string(value))
		return text_copy(json_string_value(value));
	char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

	return dumped ? dumped : text_copy("?");
}

static enum exit_status status_of_kind(const char *kind)
{
	static const struct {
		const char *kind;
		enum exit_status status;
	} statuses[] = {
		{ "usage", EXIT_USAGE },
		{ "not_found", EXIT_NO_SUCH },
	};

	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		if (kind && strcmp(statuses[i].kind, kind) == 0)
			return statuses[i].status;
	return EXIT_FAILED;
}

static bool failure_of_failed(struct failure *failure, const json_t *parameters)
{
	const char *sqlstate = reply_string(parameters, "sqlstate");
	const char *entity = reply_string(parameters, "entity");
	const char *hint = reply_string(parameters, "hint");

	failure_set(failure, status_of_kind(reply_string(parameters, "kind")), "%s%s%s%s%s%s",
		    entity ? entity : "", entity ? ": " : "",
		    reply_string_or(parameters, "message", "the daemon gives no reason"),
		    sqlstate ? " (SQLSTATE " : "", sqlstate ? sqlstate : "", sqlstate ? ")" : "");
	return hint ? error_hint(&failure->err, "%s", hint) : false;
}

/* "more than one session begins with 550e:", and each on a line of its own: id, mode, state, when it was begun. */
static bool failure_of_ambiguous(struct failure *failure, const json_t *parameters)
{
	_cleanup_text_ struct text lines = TEXT_INIT;
	size_t i;
	json_t *candidate;
	char begun[FORMAT_SIZE];

	json_array_foreach(json_object_get(parameters, "candidates"), i, candidate)
		text_appendf(&lines, "\n%s  %s, %s, %s", reply_string_or(candidate, "session", "?"),
			     reply_string_or(candidate, "mode", "?"),
			     reply_string_or(candidate, "state", "?"),
			     format_time(begun, reply_string_or(candidate, "created", "")));
	failure_set(failure, EXIT_USAGE, "more than one session begins with %s:%s",
		    reply_string_or(parameters, "session", "that"), text_string(&lines));
	return error_hint(&failure->err, "give more digits; migratectl list shows all sessions");
}

/* What was asked for without a name is not there: not that one is wrong, but that there is none. */
static bool failure_of_none(struct failure *failure, const struct varlink_reply *reply)
{
	static const struct {
		const char *error, *parameter, *message, *hint;
	} nones[] = {
		{ "io.migrated.NoSuchSession", "session", "no session is under way",
		  "migratectl migrate begins one" },
		{ "io.migrated.NoSuchValidation", "validation", "nothing has been validated yet",
		  "migratectl validate does it" },
	};

	for (size_t i = 0; i < sizeof nones / sizeof nones[0]; i++)
		if (strcmp(reply->error, nones[i].error) == 0 &&
		    reply_string_or(reply->parameters, nones[i].parameter, "?")[0] == '\0') {
			failure_set(failure, EXIT_NO_SUCH, "%s", nones[i].message);
			error_hint(&failure->err, "%s", nones[i].hint);
			return true;
		}
	return false;
}

bool failure_of_reply(struct failure *failure, const struct varlink_reply *reply)
{
	const json_t *parameters = reply->parameters;

	if (strcmp(reply->error, "io.migrated.Failed") == 0)
		return failure_of_failed(failure, parameters);
	if (strcmp(reply->error, "io.migrated.AmbiguousSession") == 0)
		return failure_of_ambiguous(failure, parameters);
	if (strcmp(reply->error, "io.migrated.Unavailable") == 0)
		return failure_set(failure, EXIT_FAILED, "the %s database is not available: %s",
				   reply_string_or(parameters, "database", ""),
				   reply_string_or(parameters, "message", "no reason is given"));
	if (failure_of_none(failure, reply))
		return false;
	for (size_t i = 0; i < sizeof error_words / sizeof error_words[0]; i++) {
		const struct error_words *words = &error_words[i];

		if (strcmp(words->error, reply->error) != 0)
			continue;
		_cleanup_free_ char *it = value_text(json_object_get(parameters, words->parameter));
		const struct text_hole holes[] = { { "it", it }, { NULL, NULL } };

		return fill_failure(failure, words->status, words->message, holes, words->hint);
	}
	return failure_set(failure, EXIT_FAILED, "the daemon answers with %s", reply->error);
}
