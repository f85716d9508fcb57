/*
 * How large a batch should be, so that it takes about a given time: from what those before it took.
 *
 * The rate is a weighted average of rows and time, as pt-table-checksum's --chunk-time keeps it (Percona Toolkit,
 * WeightedAvgRate: sum = sum × weight + newest, weight 0.75), so one slow batch counts for little and a lasting change for
 * all. A batch is never more than twice as large as one that has been measured.
 */
#ifndef DAEMON_RUN_PACE_H
#define DAEMON_RUN_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	int64_t size; /* of the next batch, in rows; 0: nothing is known yet */
	double rows;  /* weighted sums */
	double seconds;
	double bytes;
};

struct pace_limits {
	int64_t batch_size; /* the most rows */
	int64_t time_ms;    /* what a batch should take; 0: always batch_size rows */
	int64_t bytes;	    /* the most that a batch should ship; 0: any */
};

/* The rows of the next batch: at least one. */
int64_t pace_size(const struct pace *pace, const struct pace_limits *limits);

/* A batch of so many rows has taken so long. */
void pace_measured(struct pace *pace, const struct pace_limits *limits, int64_t rows, int64_t bytes,
		   int64_t elapsed_ms);

/* A batch was too large to get through: the next ones are half as large. */
void pace_halve(struct pace *pace, const struct pace_limits *limits);

#endif
