/*
 * The messages of sd_notify(3), and the watchdog as a timer on the loop.
 */
#include "base/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "common/text.h"

void notify_ready(void)
{
	sd_notify(0, "READY=1");
}

/* systemd asks for the time, by CLOCK_MONOTONIC, to tell this reload's READY=1 from an earlier
   one. */
void notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void notify_status(const char *format, ...)
{
	_cleanup_text_ struct text status = TEXT_INIT;
	va_list arguments;

	va_start(arguments, format);
	text_append(&status, "STATUS=");
	text_vappendf(&status, format, arguments);
	va_end(arguments);
	for (char *next = status.data; *next; next++)
		if (*next == '\n') /* which would begin another message */
			*next = ' ';
	sd_notify(0, status.data);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	sd_notify(0, "WATCHDOG=1");
}

struct event *notify_watchdog_new(struct event_base *base)
{
	struct event *watchdog;
	struct timeval half;
	uint64_t interval_us;

	if (sd_watchdog_enabled(0, &interval_us) <= 0)
		return NULL;
	half.tv_sec = (time_t)(interval_us / 2 / 1000000);
	half.tv_usec = (suseconds_t)(interval_us / 2 % 1000000);
	watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, NULL);
	if (watchdog)
		event_add(watchdog, &half);
	return watchdog;
}

void notify_watchdog_free(struct event *watchdog)
{
	if (watchdog)
		event_free(watchdog);
}
