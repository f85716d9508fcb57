/*
 * Following a session: the frames of io.migrated.Watch as a live screen, as lines, as JSON, or as
 * silence.
 */
#ifndef CTL_FOLLOW_H
#define CTL_FOLLOW_H

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/exit.h"
#include "ctl/look.h"

struct follow_settings {
	/* Instead of io.migrated.Watch: a method whose frames are alike, and which ends with us. */
	const char *method;
	json_t *parameters; /* borrowed */
	/* Shows the last frame and judges it. */
	enum exit_status (*end)(const struct look *look, json_t *frame,
				const struct arguments *arguments);
	const char *session; /* NULL: the one under way */
	bool on_and_on;	     /* goes on with the sessions after it */
	bool until_paused;   /* a pause ends it, too */
	const struct arguments *arguments;
};

/* The exit status says how the session ended. */
enum exit_status follow_session(struct client *client, const struct follow_settings *settings);

/* Begins a session by the command's method, and follows it until it ends or is paused. */
enum exit_status follow_begun(struct client *client, const struct arguments *arguments,
			      json_t *parameters);

#endif
