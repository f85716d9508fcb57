/*
 * Receives frames, shows them in one of four ways, and says in the end how the session ended.
 */
#include "ctl/follow.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "ctl/format.h"
#include "ctl/hold.h"
#include "ctl/outcome.h"
#include "ctl/progress.h"
#include "ctl/reply.h"
#include "ctl/screen.h"
#include "ctl/view.h"

#define SCREEN_INTERVAL_MS 500 /* two frames a second */
#define LINES_INTERVAL_MS 5000
#define STATUS_WIDTH 9 /* "completed" */
#define TICK_MS 1000   /* the clock of a session goes on between frames */

enum manner { MANNER_SCREEN, MANNER_LINES, MANNER_JSON, MANNER_SILENT };

struct follow {
	const struct follow_settings *settings;
	struct client *client;
	struct look look;
	enum manner manner;
	struct screen screen;
	json_t *frame;	  /* the last one received */
	int64_t frame_ms; /* when, by the monotonic clock */
	json_t *told;	  /* by MANNER_LINES: entity → status */
	sigset_t old_signals;
	sigset_t wait_signals;
};

/* --- signals ---------------------------------------------------------------------------------- */

/* Handlers can say nothing but that the signal came. They run only while the client waits. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	interrupted = signal_number;
}

static void on_resize(int signal_number)
{
	(void)signal_number;
}

static void take_signals(struct follow *follow)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGWINCH };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		struct sigaction action = {
			.sa_handler = numbers[i] == SIGWINCH ? on_resize : on_interrupt,
		};

		sigaddset(&blocked, numbers[i]);
		sigaction(numbers[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, &follow->old_signals);
	follow->wait_signals = follow->old_signals;
	follow->client->signals = &follow->wait_signals;
}

static void give_signals_back(struct follow *follow)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGWINCH, SIG_DFL);
	sigprocmask(SIG_SETMASK, &follow->old_signals, NULL);
	follow->client->signals = NULL;
	if (interrupted)
		raise(interrupted); /* so that the shell knows, too */
}

/* --- showing ---------------------------------------------------------------------------------- */

static const json_t *session_of(const json_t *frame)
{
	return json_object_get(frame, "session");
}

/* What holds for the daemon as a whole, on one line: "throttled: …"; nothing of most. */
static void append_circumstances(const struct follow *follow, struct text *line)
{
	static const char *const kinds[] = { "standby", "throttled" };
	const char *next = reply_string(follow->frame, "next_cycle");
	const char *state = reply_string_or(session_of(follow->frame), "state", "");
	bool is_over = strcmp(state, "running") != 0 && strcmp(state, "paused") != 0;
	char at[FORMAT_SIZE];

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		const char *why = reply_string(follow->frame, kinds[i]);

		if (!why)
			continue;
		text_appendf(line, "%s: %s", kinds[i], why);
		return;
	}
	if (next && is_over)
		text_appendf(line, "Next cycle at %s", format_time(at, next));
}

static void append_frame(const struct follow *follow, struct text *out, size_t max_lines)
{
	const json_t *session = session_of(follow->frame);
	_cleanup_text_ struct text line = TEXT_INIT;

	append_circumstances(follow, &line);
	if (json_is_object(session))
		progress_frame(&follow->look, out, session,
			       json_object_get(follow->frame, "entities"),
			       clock_monotonic_ms() - follow->frame_ms,
			       max_lines - (line.length > 0 && max_lines > 1));
	else
		text_append(out, follow->settings->method ? "Preparing.\n"
							  : "No session is under way.\n");
	if (line.length > 0) {
		look_append(&follow->look, out, STYLE_PLAIN, text_string(&line));
		text_append(out, "\n");
	}
}

static void draw(struct follow *follow)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	if (follow->manner != MANNER_SCREEN || !follow->frame)
		return;
	append_frame(follow, &out, (size_t)screen_rows(&follow->screen));
	screen_draw(&follow->screen, text_string(&out));
}

static void append_padded(const struct look *look, struct text *out, enum style style,
			  const char *string, int width)
{
	look_append(look, out, style, string);
	text_appendf(out, "%*s  ", width - look_width(string), "");
}

static void print_entity_line(const struct follow *follow, const char *clock, const json_t *entity,
			      int name_width)
{
	_cleanup_text_ struct text line = TEXT_INIT;
	const char *status = reply_string_or(entity, "status", "unknown");
	_cleanup_free_ char *reason = hold_entity_reason(entity);
	char done[32], total[32], failed[32], parked[32];

	text_appendf(&line, "%s  ", clock);
	append_padded(&follow->look, &line, STYLE_PLAIN, reply_string_or(entity, "entity", "-"),
		      name_width);
	append_padded(&follow->look, &line, look_style_of(status), status, STATUS_WIDTH);
	text_appendf(&line, "%s of %s rows, %s failed, %s parked",
		     text_thousands(done, reply_integer(entity, "done")),
		     text_thousands(total, reply_integer(entity, "total")),
		     text_thousands(failed, reply_integer(entity, "failed")),
		     text_thousands(parked, reply_integer(entity, "parked")));
	if (reason[0] != '\0') {
		text_append(&line, ": ");
		look_append(&follow->look, &line, STYLE_PLAIN, reason);
	}
	puts(text_string(&line));
}

static void print_plain_line(const struct follow *follow, const char *clock, const char *what,
			     const char *why)
{
	_cleanup_text_ struct text line = TEXT_INIT;

	look_append(&follow->look, &line, STYLE_PLAIN, why);
	printf("%s  %s%s\n", clock, what, text_string(&line));
}

/* What makes a line worth it: another status, or that its attempts begin to fail. */
static char *standing_of(const json_t *entity)
{
	return text_format("%s%s", reply_string_or(entity, "status", "unknown"),
			   reply_integer(entity, "attempts") > 0 ? " (failing)" : "");
}

/* True when this has not been told under this name yet; it counts as told then. */
static bool is_news(struct follow *follow, const char *name, const char *otherwise, const char *now)
{
	bool news = strcmp(reply_string_or(follow->told, name, otherwise), now) != 0;

	json_object_set_new(follow->told, name, json_string(now));
	return news;
}

/* Entities of which there is news, but not those that have always been pending. */
static void print_changed_entities(struct follow *follow, const char *clock)
{
	const json_t *entities = json_object_get(follow->frame, "entities");
	int name_width = progress_name_width(entities);
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity) {
		_cleanup_free_ char *standing = standing_of(entity);

		if (is_news(follow, reply_string_or(entity, "entity", "-"), "pending", standing))
			print_entity_line(follow, clock, entity, name_width);
	}
}

/* Why nothing goes on, when that has changed: of the session, of the daemon. No entity has a name with a slash. */
static void print_changed_circumstances(struct follow *follow, const char *clock)
{
	_cleanup_text_ struct text hold = TEXT_INIT;
	_cleanup_text_ struct text circumstances = TEXT_INIT;

	hold_append(&hold, session_of(follow->frame));
	append_circumstances(follow, &circumstances);
	if (is_news(follow, "/hold", "", text_string(&hold)) && hold.length > 0)
		print_plain_line(follow, clock, "paused: ", text_string(&hold));
	if (is_news(follow, "/circumstances", "", text_string(&circumstances)) &&
	    circumstances.length > 0)
		print_plain_line(follow, clock, "", text_string(&circumstances));
}

static void print_lines(struct follow *follow)
{
	const json_t *session = session_of(follow->frame);
	const char *id = reply_string_or(session, "session", "-");
	_cleanup_text_ struct text out = TEXT_INIT;
	_cleanup_text_ struct text hold = TEXT_INIT;
	char clock[32];

	if (!json_is_object(session)) {
		puts("No session is under way.");
		return;
	}
	if (strcmp(reply_string_or(follow->told, "", ""), id) != 0) {
		json_object_clear(follow->told);
		json_object_set_new(follow->told, "", json_string(id));
		progress_head(&follow->look, &out, session, 0);
		hold_append(&hold, session);
		json_object_set_new(follow->told, "/hold", json_string(text_string(&hold)));
	}
	clock_format_elapsed(clock, reply_integer(session, "elapsed_ms"));
	fputs(text_string(&out), stdout);
	print_changed_circumstances(follow, clock);
	print_changed_entities(follow, clock);
	text_clear(&out);
	progress_overall(&follow->look, &out, session);
	printf("%s  %s", clock, text_string(&out));
}

static void show(struct follow *follow)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	switch (follow->manner) {
	case MANNER_SCREEN:
		draw(follow);
		return;
	case MANNER_LINES:
		print_lines(follow);
		break;
	case MANNER_JSON:
		view_append_json(&out, follow->frame, true);
		fputs(text_string(&out), stdout);
		break;
	case MANNER_SILENT:
		return;
	}
	fflush(stdout);
}

/* The last frame stays where it was shown. */
static void show_end(struct follow *follow)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	if (follow->manner != MANNER_SCREEN || !follow->frame)
		return;
	if (!follow->settings->end)
		append_frame(follow, &out, 0);
	screen_finish(&follow->screen, text_string(&out));
}

/* --- following -------------------------------------------------------------------------------- */

static bool send_watch(struct follow *follow, struct failure *failure)
{
	json_auto_t *parameters = json_object();

	if (follow->settings->method)
		return client_send(follow->client, follow->settings->method,
				   follow->settings->parameters, true, failure);
	view_set_string(parameters, "session", follow->settings->session);
	view_set_flag(parameters, "follow", follow->settings->on_and_on);
	view_set_count(parameters, "interval_ms",
		       follow->manner == MANNER_LINES ? LINES_INTERVAL_MS : SCREEN_INTERVAL_MS);
	return client_send(follow->client, "io.migrated.Watch", parameters, true, failure);
}

static void take_frame(struct follow *follow, struct varlink_reply *reply)
{
	json_decref(follow->frame);
	follow->frame = json_incref(reply->parameters);
	follow->frame_ms = clock_monotonic_ms();
	varlink_reply_done(reply);
	show(follow);
}

static bool is_paused(const struct follow *follow)
{
	return strcmp(reply_string_or(session_of(follow->frame), "state", ""), "paused") == 0;
}

/* Until the stream, the patience or the user ends it; false when it failed. */
static bool receive_frames(struct follow *follow, struct failure *failure)
{
	const int tick_ms = follow->manner == MANNER_SCREEN ? TICK_MS : -1;

	while (!interrupted) {
		struct varlink_reply reply;
		bool continues;

		switch (client_receive(follow->client, tick_ms, &reply, failure)) {
		case CLIENT_REPLY:
			continues = reply.continues;
			take_frame(follow, &reply);
			if (!continues || (follow->settings->until_paused && is_paused(follow)))
				return true;
			break;
		case CLIENT_TICK:
		case CLIENT_SIGNAL:
			draw(follow);
			break;
		case CLIENT_FAILED:
			return false;
		}
	}
	return true;
}

/* The session does not end with us. */
static enum exit_status still_running(const struct follow *follow, enum exit_status status)
{
	char id[FORMAT_SIZE];
	const char *session = reply_string(session_of(follow->frame), "session");

	if (session && !follow->settings->arguments->quiet && follow->settings->until_paused) {
		format_short_id(id, session);
		log_notice("session %s goes on; migratectl watch %s follows it, migratectl cancel "
			   "%s ends it",
			   id, id, id);
	}
	return status;
}

/* The last frame speaks of the session that was asked for, or of whichever was under way. */
static bool is_ours(const struct follow *follow)
{
	const char *asked = follow->settings->session;
	const char *shown = reply_string_or(session_of(follow->frame), "session", "");

	return !asked || strncmp(shown, asked, strlen(asked)) == 0;
}

static enum exit_status say_outcome(const struct follow *follow)
{
	_cleanup_text_ struct text sentence = TEXT_INIT;
	enum exit_status status = EXIT_FAILED;

	if (is_ours(follow))
		status = outcome_of(session_of(follow->frame), &sentence);
	else
		text_appendf(&sentence,
			     "how session %s ended is not known; migratectl list may tell",
			     follow->settings->session);
	if (sentence.length > 0 && (status != EXIT_DONE || !follow->settings->arguments->quiet))
		log_notice("%s", text_string(&sentence));
	return status;
}

static enum manner manner_of(const struct follow_settings *settings, const struct look *look)
{
	const struct arguments *arguments = settings->arguments;

	if (settings->end && (arguments->json || !look->terminal))
		return MANNER_SILENT;
	if (arguments->json)
		return MANNER_JSON;
	if (arguments->quiet)
		return MANNER_SILENT;
	return look->terminal ? MANNER_SCREEN : MANNER_LINES;
}

static enum exit_status follow_frames(struct follow *follow)
{
	struct failure failure;
	bool received = send_watch(follow, &failure) && receive_frames(follow, &failure);

	show_end(follow);
	if (interrupted)
		return still_running(follow, EXIT_FAILED);
	if (received && follow->settings->end)
		return follow->settings->end(&follow->look, follow->frame,
					     follow->settings->arguments);
	if (received)
		return say_outcome(follow);
	view_fail(&failure);
	return still_running(follow, failure.status);
}

enum exit_status follow_session(struct client *client, const struct follow_settings *settings)
{
	struct follow follow = {
		.settings = settings,
		.client = client,
		.look = look_of(STDOUT_FILENO, settings->arguments->no_color),
		.told = json_object(),
	};

	follow.manner = manner_of(settings, &follow.look);
	screen_init(&follow.screen, STDOUT_FILENO);
	take_signals(&follow);
	enum exit_status status = follow_frames(&follow);

	give_signals_back(&follow);
	json_decref(follow.frame);
	json_decref(follow.told);
	return status;
}

enum exit_status follow_begun(struct client *client, const struct arguments *arguments,
			      json_t *parameters)
{
	struct failure failure;
	json_auto_t *reply = client_call(client, arguments->command->method, parameters, &failure);

	if (!reply)
		return view_fail(&failure);
	return follow_session(client, &(struct follow_settings){
					      .session = reply_string(reply, "session"),
					      .until_paused = true,
					      .arguments = arguments,
				      });
}
