/*
 * Numbers, times and progress as people read them.
 */
#ifndef CTL_FORMAT_H
#define CTL_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

#define FORMAT_SIZE 96

/* Each fills the buffer and returns it. */

/* "< 1 s", "2 s", "3 min 20 s", "4 h 05 min", "3 d 4 h"; what a person needs to decide whether to
   wait. */
char *format_duration(char buffer[FORMAT_SIZE], int64_t ms);

/* RFC 3339 as "2026-01-05 09:12:44" in local time; what is not RFC 3339 is shown as it is, cut. */
char *format_time(char buffer[FORMAT_SIZE], const char *rfc3339);

/* The same as "09:12:44": for what is at most hours away. */
char *format_time_of_day(char buffer[FORMAT_SIZE], const char *rfc3339);

/* "38 ms" of what takes no second, else as format_duration(). */
char *format_short_duration(char buffer[FORMAT_SIZE], int64_t ms);

/* "2.0%"; "< 0.1%" for what is little and not nothing. */
char *format_percent(char buffer[FORMAT_SIZE], double percent);

/* A bar of ten cells and the percentage, "███████▌░░  75%" or "#######...  75%". */
char *format_bar(char buffer[FORMAT_SIZE], int percent, bool utf8);

/* "550e8400" of a UUID: enough to name it by. */
char *format_short_id(char buffer[FORMAT_SIZE], const char *uuid);

/* "row" of one, else "rows". */
const char *format_rows(int64_t count);

/* Rounded down, so that 100 means all; between 0 and 100 whatever is asked. */
int format_share(int64_t part, int64_t whole);

#endif
