/*
 * See pace.h: the weighted average, and its bounds.
 */
#include "run/pace.h"

/* Weight of what was before the newest batch. */
#define WEIGHT 0.75

/* Rows of the first batch, of which nothing is known, and the least that time makes of a batch: a transaction has its own
   costs. What memory, or a batch that did not get through, makes of it may be less. */
#define FIRST_ROWS 10000
#define LEAST_ROWS 100

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* No more rows than fit into the memory a batch may take. */
static int64_t fitting(const struct pace *pace, const struct pace_limits *limits, int64_t size)
{
	if (limits->bytes > 0 && pace->bytes > 0)
		size = smaller(size, (int64_t)((double)limits->bytes * pace->rows / pace->bytes));
	return larger(size, 1);
}

int64_t pace_size(const struct pace *pace, const struct pace_limits *limits)
{
	if (limits->time_ms == 0)
		return limits->batch_size;
	if (pace->size == 0)
		return smaller(FIRST_ROWS, limits->batch_size);
	return fitting(pace, limits, smaller(pace->size, limits->batch_size));
}

void pace_measured(struct pace *pace, const struct pace_limits *limits, int64_t rows, int64_t bytes,
		   int64_t elapsed_ms)
{
	int64_t size = pace_size(pace, limits);
	int64_t wanted;

	if (rows <= 0 || limits->time_ms == 0)
		return;
	pace->rows = pace->rows * WEIGHT + (double)rows;
	pace->bytes = pace->bytes * WEIGHT + (double)bytes;
	pace->seconds = pace->seconds * WEIGHT + (double)larger(elapsed_ms, 1) / 1000;
	wanted = (int64_t)(pace->rows / pace->seconds * (double)limits->time_ms / 1000);
	wanted = larger(wanted, LEAST_ROWS);
	/* A batch that was smaller than it might have been (the last one) is no reason to shrink, and none to grow. */
	pace->size = smaller(wanted, larger(2 * rows, size));
}

void pace_halve(struct pace *pace, const struct pace_limits *limits)
{
	/* What those before took says nothing of what is in the way now. */
	*pace = (struct pace){ .size = larger(pace_size(pace, limits) / 2, 1) };
}
