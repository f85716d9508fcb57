/*
 * Start: signals, engine (connections open in the background), control socket, then READY: when the socket
 * listens, not when the databases answer. Stop: no new batches, those under way finish, then everything is taken down in
 * the opposite order.
 */
#include "daemon.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "base/journal.h"
#include "base/notify.h"
#include "common/log.h"
#include "common/text.h"
#include "control/audit.h"
#include "control/control.h"
#include "control/handlers.h"
#include "control/which_session.h"
#include "health.h"
#include "monitor/monitor.h"
#include "reload.h"
#include "run/engine.h"
#include "status_line.h"

/* How long batches under way may take to finish after SIGTERM; below systemd's default of 90 s. */
#define STOP_PATIENCE_S 60
#define FURTHER_DESCRIPTORS 128

#define REPEATS_LOOK_S 5

struct daemon {
	struct event_base *base;
	struct engine *engine;
	struct audit *audit;
	struct handlers *handlers;
	struct control *control;
	struct reload *reload;
	struct monitor *monitor;
	struct event *term;
	struct event *interrupt;
	struct event *hangup;
	struct event *patience;
	struct health *health;
	struct event *repeats;
	struct status_line *status;
	bool stopping;
};

static void on_stopped(void *arg)
{
	struct daemon *daemon = arg;

	event_base_loopexit(daemon->base, NULL);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_log(EVENT_STOP_FORCED, NULL,
		  "batches under way did not finish in %d s; they will be done again",
		  STOP_PATIENCE_S);
	on_stopped(arg);
}

/* A second signal does not wait. */
static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *daemon = arg;
	struct timeval patience = { .tv_sec = STOP_PATIENCE_S };

	(void)fd;
	(void)what;
	if (daemon->stopping) {
		on_stopped(daemon);
		return;
	}
	daemon->stopping = true;
	log_notice("stopping: batches under way are finished first");
	notify_stopping();
	event_add(daemon->patience, &patience);
	engine_stop(daemon->engine, on_stopped, daemon);
}

/* systemd is told when it is over, whatever came of it: that is in the log. */
static void on_reloaded(void *arg, json_t *reply)
{
	(void)arg;
	(void)reply;
	notify_ready();
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	if (daemon->stopping)
		return;
	notify_reloading();
	reload_ask(daemon->reload, on_reloaded, daemon);
}

static void on_reload_asked(void *arg, reload_on_done *on_done, void *done_arg)
{
	struct daemon *daemon = arg;

	reload_ask(daemon->reload, on_done, done_arg);
}

/* Lines that were counted are told when their minute is over, also if nothing else is logged. */
static void on_repeats(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	journal_tell_repeats(false);
}

/* Every peer of the control socket is a descriptor. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* What the process needs besides its clients: connections to both databases, those of the audit, files. */
static size_t other_descriptors(const struct settings *settings)
{
	return (size_t)(2 * settings->connection_pool_size + FURTHER_DESCRIPTORS);
}

static int listen_fd(void)
{
	return sd_listen_fds(1) >= 1 ? SD_LISTEN_FDS_START : -1;
}

static struct reload *make_reload(struct daemon *daemon, struct config *config, const char *socket,
				  char *const *environment)
{
	handlers_set_reload(daemon->handlers, on_reload_asked, daemon);
	return reload_new(&(struct reload_means){
		.base = daemon->base,
		.config = config,
		.socket = socket,
		.environment = environment,
		.engine = daemon->engine,
		.handlers = daemon->handlers,
		.audit = daemon->audit,
	});
}

static bool start(struct daemon *daemon, const struct config *config, struct error *err)
{
	daemon->engine = engine_new(daemon->base, config);
	daemon->audit = audit_new(daemon->base, daemon->engine);
	daemon->handlers = handlers_new(daemon->base, daemon->engine, daemon->audit);
	daemon->control = control_new(daemon->base,
				      &(struct control_settings){
					      .path = config->settings.control_socket,
					      .listen_fd = listen_fd(),
					      .other_descriptors = other_descriptors(
						      &config->settings),
					      .observe_group = "migrated",
					      .operate_group = "migrated-admin",
					      .handlers = handler_table,
					      .handler_arg = daemon->handlers,
					      .before = which_session,
					      .on_record = audit_record,
					      .record_arg = daemon->audit,
				      },
				      err);
	if (daemon->control == NULL)
		return false;
	daemon->term = evsignal_new(daemon->base, SIGTERM, on_signal, daemon);
	daemon->interrupt = evsignal_new(daemon->base, SIGINT, on_signal, daemon);
	daemon->patience = event_new(daemon->base, -1, 0, on_patience, daemon);
	event_add(daemon->term, NULL);
	event_add(daemon->interrupt, NULL);
	daemon->hangup = evsignal_new(daemon->base, SIGHUP, on_hangup, daemon);
	event_add(daemon->hangup, NULL);
	daemon->health = health_new(daemon->base, daemon->engine);
	daemon->repeats = event_new(daemon->base, -1, EV_PERSIST, on_repeats, NULL);
	event_add(daemon->repeats, &(struct timeval){ .tv_sec = REPEATS_LOOK_S });
	daemon->monitor = monitor_new(daemon->base, daemon->engine, daemon->control);
	return true;
}

static void event_free_any(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

static void stop(struct daemon *daemon)
{
	monitor_finish(daemon->monitor);
	monitor_free(daemon->monitor);
	status_line_free(daemon->status);
	health_free(daemon->health);
	audit_let_go(daemon->audit);
	control_free(daemon->control);
	audit_finish(daemon->audit);
	audit_free(daemon->audit);
	engine_free(daemon->engine);
	reload_free(daemon->reload);
	handlers_free(daemon->handlers);
	event_free_any(daemon->term);
	event_free_any(daemon->interrupt);
	event_free_any(daemon->hangup);
	event_free_any(daemon->patience);
	event_free_any(daemon->repeats);
	/* What was to be freed after its own callback goes now. */
	event_base_loop(daemon->base, EVLOOP_NONBLOCK);
	event_base_free(daemon->base);
	libevent_global_shutdown();
}

static void log_warnings(const struct config *config)
{
	for (size_t i = 0; i < config->warnings.count; i++) {
		_cleanup_free_ char *line = problem_format(&config->warnings.problems[i]);

		event_log(EVENT_CONFIGURATION_WARNING, NULL, "%s", line);
	}
}

int daemon_run(struct config *config, const char *socket, char *const *environment)
{
	struct daemon daemon = { .base = event_base_new() };
	struct error err;
	int status = EXIT_SUCCESS;

	signal(SIGPIPE, SIG_IGN);
	/* What libevent puts back when it is done: a signal that comes late does not cut the stop short. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	raise_descriptor_limit();
	log_warnings(config);
	if (start(&daemon, config, &err)) {
		daemon.reload = make_reload(&daemon, config, socket, environment);
		event_log(EVENT_STARTED, NULL, "migrated %s: %zu entities, control socket %s",
			  MIGRATED_VERSION, config->entities.count,
			  config->settings.control_socket);
		notify_ready();
		daemon.status = status_line_new(daemon.base, daemon.engine);
		event_base_dispatch(daemon.base);
		event_log(EVENT_STOPPED, NULL, "stopped");
	} else {
		event_log_error(EVENT_START_FAILED, NULL, &err);
		status = EX_UNAVAILABLE;
	}
	stop(&daemon);
	journal_tell_repeats(true);
	return status;
}
