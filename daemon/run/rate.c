/*
 * See rate.h. The estimator is the one of exponentially decayed counts, divided by the decayed length of the time they were
 * counted in, as load averages have it.
 */
#include "run/rate.h"

#include <math.h>

/* Rates of less than this long are noise; and one batch alone says little of the next. */
#define KNOWN_AFTER_MS 500
#define FORETELLS_AFTER_MS 2000
#define FORETELLS_AFTER_TIMES 2

#define EVERY_WEIGHT 0.3
#define STEADY_FOR 2 /* times every_ms */

static double fade(int64_t elapsed_ms)
{
	return exp(-(double)elapsed_ms / RATE_MEMORY_MS);
}

void rate_begin(struct rate *rate, int64_t now_ms)
{
	*rate = (struct rate){ .since_ms = now_ms, .at_ms = now_ms };
}

void rate_add(struct rate *rate, int64_t rows, int64_t now_ms)
{
	int64_t elapsed;

	if (rate->since_ms == 0)
		rate_begin(rate, now_ms);
	elapsed = now_ms - rate->at_ms;
	rate->rows = rate->rows * fade(elapsed) + (double)rows;
	rate->every_ms = rate->times > 0 ? rate->every_ms +
						   EVERY_WEIGHT * ((double)elapsed - rate->every_ms)
					 : (double)elapsed;
	rate->at_ms = now_ms;
	rate->times++;
}

int64_t rate_usual_ms(const struct rate *rate)
{
	return (int64_t)(STEADY_FOR * rate->every_ms);
}

double rate_per_second(const struct rate *rate, int64_t now_ms)
{
	int64_t overdue = now_ms - rate->at_ms - rate_usual_ms(rate);
	int64_t at_ms = rate->at_ms + (overdue > 0 ? overdue : 0);
	double seconds = RATE_MEMORY_MS / 1000.0 * (1 - fade(at_ms - rate->since_ms));

	if (rate->times == 0 || now_ms - rate->since_ms < KNOWN_AFTER_MS || seconds <= 0)
		return 0;
	return rate->rows * fade(at_ms - rate->at_ms) / seconds;
}

bool rate_foretells(const struct rate *rate, int64_t now_ms)
{
	return rate->times >= FORETELLS_AFTER_TIMES &&
	       now_ms - rate->since_ms >= FORETELLS_AFTER_MS && rate_per_second(rate, now_ms) > 0;
}
