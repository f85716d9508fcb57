/*
 * Reload: has the configuration read again; what there is to that is the daemon's business.
 */
#include "control/handler.h"

void handlers_set_reload(struct handlers *handlers, handlers_on_reload *on_reload, void *arg)
{
	handlers->on_reload = on_reload;
	handlers->reload_arg = arg;
}

static void on_done(void *arg, json_t *reply)
{
	pending_call_reply(arg, json_incref(reply));
}

void handle_reload(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	static const struct json_field none[] = { { .key = NULL } };

	if (handler_decode(call, none, NULL))
		handlers->on_reload(handlers->reload_arg, on_done,
				    pending_call_new(handlers, call));
}
