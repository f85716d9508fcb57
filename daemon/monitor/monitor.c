/*
 * See monitor.h: who owns the pieces, and the clock of what is done by the clock.
 */
#include "monitor/monitor.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "base/journal.h"
#include "common/clock.h"
#include "common/text.h"
#include "monitor/alerts.h"
#include "monitor/census.h"
#include "monitor/metrics.h"
#include "monitor/serve.h"
#include "monitor/textfile.h"
#include "run/engine.h"

/* How often the lag is looked at. */
#define LAG_LOOK_S 5

struct monitor {
	struct event_base *base;
	struct engine *engine;
	struct metrics metrics;
	struct alerts *alerts;
	struct census *census; /* NULL: nothing is measured */
	struct server *server;
	char *listen;	/* of the server; "" none */
	char *textfile; /* written last; "" none */
	bool textfile_failed;
	struct event *write;
	struct event *lag;
	bool lags;
	struct journal_watcher watcher;
	struct engine_subscriber *subscriber;
};

static const struct settings *settings_of(const struct monitor *monitor)
{
	return &engine_config(monitor->engine)->settings;
}

static void on_event(void *arg, const struct journal_event *event)
{
	struct monitor *monitor = arg;

	if (event->priority >= 0 && event->priority < METRICS_PRIORITIES)
		monitor->metrics.logged[event->priority]++;
}

/* --- the lag ------------------------------------------------------------------------------------- */

static void on_lag(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *monitor = arg;
	int64_t limit_ms = settings_of(monitor)->alert_lag_ms;
	int64_t lag_us = metrics_lag_us(monitor->engine);
	bool lags = limit_ms > 0 && lag_us > limit_ms * 1000;
	char elapsed[32], limit[32];

	(void)fd;
	(void)what;
	event_add(monitor->lag, &(struct timeval){ .tv_sec = LAG_LOOK_S });
	if (lags == monitor->lags)
		return;
	monitor->lags = lags;
	if (lags)
		event_log(EVENT_LAG_EXCEEDED, NULL,
			  "the target is %s behind, which is more than %s",
			  clock_format_elapsed(elapsed, lag_us / 1000),
			  clock_format_duration(limit, limit_ms));
	else
		event_log(EVENT_IN_STEP_AGAIN, NULL, "the target is in step again");
}

/* --- the file ------------------------------------------------------------------------------------ */

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *monitor = arg;
	int64_t every_ms = settings_of(monitor)->metrics_textfile_every_ms;
	_cleanup_text_ struct text text = TEXT_INIT;
	struct error err;
	bool written;

	(void)fd;
	(void)what;
	metrics_write(&monitor->metrics, &text);
	written = textfile_write(monitor->textfile, &text, &err);
	if (!written && !monitor->textfile_failed)
		log_error(LOG_ERR, &err);
	monitor->textfile_failed = !written;
	event_add(monitor->write, &(struct timeval){ .tv_sec = every_ms / 1000,
						     .tv_usec = every_ms % 1000 * 1000 });
}

static void remove_textfile(struct monitor *monitor)
{
	if (monitor->textfile[0] != '\0')
		unlink(monitor->textfile);
	event_del(monitor->write);
}

/* --- what alerts ask for -------------------------------------------------------------------------- */

static const struct settings *present_settings(void *arg)
{
	return settings_of(arg);
}

static bool is_up(void *arg, const char *database)
{
	const struct monitor *monitor = arg;
	const struct pg_connection *source = engine_source(monitor->engine);

	return pg_connection_is_up(strcmp(database, pg_connection_name(source)) == 0
					   ? source
					   : engine_target(monitor->engine));
}

/* --- life ---------------------------------------------------------------------------------------- */

static void write_metrics(void *arg, struct text *text)
{
	const struct monitor *monitor = arg;

	metrics_write(&monitor->metrics, text);
}

/* True when it was another. */
static bool replace(char **string, const char *by)
{
	if (strcmp(*string, by) == 0)
		return false;
	free(*string);
	*string = text_copy(by);
	return true;
}

/* What the configuration says just now, which a reload may have changed. */
static void follow_settings(struct monitor *monitor)
{
	const struct settings *settings = settings_of(monitor);
	bool measures = settings->metrics_listen[0] != '\0' ||
			settings->metrics_textfile[0] != '\0';

	if (measures && monitor->census == NULL)
		monitor->census = census_new(monitor->base, monitor->engine);
	monitor->metrics.census = monitor->census;
	if (strcmp(monitor->textfile, settings->metrics_textfile) != 0)
		remove_textfile(monitor);
	if (replace(&monitor->textfile, settings->metrics_textfile) && monitor->textfile[0] != '\0')
		event_add(monitor->write, &(struct timeval){ 0 });
	if (replace(&monitor->listen, settings->metrics_listen)) {
		server_free(monitor->server);
		monitor->server = monitor->listen[0] == '\0'
					  ? NULL
					  : server_new(monitor->base, monitor->listen,
						       write_metrics, monitor);
	}
}

static void on_change(void *arg)
{
	follow_settings(arg);
}

struct monitor *monitor_new(struct event_base *base, struct engine *engine,
			    const struct control *control)
{
	struct monitor *monitor = memory_new(sizeof(*monitor));

	monitor->base = base;
	monitor->engine = engine;
	monitor->listen = text_copy("");
	monitor->textfile = text_copy("");
	monitor->alerts = alerts_new(base,
				     &(struct alerts_means){ present_settings, is_up, monitor });
	monitor->metrics = (struct metrics){ .engine = engine,
					     .control = control,
					     .alerts = monitor->alerts,
					     .started_us = clock_wall_us() };
	monitor->write = event_new(base, -1, 0, on_write, monitor);
	monitor->lag = event_new(base, -1, 0, on_lag, monitor);
	monitor->watcher = (struct journal_watcher){ .on_event = on_event, .arg = monitor };
	journal_watch(&monitor->watcher);
	event_add(monitor->lag, &(struct timeval){ .tv_sec = LAG_LOOK_S });
	monitor->subscriber = engine_subscribe(engine, on_change, monitor);
	follow_settings(monitor);
	return monitor;
}

void monitor_finish(struct monitor *monitor)
{
	if (monitor != NULL)
		alerts_finish(monitor->alerts);
}

void monitor_free(struct monitor *monitor)
{
	if (monitor == NULL)
		return;
	engine_unsubscribe(monitor->engine, monitor->subscriber);
	journal_unwatch(&monitor->watcher);
	server_free(monitor->server);
	remove_textfile(monitor);
	census_free(monitor->census);
	alerts_free(monitor->alerts);
	event_free(monitor->write);
	event_free(monitor->lag);
	free(monitor->listen);
	free(monitor->textfile);
	free(monitor);
}
