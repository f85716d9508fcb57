/*
 * From a verb to its view, and what all views have in common.
 */
#include "ctl/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "ctl/format.h"
#include "ctl/reply.h"

#define JSON_VERSION 1
#define FIELD_WIDTH 66 /* of text behind a label */

static const struct view *const views[] = {
	&view_status,	      &view_watch,	     &view_list,
	&view_logs,	      &view_analyze,	     &view_detect,
	&view_migrate,	      &view_pause,	     &view_resume,
	&view_cancel,	      &view_rollback,	     &view_left,
	&view_plan,	      &view_check,	     &view_report,
	&view_rules,	      &view_letters_list,    &view_letters_show,
	&view_letters_retry,  &view_letters_discard, &view_parked,
	&view_account,	      &view_validate,	     &view_explain,
	&view_conflicts_list, &view_conflicts_show,  &view_conflicts_resolve,
	&view_audit,	      &view_reload,
};

const struct view *view_by_verb(const char *verb)
{
	for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
		if (strcmp(views[i]->verb, verb) == 0)
			return views[i];
	return NULL;
}

/* --- asking ----------------------------------------------------------------------------------- */

void view_set_string(json_t *parameters, const char *key, const char *value)
{
	if (value)
		json_object_set_new(parameters, key, json_string(value));
}

void view_set_names(json_t *parameters, const char *key, const char *names)
{
	if (names)
		json_object_set_new(parameters, key, arguments_names(names));
}

void view_append_field(const struct look *look, struct text *out, const char *label,
		       int label_width, const char *string)
{
	text_appendf(out, "%-*s", label_width, label);
	while (look_width(string) > FIELD_WIDTH) {
		size_t length = look_fit(string, FIELD_WIDTH);
		_cleanup_free_ char *line = NULL;

		while (length > 0 && string[length] != ' ')
			length--;
		if (length == 0)
			break; /* one long word */
		line = text_format("%.*s", (int)length, string);
		look_append(look, out, STYLE_PLAIN, line);
		text_appendf(out, "\n%-*s", label_width, "");
		string += length + 1;
	}
	look_append(look, out, STYLE_PLAIN, string);
	text_append(out, "\n");
}

void view_append_names(struct text *out, const struct arguments *arguments)
{
	const char *name = arguments->entity ? arguments->entity : arguments->parent;

	if (name && !arguments->quiet)
		text_appendf(out,
			     "migratectl plan lists the entities, if \"%s\" is none of them.\n",
			     name);
}

void view_append_total(struct text *out, int64_t total, int64_t shown, const char *which)
{
	char number[32];

	text_appendf(out, "\n%s %s", text_thousands(number, total), format_rows(total));
	if (total > shown)
		text_appendf(out, ", the %s %s of them shown (--limit shows more)", which,
			     text_thousands(number, shown));
	text_append(out, ".\n");
}

void view_set_count(json_t *parameters, const char *key, int64_t count)
{
	if (count > 0)
		json_object_set_new(parameters, key, json_integer(count));
}

void view_set_flag(json_t *parameters, const char *key, bool flag)
{
	if (flag)
		json_object_set_new(parameters, key, json_true());
}

/* --- showing ---------------------------------------------------------------------------------- */

void view_append_json(struct text *out, json_t *reply, bool streaming)
{
	json_auto_t *object = json_object();

	json_object_set_new(object, "version", json_integer(JSON_VERSION));
	json_object_update(object, reply);
	char *dumped = json_dumps(object, (streaming ? JSON_COMPACT : JSON_INDENT(2)) |
						  JSON_REAL_PRECISION(15));

	text_append(out, dumped);
	text_append(out, "\n");
	free(dumped);
}

void view_append_entity_errors(const struct look *look, struct text *out, const json_t *entities)
{
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity) {
		const char *error = reply_string(entity, "error");

		if (!error)
			continue;
		look_append(look, out, STYLE_BAD, reply_string_or(entity, "entity", "-"));
		text_append(out, ": ");
		look_append(look, out, STYLE_PLAIN, error);
		text_append(out, "\n");
	}
}

enum exit_status view_judge_entity_errors(const json_t *entities)
{
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity)
		if (reply_string(entity, "error"))
			return EXIT_FAILED;
	return EXIT_DONE;
}

enum exit_status view_fail(const struct failure *failure)
{
	log_error(LOG_ERR, &failure->err);
	return failure->status;
}

enum exit_status view_call(const struct view *view, const struct arguments *arguments,
			   struct client *client)
{
	const struct look look = look_of(STDOUT_FILENO, arguments->no_color);
	json_auto_t *parameters = view->parameters ? view->parameters(arguments) : NULL;
	_cleanup_text_ struct text out = TEXT_INIT;
	struct failure failure;
	const char *method = view->method ? view->method : arguments->command->method;
	json_auto_t *reply = client_call(client, method, parameters, &failure);

	if (!reply)
		return view_fail(&failure);
	if (arguments->json)
		view_append_json(&out, reply, false);
	else
		view->print(&look, &out, reply, arguments);
	fputs(text_string(&out), stdout);
	return view->judge ? view->judge(reply) : EXIT_DONE;
}

enum exit_status view_run(const struct view *view, const struct arguments *arguments)
{
	struct client client;
	struct failure failure;
	int64_t timeout_ms = arguments->timeout_ms;
	enum exit_status status;

	if (timeout_ms == 0 && view->quick)
		timeout_ms = VIEW_QUICK_TIMEOUT_MS;
	if (!client_open(&client, arguments->socket, timeout_ms, &failure))
		status = failure.status == EXIT_NOT_RUNNING && view->without_daemon
				 ? view->without_daemon(arguments, &failure)
				 : view_fail(&failure);
	else if (view->run)
		status = view->run(view, arguments, &client);
	else
		status = view_call(view, arguments, &client);
	client_done(&client);
	return status;
}
