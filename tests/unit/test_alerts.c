// Alerts: from a logged event to the command's standard input, with a real command and a real loop.
#include "tests/unit/testing.h"

#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/journal.h"
#include "common/clock.h"
#include "common/text.h"
#include "config/settings.h"
#include "monitor/alerts.h"

#define PATIENCE_MS 20000

struct world {
	struct event_base *base;
	struct settings settings;
	struct alerts *alerts;
	bool is_up;
	char directory[64];
};

static const struct settings *present_settings(void *arg)
{
	return &((struct world *)arg)->settings;
}

static bool is_up(void *arg, const char *database)
{
	(void)database;
	return ((struct world *)arg)->is_up;
}

/* A command that runs this script, whose $1 is the world's directory. */
static void set_script(struct world *world, const char *script)
{
	json_auto_t *words = json_pack("[s, s, s, s, s]", "/bin/sh", "-c", script, "alert",
				       world->directory);

	free(world->settings.alert_command);
	world->settings.alert_command = json_dumps(words, 0);
}

/* Keeps what it is told in files 1, 2, … */
#define KEEP "n=1; while [ -e $1/$n ]; do n=$((n + 1)); done; cat >$1/part && mv $1/part $1/$n"

static int set_up(void **state)
{
	struct world *world = memory_new(sizeof(*world));

	snprintf(world->directory, sizeof(world->directory), "/tmp/migrated-alerts-XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	world->base = event_base_new();
	world->settings.alert_timeout_ms = PATIENCE_MS;
	world->settings.alert_repeat_after_ms = PATIENCE_MS;
	world->settings.alert_command = text_copy(
		""); /* what an earlier test has logged is no alert of this one */
	journal_init(LOG_DEBUG);
	world->alerts = alerts_new(world->base,
				   &(struct alerts_means){ present_settings, is_up, world });
	set_script(world, KEEP);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	_cleanup_free_ char *remove = text_format("rm -rf %s", world->directory);

	alerts_free(world->alerts);
	event_base_free(world->base);
	free(world->settings.alert_command);
	assert_int_equal(system(remove), 0);
	free(world);
	return 0;
}

static uint64_t count(const struct world *world, enum event_kind kind, enum alert_result result)
{
	return alerts_count(world->alerts, kind, result);
}

/* Turns the loop until so many have come out so. */
static void wait_for(struct world *world, enum event_kind kind, enum alert_result result,
		     uint64_t wanted)
{
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;

	while (count(world, kind, result) < wanted && clock_monotonic_ms() < until) {
		event_base_loop(world->base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
	assert_int_equal(count(world, kind, result), wanted);
}

static char *file_of(const struct world *world, const char *name)
{
	_cleanup_free_ char *path = text_format("%s/%s", world->directory, name);
	FILE *file = fopen(path, "r");
	char buffer[8192] = "";

	if (file == NULL)
		return NULL;
	buffer[fread(buffer, 1, sizeof(buffer) - 1, file)] = '\0';
	fclose(file);
	return text_copy(buffer);
}

static json_t *told(const struct world *world, int number)
{
	_cleanup_free_ char *name = text_format("%d", number);
	_cleanup_free_ char *text = file_of(world, name);

	return text != NULL ? json_loads(text, 0, NULL) : NULL;
}

static const char *member(const json_t *object, const char *name)
{
	const char *string = json_string_value(json_object_get(object, name));

	return string != NULL ? string : "";
}

/* Each time in other words: repetitions of a line are the journal's business. */
static void fail_entity(const char *entity)
{
	static int number;

	event_log(EVENT_ENTITY_STOPPED, &(struct log_fields){ .entity = entity }, "%s: stopped, %d",
		  entity, ++number);
}

/* --- what is told -------------------------------------------------------------------------------- */

static void test_the_command_reads_the_event_as_json(void **state)
{
	struct world *world = *state;
	json_auto_t *object = NULL;

	event_log(EVENT_ENTITY_STOPPED,
		  &(struct log_fields){ .session = "0b6e",
					.entity = "patients",
					.sqlstate = "42703",
					.phase = "read",
					.legacy_key = "77" },
		  "there is no \"column\"\n\303");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_DONE, 1);
	object = told(world, 1);
	assert_string_equal(member(object, "event"), "entity-stopped");
	assert_string_equal(member(object, "priority"), "err");
	assert_string_equal(member(object, "session"), "0b6e");
	assert_string_equal(member(object, "entity"), "patients");
	assert_string_equal(member(object, "sqlstate"), "42703");
	assert_string_equal(member(object, "phase"), "read");
	assert_non_null(strstr(member(object, "message"), "there is no \"column\""));
	assert_string_equal(member(object, "daemon_version"), MIGRATED_VERSION);
	assert_true(strlen(member(object, "host")) > 0 && strlen(member(object, "at")) > 0);
	assert_true(json_is_null(json_object_get(object, "database")));
	assert_int_equal(json_integer_value(json_object_get(object, "repeated")), 0);
	assert_null(json_object_get(object, "legacy_key"));
}

static void test_what_is_no_alert_is_not_told(void **state)
{
	struct world *world = *state;

	event_log(EVENT_SESSION_STARTED, NULL, "session started");
	log_event(LOG_ERR, NULL, "an error");
	fail_entity("a");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_DONE, 1);
	assert_null(told(world, 2));
}

/* --- what it may see of us ------------------------------------------------------------------------ */

static void test_it_has_no_password_and_no_descriptor_of_ours(void **state)
{
	struct world *world = *state;
	int open_file = open("/dev/null", O_RDONLY); /* of somebody who forgot O_CLOEXEC */
	_cleanup_free_ char *variables = NULL, *descriptors = NULL;

	setenv("TARGET_DB_PASSWORD", "canary", 1);
	setenv("PGPASSWORD", "canary", 1);
	setenv("LC_MESSAGES", "C", 1);
	set_script(world, "env >$1/env; ls /proc/$$/fd | tr '\\n' ' ' >$1/fd");
	fail_entity("patients");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_DONE, 1);
	variables = file_of(world, "env");
	assert_null(strstr(variables, "canary"));
	assert_non_null(strstr(variables, "MIGRATED_EVENT=entity-stopped\n"));
	assert_non_null(strstr(variables, "MIGRATED_ENTITY=patients\n"));
	assert_non_null(strstr(variables, "MIGRATED_PRIORITY=err\n"));
	assert_non_null(strstr(variables, "PATH="));
	assert_non_null(strstr(variables, "LC_MESSAGES=C\n"));
	descriptors = file_of(world, "fd");
	assert_string_equal(descriptors, "0 1 2 ");
	close(open_file);
}

static void test_signals_are_as_at_the_beginning_of_a_program(void **state)
{
	struct world *world = *state;
	_cleanup_free_ char *ignored = NULL;
	unsigned long long ignores, blocks;

	signal(SIGPIPE, SIG_IGN);
	set_script(world, "grep SigIgn /proc/self/status >$1/ignored; "
			  "grep SigBlk /proc/self/status >>$1/ignored");
	fail_entity("a");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_DONE, 1);
	ignored = file_of(world, "ignored");
	assert_int_equal(sscanf(ignored, "SigIgn: %llx SigBlk: %llx", &ignores, &blocks), 2);
	/* The C library keeps two of the real-time ones for itself. */
	assert_int_equal(ignores & ~(3ull << 31), 0);
	assert_int_equal(blocks, 0);
}

/* --- when it goes wrong ---------------------------------------------------------------------------- */

static void test_one_that_hangs_is_killed_with_all_it_has_started(void **state)
{
	struct world *world = *state;
	_cleanup_free_ char *pid = NULL;
	char kept[8];

	world->settings.alert_timeout_ms = 300;
	set_script(world, "sleep 1000 & echo $! >$1/pid; wait");
	fail_entity("a");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_TIMED_OUT, 1);
	pid = file_of(world, "pid");
	for (int i = 0; i < 1000 && kill(atoi(pid), 0) == 0; i++) {
		_cleanup_free_ char *path = text_format("/proc/%d/stat", atoi(pid));
		FILE *file = fopen(path, "r");

		/* Nobody may be there to bury it. */
		if (file != NULL && fscanf(file, "%*d %*s %7s", kept) == 1 && kept[0] == 'Z') {
			fclose(file);
			return;
		}
		if (file != NULL)
			fclose(file);
		usleep(1000);
	}
	assert_int_equal(kill(atoi(pid), 0), -1);
}

static void test_a_failure_is_counted_and_keeps_no_other_waiting(void **state)
{
	struct world *world = *state;

	set_script(world, "exit 3");
	fail_entity("a");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_FAILED, 1);
	free(world->settings.alert_command);
	world->settings.alert_command = text_copy("[\"/nonexistent\"]");
	fail_entity("b");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_FAILED, 2);
	set_script(world, KEEP);
	fail_entity("c");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_DONE, 1);
}

static void test_what_does_not_fit_is_dropped_and_counted(void **state)
{
	struct world *world = *state;
	_cleanup_free_ char *fifo = text_format("%s/fifo", world->directory);
	int gate;

	assert_int_equal(mkfifo(fifo, 0600), 0);
	set_script(world, "read line <$1/fifo");
	for (int i = 0; i < 40; i++) {
		_cleanup_free_ char *entity = text_format("entity_%d", i);

		fail_entity(entity);
		event_base_loop(world->base, EVLOOP_NONBLOCK);
	}
	/* One runs, 32 wait. */
	assert_int_equal(count(world, EVENT_ENTITY_STOPPED, ALERT_DROPPED), 7);
	set_script(world, KEEP);
	gate = open(fifo, O_RDWR);
	assert_true(write(gate, "go\n", 3) == 3);
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_DONE, 33);
	close(gate);
}

/* --- again and again -------------------------------------------------------------------------------- */

static void test_the_same_of_the_same_entity_is_told_once_and_then_counted(void **state)
{
	struct world *world = *state;
	json_auto_t *first = NULL, *other = NULL, *last = NULL;

	world->settings.alert_repeat_after_ms = 1000;
	event_log(EVENT_ENTITY_STOPPED, &(struct log_fields){ .entity = "a" }, "first");
	event_log(EVENT_ENTITY_STOPPED, &(struct log_fields){ .entity = "b" }, "other");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_DONE, 2);
	for (int i = 0; i < 5; i++)
		event_log(EVENT_ENTITY_STOPPED, &(struct log_fields){ .entity = "a" }, "again %d",
			  i);
	first = told(world, 1);
	other = told(world, 2);
	assert_string_equal(member(first, "message"), "first");
	assert_string_equal(member(other, "message"), "other");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_DONE, 3);
	last = told(world, 3);
	assert_string_equal(member(last, "message"), "again 4");
	assert_int_equal(json_integer_value(json_object_get(last, "repeated")), 4);
	assert_int_equal(count(world, EVENT_ENTITY_STOPPED, ALERT_REPEATED), 4);
}

static void log_database(enum event_kind kind)
{
	event_log(kind, &(struct log_fields){ .database = "target" }, "the target, again");
}

static void test_a_database_that_is_soon_back_is_not_worth_a_word(void **state)
{
	struct world *world = *state;

	world->settings.alert_repeat_after_ms = 0;
	log_database(EVENT_DATABASE_LOST);
	log_database(EVENT_DATABASE_BACK);
	fail_entity("a");
	wait_for(world, EVENT_ENTITY_STOPPED, ALERT_DONE, 1);
	assert_int_equal(count(world, EVENT_DATABASE_LOST, ALERT_BRIEF), 1);
	assert_int_equal(count(world, EVENT_DATABASE_BACK, ALERT_BRIEF), 1);
	assert_null(told(world, 2));
}

/* --- the end ---------------------------------------------------------------------------------------- */

static void test_the_end_waits_a_moment_and_no_longer(void **state)
{
	struct world *world = *state;
	int64_t began;

	fail_entity("a");
	alerts_finish(world->alerts);
	assert_int_equal(count(world, EVENT_ENTITY_STOPPED, ALERT_DONE), 1);
	set_script(world, "sleep 1000");
	fail_entity("b");
	began = clock_monotonic_ms();
	alerts_finish(world->alerts);
	assert_true(clock_monotonic_ms() - began < PATIENCE_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_the_command_reads_the_event_as_json),
		TEST(test_what_is_no_alert_is_not_told),
		TEST(test_it_has_no_password_and_no_descriptor_of_ours),
		TEST(test_signals_are_as_at_the_beginning_of_a_program),
		TEST(test_one_that_hangs_is_killed_with_all_it_has_started),
		TEST(test_a_failure_is_counted_and_keeps_no_other_waiting),
		TEST(test_what_does_not_fit_is_dropped_and_counted),
		TEST(test_the_same_of_the_same_entity_is_told_once_and_then_counted),
		TEST(test_a_database_that_is_soon_back_is_not_worth_a_word),
		TEST(test_the_end_waits_a_moment_and_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
