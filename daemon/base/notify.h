/*
 * Telling systemd how we are: sd_notify(3). All of this does nothing when systemd did not start us.
 */
#ifndef DAEMON_BASE_NOTIFY_H
#define DAEMON_BASE_NOTIFY_H

#include <event2/event.h>

/* The control socket listens. Also ends what notify_reloading() began. */
void notify_ready(void);
/* The configuration is being read again; notify_ready() must follow, whatever came of it. */
void notify_reloading(void);
void notify_stopping(void);

/* One line for `systemctl status`; without values of rows. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Feeds systemd's watchdog from the loop, twice in each interval that the unit's WatchdogSec= asks
 * for, so that a loop that hangs is noticed. NULL when none is asked for. Free it with
 * notify_watchdog_free(), which allows NULL.
 */
struct event *notify_watchdog_new(struct event_base *base);
void notify_watchdog_free(struct event *watchdog);

#endif
