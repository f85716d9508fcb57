/*
 * logs: what the daemon has logged, asked of it over the control socket; of the journal, when it is down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "ctl/format.h"
#include "ctl/journal.h"
#include "ctl/reply.h"
#include "ctl/view.h"

#define LEVEL_WIDTH 7 /* "warning" */

static json_t *parameters_of(const struct arguments *arguments)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "level", arguments->level);
	view_set_count(parameters, "tail", arguments->tail);
	view_set_string(parameters, "session", arguments->session);
	view_set_string(parameters, "entity", arguments->entity);
	return parameters;
}

/* --- showing ---------------------------------------------------------------------------------- */

static enum style style_of_level(const char *level)
{
	static const struct {
		const char *level;
		enum style style;
	} styles[] = {
		{ "emerg", STYLE_BAD },	      { "alert", STYLE_BAD },	{ "crit", STYLE_BAD },
		{ "err", STYLE_BAD },	      { "notice", STYLE_BOLD }, { "debug", STYLE_DIM },
		{ "warning", STYLE_WARNING },
	};

	for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++)
		if (strcmp(styles[i].level, level) == 0)
			return styles[i].style;
	return STYLE_PLAIN;
}

/* What the message may not say itself; a session by the beginning of its id. */
static void append_fields(const struct look *look, struct text *out, const json_t *event)
{
	static const char *const names[] = { "session",	   "entity",   "database",
					     "legacy_key", "sqlstate", "phase" };
	char id[FORMAT_SIZE];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = reply_string(event, names[i]);
		_cleanup_free_ char *field = NULL;

		if (!value)
			continue;
		field = text_format("  %s=%s", names[i],
				    i == 0 ? format_short_id(id, value) : value);
		look_append(look, out, STYLE_DIM, field);
	}
}

static void append_event(const struct look *look, struct text *out, const json_t *event)
{
	const char *level = reply_string_or(event, "level", "-");
	int pad = LEVEL_WIDTH - look_width(level);
	char time[FORMAT_SIZE];

	text_appendf(out, "%s  ", format_time(time, reply_string_or(event, "time", "-")));
	look_append(look, out, style_of_level(level), level);
	text_appendf(out, "%*s", pad > 0 ? pad + 2 : 2, "");
	look_append(look, out, STYLE_PLAIN, reply_string_or(event, "message", "-"));
	append_fields(look, out, event);
	text_append(out, "\n");
}

static void print(const struct look *look, struct text *out, const json_t *reply,
		  const struct arguments *arguments)
{
	const json_t *events = json_object_get(reply, "events");
	char number[32];
	size_t i;
	json_t *event;

	if (reply_integer(reply, "missed") > 0)
		text_appendf(out, "%s events were forgotten before they could be shown\n",
			     text_thousands(number, reply_integer(reply, "missed")));
	json_array_foreach(events, i, event) {
		append_event(look, out, event);
	}
	if (json_array_size(events) == 0 && !arguments->follow && !arguments->quiet)
		text_append(out, "Nothing like this was logged since the daemon started.\n");
}

/* --- following -------------------------------------------------------------------------------- */

/* One line an event. */
static void print_json_lines(struct text *out, const json_t *reply)
{
	size_t i;
	json_t *event;

	json_array_foreach(json_object_get(reply, "events"), i, event) {
		view_append_json(out, event, true);
	}
}

static void show(const struct look *look, const struct arguments *arguments, json_t *reply)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	if (arguments->json && arguments->follow)
		print_json_lines(&out, reply);
	else if (arguments->json)
		view_append_json(&out, reply, false);
	else
		print(look, &out, reply, arguments);
	fputs(text_string(&out), stdout);
	fflush(stdout);
}

/* Until somebody ends it, or the daemon goes. */
static enum exit_status follow(const struct arguments *arguments, struct client *client)
{
	const struct look look = look_of(STDOUT_FILENO, arguments->no_color);
	json_auto_t *parameters = parameters_of(arguments);
	struct varlink_reply reply;
	struct failure failure;

	if (!client_send(client, arguments->command->method, parameters, true, &failure))
		return view_fail(&failure);
	while (client_receive(client, -1, &reply, &failure) == CLIENT_REPLY) {
		show(&look, arguments, reply.parameters);
		varlink_reply_done(&reply);
		if (ferror(stdout))
			return EXIT_FAILED;
	}
	return view_fail(&failure);
}

static enum exit_status run(const struct view *view, const struct arguments *arguments,
			    struct client *client)
{
	return arguments->follow ? follow(arguments, client) : view_call(view, arguments, client);
}

/* --- without the daemon ------------------------------------------------------------------------- */

/* Shown as they come, or all at the end, as the daemon would have answered. */
struct told {
	const struct arguments *arguments;
	const struct failure *failure;
	struct look look;
	json_t *events;
	bool any;
};

static void show_told(struct told *told)
{
	json_auto_t *reply = json_pack("{s:O, s:i}", "events", told->events, "missed", 0);

	if (json_array_size(told->events) > 0)
		show(&told->look, told->arguments, reply);
	json_array_clear(told->events);
}

static void on_event(void *arg, const json_t *event)
{
	struct told *told = arg;

	if (!told->any && !told->arguments->quiet)
		log_notice("%s; what follows is from the journal", told->failure->err.message);
	told->any = true;
	json_array_append_new(told->events, json_deep_copy(event));
	if (told->arguments->follow)
		show_told(told);
}

static enum exit_status ask_journal(const struct arguments *arguments,
				    const struct failure *failure)
{
	struct journal_question question = { .level = arguments->level,
					     .tail = arguments->tail,
					     .session = arguments->session,
					     .entity = arguments->entity,
					     .follow = arguments->follow };
	json_auto_t *events = json_array();
	struct told told = { .arguments = arguments,
			     .failure = failure,
			     .look = look_of(STDOUT_FILENO, arguments->no_color),
			     .events = events };
	bool read = journal_read(&question, on_event, &told);

	show_told(&told);
	return read && told.any ? EXIT_DONE : view_fail(failure);
}

const struct view view_logs = {
	.verb = "logs",
	.parameters = parameters_of,
	.print = print,
	.run = run,
	.without_daemon = ask_journal,
};
