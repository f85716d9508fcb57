/*
 * Rounds: each goes through all members, some a turn of the loop, and gives those their frame whose turn it is. Two things begin
 * one: something new, and the tick of the member who is due first. See audience.h.
 */
#include "control/audience.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/text.h"

#define NO_TICK INT64_MAX

struct member {
	TAILQ_ENTRY(member) link;
	struct audience *audience;
	struct control_call *call;
	char *topic;
	int64_t every; /* in ticks */
	int64_t due;   /* it gets nothing before this tick */
	uint64_t told; /* the last change it was told of; 0: nothing yet */
};

TAILQ_HEAD(members, member);

struct audience {
	struct audience_settings settings;
	struct members members;
	size_t size;
	uint64_t changes; /* so far; the first is that there is something at all */
	struct event *turn;

	struct member *next;	     /* of the round under way; NULL: none is */
	struct control_frame *frame; /* of the round, as long as nothing changes */
	bool again;		     /* something has changed since the round began */
	int64_t earliest;	     /* when a member that the round has passed is due next */
};

static int64_t tick_now(const struct audience *audience)
{
	return clock_monotonic_ms() / audience->settings.tick_ms;
}

static bool is_going(const struct audience *audience)
{
	return audience->settings.is_going(audience->settings.arg);
}

/* --- members ---------------------------------------------------------------------------------- */

/* A round that was about to come to it goes on behind it. */
static void leave(struct member *member)
{
	struct audience *audience = member->audience;

	if (audience->next == member)
		audience->next = TAILQ_NEXT(member, link);
	TAILQ_REMOVE(&audience->members, member, link);
	audience->size--;
	free(member->topic);
	free(member);
	if (audience->size == 0) {
		event_del(audience->turn);
		audience->settings.on_attended(audience->settings.arg, false);
	}
}

static void on_gone(void *arg)
{
	leave(arg);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void drop_frame(struct audience *audience)
{
	control_frame_free(audience->frame);
	audience->frame = NULL;
}

static struct control_frame *frame_of_now(struct audience *audience)
{
	if (!audience->frame)
		audience->frame = control_frame_new(
			audience->settings.frame(audience->settings.arg));
	return audience->frame;
}

static void tell_last(struct audience *audience, struct member *member)
{
	struct control_call *call = member->call;

	control_call_reply_frame(call, frame_of_now(audience));
	leave(member);
}

static void tell(struct audience *audience, struct member *member, int64_t tick)
{
	if (control_call_continue_frame(member->call, frame_of_now(audience)))
		member->told = audience->changes;
	member->due = tick + member->every;
}

/* True when it was given something. */
static bool serve(struct audience *audience, struct member *member, int64_t tick, bool going)
{
	bool served = false;

	if (audience->settings.is_over(audience->settings.arg, member->topic)) {
		tell_last(audience, member);
		return true;
	}
	if (member->due <= tick && (going || member->told != audience->changes)) {
		tell(audience, member, tick);
		served = true;
	}
	if ((going || member->told != audience->changes) && member->due < audience->earliest)
		audience->earliest = member->due;
	return served;
}

/* --- rounds ----------------------------------------------------------------------------------- */

static void wake_in(struct audience *audience, int64_t ms)
{
	event_add(audience->turn,
		  &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 });
}

static void begin_round(struct audience *audience)
{
	audience->next = TAILQ_FIRST(&audience->members);
	audience->again = false;
	audience->earliest = NO_TICK;
}

static void end_round(struct audience *audience)
{
	int64_t wait_ms;

	drop_frame(audience);
	if (audience->size == 0 || (!audience->again && audience->earliest == NO_TICK))
		return;
	wait_ms = audience->earliest * audience->settings.tick_ms - clock_monotonic_ms();
	wake_in(audience, audience->again || wait_ms < 0 ? 0 : wait_ms);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct audience *audience = arg;
	int64_t tick = tick_now(audience);
	bool going = is_going(audience);
	size_t served = 0;

	(void)fd;
	(void)what;
	if (!audience->next)
		begin_round(audience);
	while (audience->next && served < audience->settings.members_a_turn) {
		struct member *member = audience->next;

		audience->next = TAILQ_NEXT(member, link);
		served += serve(audience, member, tick, going);
	}
	if (audience->next)
		wake_in(audience, 0);
	else
		end_round(audience);
}

/* --- from outside ----------------------------------------------------------------------------- */

void audience_changed(struct audience *audience)
{
	audience->changes++;
	audience->again = true;
	drop_frame(audience);
	if (audience->size > 0)
		wake_in(audience, 0);
}

static int64_t ticks_of(const struct audience *audience, int64_t interval_ms)
{
	int64_t tick_ms = audience->settings.tick_ms;

	return interval_ms > tick_ms ? (interval_ms + tick_ms / 2) / tick_ms : 1;
}

/* At the end, so that a round under way comes to it, too. */
void audience_join(struct audience *audience, struct control_call *call, const char *topic,
		   int64_t interval_ms)
{
	struct member *member = memory_new(sizeof *member);

	member->audience = audience;
	member->call = call;
	member->topic = text_copy(topic);
	member->every = ticks_of(audience, interval_ms);
	TAILQ_INSERT_TAIL(&audience->members, member, link);
	control_call_on_gone(call, on_gone, member);
	if (audience->size++ == 0)
		audience->settings.on_attended(audience->settings.arg, true);
	wake_in(audience, 0);
}

size_t audience_size(const struct audience *audience)
{
	return audience->size;
}

struct audience *audience_new(const struct audience_settings *settings)
{
	struct audience *audience = memory_new(sizeof *audience);

	audience->settings = *settings;
	audience->changes = 1;
	audience->turn = evtimer_new(settings->base, on_turn, audience);
	TAILQ_INIT(&audience->members);
	return audience;
}

void audience_free(struct audience *audience)
{
	if (!audience)
		return;
	while (!TAILQ_EMPTY(&audience->members))
		leave(TAILQ_FIRST(&audience->members));
	drop_frame(audience);
	event_free(audience->turn);
	free(audience);
}
