/*
 * Durations, times, percentages and bars.
 */
#include "ctl/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BAR_CELLS 10

char *format_duration(char buffer[FORMAT_SIZE], int64_t ms)
{
	int64_t s = ms / 1000 + (ms % 1000 >= 500);

	if (ms < 1000)
		snprintf(buffer, FORMAT_SIZE, "< 1 s");
	else if (s < 60)
		snprintf(buffer, FORMAT_SIZE, "%" PRId64 " s", s);
	else if (s < 3600)
		snprintf(buffer, FORMAT_SIZE, "%" PRId64 " min %02" PRId64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buffer, FORMAT_SIZE, "%" PRId64 " h %02" PRId64 " min", s / 3600,
			 s % 3600 / 60);
	else
		snprintf(buffer, FORMAT_SIZE, "%" PRId64 " d %" PRId64 " h", s / 86400,
			 s % 86400 / 3600);
	return buffer;
}

char *format_short_duration(char buffer[FORMAT_SIZE], int64_t ms)
{
	if (ms < 0 || ms >= 1000)
		return format_duration(buffer, ms);
	snprintf(buffer, FORMAT_SIZE, "%" PRId64 " ms", ms);
	return buffer;
}

static char *format_local(char buffer[FORMAT_SIZE], const char *rfc3339, const char *form)
{
	struct tm utc = { 0 };
	struct tm local;
	const char *end = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &utc);
	time_t seconds = end ? timegm(&utc) : 0;

	if (!end || rfc3339[strlen(rfc3339) - 1] != 'Z' || !localtime_r(&seconds, &local) ||
	    strftime(buffer, FORMAT_SIZE, form, &local) == 0)
		snprintf(buffer, FORMAT_SIZE, "%.40s", rfc3339);
	return buffer;
}

char *format_time(char buffer[FORMAT_SIZE], const char *rfc3339)
{
	return format_local(buffer, rfc3339, "%Y-%m-%d %H:%M:%S");
}

char *format_time_of_day(char buffer[FORMAT_SIZE], const char *rfc3339)
{
	return format_local(buffer, rfc3339, "%H:%M:%S");
}

char *format_percent(char buffer[FORMAT_SIZE], double percent)
{
	if (percent > 0 && percent < 0.05)
		snprintf(buffer, FORMAT_SIZE, "< 0.1%%");
	else
		snprintf(buffer, FORMAT_SIZE, "%.1f%%", percent);
	return buffer;
}

static void append_cells(struct text *bar, int percent, bool utf8)
{
	static const char *const eighths[] = {
		"", "▏", "▎", "▍", "▌", "▋", "▊", "▉",
	};
	int filled = BAR_CELLS * 8 * percent / 100;
	int cells = filled / 8;

	for (int i = 0; i < cells; i++)
		text_append(bar, utf8 ? "█" : "#");
	if (utf8 && filled % 8 > 0) {
		text_append(bar, eighths[filled % 8]);
		cells++;
	}
	for (int i = cells; i < BAR_CELLS; i++)
		text_append(bar, utf8 ? "░" : ".");
}

char *format_bar(char buffer[FORMAT_SIZE], int percent, bool utf8)
{
	_cleanup_text_ struct text bar = TEXT_INIT;

	append_cells(&bar, percent, utf8);
	snprintf(buffer, FORMAT_SIZE, "%s %3d%%", text_string(&bar), percent);
	return buffer;
}

char *format_short_id(char buffer[FORMAT_SIZE], const char *uuid)
{
	snprintf(buffer, FORMAT_SIZE, "%.8s", uuid);
	return buffer;
}

int format_share(int64_t part, int64_t whole)
{
	if (part <= 0 || whole <= 0)
		return 0;
	if (part >= whole)
		return 100;
	return (int)((__int128)part * 100 / whole);
}

const char *format_rows(int64_t count)
{
	return count == 1 ? "row" : "rows";
}
