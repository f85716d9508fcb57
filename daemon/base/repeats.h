/*
 * Counting what is logged again and again, so that a connection that comes and goes, or a client that does not let go,
 * does not fill the journal: of lines that are alike the first is told, the others of that minute are counted, and told as one
 * ("… (repeated 41 times in 60 s)") when it is over.
 *
 * Alike are lines with the same fields and the same words; of an event whose description says so, whatever its words.
 * Nothing more urgent than err is ever counted, and neither are debug messages and notices, but of events that say so.
 */
#ifndef DAEMON_BASE_REPEATS_H
#define DAEMON_BASE_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#define REPEATS_WINDOW_MS INT64_C(60000)
#define REPEATS_KEPT 64 /* different lines; of more, the oldest is told early */

struct journal_event;
struct repeats;

typedef void repeats_tell(const struct journal_event *event);

struct repeats *repeats_new(repeats_tell *tell);

/* True: the event was counted, and is not to be told. It may have others told. */
bool repeats_count(struct repeats *repeats, const struct journal_event *event, int64_t now_ms);

/* Has those told whose minute is over; all that were counted, with `all`. */
void repeats_expire(struct repeats *repeats, int64_t now_ms, bool all);

#endif
