/*
 * How fast rows come, smoothed, so that what is left can be told from it.
 *
 * Rows and time fade alike, by e^(-t/τ): the rate is that of the last RATE_MEMORY_MS or so, it is right from the first second on (the
 * time that is divided by has faded, too), and it falls by itself when nothing comes any more. It stays as it is for twice as long as
 * things usually take to come, so that it does not go up and down with each batch.
 */
#ifndef DAEMON_RUN_RATE_H
#define DAEMON_RUN_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_MEMORY_MS 15000

/* All zero: nothing is known. Times are of the monotonic clock. */
struct rate {
	int64_t since_ms; /* when it began to count; 0: not yet */
	int64_t at_ms;	  /* when something came last */
	double rows;	  /* faded, as of at_ms */
	double every_ms;  /* how often something comes, smoothed */
	int64_t times;	  /* how often something has come */
};

/* Counts from now on, as nothing that came before says how it will go on. */
void rate_begin(struct rate *rate, int64_t now_ms);

/* So many rows have come; begins, if it has not begun. */
void rate_add(struct rate *rate, int64_t rows, int64_t now_ms);

/* Rows a second; 0: not known, or none come. */
double rate_per_second(const struct rate *rate, int64_t now_ms);

/* Is it steady enough to tell from it how long the rest takes? */
bool rate_foretells(const struct rate *rate, int64_t now_ms);

/* Until nothing has come for so long, something may be on its way as usual. */
int64_t rate_usual_ms(const struct rate *rate);

#endif
