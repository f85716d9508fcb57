// The client on the wire, and what is said when a daemon is absent, silent, foreign or of another
// opinion.
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/client.h"
#include "interface.h"
#include "tests/unit/ctl_server.h"

#define METHOD "io.migrated.Status"
#define REQUEST "{\"method\":\"io.migrated.Status\",\"parameters\":{}}|"

// One call to a daemon that follows the script; what it was sent is checked, the answer is the
// caller's.
static json_t *call_scripted(const char *const *steps, int64_t timeout_ms, struct failure *failure)
{
	struct ctl_server server;
	struct client client;

	ctl_server_start(&server, steps);
	if (!client_open(&client, server.path, timeout_ms, failure))
		fail_msg("%s", failure->err.message);
	json_t *reply = client_call(&client, METHOD, NULL, failure);

	client_done(&client);
	_cleanup_free_ char *sent = ctl_server_stop(&server);

	assert_string_equal(sent, REQUEST);
	return reply;
}

static void test_a_call_gets_its_answer(void **state)
{
	static const char *const steps[] = { "{'parameters':{'state':'idle'}}|", NULL };
	struct failure failure;
	json_auto_t *reply = call_scripted(steps, 0, &failure);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(reply, "state")), "idle");
}

static void test_a_stream_is_received_to_its_end(void **state)
{
	static const char *const steps[] = { "{'parameters':{'n':1},'continues':true}|"
					     "{'parameters':{'n':2},'continues':true}|"
					     "{'parameters':{'n':3}}|",
					     NULL };
	struct ctl_server server;
	struct client client;
	struct failure failure;
	struct varlink_reply reply;

	(void)state;
	ctl_server_start(&server, steps);
	assert_true(client_open(&client, server.path, 5000, &failure));
	assert_true(client_send(&client, METHOD, NULL, true, &failure));
	for (int n = 1; n <= 3; n++) {
		assert_int_equal(client_receive(&client, -1, &reply, &failure), CLIENT_REPLY);
		assert_int_equal(json_integer_value(json_object_get(reply.parameters, "n")), n);
		assert_int_equal(reply.continues, n < 3);
		varlink_reply_done(&reply);
	}
	assert_int_equal(client_receive(&client, 10, &reply, &failure), CLIENT_TICK);
	client_done(&client);
	free(ctl_server_stop(&server));
}

static void test_what_does_not_answer_as_it_should_is_a_failure(void **state)
{
	static const struct {
		const char *step;
		enum exit_status status;
		const char *message;
	} cases[] = {
		{ CTL_SERVER_END, EXIT_NOT_RUNNING, "the daemon has closed the connection" },
		{ "{'parameters':{'half':", EXIT_TIMED_OUT,
		  "the daemon did not answer within 0.2 seconds" },
		{ CTL_SERVER_HANG, EXIT_TIMED_OUT, "the daemon did not answer within 0.2 seconds" },
		{ "HTTP/1.1 400 Bad Request\r\n|", EXIT_FAILED,
		  "what answers is not the daemon: a message is not valid JSON (at byte 4)" },
		{ "[]|", EXIT_FAILED,
		  "what answers is not the daemon: a message is not a JSON object" },
		{ "{'error':'io.migrated.NoSuchSession','parameters':{'session':''}}|",
		  EXIT_NO_SUCH, "no session is under way" },
		{ "{'error':'io.migrated.NoSuchSession','parameters':{'session':'550e'}}|",
		  EXIT_NO_SUCH, "there is no session 550e" },
		{ "{'error':'io.migrated.NoSuchValidation','parameters':{'validation':''}}|",
		  EXIT_NO_SUCH, "nothing has been validated yet" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *const steps[] = { cases[i].step, NULL };
		struct failure failure = { 0 };

		assert_null(call_scripted(steps, 200, &failure));
		assert_string_equal(failure.err.message, cases[i].message);
		assert_int_equal(failure.status, cases[i].status);
	}
}

/* --- connecting ------------------------------------------------------------------------------- */

static void assert_unreachable(const char *path, enum exit_status status, const char *message)
{
	struct client client;
	struct failure failure = { 0 };

	assert_false(client_open(&client, path, 0, &failure));
	client_done(&client);
	assert_int_equal(failure.status, status);
	if (!strstr(failure.err.message, message))
		fail_msg("expected \"%s\" in \"%s\"", message, failure.err.message);
	assert_true(failure.err.hint[0] || status == EXIT_USAGE);
}

static void test_sockets_that_do_not_answer_are_told_apart(void **state)
{
	char directory[] = "/tmp/test_ctl.XXXXXX";
	char longer[200];
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/control", directory);
	assert_unreachable(address.sun_path, EXIT_NOT_RUNNING, "there is no socket");

	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	assert_unreachable(address.sun_path, EXIT_NOT_RUNNING, "nobody listens on it");
	assert_unreachable("/etc/passwd", EXIT_NOT_RUNNING, "/etc/passwd is not a socket");
	unlink(address.sun_path);
	rmdir(directory);

	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	assert_unreachable(longer, EXIT_USAGE, "at most 107 bytes");
}

static void test_a_forbidden_socket_names_the_groups(void **state)
{
	struct failure failure;

	(void)state;
	assert_false(failure_of_connect(&failure, "/run/x", EACCES));
	assert_int_equal(failure.status, EXIT_DENIED);
	assert_string_equal(failure.err.message, "you may not open the socket /run/x");
	assert_non_null(strstr(failure.err.hint, "migrated-admin"));
	assert_false(failure_of_connect(&failure, "/run/x", EIO));
	assert_string_equal(failure.err.message, "cannot connect to /run/x: Input/output error");
}

/* --- errors ----------------------------------------------------------------------------------- */

static void test_errors_become_words_and_statuses(void **state)
{
	static const struct {
		const char *reply;
		enum exit_status status;
		const char *message;
	} cases[] = {
		{ "{\"error\":\"io.migrated.AmbiguousSession\",\"parameters\":{\"session\":"
		  "\"55\",\"candidates\":[{\"session\":\"550e\",\"mode\":\"migrate\",\"state\":"
		  "\"completed\",\"created\":\"2026-01-05T09:00:00Z\"},{\"session\":\"5511\"}]}}",
		  EXIT_USAGE,
		  "more than one session begins with 55:\n"
		  "550e  migrate, completed, 2026-01-05 09:00:00\n5511  ?, ?, " },
		{ "{\"error\":\"io.migrated.NoSuchEntity\",\"parameters\":{\"entity\":\"x\"}}",
		  EXIT_NO_SUCH, "there is no entity x" },
		{ "{\"error\":\"io.migrated.NoSuchAnalysis\",\"parameters\":{\"analysis\":"
		  "\"x\"}}",
		  EXIT_NO_SUCH, "there is no analysis x" },
		{ "{\"error\":\"io.migrated.PermissionDenied\",\"parameters\":{\"method\":\"m\","
		  "\"needs\":\"operate\"}}",
		  EXIT_DENIED, "you may not operate this daemon" },
		{ "{\"error\":\"io.migrated.TooManyPeers\",\"parameters\":{\"limit\":1024}}",
		  EXIT_FAILED, "the daemon already serves 1024 clients, and no more" },
		{ "{\"error\":\"io.migrated.Unavailable\",\"parameters\":{\"database\":\"target\","
		  "\"message\":\"connection refused\"}}",
		  EXIT_FAILED, "the target database is not available: connection refused" },
		{ "{\"error\":\"io.migrated.Failed\",\"parameters\":{\"kind\":\"structure\","
		  "\"message\":\"no column x\",\"sqlstate\":\"42703\",\"entity\":\"orders\"}}",
		  EXIT_FAILED, "orders: no column x (SQLSTATE 42703)" },
		{ "{\"error\":\"io.migrated.Failed\",\"parameters\":{\"kind\":\"usage\","
		  "\"message\":\"no\"}}",
		  EXIT_USAGE, "no" },
		{ "{\"error\":\"io.migrated.Failed\",\"parameters\":{\"kind\":\"not_found\","
		  "\"message\":\"no\"}}",
		  EXIT_NO_SUCH, "no" },
		{ "{\"error\":\"io.migrated.Failed\"}", EXIT_FAILED, "the daemon gives no reason" },
		{ "{\"error\":\"io.migrated.NoSuchSession\"}", EXIT_NO_SUCH,
		  "there is no session ?" },
		{ "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":"
		  "{\"parameter\":\"limit\"}}",
		  EXIT_USAGE, "the daemon does not accept what is given as limit" },
		{ "{\"error\":\"io.other.Strange\"}", EXIT_FAILED,
		  "the daemon answers with io.other.Strange" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct varlink_reply reply;
		struct failure failure;

		assert_true(varlink_parse_reply(cases[i].reply, strlen(cases[i].reply), &reply,
						&failure.err));
		assert_false(failure_of_reply(&failure, &reply));
		assert_string_equal(failure.err.message, cases[i].message);
		assert_int_equal(failure.status, cases[i].status);
		varlink_reply_done(&reply);
	}
}

static void test_every_error_of_the_interfaces_has_words(void **state)
{
	static const struct {
		const char *prefix;
		const char *text;
	} interfaces[] = {
		{ "io.migrated", interface_io_migrated },
		{ "org.varlink.service", interface_org_varlink_service },
	};
	int count = 0;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (const char *at = interfaces[i].text; (at = strstr(at, "\nerror "));) {
			char name[128];
			struct varlink_reply reply = { .error = name };
			struct failure failure;

			at += strlen("\nerror ");
			snprintf(name, sizeof name, "%s.%.*s", interfaces[i].prefix,
				 (int)strcspn(at, " ("), at);
			failure_of_reply(&failure, &reply);
			if (strstr(failure.err.message, name))
				fail_msg("%s has no words", name);
			count++;
		}
	assert_in_range(count, 14, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_gets_its_answer),
		cmocka_unit_test(test_a_stream_is_received_to_its_end),
		cmocka_unit_test(test_what_does_not_answer_as_it_should_is_a_failure),
		cmocka_unit_test(test_sockets_that_do_not_answer_are_told_apart),
		cmocka_unit_test(test_a_forbidden_socket_names_the_groups),
		cmocka_unit_test(test_errors_become_words_and_statuses),
		cmocka_unit_test(test_every_error_of_the_interfaces_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
