/*
 * Checks access, describes the service, and finds the handler of everything else.
 */
#include "control/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "common/command.h"
#include "common/log.h"
#include "common/text.h"
#include "control/credentials.h"
#include "control/peer.h"
#include "interface.h"

#ifndef MIGRATED_VERSION
#define MIGRATED_VERSION "unknown"
#endif

static const struct {
	const char *name;
	const char *description;
} interfaces[] = {
	{ "org.varlink.service", interface_org_varlink_service },
	{ "io.migrated", interface_io_migrated },
};

#define INTERFACE_COUNT (sizeof interfaces / sizeof interfaces[0])

const char *route_interface(const char *name)
{
	for (size_t i = 0; i < INTERFACE_COUNT; i++)
		if (strcmp(interfaces[i].name, name) == 0)
			return interfaces[i].description;
	return NULL;
}

/* --- org.varlink.service ---------------------------------------------------------------------- */

static void get_info(void *arg, struct control_call *call)
{
	json_t *names = json_array();

	(void)arg;
	if (json_object_size(control_call_parameters(call)) > 0) {
		json_decref(names);
		control_call_invalid(call, "parameters");
		return;
	}
	for (size_t i = 0; i < INTERFACE_COUNT; i++)
		json_array_append_new(names, json_string(interfaces[i].name));
	control_call_reply(call, json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", "migrated",
					   "product", "migrated", "version", MIGRATED_VERSION,
					   "url", "", "interfaces", names));
}

static void refuse_interface(struct control_call *call, const char *interface)
{
	control_call_error(call, "org.varlink.service.InterfaceNotFound",
			   json_pack("{s:s}", "interface", interface));
}

static void get_interface_description(void *arg, struct control_call *call)
{
	json_t *parameters = control_call_parameters(call);
	const char *interface = json_string_value(json_object_get(parameters, "interface"));

	(void)arg;
	if (!interface || json_object_size(parameters) != 1)
		control_call_invalid(call, "interface");
	else if (!route_interface(interface))
		refuse_interface(call, interface);
	else
		control_call_reply(call,
				   json_pack("{s:s}", "description", route_interface(interface)));
}

static const struct control_handler service_handlers[] = {
	{ "org.varlink.service.GetInfo", get_info },
	{ "org.varlink.service.GetInterfaceDescription", get_interface_description },
	{ NULL, NULL },
};

/* --- finding the handler ---------------------------------------------------------------------- */

static const struct control_handler *find_handler(const struct control_handler *handlers,
						  const char *method)
{
	for (; handlers->method; handlers++)
		if (strcmp(handlers->method, method) == 0)
			return handlers;
	return NULL;
}

/* What no handler answers: is it the interface, the method, or only its implementation that is
   missing? */
static void refuse_method(struct control_call *call)
{
	const char *method = control_call_method(call);
	const char *dot = strrchr(method, '.');
	_cleanup_free_ char *interface = text_copy(method);

	interface[dot ? dot - method : 0] = '\0';
	if (!route_interface(interface))
		refuse_interface(call, interface);
	else if (command_by_method(method))
		control_call_error(call, "org.varlink.service.MethodNotImplemented",
				   json_pack("{s:s}", "method", method));
	else
		control_call_error(call, "org.varlink.service.MethodNotFound",
				   json_pack("{s:s}", "method", method));
}

static bool is_permitted(struct control_call *call, enum access needed)
{
	const char *method = control_call_method(call);

	if (credentials_suffice(peer_standing_of_call(call), needed))
		return true;
	/* The method comes from somebody who may not speak here: only a known one is repeated in
	   the log. */
	event_log(EVENT_ACCESS_REFUSED, NULL,
		  "control: refused %s to uid %lu (pid %ld), who may not %s",
		  command_by_method(method) ? method : "a method",
		  (unsigned long)control_call_uid(call), (long)control_call_pid(call),
		  credentials_access_name(needed));
	control_call_error(call, "io.migrated.PermissionDenied",
			   json_pack("{s:s, s:s}", "method", method, "needs",
				     credentials_access_name(needed)));
	return false;
}

static void log_operating(const struct control_call *call)
{
	log_notice("control: %s by uid %lu (pid %ld)", control_call_method(call),
		   (unsigned long)control_call_uid(call), (long)control_call_pid(call));
}

bool control_call_may(struct control_call *call, enum access needed)
{
	if (!is_permitted(call, needed))
		return false;
	if (needed == ACCESS_OPERATE)
		log_operating(call);
	return true;
}

void route_call(const struct control_settings *settings, struct control_call *call)
{
	const char *method = control_call_method(call);

	if (!is_permitted(call, command_access(method)))
		return;
	const struct control_handler *handler = find_handler(service_handlers, method);

	if (!handler)
		handler = find_handler(settings->handlers, method);
	if (!handler) {
		refuse_method(call);
		return;
	}
	if (command_access(method) == ACCESS_OPERATE)
		log_operating(call);
	if (!settings->before || !settings->before(settings->handler_arg, call, handler))
		handler->handle(settings->handler_arg, call);
}
