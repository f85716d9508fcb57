/*
 * What is measured, as one table: name, type, help, and where the numbers come from. All of it is in memory already; whoever asks
 * costs neither database a query.
 *
 * What is not known is left out, never told as zero: of a daemon that stands by, or cannot reach the store, all that stands in the
 * store; the lag where there is no schedule, or nothing was in step yet in this life; the progress where no session is under way.
 */
#ifndef DAEMON_MONITOR_METRICS_H
#define DAEMON_MONITOR_METRICS_H

#include <stdint.h>

#include "common/text.h"

struct alerts;
struct census;
struct control;
struct engine;

#define METRICS_PRIORITIES 8

/* Where they come from. */
struct metrics {
	const struct engine *engine;
	const struct control *control;
	const struct census *census;
	const struct alerts *alerts;
	uint64_t logged[METRICS_PRIORITIES]; /* lines of each priority */
	int64_t started_us;
};

/* All of it, in Prometheus' text format. */
void metrics_write(const struct metrics *metrics, struct text *text);

/* How far the target is behind, in microseconds; negative: not known. */
int64_t metrics_lag_us(const struct engine *engine);

#endif
