/*
 * Watch: how the session under way goes, by push. All who watch are one audience (audience.h), so a frame is made and written out
 * once, whoever gets it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "control/audience.h"
#include "control/frame.h"
#include "control/handler.h"

#define TICK_MS 500 /* two frames a second are as many as anybody can read */
#define MEMBERS_A_TURN 64
#define INTERVAL_MIN_MS 50
#define INTERVAL_MAX_MS 60000
#define WHATEVER_COMES "" /* the topic of those who follow: it is never over */

/* --- the audience ------------------------------------------------------------------------------ */

static json_t *frame(void *arg)
{
	return frame_describe(arg);
}

/* Of a session that runs or stands still, clocks go on. */
static bool is_going(void *arg)
{
	const struct handlers *handlers = arg;
	const struct session *session = engine_session(handlers->engine);

	return session != NULL && session->phase != SESSION_ENDED;
}

static bool is_over(void *arg, const char *topic)
{
	const struct handlers *handlers = arg;
	const struct session *session = engine_session(handlers->engine);

	if (strcmp(topic, WHATEVER_COMES) == 0)
		return false;
	return session == NULL || session->phase == SESSION_ENDED ||
	       strcmp(session->id, topic) != 0;
}

static void on_change(void *arg)
{
	audience_changed(arg);
}

static void on_attended(void *arg, bool attended)
{
	struct handlers *handlers = arg;

	if (attended)
		handlers->watched = engine_subscribe(handlers->engine, on_change,
						     handlers->watchers);
	else
		engine_unsubscribe(handlers->engine, handlers->watched);
}

struct audience *handlers_watchers_new(struct handlers *handlers)
{
	return audience_new(&(struct audience_settings){
		.base = handlers->base,
		.tick_ms = TICK_MS,
		.members_a_turn = MEMBERS_A_TURN,
		.frame = frame,
		.is_going = is_going,
		.is_over = is_over,
		.on_attended = on_attended,
		.arg = handlers,
	});
}

/* --- the call ---------------------------------------------------------------------------------- */

struct watch_parameters {
	char *session;
	bool follow;
	int64_t interval_ms;
};

static const struct json_field fields[] = {
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct watch_parameters, session) },
	{ .key = "follow",
	  .type = JSON_FIELD_BOOL,
	  .offset = offsetof(struct watch_parameters, follow) },
	{ .key = "interval_ms",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct watch_parameters, interval_ms),
	  .minimum = INTERVAL_MIN_MS,
	  .maximum = INTERVAL_MAX_MS },
	{ .key = NULL },
};

void handle_watch(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	const struct session *session = engine_session(handlers->engine);
	struct watch_parameters parameters = { .interval_ms = TICK_MS };
	_cleanup_free_ char *asked = NULL;

	if (!handler_decode(call, fields, &parameters)) {
		free(parameters.session);
		return;
	}
	asked = parameters.session;
	if (asked != NULL && (session == NULL || strncmp(session->id, asked, strlen(asked)) != 0)) {
		control_call_error(call, "io.migrated.NoSuchSession",
				   json_pack("{s:s}", "session", asked));
		return;
	}
	if (!control_call_wants_more(call) || (session == NULL && !parameters.follow))
		control_call_reply(call, frame_describe(handlers));
	else
		audience_join(handlers->watchers, call,
			      parameters.follow ? WHATEVER_COMES : session->id,
			      parameters.interval_ms);
}
