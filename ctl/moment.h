/*
 * A time that has passed, as people say it.
 */
#ifndef CTL_MOMENT_H
#define CTL_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/* "2h" (before `now_us`), "2026-01-05", "2026-01-05 09:12", "2026-01-05T09:12:44"; local time, but for a "Z" at the end. Microseconds
   since the Unix epoch; false, output untouched, when it is none of these. */
bool moment_parse(const char *text, int64_t now_us, int64_t *ret_us);

#endif
