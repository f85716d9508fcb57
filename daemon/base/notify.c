/*
 * The messages of sd_notify(3).
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

int64_t notify_watchdog_ms(void)
{
	uint64_t interval_us;

	return sd_watchdog_enabled(0, &interval_us) > 0 ? (int64_t)(interval_us / 1000) : 0;
}

void notify_watchdog_feed(void)
{
	sd_notify(0, "WATCHDOG=1");
}

void notify_watchdog_trigger(void)
{
	sd_notify(0, "WATCHDOG=trigger");
}
