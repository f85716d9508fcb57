/*
 * The hours of the day in which cycles begin: "22:00-06:00" by the clock on the wall of a time zone.
 *
 * A moment is within the window when the clock there shows a time within it. So when clocks are put forward, a window that
 * begins in the hour that is left out begins where the clock goes on, and one that lies wholly in it is left out that day; when
 * they are put back, what the clock shows twice is within twice.
 */
#ifndef DAEMON_CONFIG_TIME_WINDOW_H
#define DAEMON_CONFIG_TIME_WINDOW_H

#include <stdint.h>

#include "common/error.h"

#define TIME_ZONE_NAME_MAX 64

struct time_window {
	int start; /* minutes since midnight; the window may cross midnight */
	int end;   /* the first minute after it, up to 24 * 60 */
	char zone[TIME_ZONE_NAME_MAX];
};

/* A window as it is written, "" being any time, in a zone that time_zone_check() has found good. ERROR_CONFIG says what is
   wrong; *ret_window is untouched then. */
bool time_window_parse(const char *text, const char *zone, struct time_window *ret_window,
		       struct error *err) _warn_unused_;

/* Is this the name of a zone the system's time zone database knows? ERROR_CONFIG, with a hint, when not. */
bool time_zone_check(const char *zone, struct error *err) _warn_unused_;

/* `now_us` when it is within the window, else when the window begins next; microseconds since the epoch. */
int64_t time_window_next_us(const struct time_window *window, int64_t now_us);

#endif
