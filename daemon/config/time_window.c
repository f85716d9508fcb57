/*
 * Time windows, by the C library's own idea of local time, so that every rule of every zone is its business and not ours.
 */
#include "config/time_window.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/text.h"

#define DATABASE "/usr/share/zoneinfo"
#define MAGIC "TZif"

#define MINUTE_US (INT64_C(60) * 1000000)
#define DAY_MINUTES (24 * 60)
#define SEARCH_DAYS 8 /* a window that clocks put forward leave out comes on the next day */

/* --- zones ------------------------------------------------------------------------------------- */

/* No absolute path, nothing hidden, no way up. */
static bool is_zone_name(const char *zone)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+-/";
	size_t length = strlen(zone);

	return length > 0 && length < TIME_ZONE_NAME_MAX && strspn(zone, letters) == length &&
	       isalpha((unsigned char)zone[0]);
}

static bool is_zone_file(const char *path)
{
	char magic[sizeof MAGIC - 1];
	struct stat status;
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	bool is_zone = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
		       fread(magic, sizeof magic, 1, file) == 1 &&
		       memcmp(magic, MAGIC, sizeof magic) == 0;

	fclose(file);
	return is_zone;
}

/* By its whole path, so that TZDIR does not lead elsewhere; the caller frees. */
static char *zone_file(const char *zone)
{
	return text_format(DATABASE "/%s", zone);
}

bool time_zone_check(const char *zone, struct error *err)
{
	_cleanup_free_ char *file = zone_file(zone);
	struct stat status;

	if (strcmp(zone, "UTC") == 0 || (is_zone_name(zone) && is_zone_file(file)))
		return true;
	if (stat(DATABASE, &status) != 0) {
		error_set(
			err, ERROR_CONFIG,
			"\"%s\" cannot be looked up: this system has no time zone database (" DATABASE
			")",
			zone);
		return error_hint(err, "install it (Debian's tzdata), or write \"UTC\"");
	}
	error_set(err, ERROR_CONFIG, "\"%s\" is no time zone that this system knows", zone);
	return error_hint(err, "write a name of the time zone database, as \"Europe/Berlin\" "
			       "(timedatectl list-timezones has them all)");
}

/* --- windows ----------------------------------------------------------------------------------- */

/* "HH:MM", to the minute; the end of the day is 24:00. */
static bool parse_time(const char *text, size_t length, int *ret_minutes)
{
	int hour, minute;

	if (length != 5 || !isdigit((unsigned char)text[0]) || !isdigit((unsigned char)text[1]) ||
	    text[2] != ':' || !isdigit((unsigned char)text[3]) || !isdigit((unsigned char)text[4]))
		return false;
	hour = (text[0] - '0') * 10 + (text[1] - '0');
	minute = (text[3] - '0') * 10 + (text[4] - '0');
	if (minute > 59 || hour * 60 + minute > DAY_MINUTES)
		return false;
	*ret_minutes = hour * 60 + minute;
	return true;
}

bool time_window_parse(const char *text, const char *zone, struct time_window *ret_window,
		       struct error *err)
{
	struct time_window window = { .start = 0, .end = DAY_MINUTES };
	const char *dash = strchr(text, '-');

	if (text[0] != '\0' && (!dash || !parse_time(text, (size_t)(dash - text), &window.start) ||
				!parse_time(dash + 1, strlen(dash + 1), &window.end)))
		return error_set(err, ERROR_CONFIG,
				 "\"%s\" is no window: write two times of the day, as in "
				 "\"22:00-06:00\"",
				 text);
	if (window.start % DAY_MINUTES == window.end % DAY_MINUTES &&
	    window.end - window.start != DAY_MINUTES)
		return error_set(err, ERROR_CONFIG,
				 "the window \"%s\" ends when it begins: leave it out when cycles "
				 "may begin at any time",
				 text);
	snprintf(window.zone, sizeof window.zone, "%s", zone);
	*ret_window = window;
	return true;
}

static bool is_within(const struct time_window *window, int64_t at_us)
{
	time_t seconds = at_us / 1000000;
	struct tm local;
	int minute;

	if (!localtime_r(&seconds, &local))
		return true;
	minute = local.tm_hour * 60 + local.tm_min;
	if (window->start < window->end)
		return minute >= window->start && minute < window->end;
	return minute >= window->start || minute < window->end;
}

/* What TZ says; the caller gives it back to leave_zone(). One program, one thread: nobody else looks at it meanwhile. */
static char *enter_zone(const char *zone)
{
	const char *before = getenv("TZ");
	char *kept = before ? text_copy(before) : NULL;
	_cleanup_free_ char *file = zone_file(zone);

	setenv("TZ", strcmp(zone, "UTC") == 0 ? "UTC0" : file, 1);
	tzset();
	return kept;
}

static void leave_zone(char *kept)
{
	if (kept)
		setenv("TZ", kept, 1);
	else
		unsetenv("TZ");
	tzset();
	free(kept);
}

/* Minute by minute, from now to the first that is within: a clock is only ever asked what it shows, which is never
   ambiguous, while what it will show may come twice or not at all. Two days are 2880 questions, a third of a millisecond. */
int64_t time_window_next_us(const struct time_window *window, int64_t now_us)
{
	int64_t at_us = now_us;
	char *kept;

	if (window->end - window->start == DAY_MINUTES)
		return now_us;
	kept = enter_zone(window->zone);
	for (int i = 0; i < SEARCH_DAYS * DAY_MINUTES && !is_within(window, at_us); i++)
		at_us = (at_us / MINUTE_US + 1) * MINUTE_US;
	leave_zone(kept);
	return at_us;
}
