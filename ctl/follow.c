/*
 * Receives frames, shows them in one of four ways, and says in the end how the session ended. What the live screen shows is live.c's
 * business, what lines tell lines.c's.
 */
#include "ctl/follow.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "ctl/beside.h"
#include "ctl/cycles.h"
#include "ctl/format.h"
#include "ctl/keys.h"
#include "ctl/lines.h"
#include "ctl/live.h"
#include "ctl/outcome.h"
#include "ctl/reply.h"
#include "ctl/screen.h"
#include "ctl/terminal.h"
#include "ctl/view.h"

#define SCREEN_INTERVAL_MS 500 /* two frames a second */
#define LINES_INTERVAL_MS 5000
#define TICK_MS 1000	      /* the clock of a session goes on between frames */
#define RECONNECT_MS 1000     /* between attempts */
#define LETTERS_EVERY_MS 5000 /* while an entity's details are shown */
#define ASKING_LETTERS (-1)   /* beside the wishes of live.h */

enum manner { MANNER_SCREEN, MANNER_LINES, MANNER_JSON, MANNER_SILENT };

struct follow {
	const struct follow_settings *settings;
	struct client *client;
	struct look look;
	enum manner manner;
	bool on_and_on; /* goes on with the sessions after it */
	bool quit;
	struct terminal terminal;
	struct screen screen;
	struct live live;
	struct lines lines;
	struct beside beside;
	int also[2];	      /* the keyboard, and what is asked beside */
	json_t *frame;	      /* the last one received */
	int64_t frame_ms;     /* when, by the monotonic clock */
	int64_t reconnect_ms; /* not before; 0: there is a connection */
	int64_t letters_ms;   /* when dead letters were asked for last */
};

/* --- showing ---------------------------------------------------------------------------------- */

static const json_t *session_of(const json_t *frame)
{
	return json_object_get(frame, "session");
}

static int64_t age_ms(const struct follow *follow)
{
	return clock_monotonic_ms() - follow->frame_ms;
}

static void draw(struct follow *follow)
{
	_cleanup_text_ struct text out = TEXT_INIT;
	int columns, lines;

	if (follow->manner != MANNER_SCREEN || !follow->frame ||
	    !terminal_in_foreground(follow->screen.fd))
		return;
	screen_room(&follow->screen, &columns, &lines);
	live_append(&follow->live, &out, follow->frame, age_ms(follow), columns, (size_t)lines);
	screen_draw(&follow->screen, text_string(&out));
}

static void show(struct follow *follow)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	switch (follow->manner) {
	case MANNER_SCREEN:
		draw(follow);
		return;
	case MANNER_LINES:
		lines_print(&follow->lines, follow->frame);
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
	int columns, lines;

	if (follow->manner != MANNER_SCREEN || !follow->frame ||
	    !terminal_in_foreground(follow->screen.fd))
		return;
	screen_room(&follow->screen, &columns, &lines);
	if (!follow->settings->end)
		live_append_last(&follow->live, &out, follow->frame, age_ms(follow), columns);
	screen_finish(&follow->screen, text_string(&out));
}

/* --- following -------------------------------------------------------------------------------- */

static bool send_watch(struct follow *follow, const char *session, struct failure *failure)
{
	json_auto_t *parameters = json_object();

	if (follow->settings->method)
		return client_send(follow->client, follow->settings->method,
				   follow->settings->parameters, true, failure);
	view_set_string(parameters, "session", session);
	view_set_flag(parameters, "follow", follow->on_and_on);
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
	live_set_lost(&follow->live, NULL);
	show(follow);
}

static bool is_paused(const struct follow *follow)
{
	return strcmp(reply_string_or(session_of(follow->frame), "state", ""), "paused") == 0;
}

/* Who sits before a daemon that migrates in cycles wants to see the next one, too. */
static bool stays(const struct follow *follow)
{
	return follow->manner == MANNER_SCREEN && !follow->settings->method &&
	       !follow->settings->session && !follow->settings->until_paused &&
	       cycles_are_wanted(follow->frame);
}

/* The stream has ended; false: so has the following. */
static bool goes_on(struct follow *follow, bool *ret_sent, struct failure *failure)
{
	if (follow->on_and_on || !stays(follow))
		return false;
	follow->on_and_on = true;
	*ret_sent = send_watch(follow, NULL, failure);
	return true;
}

/* --- the daemon goes, and comes back ------------------------------------------------------------ */

static bool may_reconnect(const struct follow *follow, const struct failure *failure)
{
	return follow->on_and_on && !follow->settings->method &&
	       failure->status == EXIT_NOT_RUNNING;
}

static void say_lost(struct follow *follow)
{
	char at[FORMAT_SIZE], now[CLOCK_RFC3339_SIZE];
	_cleanup_free_ char *why =
		text_format("the daemon is gone since %s; reconnecting",
			    format_time_of_day(at, clock_format_rfc3339(now, clock_wall_us())));

	live_set_lost(&follow->live, why);
	if (follow->manner != MANNER_SCREEN)
		log_notice("%s", why);
	draw(follow);
}

static void disconnect(struct follow *follow)
{
	beside_done(&follow->beside);
	client_done(follow->client);
	follow->reconnect_ms = clock_monotonic_ms() + RECONNECT_MS;
}

/* Tries again, if it is time to. False with the failure: not even the reason is the same any more. */
static bool reconnect(struct follow *follow, struct failure *failure)
{
	struct client before = *follow->client;

	if (follow->reconnect_ms == 0 || clock_monotonic_ms() < follow->reconnect_ms)
		return true;
	client_done(follow->client);
	bool opened = client_open(follow->client, before.path, 0, failure);

	follow->client->deadline_ms = before.deadline_ms;
	follow->client->timeout_ms = before.timeout_ms;
	follow->client->signals = before.signals;
	follow->client->also = before.also;
	follow->client->also_count = before.also_count;
	if (!opened || !send_watch(follow, NULL, failure)) {
		disconnect(follow);
		return failure->status == EXIT_NOT_RUNNING;
	}
	follow->reconnect_ms = 0;
	if (follow->manner != MANNER_SCREEN)
		log_notice("the daemon is back");
	return true;
}

/* --- keys --------------------------------------------------------------------------------------- */

static json_t *steering_parameters(const struct follow *follow, enum live_wish wish)
{
	json_t *parameters = json_object();

	view_set_string(parameters, "session", reply_string(session_of(follow->frame), "session"));
	view_set_string(parameters, "entity", live_meant(&follow->live, follow->frame, wish));
	return parameters;
}

static void steer(struct follow *follow, enum live_wish wish)
{
	static const char *const methods[] = {
		[LIVE_PAUSE] = "io.migrated.Pause",
		[LIVE_RESUME] = "io.migrated.Resume",
		[LIVE_CANCEL] = "io.migrated.Cancel",
	};
	json_auto_t *parameters = steering_parameters(follow, wish);
	struct failure failure;

	beside_done(&follow->beside); /* dead letters can wait */
	live_say(&follow->live, STYLE_DIM, "...", 0);
	if (!beside_ask(&follow->beside, wish, methods[wish], parameters, &failure))
		live_answered(&follow->live, wish, NULL, &failure.err);
}

/* What an entity's details have that no frame has. */
static void ask_letters(struct follow *follow)
{
	const char *entity = live_entity(&follow->live);
	bool is_known = entity && strcmp(entity, follow->live.letters_of) == 0;
	json_auto_t *parameters = NULL;
	struct failure failure;

	if (!entity || follow->beside.is_open || follow->reconnect_ms > 0 ||
	    (is_known && clock_monotonic_ms() - follow->letters_ms < LETTERS_EVERY_MS))
		return;
	snprintf(follow->live.letters_of, sizeof follow->live.letters_of, "%s", entity);
	follow->letters_ms = clock_monotonic_ms();
	if (!is_known) {
		json_decref(follow->live.letters);
		follow->live.letters = NULL;
	}
	parameters = json_pack("{s:s, s:i}", "entity", entity, "limit", 1);
	if (!beside_ask(&follow->beside, ASKING_LETTERS, "io.migrated.ListDeadLetters", parameters,
			&failure))
		follow->letters_ms += LETTERS_EVERY_MS;
}

static void take_answer(struct follow *follow)
{
	int asked = follow->beside.what;
	json_t *reply = NULL;
	struct failure failure;

	switch (beside_look(&follow->beside, &reply, &failure)) {
	case BESIDE_NOTHING:
		return;
	case BESIDE_ANSWERED:
		if (asked == ASKING_LETTERS) {
			json_decref(follow->live.letters);
			follow->live.letters = json_incref(reply);
		} else {
			live_answered(&follow->live, asked, reply_string_or(reply, "state", "done"),
				      NULL);
		}
		json_decref(reply);
		break;
	case BESIDE_FAILED:
		if (asked != ASKING_LETTERS)
			live_answered(&follow->live, asked, NULL, &failure.err);
		break;
	}
	draw(follow);
}

static void press(struct follow *follow, int key)
{
	enum live_wish wish = live_key(&follow->live, follow->frame, key);

	if (wish == LIVE_QUIT)
		follow->quit = true;
	else if (wish != LIVE_NOTHING)
		steer(follow, wish);
}

static void take_keys(struct follow *follow)
{
	char bytes[256];
	size_t length, at = 0, taken;

	if (!terminal_read(&follow->terminal, bytes, sizeof bytes, &length)) {
		follow->quit = true; /* the terminal has gone */
		return;
	}
	for (; at < length && !follow->quit; at += taken)
		press(follow, keys_next(bytes + at, length - at, &taken));
	draw(follow);
}

static bool is_readable(int fd)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&entry, 1, 0) > 0;
}

/* Whatever is not a frame: keys, answers, signals, time. */
static void look_around(struct follow *follow)
{
	if (terminal_stopped(&follow->terminal))
		screen_forget(&follow->screen);
	if (is_readable(terminal_keyboard(&follow->terminal)))
		take_keys(follow);
	take_answer(follow);
	ask_letters(follow);
	draw(follow);
}

/* --- the loop ----------------------------------------------------------------------------------- */

static enum client_result receive(struct follow *follow, struct varlink_reply *ret_reply,
				  struct failure *failure)
{
	bool ticks = follow->manner == MANNER_SCREEN || follow->reconnect_ms > 0;

	follow->also[0] = terminal_keyboard(&follow->terminal);
	follow->also[1] = beside_fd(&follow->beside);
	return client_receive(follow->client, ticks ? TICK_MS : -1, ret_reply, failure);
}

/* Until the stream, the patience or the user ends it; false when it failed. */
static bool receive_frames(struct follow *follow, struct failure *failure)
{
	while (!terminal_interrupted() && !follow->quit) {
		struct varlink_reply reply;
		bool continues, sent;

		switch (receive(follow, &reply, failure)) {
		case CLIENT_REPLY:
			continues = reply.continues;
			take_frame(follow, &reply);
			if (follow->settings->until_paused && is_paused(follow))
				return true;
			if (continues)
				break;
			if (!goes_on(follow, &sent, failure))
				return true;
			if (!sent)
				return false;
			break;
		case CLIENT_TICK:
		case CLIENT_SIGNAL:
		case CLIENT_ALSO:
			look_around(follow);
			break;
		case CLIENT_FAILED:
			if (!may_reconnect(follow, failure))
				return false;
			disconnect(follow);
			say_lost(follow);
			break;
		}
		if (!reconnect(follow, failure))
			return false;
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
	bool received = send_watch(follow, follow->settings->session, &failure) &&
			receive_frames(follow, &failure);

	show_end(follow);
	if (terminal_interrupted() || (follow->quit && follow->settings->until_paused))
		return still_running(follow, EXIT_FAILED);
	if (follow->quit)
		return follow->settings->end ? EXIT_FAILED : EXIT_DONE;
	if (received && follow->settings->end)
		return follow->settings->end(&follow->look, follow->frame,
					     follow->settings->arguments);
	if (received)
		return say_outcome(follow);
	view_fail(&failure);
	return still_running(follow, failure.status);
}

static void begin(struct follow *follow)
{
	follow->manner = manner_of(follow->settings, &follow->look);
	terminal_begin(&follow->terminal, follow->manner == MANNER_SCREEN);
	screen_init(&follow->screen, STDOUT_FILENO);
	live_init(&follow->live, &follow->look);
	follow->live.keys = follow->terminal.ours;
	follow->live.ends_it = follow->settings->method != NULL;
	lines_init(&follow->lines, &follow->look);
	follow->client->signals = &follow->terminal.wait_signals;
	follow->client->also = follow->also;
	follow->client->also_count = sizeof follow->also / sizeof follow->also[0];
}

static void end(struct follow *follow)
{
	follow->client->signals = NULL;
	follow->client->also_count = 0;
	beside_done(&follow->beside);
	lines_done(&follow->lines);
	live_done(&follow->live);
	screen_done(&follow->screen);
	json_decref(follow->frame);
	terminal_end(&follow->terminal);
}

enum exit_status follow_session(struct client *client, const struct follow_settings *settings)
{
	struct follow follow = {
		.settings = settings,
		.client = client,
		.look = look_of(STDOUT_FILENO, settings->arguments->no_color),
		.on_and_on = settings->on_and_on,
		.beside = { .path = client->path },
	};
	enum exit_status status;

	begin(&follow);
	status = follow_frames(&follow);
	end(&follow);
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
