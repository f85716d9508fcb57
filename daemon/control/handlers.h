/*
 * What the methods of io.migrated do: each decodes its parameters, asks the engine, and answers now or later.
 */
#ifndef DAEMON_CONTROL_HANDLERS_H
#define DAEMON_CONTROL_HANDLERS_H

#include "control/audit.h"
#include "control/control.h"
#include "run/engine.h"

struct handlers;

/* For control_settings.handlers and .handler_arg. The engine and the audit are borrowed. */
extern const struct control_handler handler_table[];
struct handlers *handlers_new(struct event_base *base, struct engine *engine, struct audit *audit);
void handlers_free(struct handlers *handlers);

/* Does none of them hold on to the configuration just now, beside what the engine knows of? */
bool handlers_are_still(const struct handlers *handlers);

/* Reload is the daemon's to do, as it owns the configuration. It calls on_done once, with the reply of io.migrated.Reload, which is
   borrowed. */
typedef void reload_on_done(void *arg, json_t *reply);
typedef void handlers_on_reload(void *arg, reload_on_done *on_done, void *done_arg);
void handlers_set_reload(struct handlers *handlers, handlers_on_reload *on_reload, void *arg);

#endif
