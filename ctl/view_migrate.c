/*
 * migrate: starts a session, and with --wait follows it to its end; with --dry-run it has one done that leaves nothing.
 */
#include "ctl/follow.h"
#include "ctl/format.h"
#include "ctl/reply.h"
#include "ctl/view.h"
#include "ctl/view_dry_run.h"

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "analysis", arguments->analysis_id);
	view_set_flag(parameters, "full", arguments->full);
	view_set_names(parameters, "entities", arguments->entities);
	view_set_names(parameters, "exclude", arguments->exclude);
	view_set_string(parameters, "strategy", arguments->strategy);
	view_set_count(parameters, "batch_size", arguments->batch_size);
	view_set_count(parameters, "parallel", arguments->parallel);
	return parameters;
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const char *session = reply_string_or(reply, "session", "-");
	char id[FORMAT_SIZE];

	text_append(out, "Session ");
	look_append(look, out, STYLE_BOLD, session);
	if (!arguments->quiet)
		text_appendf(out, "  (migratectl watch %s)", format_short_id(id, session));
	text_append(out, "\n");
}

static enum exit_status run(const struct view *view, const struct arguments *arguments,
			    struct client *client)
{
	json_auto_t *parameters = parameters_of(arguments);

	if (arguments->dry_run)
		return dry_run(arguments, parameters, client);
	return arguments->wait ? follow_begun(client, arguments, parameters)
			       : view_call(view, arguments, client);
}

const struct view view_migrate = {
	.verb = "migrate",
	.parameters = parameters_of,
	.print = print,
	.run = run,
};
