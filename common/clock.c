/*
 * Clocks and the way people write times.
 */
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS_PER_SECOND INT64_C(1000)
#define US_PER_SECOND INT64_C(1000000)
#define SECONDS_PER_DAY INT64_C(86400)

int64_t clock_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / 1000000;
}

/* Where a test wants the clock to be wrong (daemon/base/fault.h). */
static int64_t fault_us(void)
{
#ifdef FAULTS
	const char *seconds = getenv("MIGRATED_CLOCK");

	return seconds != NULL ? atoll(seconds) * US_PER_SECOND : 0;
#else
	return 0;
#endif
}

int64_t clock_wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000 + fault_us();
}

char *clock_format_rfc3339(char buffer[CLOCK_RFC3339_SIZE], int64_t wall_us)
{
	int64_t fraction = wall_us % US_PER_SECOND;
	time_t seconds = (time_t)(wall_us / US_PER_SECOND);
	struct tm day;
	size_t length;

	if (fraction <
	    0) { /* before 1970 the second begins earlier, the fraction counts up all the same */
		fraction += US_PER_SECOND;
		seconds--;
	}
	gmtime_r(&seconds, &day);
	length = strftime(buffer, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &day);
	snprintf(buffer + length, CLOCK_RFC3339_SIZE - length, ".%06" PRId64 "Z", fraction);
	return buffer;
}

char *clock_format_elapsed(char buffer[32], int64_t ms)
{
	int64_t seconds = ms > 0 ? ms / MS_PER_SECOND : 0;
	int64_t days = seconds / SECONDS_PER_DAY;
	int length = 0;

	seconds %= SECONDS_PER_DAY;
	if (days > 0)
		length = snprintf(buffer, 32, "%" PRId64 "d ", days);
	snprintf(buffer + length, 32 - (size_t)length, "%02d:%02d:%02d", (int)(seconds / 3600),
		 (int)(seconds / 60 % 60), (int)(seconds % 60));
	return buffer;
}

static const struct {
	const char *unit;
	int64_t ms;
} duration_units[] = {
	{ "d", SECONDS_PER_DAY *MS_PER_SECOND },
	{ "h", 3600 * MS_PER_SECOND },
	{ "min", 60 * MS_PER_SECOND },
	{ "s", MS_PER_SECOND },
	{ "ms", 1 },
};

#define DURATION_UNIT_COUNT (sizeof duration_units / sizeof duration_units[0])

bool clock_parse_duration(const char *text, int64_t *ret_ms)
{
	const char *unit = text;
	int64_t number = 0;

	for (; *unit >= '0' && *unit <= '9'; unit++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *unit - '0', &number))
			return false;
	if (unit == text)
		return false;
	if (*unit == ' ') /* "10 min" is how people write it, too */
		unit++;
	for (size_t i = 0; i < DURATION_UNIT_COUNT; i++) {
		int64_t ms;

		if (strcmp(unit, duration_units[i].unit) != 0)
			continue;
		if (__builtin_mul_overflow(number, duration_units[i].ms, &ms))
			return false;
		*ret_ms = ms;
		return true;
	}
	return false;
}

char *clock_format_duration(char buffer[32], int64_t ms)
{
	size_t i = 0;

	if (ms == 0)
		return strcpy(buffer, "0s");
	while (i < DURATION_UNIT_COUNT - 1 && ms % duration_units[i].ms != 0)
		i++;
	snprintf(buffer, 32, "%" PRId64 "%s", ms / duration_units[i].ms, duration_units[i].unit);
	return buffer;
}
