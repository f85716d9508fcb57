/*
 * Why a command could not be carried out: words for people, and the exit status.
 */
#ifndef CTL_FAILURE_H
#define CTL_FAILURE_H

#include "common/varlink.h"
#include "ctl/exit.h"

struct failure {
	enum exit_status status;
	struct error err; /* message and hint */
};

/* Always false, so that it can be returned. */
bool failure_set(struct failure *failure, enum exit_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The socket could not be connected to, for this errno. */
bool failure_of_connect(struct failure *failure, const char *path, int reason);

/* The daemon has answered with an error. */
bool failure_of_reply(struct failure *failure, const struct varlink_reply *reply);

#endif
