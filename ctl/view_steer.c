/*
 * pause, resume, cancel: one word to a session, or to one entity of it.
 */
#include "ctl/reply.h"
#include "ctl/view.h"

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "session", arguments->session);
	view_set_string(parameters, "entity", arguments->entity);
	return parameters;
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const char *state = reply_string_or(reply, "state", "unknown");

	text_append(out, "Session ");
	look_append(look, out, STYLE_BOLD, reply_string_or(reply, "session", "-"));
	if (arguments->entity) {
		text_append(out, "  ");
		look_append(look, out, STYLE_PLAIN, arguments->entity);
	}
	text_append(out, "  ");
	look_append(look, out, look_style_of(state), state);
	text_append(out, "\n");
}

const struct view view_pause = {
	.verb = "pause",
	.parameters = parameters_of,
	.print = print,
	.quick = true,
};

const struct view view_resume = {
	.verb = "resume",
	.parameters = parameters_of,
	.print = print,
	.quick = true,
};

const struct view view_cancel = {
	.verb = "cancel",
	.parameters = parameters_of,
	.print = print,
	.quick = true,
};
