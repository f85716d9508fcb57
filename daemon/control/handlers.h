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

#endif
