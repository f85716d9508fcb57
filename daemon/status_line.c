/*
 * See status_line.h. It is made of what Status answers, so that both agree.
 */
#include "status_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/notify.h"
#include "common/clock.h"
#include "common/text.h"

#define EVERY_S 1

struct status_line {
	struct engine *engine;
	struct engine_subscriber *subscriber;
	struct event *later; /* pending while the last one is not old enough */
	bool changed;
	char *told;
};

/* "2026-11-21 14:03:12 UTC" */
static void append_time(struct text *line, int64_t wall_us)
{
	char time[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(time, wall_us);
	text_appendf(line, "%.10s %.8s UTC", time, time + 11);
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *string = json_string_value(json_object_get(object, key));

	return string != NULL ? string : "";
}

/* Its rate, or why it stands still. */
static void append_progress(struct text *line, const json_t *session)
{
	const json_t *wait = json_object_get(session, "wait");
	const json_t *rate = json_object_get(session, "rows_per_second");
	char number[32];

	text_appendf(line, ", %.1f%%", json_number_value(json_object_get(session, "percent")));
	if (json_is_object(wait))
		text_appendf(line, ", %s%s%s", string_of(wait, "kind"),
			     string_of(wait, "reason")[0] != '\0' ? ": " : "",
			     string_of(wait, "reason"));
	else if (json_is_number(rate))
		text_appendf(line, ", %s rows/s",
			     text_thousands(number, (int64_t)json_number_value(rate)));
}

static void append_cycles(struct text *line, const struct engine *engine)
{
	const struct cycles *cycles = engine_cycles(engine);

	if (cycles->in_step_us > 0 && engine_config(engine)->settings.schedule_every_ms > 0) {
		text_append(line, "; in step with ");
		append_time(line, cycles->in_step_us);
	}
	if (cycles->next_us > 0) {
		text_append(line, "; next cycle ");
		append_time(line, cycles->next_us);
	}
}

static char *make_line(const struct engine *engine)
{
	const struct session *session = engine_session(engine);
	bool under_way = session != NULL && session->phase != SESSION_ENDED;
	const struct error *reason;
	struct text line = TEXT_INIT;

	text_append(&line, engine_state(engine, &reason));
	if (reason != NULL && reason->kind != ERROR_NONE)
		text_appendf(&line, ": %s", reason->message);
	if (under_way) {
		json_auto_t *described = session_describe(session);

		text_appendf(&line, "%s session %.8s (%s)",
			     reason != NULL && reason->kind != ERROR_NONE ? ";" : ":", session->id,
			     session_mode(session));
		append_progress(&line, described);
	}
	if (engine_standby(engine) == NULL)
		append_cycles(&line, engine);
	return text_steal(&line);
}

static void tell(struct status_line *line)
{
	char *now = make_line(line->engine);

	line->changed = false;
	event_add(line->later, &(struct timeval){ .tv_sec = EVERY_S });
	if (line->told != NULL && strcmp(now, line->told) == 0) {
		free(now);
		return;
	}
	notify_status("%s", now);
	free(line->told);
	line->told = now;
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
	struct status_line *line = arg;

	(void)fd;
	(void)what;
	if (line->changed)
		tell(line);
}

static void on_change(void *arg)
{
	struct status_line *line = arg;

	line->changed = true;
	if (!event_pending(line->later, EV_TIMEOUT, NULL))
		tell(line);
}

struct status_line *status_line_new(struct event_base *base, struct engine *engine)
{
	struct status_line *line = memory_new(sizeof(*line));

	line->engine = engine;
	line->later = event_new(base, -1, 0, on_later, line);
	line->subscriber = engine_subscribe(engine, on_change, line);
	tell(line);
	return line;
}

void status_line_free(struct status_line *line)
{
	if (line == NULL)
		return;
	engine_unsubscribe(line->engine, line->subscriber);
	event_free(line->later);
	free(line->told);
	free(line);
}
