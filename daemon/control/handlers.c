/*
 * The table of handlers, and what they share; see handler.h. Those that look at the daemon stand in handlers_look.c,
 * handlers_watch.c and handlers_logs.c, those that steer it in handlers_steer.c, those that ask the databases in handlers_observe.c,
 * handlers_account.c and handlers_explain.c, those about rows that were set aside in handlers_letters.c and handlers_parked.c, of
 * rules in handlers_rules.c, about validations in handlers_validate.c,
 * and of the configuration in handlers_reload.c.
 */
#include "control/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "control/audience.h"
#include "control/handler.h"

const struct control_handler handler_table[] = {
	{ "io.migrated.Status", handle_status },
	{ "io.migrated.Watch", handle_watch },
	{ "io.migrated.List", handle_list },
	{ "io.migrated.Logs", handle_logs },
	{ "io.migrated.Analyze", handle_analyze },
	{ "io.migrated.Detect", handle_detect },
	{ "io.migrated.Migrate", handle_migrate },
	{ "io.migrated.DryRun", handle_dry_run },
	{ "io.migrated.Pause", handle_pause },
	{ "io.migrated.Resume", handle_resume },
	{ "io.migrated.Cancel", handle_cancel },
	{ "io.migrated.Rollback", handle_rollback },
	{ "io.migrated.Plan", handle_plan },
	{ "io.migrated.Check", handle_check },
	{ "io.migrated.ListRules", handle_list_rules },
	{ "io.migrated.Account", handle_account },
	{ "io.migrated.Validate", handle_validate },
	{ "io.migrated.ShowValidation", handle_show_validation },
	{ "io.migrated.Explain", handle_explain },
	{ "io.migrated.ListDeadLetters", handle_list_dead_letters },
	{ "io.migrated.ShowDeadLetter", handle_show_dead_letter },
	{ "io.migrated.RetryDeadLetters", handle_retry_dead_letters },
	{ "io.migrated.DiscardDeadLetters", handle_discard_dead_letters },
	{ "io.migrated.ListParked", handle_list_parked },
	{ "io.migrated.ListLeft", handle_list_left },
	{ "io.migrated.ListConflicts", handle_list_conflicts },
	{ "io.migrated.ShowConflict", handle_show_conflict },
	{ "io.migrated.ResolveConflicts", handle_resolve_conflicts },
	{ "io.migrated.Report", handle_report },
	{ "io.migrated.Audit", handle_audit },
	{ "io.migrated.Reload", handle_reload },
	{ NULL, NULL },
};

struct handlers *handlers_new(struct event_base *base, struct engine *engine, struct audit *audit)
{
	struct handlers *handlers = memory_new(sizeof(*handlers));

	*handlers = (struct handlers){ .base = base,
				       .engine = engine,
				       .audit = audit,
				       .started_us = clock_wall_us() };
	handlers->watchers = handlers_watchers_new(handlers);
	return handlers;
}

void handlers_free(struct handlers *handlers)
{
	if (handlers == NULL)
		return;
	audience_free(handlers->watchers);
	free(handlers);
}

bool handlers_are_still(const struct handlers *handlers)
{
	return handlers->explaining == 0;
}

/* --- parameters -------------------------------------------------------------------------------- */

/* The first problem's place: "$.batch_size" names the parameter batch_size. */
static void on_problem(void *arg, const char *path, const char *message)
{
	char **parameter = arg;

	(void)message;
	if (*parameter == NULL)
		*parameter = text_copy(strncmp(path, "$.", 2) == 0 ? path + 2 : path);
}

/* NULL: all of them are known. */
static char *unknown_parameter(json_t *parameters, const struct json_field *fields)
{
	const char *name;
	json_t *value;

	json_object_foreach(parameters, name, value) {
		const struct json_field *field = fields;

		while (field->key != NULL && strcmp(field->key, name) != 0)
			field++;
		if (field->key == NULL)
			return text_copy(name);
	}
	return NULL;
}

bool handler_decode(struct control_call *call, const struct json_field *fields, void *target)
{
	_cleanup_free_ char *parameter = unknown_parameter(control_call_parameters(call), fields);
	struct json_report report = { .on_problem = on_problem,
				      .arg = &parameter,
				      .null_is_absent = true };

	if (parameter == NULL &&
	    json_decode(&report, "$", control_call_parameters(call), fields, target))
		return true;
	control_call_invalid(call, parameter);
	return false;
}

bool handler_names(struct control_call *call, const char *parameter, const json_t *names)
{
	size_t i;
	json_t *name;

	json_array_foreach(names, i, name)
		if (!json_is_string(name)) {
			control_call_invalid(call, parameter);
			return false;
		}
	return true;
}

/* --- answers ----------------------------------------------------------------------------------- */

void handler_fail(struct control_call *call, const struct error *err)
{
	if (err->kind == ERROR_CONNECTION)
		control_call_error(call, "io.migrated.Unavailable",
				   json_pack("{s:s, s:s}", "database",
					     strstr(err->message, "target") != NULL ? "target"
										    : "source",
					     "message", err->message));
	else
		control_call_fail(call, err);
}

static void on_gone(void *arg)
{
	struct pending_call *pending = arg;

	pending->call = NULL;
}

struct pending_call *pending_call_new(struct handlers *handlers, struct control_call *call)
{
	struct pending_call *pending = memory_new(sizeof(*pending));

	pending->handlers = handlers;
	pending->call = call;
	control_call_on_gone(call, on_gone, pending);
	return pending;
}

void pending_call_reply(struct pending_call *pending, json_t *parameters)
{
	if (pending->call != NULL)
		control_call_reply(pending->call, parameters);
	else
		json_decref(parameters);
	free(pending);
}

void pending_call_fail(struct pending_call *pending, const struct error *err)
{
	if (pending->call != NULL)
		handler_fail(pending->call, err);
	free(pending);
}
