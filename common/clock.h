/*
 * Time: a monotonic clock for intervals, wall-clock time for people, and durations as they are
 * written in configuration files ("250ms", "30s", "10min", "2h", "7d").
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_wall_us(void); /* since the Unix epoch */

#define CLOCK_RFC3339_SIZE 40
/* "2026-01-05T09:12:44.123456Z", UTC; returns the buffer. */
char *clock_format_rfc3339(char buffer[CLOCK_RFC3339_SIZE], int64_t wall_us);

/* "00:00:12"; days are written as "3d 04:05:06". */
char *clock_format_elapsed(char buffer[32], int64_t ms);

/* A duration with its unit (ms, s, min, h, d). False, outputs untouched, when it is none or
 * overflows. */
bool clock_parse_duration(const char *text, int64_t *ret_ms);

/* The shortest exact way to write a duration that is not negative: "10min", "90s", "0s"; returns
 * the buffer. */
char *clock_format_duration(char buffer[32], int64_t ms);

#endif
