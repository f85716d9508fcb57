// A scripted daemon for the client: a child process that answers each request with what the script
// says next.
#ifndef TESTS_UNIT_CTL_SERVER_H
#define TESTS_UNIT_CTL_SERVER_H

#include <stddef.h>
#include <sys/types.h>

#define CTL_SERVER_END "\x01end"   // instead of messages: closes the connection
#define CTL_SERVER_HANG "\x01hang" // says nothing more, and keeps the connection

struct ctl_server {
	char directory[64];
	char path[96];
	pid_t child;
	int requests; // a pipe from the child: what it was sent
};

// Steps end with NULL. Each waits for one request, and is sent whole: JSON messages with ' for "
// and | for NUL.
void ctl_server_start(struct ctl_server *server, const char *const *steps);

// Ends the child and removes the socket. Returns all it was sent, NULs as '|'; the caller frees.
char *ctl_server_stop(struct ctl_server *server);

#endif
