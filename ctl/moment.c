/*
 * Durations and days, tried one after the other; see moment.h.
 */
#include "ctl/moment.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"

/* Of the longest first: what is left of a text must be nothing, or the "Z". */
static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
				     "%Y-%m-%d %H:%M", "%Y-%m-%d" };

static bool parse_day(const char *text, int64_t *ret_us)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct tm broken = { .tm_isdst = -1 };
		const char *rest = strptime(text, forms[i], &broken);

		if (!rest || (*rest && strcmp(rest, "Z") != 0))
			continue;
		*ret_us = (int64_t)(*rest ? timegm(&broken) : mktime(&broken)) * 1000000;
		return true;
	}
	return false;
}

bool moment_parse(const char *text, int64_t now_us, int64_t *ret_us)
{
	int64_t moment_us, ago_ms;

	if (clock_parse_duration(text, &ago_ms) && ago_ms < now_us / 1000)
		moment_us = now_us - ago_ms * 1000;
	else if (!parse_day(text, &moment_us))
		return false;
	if (moment_us <= 0 || moment_us > now_us)
		return false;
	*ret_us = moment_us;
	return true;
}
