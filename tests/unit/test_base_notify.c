// What systemd is told, read from a socket in its place.
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/notify.h"

static int listen_as_systemd(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int *fd = malloc(sizeof *fd);
	char name[64];

	/* An abstract address: nothing to remove. */
	snprintf(name, sizeof name, "@migrated-test-notify-%d", (int)getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(*fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) < 0)
		return -1;
	setenv("NOTIFY_SOCKET", name, 1);
	*state = fd;
	return 0;
}

static int stop_listening(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	close(*(int *)*state);
	free(*state);
	return 0;
}

static const char *heard(void **state)
{
	static char message[1024];
	ssize_t length = recv(*(int *)*state, message, sizeof message - 1, MSG_DONTWAIT);

	message[length > 0 ? length : 0] = '\0';
	return message;
}

static void test_states_are_told(void **state)
{
	const char *message;

	notify_ready();
	assert_string_equal(heard(state), "READY=1");
	notify_stopping();
	assert_string_equal(heard(state), "STOPPING=1");
	notify_reloading();
	message = heard(state);
	assert_int_equal(strncmp(message, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	assert_true(strtoull(message + 27, NULL, 10) > 0);
}

static void test_status_is_one_line(void **state)
{
	notify_status("%d sessions\nREADY=1", 3);
	assert_string_equal(heard(state), "STATUS=3 sessions READY=1");
}

static void test_the_watchdog_is_fed_or_triggered(void **state)
{
	assert_int_equal(notify_watchdog_ms(), 0); /* not asked for */
	setenv("WATCHDOG_USEC", "50000", 1);
	assert_int_equal(notify_watchdog_ms(), 50);
	notify_watchdog_feed();
	assert_string_equal(heard(state), "WATCHDOG=1");
	notify_watchdog_trigger();
	assert_string_equal(heard(state), "WATCHDOG=trigger");
}

static void test_nothing_happens_without_systemd(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	notify_ready();
	notify_status("nobody listens");
	assert_string_equal(heard(state), "");
}

#define AS_SYSTEMD(test) cmocka_unit_test_setup_teardown(test, listen_as_systemd, stop_listening)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AS_SYSTEMD(test_states_are_told),
		AS_SYSTEMD(test_status_is_one_line),
		AS_SYSTEMD(test_the_watchdog_is_fed_or_triggered),
		AS_SYSTEMD(test_nothing_happens_without_systemd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
