/*
 * Alerts: events that people should hear of without looking (those whose row in base/event.c says so) are handed to the command of
 * the configuration, one after another, each as a JSON object on its standard input.
 *
 * Nothing waits for the command. Of the same event of the same entity people hear once in `repeat_after`: what comes meanwhile is
 * counted, and the last of it told when that time is over. A database that is lost is told of when it stays away for a moment, and
 * that it is back only when people were told that it was lost. What does not fit into the queue is dropped and counted.
 */
#ifndef DAEMON_MONITOR_ALERTS_H
#define DAEMON_MONITOR_ALERTS_H

#include <event2/event.h>
#include <stdint.h>

#include "base/event.h"

struct alerts;
struct settings;

enum alert_result {
	ALERT_DONE,	 /* the command has exited with 0 */
	ALERT_FAILED,	 /* it could not be run, or exited otherwise */
	ALERT_TIMED_OUT, /* it was killed */
	ALERT_DROPPED,	 /* the queue was full, or the daemon has stopped */
	ALERT_REPEATED,	 /* held back: the next of its kind tells of it */
	ALERT_BRIEF,	 /* it was over before anybody was told */
	ALERT_RESULTS,
};

/* "done", "failed", "timeout", "dropped", "repeated", "brief" */
extern const char *const alert_result_names[ALERT_RESULTS];

/* What it asks whoever owns it. */
struct alerts_means {
	const struct settings *(*settings)(void *arg); /* those that hold just now */
	bool (*is_up)(void *arg, const char *database);
	void *arg;
};

/* What has been logged before counts, too. */
struct alerts *alerts_new(struct event_base *base, const struct alerts_means *means);

/* Gives what is queued a moment, within which the loop is run; then kills what is running. */
void alerts_finish(struct alerts *alerts);
void alerts_free(struct alerts *alerts);

uint64_t alerts_count(const struct alerts *alerts, enum event_kind kind, enum alert_result result);

#endif
