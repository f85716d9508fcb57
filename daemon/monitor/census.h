/*
 * What stands aside in the store, counted by entity: dead letters, parked rows, conflicts that people are to decide, differences that
 * were found. Asked when it may have changed, never because somebody wants to know.
 *
 * One query, when the store has been reached, when a session or a validation has ended, and when people have decided about such rows;
 * while a session carries rows, also every few seconds. It counts by index, and is asked the less often the longer it
 * took: a hundredth of the time at most.
 */
#ifndef DAEMON_MONITOR_CENSUS_H
#define DAEMON_MONITOR_CENSUS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct census;

enum census_kind {
	CENSUS_DEAD_LETTERS,
	CENSUS_PARKED,
	CENSUS_HELD,
	CENSUS_DIFFERENCES,
	CENSUS_KINDS,
};

struct census *census_new(struct event_base *base, struct engine *engine);
void census_free(struct census *census);

/* Of one entity; negative: it is not known (the store is not ours, or out of reach; nothing was ever validated). */
int64_t census_of(const struct census *census, enum census_kind kind, const char *entity);

/* When a session last ended well, by what the store keeps; 0: not known, or never. */
int64_t census_last_success_us(const struct census *census);

#endif
