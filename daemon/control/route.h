/*
 * From a call to the one who answers it: access first, then org.varlink.service here, the rest by
 * the handlers.
 */
#ifndef DAEMON_CONTROL_ROUTE_H
#define DAEMON_CONTROL_ROUTE_H

#include "control/control.h"

/* The description of an interface that is served here; NULL: there is none of that name. */
const char *route_interface(const char *name);

void route_call(const struct control_settings *settings, struct control_call *call);

#endif
