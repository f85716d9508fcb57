/*
 * Following a session: the frames of io.migrated.Watch as a live screen, as lines, as JSON, or as
 * silence.
 */
#ifndef CTL_FOLLOW_H
#define CTL_FOLLOW_H

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/exit.h"

struct follow_settings {
	const char *session; /* NULL: the one under way */
	bool on_and_on;	     /* goes on with the sessions after it */
	bool until_paused;   /* a pause ends it, too */
	const struct arguments *arguments;
};

/* The exit status says how the session ended. */
enum exit_status follow_session(struct client *client, const struct follow_settings *settings);

#endif
