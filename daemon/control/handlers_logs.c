/*
 * Logs: the daemon's last events, from the memory of base/journal.h; and with `more` those that follow, as they come.
 *
 * A follower is told of events a tenth of a second after the first of them, so that a burst is one frame. What does not fit into a
 * frame, or is refused since the peer reads slowly, stays where it is and comes later; what the memory has lost by then is counted.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "common/uuid.h"
#include "control/handler.h"

#define TAIL 50
#define FRAME_MOST 200 /* events in a frame */
#define FRAME_DELAY_MS 100
#define RETRY_DELAY_MS 500 /* after a frame that a slow peer was not given */

struct log_filter {
	int max_priority;
	char *session; /* the beginning of an id; NULL: all */
	char *entity;  /* NULL: all */
};

struct log_follower {
	struct handlers *handlers;
	struct control_call *call;
	struct log_filter filter;
	struct event *timer;
	uint64_t told; /* the number of the last event that was looked at */
	struct log_follower *next;
};

/* --- which events --------------------------------------------------------------------------------- */

static void filter_done(struct log_filter *filter)
{
	free(filter->session);
	free(filter->entity);
}

static bool is_wanted(const struct log_filter *filter, const struct journal_event *event)
{
	return event->priority <= filter->max_priority &&
	       (filter->session == NULL ||
		strncmp(event->session, filter->session, strlen(filter->session)) == 0) &&
	       (filter->entity == NULL || strcmp(event->entity, filter->entity) == 0);
}

static json_t *string_or_null(const char *string)
{
	return string[0] != '\0' ? json_string(string) : json_null();
}

static json_t *describe(const struct journal_event *event)
{
	const struct event_description *kind = event_describe(event->kind);
	char time[CLOCK_RFC3339_SIZE];

	return json_pack("{s:I, s:s, s:s, s:o, s:s?, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "number",
			 (json_int_t)event->number, "time",
			 clock_format_rfc3339(time, event->wall_us), "level",
			 journal_priority_name(event->priority), "message",
			 json_lossy_string(event->message), "event", kind->name, "message_id",
			 kind->message_id, "session", string_or_null(event->session), "entity",
			 string_or_null(event->entity), "database", string_or_null(event->database),
			 "legacy_key", string_or_null(event->legacy_key), "sqlstate",
			 string_or_null(event->sqlstate), "phase", string_or_null(event->phase));
}

/* The events wanted above `after`, up to `most`; *ret_told is the last that was looked at, *ret_missed how many are forgotten. */
static json_t *events_after(const struct log_filter *filter, uint64_t after, size_t most,
			    uint64_t *ret_told, uint64_t *ret_missed)
{
	const struct journal_event *event = journal_next(after);
	json_t *events = json_array();

	*ret_missed = event != NULL ? event->number - after - 1 : 0;
	*ret_told = after;
	for (; event != NULL && json_array_size(events) < most; event = journal_next(*ret_told)) {
		if (is_wanted(filter, event))
			json_array_append_new(events, describe(event));
		*ret_told = event->number;
	}
	return events;
}

/* The last `tail` events wanted. */
static json_t *last_events(const struct log_filter *filter, int64_t tail)
{
	uint64_t told, missed;
	json_t *events = events_after(filter, 0, JOURNAL_RECENT, &told, &missed);

	while ((int64_t)json_array_size(events) > tail)
		json_array_remove(events, 0);
	return events;
}

static json_t *frame(json_t *events, uint64_t missed)
{
	return json_pack("{s:o, s:I}", "events", events, "missed", (json_int_t)missed);
}

/* --- following ------------------------------------------------------------------------------------ */

static void arm(struct log_follower *follower, int delay_ms)
{
	struct timeval delay = { .tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000 };

	if (!event_pending(follower->timer, EV_TIMEOUT, NULL))
		event_add(follower->timer, &delay);
}

/* Called from within log_event(). */
static void on_event(void *arg, const struct journal_event *event)
{
	struct handlers *handlers = arg;

	for (struct log_follower *at = handlers->log_followers; at != NULL; at = at->next) {
		if (is_wanted(&at->filter, event))
			arm(at, FRAME_DELAY_MS);
		else if (!event_pending(at->timer, EV_TIMEOUT, NULL))
			at->told = event->number; /* nothing before it waits to be told */
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct log_follower *follower = arg;
	uint64_t told, missed;
	json_t *events = events_after(&follower->filter, follower->told, FRAME_MOST, &told,
				      &missed);
	bool more = json_array_size(events) == FRAME_MOST;

	(void)fd;
	(void)what;
	if (json_array_size(events) == 0 && missed == 0)
		json_decref(events);
	else if (!control_call_continue(follower->call, frame(events, missed))) {
		arm(follower, RETRY_DELAY_MS);
		return;
	}
	follower->told = told;
	if (more)
		arm(follower, FRAME_DELAY_MS);
}

static void on_follower_gone(void *arg)
{
	struct log_follower *follower = arg;
	struct handlers *handlers = follower->handlers;
	struct log_follower **at = &handlers->log_followers;

	while (*at != follower)
		at = &(*at)->next;
	*at = follower->next;
	if (handlers->log_followers == NULL)
		journal_unwatch(&handlers->log_watcher);
	event_free(follower->timer);
	filter_done(&follower->filter);
	free(follower);
}

/* The filter is taken over. */
static void follow(struct handlers *handlers, struct control_call *call,
		   const struct log_filter *filter)
{
	struct log_follower *follower = memory_new(sizeof(*follower));

	*follower = (struct log_follower){ .handlers = handlers,
					   .call = call,
					   .filter = *filter,
					   .told = journal_last_number(),
					   .next = handlers->log_followers };
	follower->timer = event_new(handlers->base, -1, 0, on_timer, follower);
	if (handlers->log_followers == NULL) {
		handlers->log_watcher = (struct journal_watcher){ on_event, handlers, NULL };
		journal_watch(&handlers->log_watcher);
	}
	handlers->log_followers = follower;
	control_call_on_gone(call, on_follower_gone, follower);
}

/* --- the call --------------------------------------------------------------------------------------- */

struct logs_parameters {
	char *level;
	int64_t tail;
	char *session;
	char *entity;
};

static const struct json_field logs_fields[] = {
	{ .key = "level",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct logs_parameters, level) },
	{ .key = "tail",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct logs_parameters, tail),
	  .minimum = 0,
	  .maximum = JOURNAL_RECENT },
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct logs_parameters, session) },
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct logs_parameters, entity) },
	{ .key = NULL },
};

/* The syslog priority of that name; -1: there is none. */
static int priority_of(const char *level)
{
	for (int priority = LOG_EMERG; priority <= LOG_DEBUG; priority++)
		if (strcmp(journal_priority_name(priority), level) == 0)
			return priority;
	return -1;
}

/* False when the call has been answered. */
static bool make_filter(struct control_call *call, struct logs_parameters *parameters,
			struct log_filter *ret_filter)
{
	*ret_filter = (struct log_filter){ .max_priority = LOG_DEBUG,
					   .session = parameters->session,
					   .entity = parameters->entity };
	if (parameters->level != NULL)
		ret_filter->max_priority = priority_of(parameters->level);
	if (ret_filter->max_priority >= 0 &&
	    (parameters->session == NULL || uuid_is_prefix(parameters->session)))
		return true;
	control_call_invalid(call, ret_filter->max_priority < 0 ? "level" : "session");
	return false;
}

void handle_logs(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	struct logs_parameters parameters = { .tail = TAIL };
	struct log_filter filter = { 0 };
	bool good = handler_decode(call, logs_fields, &parameters) &&
		    make_filter(call, &parameters, &filter);

	free(parameters.level);
	if (!good) {
		free(parameters.session);
		free(parameters.entity);
		return;
	}
	if (!control_call_wants_more(call)) {
		control_call_reply(call, frame(last_events(&filter, parameters.tail), 0));
		filter_done(&filter);
		return;
	}
	control_call_continue(call, frame(last_events(&filter, parameters.tail), 0));
	follow(handlers, call, &filter);
}
