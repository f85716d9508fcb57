// watch and migrate --wait: what is shown as lines, as JSON, on a terminal, or not at all; and how
// it ends.
#include "tests/unit/testing.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/text.h"
#include "ctl/screen.h"
#include "ctl/view.h"
#include "tests/unit/ctl_server.h"

#define ID "550e8400-e29b-41d4-a716-446655440000"

#define SESSION(state, done, failed) \
	"'session':{'session':'" ID "','mode':'full','state':'" state "','elapsed_ms':5000," \
	"'total':20,'done':" done ",'failed':" failed ",'parked':0,'success_rate':100.0}"
#define ENTITIES(first, second) \
	"'entities':[{'entity':'offices','status':'" first "','total':10,'done':10,'failed':0," \
	"'parked':0},{'entity':'doctors','status':'" second "','total':10,'done':5,'failed':0," \
	"'parked':0}]"
#define FRAME(state, done, first, second) \
	"{'parameters':{" SESSION(state, done, "0") "," ENTITIES(first, \
								 second) "},'continues':true}|"
#define LAST(state, done, failed, first, second) \
	"{'parameters':{" SESSION(state, done, failed) "," ENTITIES(first, second) "}}|"

// Runs a command against a script in a child of its own, stdout and stderr in files. Returns its
// wait status.
struct ran {
	int status;
	char *out;
	char *err;
	char *sent;
};

static char *contents(FILE *file)
{
	struct text text = TEXT_INIT;
	char chunk[4096];
	size_t length;

	rewind(file);
	while ((length = fread(chunk, 1, sizeof chunk, file)) > 0)
		text_append_bytes(&text, chunk, length);
	fclose(file);
	return text_steal(&text);
}

static pid_t start_command(char **argv, int out, int err)
{
	struct arguments arguments;
	struct error error;
	int argc = 0;

	while (argv[argc])
		argc++;
	if (!arguments_parse(&arguments, argc, argv, &error))
		fail_msg("%s", error.message);
	fflush(NULL);
	pid_t child = fork();

	if (child > 0)
		return child;
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	int status = (int)view_run(view_by_verb(arguments.command->verb), &arguments);

	fflush(NULL);
	_exit(status);
}

static struct ran run(const char *const *steps, const char *line)
{
	struct ctl_server server;
	struct ran ran;
	FILE *out = tmpfile(), *err = tmpfile();
	char *argv[16] = { "migratectl", "-H", server.path };
	_cleanup_free_ char *words = text_copy(line);
	int argc = 3;

	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	ctl_server_start(&server, steps);
	pid_t child = start_command(argv, fileno(out), fileno(err));

	waitpid(child, &ran.status, 0);
	ran.sent = ctl_server_stop(&server);
	ran.out = contents(out);
	ran.err = contents(err);
	return ran;
}

static void ran_done(struct ran *ran)
{
	free(ran->out);
	free(ran->err);
	free(ran->sent);
}

static void assert_ran(struct ran *ran, enum exit_status status, const char *out, const char *err)
{
	assert_string_equal(ran->out, out);
	assert_string_equal(ran->err, err);
	assert_true(WIFEXITED(ran->status));
	assert_int_equal(WEXITSTATUS(ran->status), status);
	ran_done(ran);
}

/* --- manners ---------------------------------------------------------------------------------- */

static void test_lines_tell_what_has_changed(void **state)
{
	static const char *const steps[] = {
		FRAME("running", "0", "running", "pending")
			FRAME("running", "10", "completed", "running")
				FRAME("running", "15", "completed", "running")
					LAST("completed", "20", "0", "completed", "completed"),
		NULL,
	};
	struct ran ran = run(steps, "watch 550e8400");

	(void)state;
	assert_string_equal(ran.sent,
			    "{\"method\":\"io.migrated.Watch\",\"parameters\":{\"session\":"
			    "\"550e8400\",\"interval_ms\":5000},\"more\":true}|");
	assert_ran(&ran, EXIT_DONE,
		   "Session " ID "  full  running  00:00:05\n"
		   "00:00:05  offices  running    10 of 10 rows, 0 failed, 0 parked\n"
		   "00:00:05  Overall  ░░░░░░░░░░   0%  0 of 20 rows, success 100.0%\n"
		   "00:00:05  offices  completed  10 of 10 rows, 0 failed, 0 parked\n"
		   "00:00:05  doctors  running    5 of 10 rows, 0 failed, 0 parked\n"
		   "00:00:05  Overall  █████░░░░░  50%  10 of 20 rows, success 100.0%\n"
		   "00:00:05  Overall  ███████▌░░  75%  15 of 20 rows, success 100.0%\n"
		   "00:00:05  doctors  completed  5 of 10 rows, 0 failed, 0 parked\n"
		   "00:00:05  Overall  ██████████ 100%  20 of 20 rows, success 100.0%\n",
		   "migratectl: session 550e8400 completed, 20 rows\n");
}

#define TROUBLE(state, hold, reason, attempts, retry_at, throttled, continues) \
	"{'parameters':{'session':{'session':'" ID "','mode':'full','state':'" state \
	"','hold':" hold ",'reason':" reason ",'elapsed_ms':5000,'total':20,'done':1}," \
	"'entities':[{'entity':'orders','status':'running','total':20,'done':1,'attempts':" attempts \
	",'retry_at':" retry_at "}],'standby':null,'throttled':" throttled \
	",'next_cycle':null}" continues "}|"
#define MORE ",'continues':true"

static void test_lines_tell_why_nothing_goes_on_but_once(void **state)
{
	static const char *const steps[] = {
		TROUBLE("running", "null", "null", "0", "null", "null",
			MORE) TROUBLE("running", "null", "null", "1", "'2026-01-05T09:12:50Z'",
				      "null", MORE) TROUBLE("running", "null", "null", "2",
							    "'2026-01-05T09:12:52Z'", "null", MORE)
			TROUBLE("running", "null", "null", "0", "null", "'replay lag is 42'", MORE)
				TROUBLE("paused", "'environment'",
					"'target: no space left on device'", "0", "null", "null",
					MORE) TROUBLE("paused", "'environment'",
						      "'target: no space left on device'", "0",
						      "null", "null", MORE)
					TROUBLE("running", "null", "null", "0", "null", "null",
						MORE) TROUBLE("cancelled", "null", "null", "0",
							      "null", "null", ""),
		NULL,
	};
	struct ran ran = run(steps, "watch");

	(void)state;
	assert_ran(
		&ran, EXIT_FAILED,
		"Session " ID "  full  running  00:00:05\n"
		"00:00:05  orders  running    1 of 20 rows, 0 failed, 0 parked\n"
		"00:00:05  Overall  ▌░░░░░░░░░   5%  1 of 20 rows\n"
		"00:00:05  orders  running    1 of 20 rows, 0 failed, 0 parked: 1 attempt failed, "
		"again at 09:12:50\n"
		"00:00:05  throttled: replay lag is 42\n"
		"00:00:05  orders  running    1 of 20 rows, 0 failed, 0 parked\n"
		"00:00:05  paused: target: no space left on device; it is tried again by itself\n",
		"migratectl: session 550e8400 was cancelled\n");
}

static void test_json_is_one_object_a_line(void **state)
{
	static const char *const steps[] = {
		"{'parameters':{'session':null,'entities':[]},'continues':true}|"
		"{'parameters':{'session':{'state':'completed'},'entities':[]}}|",
		NULL,
	};
	struct ran ran = run(steps, "watch --json --follow --quiet");

	(void)state;
	assert_string_equal(ran.sent,
			    "{\"method\":\"io.migrated.Watch\",\"parameters\":{\"follow\":true,"
			    "\"interval_ms\":500},\"more\":true}|");
	assert_ran(&ran, EXIT_DONE,
		   "{\"version\":1,\"session\":null,\"entities\":[]}\n"
		   "{\"version\":1,\"session\":{\"state\":\"completed\"},\"entities\":[]}\n",
		   "");
}

static void test_nothing_is_under_way(void **state)
{
	static const char *const steps[] = { "{'parameters':{'session':null,'entities':[]}}|",
					     NULL };
	struct ran ran = run(steps, "watch");

	(void)state;
	assert_ran(&ran, EXIT_DONE, "No session is under way.\n", "");
}

static void test_migrate_without_waiting_names_the_session(void **state)
{
	static const char *const steps[] = { "{'parameters':{'session':'" ID "'}}|", NULL };
	struct ran ran = run(steps, "migrate --entities a,b --full");

	(void)state;
	assert_string_equal(ran.sent,
			    "{\"method\":\"io.migrated.Migrate\",\"parameters\":{\"full\":true,"
			    "\"entities\":[\"a\",\"b\"]}}|");
	assert_ran(&ran, EXIT_DONE, "Session " ID "  (migratectl watch 550e8400)\n", "");
}

/* --- endings ---------------------------------------------------------------------------------- */

#define STARTED "{'parameters':{'session':'" ID "'}}|"

static void test_the_exit_status_says_how_the_session_ended(void **state)
{
	static const struct {
		const char *last;
		enum exit_status status;
		const char *err;
	} cases[] = {
		{ LAST("completed", "20", "0", "completed", "completed"), EXIT_DONE, "" },
		{ LAST("failed", "10", "0", "completed", "failed"), EXIT_FAILED,
		  "migratectl: session 550e8400 has failed\n" },
		{ LAST("cancelled", "10", "0", "completed", "cancelled"), EXIT_FAILED,
		  "migratectl: session 550e8400 was cancelled\n" },
		{ FRAME("paused", "10", "completed", "paused"), EXIT_PAUSED,
		  "migratectl: session 550e8400 is paused: no reason is given; migratectl resume "
		  "550e8400 goes on with it\n" },
		{ "{'error':'io.migrated.NoSuchSession','parameters':{'session':'550e'}}|",
		  EXIT_NO_SUCH,
		  "migratectl: there is no session 550e\n  migratectl list shows the sessions, "
		  "migratectl status the one under way\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *const steps[] = { STARTED, cases[i].last, NULL };
		struct ran ran = run(steps, "migrate --wait --quiet");

		assert_ran(&ran, cases[i].status, "", cases[i].err);
	}
}

static void test_an_end_that_was_not_seen_is_not_a_success(void **state)
{
	static const char *const steps[] = { STARTED,
					     "{'parameters':{'session':null,'entities':[]}}|",
					     NULL };
	static const char *const other[] = {
		STARTED,
		"{'parameters':{'session':{'session':'660e8400-e29b-41d4-a716-446655440000',"
		"'state':'completed'},'entities':[]}}|",
		NULL
	};
	static const char said[] = "migratectl: how session " ID
				   " ended is not known; migratectl list may tell\n";
	struct ran ran = run(steps, "migrate --wait --quiet");

	(void)state;
	assert_ran(&ran, EXIT_FAILED, "", said);
	ran = run(other, "migrate --wait --quiet");
	assert_ran(&ran, EXIT_FAILED, "", said);
}

static void test_rows_set_aside_are_said(void **state)
{
	static const char *const steps[] = { STARTED,
					     LAST("completed", "20", "3", "completed", "completed"),
					     NULL };
	struct ran ran = run(steps, "migrate --wait --json");

	(void)state;
	assert_string_equal(ran.err,
			    "migratectl: session 550e8400 completed, 20 rows; 3 rows could "
			    "not be applied and were set aside\n");
	assert_int_equal(WEXITSTATUS(ran.status), EXIT_DONE);
	ran_done(&ran);
}

static void test_a_pause_does_not_end_a_watch(void **state)
{
	static const char *const steps[] = {
		FRAME("paused", "10", "completed", "paused")
			LAST("completed", "20", "0", "completed", "completed"),
		NULL,
	};
	struct ran ran = run(steps, "watch --quiet");

	(void)state;
	assert_ran(&ran, EXIT_DONE, "", "");
}

static void test_when_the_daemon_or_the_time_ends_the_session_goes_on(void **state)
{
	static const char *const gone[] = { STARTED, FRAME("running", "1", "running", "pending"),
					    NULL };
	static const char *const silent[] = { CTL_SERVER_HANG, NULL };
	struct ran ran = run(gone, "migrate --wait --timeout 0.2 --json");

	(void)state;
	assert_string_equal(
		ran.err, "migratectl: the daemon did not answer within 0.2 seconds\n"
			 "  --timeout gives it longer\n"
			 "migratectl: session 550e8400 goes on; migratectl watch 550e8400 follows "
			 "it, migratectl cancel 550e8400 ends it\n");
	assert_int_equal(WEXITSTATUS(ran.status), EXIT_TIMED_OUT);
	ran_done(&ran);

	ran = run(silent, "watch --timeout 0.1");
	assert_string_equal(ran.err, "migratectl: the daemon did not answer within 0.1 seconds\n"
				     "  --timeout gives it longer\n");
	assert_int_equal(WEXITSTATUS(ran.status), EXIT_TIMED_OUT);
	ran_done(&ran);
}

// Waits until the file holds something; the child that writes it is on its way.
static void wait_for_output(FILE *file)
{
	for (int i = 0; i < 5000 && lseek(fileno(file), 0, SEEK_END) == 0; i++)
		usleep(1000);
}

static void test_an_interrupt_says_that_the_session_goes_on(void **state)
{
	static const char *const steps[] = { STARTED, FRAME("running", "1", "running", "pending"),
					     NULL };
	struct ctl_server server;
	FILE *out = tmpfile(), *err = tmpfile();
	char *argv[] = { "migratectl", "-H", server.path, "migrate", "--wait", NULL };
	int status;

	(void)state;
	ctl_server_start(&server, steps);
	pid_t child = start_command(argv, fileno(out), fileno(err));

	wait_for_output(out);
	kill(child, SIGINT);
	waitpid(child, &status, 0);
	free(ctl_server_stop(&server));
	_cleanup_free_ char *said = contents(err);

	fclose(out);
	assert_non_null(strstr(said, "session 550e8400 goes on"));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
}

/* --- on a terminal ---------------------------------------------------------------------------- */

static int open_terminal(int columns, int rows, int *ret_slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	struct winsize size = { .ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows };

	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	*ret_slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_int_equal(ioctl(*ret_slave, TIOCSWINSZ, &size), 0);
	fcntl(master, F_SETFL, O_NONBLOCK);
	return master;
}

static char *read_terminal(int master)
{
	struct text text = TEXT_INIT;
	char chunk[4096];
	ssize_t length;

	while ((length = read(master, chunk, sizeof chunk)) > 0)
		text_append_bytes(&text, chunk, (size_t)length);
	return text_steal(&text);
}

// What a frame has written to the terminal.
static void assert_drawn(struct screen *screen, int master, const char *frame, const char *written)
{
	screen_draw(screen, frame);
	_cleanup_free_ char *seen = read_terminal(master);

	assert_string_equal(seen, written);
}

static void test_only_lines_that_have_changed_are_written(void **state)
{
	struct screen screen;
	int slave, columns, lines;
	int master = open_terminal(6, 5, &slave);

	(void)state;
	screen_init(&screen, slave);
	screen_room(&screen, &columns, &lines);
	assert_int_equal(columns, 6);
	assert_int_equal(lines, 4);
	// What is as wide as the terminal is not erased behind, which would be its last character.
	assert_drawn(&screen, master, "one\nsomething wide\n3\n",
		     "\033[?25lone\033[K\r\nsometh\r\n3\033[K\r\n\033[?25h");
	assert_drawn(&screen, master, "one\nsomething wide\n3\n", "");
	assert_drawn(&screen, master, "one\ntwo\n3\n",
		     "\033[?25l\r\033[2Atwo\033[K\r\n\r\n\033[?25h");
	assert_drawn(&screen, master, "one\n", "\033[?25l\r\033[2A\033[J\033[?25h");
	assert_drawn(&screen, master, "one\n2\n3\n4\n5\n",
		     "\033[?25l2\033[K\r\n3\033[K\r\n4\033[K\r\n\033[?25h");
	assert_drawn(&screen, master, "\033[31mred rose\033[0m\n2\n3\n4\n",
		     "\033[?25l\r\033[4A\033[31mred ro\033[0m\r\n\r\n\r\n\r\n\033[?25h");
	screen_done(&screen);
	close(slave);
	close(master);
}

static void test_a_terminal_of_another_size_is_painted_anew(void **state)
{
	struct screen screen;
	struct winsize narrower = { .ws_col = 4, .ws_row = 10 };
	struct winsize lower = { .ws_col = 4, .ws_row = 2 };
	int slave;
	int master = open_terminal(8, 10, &slave);

	(void)state;
	screen_init(&screen, slave);
	assert_drawn(&screen, master, "123456\n2\n",
		     "\033[?25l123456\033[K\r\n2\033[K\r\n\033[?25h");
	ioctl(slave, TIOCSWINSZ,
	      &narrower); // it has wrapped lines, so nobody knows where the frame began
	assert_drawn(&screen, master, "123456\n2\n",
		     "\033[H\033[2J\033[?25l1234\r\n2\033[K\r\n\033[?25h");
	ioctl(slave, TIOCSWINSZ, &lower);
	assert_drawn(&screen, master, "123456\n2\n", "\r\033[2A\033[J\033[?25l1234\r\n\033[?25h");
	screen_finish(&screen, "123456\n2\n");
	_cleanup_free_ char *last = read_terminal(master);

	assert_string_equal(last, "\033[?25l\r\033[1A123456\033[K\r\n2\033[K\r\n\033[?25h");
	screen_done(&screen);
	close(slave);
	close(master);
}

static void test_a_terminal_shows_the_live_table_and_keeps_the_last(void **state)
{
	static const char *const steps[] = {
		FRAME("running", "10", "completed", "running")
			LAST("completed", "20", "0", "completed", "completed"),
		NULL,
	};
	struct ctl_server server;
	char *argv[] = { "migratectl", "-H", server.path, "watch", "--no-color", NULL };
	int slave, status;
	int master = open_terminal(100, 30, &slave);
	FILE *err = tmpfile();

	(void)state;
	ctl_server_start(&server, steps);
	pid_t child = start_command(argv, slave, fileno(err));

	waitpid(child, &status, 0);
	free(ctl_server_stop(&server));
	_cleanup_free_ char *shown = read_terminal(master);
	_cleanup_free_ char *said = contents(err);

	assert_int_equal(WEXITSTATUS(status), EXIT_DONE);
	assert_non_null(strstr(shown, "doctors   running    █████░░░░░  50%"));
	assert_non_null(strstr(shown, "Overall  ██████████ 100%  20 of 20 rows"));
	// The second frame begins where the first began.
	assert_non_null(strstr(shown, "\r\033[5A"));
	assert_string_equal(said, "migratectl: session 550e8400 completed, 20 rows\n");
	close(slave);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_tell_what_has_changed),
		cmocka_unit_test(test_lines_tell_why_nothing_goes_on_but_once),
		cmocka_unit_test(test_json_is_one_object_a_line),
		cmocka_unit_test(test_nothing_is_under_way),
		cmocka_unit_test(test_migrate_without_waiting_names_the_session),
		cmocka_unit_test(test_the_exit_status_says_how_the_session_ended),
		cmocka_unit_test(test_an_end_that_was_not_seen_is_not_a_success),
		cmocka_unit_test(test_rows_set_aside_are_said),
		cmocka_unit_test(test_a_pause_does_not_end_a_watch),
		cmocka_unit_test(test_when_the_daemon_or_the_time_ends_the_session_goes_on),
		cmocka_unit_test(test_an_interrupt_says_that_the_session_goes_on),
		cmocka_unit_test(test_only_lines_that_have_changed_are_written),
		cmocka_unit_test(test_a_terminal_of_another_size_is_painted_anew),
		cmocka_unit_test(test_a_terminal_shows_the_live_table_and_keeps_the_last),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TERM", "xterm", 1);
	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
