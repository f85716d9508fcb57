/*
 * watch: follows a session until it ends, or for ever with --follow.
 */
#include "ctl/follow.h"
#include "ctl/view.h"

static enum exit_status run(const struct view *view, const struct arguments *arguments,
			    struct client *client)
{
	(void)view;
	return follow_session(client, &(struct follow_settings){
					      .session = arguments->session,
					      .on_and_on = arguments->follow,
					      .arguments = arguments,
				      });
}

const struct view view_watch = { .verb = "watch", .run = run };
