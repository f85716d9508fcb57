/*
 * The daemon's sink for common/log.h: the journal when systemd started us, stderr otherwise; and
 * the last events kept in memory, for `migratectl logs` and for whoever watches.
 *
 * The log is the one thing that every room reaches without being handed it, so this file has state
 * of its own.
 */
#ifndef DAEMON_BASE_JOURNAL_H
#define DAEMON_BASE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"

#define JOURNAL_RECENT 1000

/* One event as it was logged; strings that were not given are empty, long ones cut. */
struct journal_event {
	uint64_t number; /* counts from 1, without gaps */
	int64_t wall_us;
	enum event_kind kind;
	int priority;
	char session[40];
	char entity[64];
	char database[8];
	char legacy_key[128];
	char sqlstate[6];
	char phase[32];
	char message[1024];
};

/* Events less urgent than `max_priority` are dropped from now on. Before the first call LOG_INFO
   is the limit. */
void journal_init(int max_priority);

/*
 * The oldest event with a number above `after` that is still kept, or NULL. Only the last
 * JOURNAL_RECENT are, so a number that jumps says how many were missed. Borrowed until the next
 * event is logged.
 */
const struct journal_event *journal_next(uint64_t after);

/* The number of the last event; 0 when there was none. */
uint64_t journal_last_number(void);

/*
 * Somebody who hears of every event that is kept, from within log_event(), which he must not call. Owned by whoever
 * watches, until he watches no more. Of repetitions only the lines that tell their number are kept.
 */
typedef void journal_on_event(void *arg, const struct journal_event *event);
struct journal_watcher {
	journal_on_event *on_event;
	void *arg;
	struct journal_watcher *next;
};
void journal_watch(struct journal_watcher *watcher);
void journal_unwatch(struct journal_watcher *watcher);

/* Tells of repetitions whose minute is over, of all with `all`. For a timer, and for the end. */
void journal_tell_repeats(bool all);

/* "err", "warning", "notice", "info", "debug"; as journalctl and syslog write it. */
const char *journal_priority_name(int priority);

#endif
