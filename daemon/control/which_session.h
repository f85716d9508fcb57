/*
 * Which session is meant by the beginning of an id: asked of the store before the handler of a call that names one is entered, so that
 * none of them has to think of sessions that begin alike, and whoever names one of them is shown which there are.
 */
#ifndef DAEMON_CONTROL_WHICH_SESSION_H
#define DAEMON_CONTROL_WHICH_SESSION_H

#include "control/handlers.h"

/* For control_settings.before: false, there is nothing to be asked, and the handler is to be entered at once. */
bool which_session(void *handlers, struct control_call *call,
		   const struct control_handler *handler) _warn_unused_;

#endif
