/*
 * Prometheus' text format, version 0.0.4: families of samples with their HELP and TYPE, each family in one piece. What is
 * measured stands in metrics.c.
 */
#ifndef DAEMON_MONITOR_EXPOSITION_H
#define DAEMON_MONITOR_EXPOSITION_H

#include "common/text.h"

/* "text/plain; version=0.0.4; charset=utf-8" */
extern const char exposition_content_type[];

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* One family at a time; its header is written with its first sample, so that one without samples leaves no trace. */
struct exposition {
	struct text *text;
	const char *name;
	const char *help;
	enum metric_type type;
	bool headed;
};

/* What follows is this family's. Strings are borrowed until the next one begins. */
void exposition_begin(struct exposition *exposition, const char *name, enum metric_type type,
		      const char *help);

/* Ends with a NULL name; values are escaped. NULL for no labels. */
struct metric_label {
	const char *name;
	const char *value;
};

void exposition_sample(struct exposition *exposition, const struct metric_label *labels,
		       double value);

/* Likewise with one label. */
void exposition_sample_of(struct exposition *exposition, const char *label, const char *value,
			  double sample);

/* A histogram without labels: how many were at most each bound and above the one before, how many there were in all, and their
   sum. Bounds end with 0, or after `most` of them. */
void exposition_histogram(struct exposition *exposition, const double *bounds,
			  const uint64_t *within, size_t most, uint64_t count, double sum);

#endif
