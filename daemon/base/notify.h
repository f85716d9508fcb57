/*
 * Telling systemd how we are: sd_notify(3). All of this does nothing when systemd did not start us.
 */
#ifndef DAEMON_BASE_NOTIFY_H
#define DAEMON_BASE_NOTIFY_H

#include <stdint.h>

/* The control socket listens. Also ends what notify_reloading() began. */
void notify_ready(void);
/* The configuration is being read again; notify_ready() must follow, whatever came of it. */
void notify_reloading(void);
void notify_stopping(void);

/* One line for `systemctl status`; without values of rows. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Within so many milliseconds the watchdog must be fed (WatchdogSec= of the unit); 0: there is none. */
int64_t notify_watchdog_ms(void);
void notify_watchdog_feed(void);
/* As if it had not been fed for too long: we are started again. */
void notify_watchdog_trigger(void);

#endif
