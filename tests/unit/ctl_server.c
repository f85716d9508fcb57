// A scripted daemon for the client. See ctl_server.h.
#include "tests/unit/ctl_server.h"

#include "tests/unit/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/text.h"

// Up to and including a NUL, handed on to the test.
static bool read_request(int peer, int requests)
{
	char byte;

	do {
		if (read(peer, &byte, 1) != 1)
			return false;
		if (write(requests, byte ? &byte : "|", 1) != 1)
			return false;
	} while (byte);
	return true;
}

static void send_step(int peer, const char *step)
{
	size_t length = strlen(step);
	char *bytes = text_copy(step);

	for (size_t i = 0; i < length; i++)
		bytes[i] = bytes[i] == '\'' ? '"' : bytes[i] == '|' ? '\0' : bytes[i];
	send(peer, bytes, length, MSG_NOSIGNAL);
	free(bytes);
}

static void serve(int listener, int requests, const char *const *steps)
{
	int peer = accept(listener, NULL, NULL);

	for (; *steps; steps++) {
		if (!read_request(peer, requests))
			_exit(0);
		if (strcmp(*steps, CTL_SERVER_END) == 0)
			_exit(0);
		if (strcmp(*steps, CTL_SERVER_HANG) == 0)
			pause();
		send_step(peer, *steps);
	}
	while (read_request(peer, requests))
		;
	_exit(0);
}

void ctl_server_start(struct ctl_server *server, const char *const *steps)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	int requests[2];

	snprintf(server->directory, sizeof server->directory, "/tmp/test_ctl.XXXXXX");
	assert_non_null(mkdtemp(server->directory));
	snprintf(server->path, sizeof server->path, "%s/control", server->directory);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", server->path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(pipe(requests), 0);
	fflush(NULL);
	server->child = fork();
	if (server->child == 0) {
		signal(SIGTERM, SIG_DFL);
		serve(listener, requests[1], steps);
	}
	close(listener);
	close(requests[1]);
	server->requests = requests[0];
}

char *ctl_server_stop(struct ctl_server *server)
{
	struct text sent = TEXT_INIT;
	char chunk[4096];
	ssize_t length;

	kill(server->child, SIGTERM);
	waitpid(server->child, NULL, 0);
	while ((length = read(server->requests, chunk, sizeof chunk)) > 0)
		text_append_bytes(&sent, chunk, (size_t)length);
	close(server->requests);
	unlink(server->path);
	rmdir(server->directory);
	return text_steal(&sent);
}
