/*
 * Calls that are all told the same, again and again: one frame is made for those whose turn it is, however many they are.
 *
 * Time is cut into ticks, and nobody gets more than one frame in each. A member gets its first at once, then one when there is
 * something new, or while time itself is: as often as its interval says, which is a number of ticks. Who has not read what it got
 * misses frames, and gets the next one it can take. What is told is given to some members a turn of the loop, so that many of them
 * hold nothing up; when something changes meanwhile, the rest get that.
 *
 * Members come by audience_join(), at any time, and leave by being told their last, or by going away.
 */
#ifndef DAEMON_CONTROL_AUDIENCE_H
#define DAEMON_CONTROL_AUDIENCE_H

#include "control/control.h"

struct audience;

struct audience_settings {
	struct event_base *base;
	int64_t tick_ms;
	size_t members_a_turn; /* who are told in one turn of the loop */

	/* What is to be told just now. */
	json_t *(*frame)(void *arg);
	/* Does it grow old although nothing happens? */
	bool (*is_going)(void *arg);
	/* Is there nothing more to be told of this? Then the frame is the last. */
	bool (*is_over)(void *arg, const char *topic);
	/* The first member has come, or the last has left: whether audience_changed() is worth calling. */
	void (*on_attended)(void *arg, bool attended);
	void *arg;
};

struct audience *audience_new(const struct audience_settings *settings);

/* Its members have gone by then: control_free() comes first. NULL is allowed. */
void audience_free(struct audience *audience);

/* The call becomes a member's; its topic is what is_over() is asked about. */
void audience_join(struct audience *audience, struct control_call *call, const char *topic,
		   int64_t interval_ms);

/* There is something new; from wherever, and as often as it comes. */
void audience_changed(struct audience *audience);

size_t audience_size(const struct audience *audience);

#endif
