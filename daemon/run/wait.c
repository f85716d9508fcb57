/*
 * See wait.h. Of what stands in the way, what is the matter with the whole session is told first, then what the entity waits for,
 * then what it is about.
 */
#include "run/wait.h"

#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "run/schedule.h"

#define USUALLY 3 /* times rate_usual_ms() */

/* From the least worth telling of a session to the most; their names are the control protocol's. */
enum wait_kind {
	WAIT_NONE,
	WAIT_TURN,
	WAIT_PARENTS,
	WAIT_OTHERS,
	WAIT_CHILDREN,
	WAIT_PREPARING,
	WAIT_DETECTING,
	WAIT_PLANNING,
	WAIT_REBUILDING,
	WAIT_FILLING,
	WAIT_CHECKING,
	WAIT_ENDING,
	WAIT_RETRY,
	WAIT_STALLED,
	WAIT_PAUSED,
	WAIT_THROTTLED,
	WAIT_CONNECTIONS,
	WAIT_TARGET,
	WAIT_SOURCE,
};

static const char *const names[] = {
	[WAIT_TURN] = "turn",		[WAIT_PARENTS] = "parents",
	[WAIT_OTHERS] = "others",	[WAIT_CHILDREN] = "children",
	[WAIT_PREPARING] = "preparing", [WAIT_DETECTING] = "detecting",
	[WAIT_PLANNING] = "planning",	[WAIT_REBUILDING] = "rebuilding",
	[WAIT_FILLING] = "filling",	[WAIT_CHECKING] = "checking",
	[WAIT_ENDING] = "ending",	[WAIT_RETRY] = "retry",
	[WAIT_STALLED] = "stalled",	[WAIT_PAUSED] = "paused",
	[WAIT_THROTTLED] = "throttled", [WAIT_CONNECTIONS] = "connections",
	[WAIT_TARGET] = "target",	[WAIT_SOURCE] = "source",
};

struct wait {
	enum wait_kind kind;
	int64_t since_us;   /* 0: not said */
	const char *reason; /* borrowed for as long as nothing happens; NULL: none */
};

/* --- what an entity is about ----------------------------------------------------------------------- */

static const struct stage {
	const char *name;
	enum wait_kind kind;
} stages[] = {
	[ENTITY_PENDING] = { "pending", WAIT_TURN },
	[ENTITY_CHECKING_BEFORE] = { "checking", WAIT_CHECKING },
	[ENTITY_PLANNING] = { "planning", WAIT_PLANNING },
	[ENTITY_SETTING_ASIDE] = { "setting aside", WAIT_PLANNING },
	[ENTITY_MOVING] = { "moving", WAIT_NONE },
	[ENTITY_REBUILDING] = { "rebuilding", WAIT_REBUILDING },
	[ENTITY_MOVED] = { "moved", WAIT_OTHERS },
	[ENTITY_FILLING] = { "filling", WAIT_FILLING },
	[ENTITY_FILLED] = { "filled", WAIT_CHILDREN },
	[ENTITY_DELETING] = { "deleting", WAIT_NONE },
	[ENTITY_CHECKING_AFTER] = { "checking", WAIT_CHECKING },
	[ENTITY_COMPLETED] = { "over", WAIT_NONE },
	[ENTITY_FAILED] = { "over", WAIT_NONE },
	[ENTITY_CANCELLED] = { "over", WAIT_NONE },
};

const char *wait_stage(const struct entity_run *run)
{
	return stages[run->state].name;
}

/* --- what is the matter with all of it ---------------------------------------------------------------- */

static bool is_away(const struct pg_connection *connection, enum wait_kind kind,
		    struct wait *ret_wait)
{
	const struct error *err = pg_connection_last_error(connection);

	if (pg_connection_is_up(connection))
		return false;
	*ret_wait = (struct wait){
		.kind = kind,
		.since_us = pg_connection_away_us(connection),
		.reason = err->kind != ERROR_NONE ? err->message : NULL,
	};
	return true;
}

static bool lacks_lanes(const struct session *session, struct wait *ret_wait)
{
	const struct error *trouble = lane_pool_trouble(session->means.lanes);

	if (lane_pool_size(session->means.lanes) == 0 ||
	    lane_pool_ready(session->means.lanes) > 0 || trouble == NULL)
		return false;
	*ret_wait = (struct wait){ .kind = WAIT_CONNECTIONS, .reason = trouble->message };
	return true;
}

static bool is_throttled(const struct session *session, struct wait *ret_wait)
{
	const char *reason = session->means.throttled != NULL
				     ? session->means.throttled(session->means.arg)
				     : NULL;

	if (reason == NULL)
		return false;
	*ret_wait = (struct wait){ .kind = WAIT_THROTTLED, .reason = reason };
	return true;
}

static bool is_held(const struct session *session, struct wait *ret_wait)
{
	if (session->hold == HOLD_NONE)
		return false;
	*ret_wait = (struct wait){ .kind = WAIT_PAUSED, .reason = session->reason };
	return true;
}

static bool all_stands_still(const struct session *session, struct wait *ret_wait)
{
	return is_held(session, ret_wait) ||
	       (!session_is_rollback(session) &&
		is_away(session->means.source, WAIT_SOURCE, ret_wait)) ||
	       is_away(session->means.target, WAIT_TARGET, ret_wait) ||
	       lacks_lanes(session, ret_wait) || is_throttled(session, ret_wait);
}

/* --- one entity --------------------------------------------------------------------------------------- */

static int64_t wall_us(int64_t monotonic_ms)
{
	return clock_wall_us() - (clock_monotonic_ms() - monotonic_ms) * 1000;
}

/* Since when nothing of it has succeeded; 0: that is not long ago. */
static int64_t stalled_ms(const struct entity_run *run)
{
	int64_t since = run->went_on_ms > run->busy_ms ? run->went_on_ms : run->busy_ms;
	int64_t patience = USUALLY * rate_usual_ms(&run->rate);

	if (patience < WAIT_STALLED_AFTER_MS)
		patience = WAIT_STALLED_AFTER_MS;
	return since > 0 && clock_monotonic_ms() - since > patience ? since : 0;
}

static bool waits_for_parents(const struct entity_run *run)
{
	const struct session *session = run->session;

	for (size_t i = 0; i < session->run_count; i++)
		if (&session->runs[i] != run &&
		    bound_depends_on(run->bound, session->runs[i].bound) &&
		    !entity_run_has_moved(&session->runs[i]))
			return true;
	return false;
}

static struct wait entity_alone(const struct entity_run *run)
{
	struct wait wait = { .kind = stages[run->state].kind };
	int64_t stalled = stalled_ms(run);

	if (run->paused)
		return (struct wait){ .kind = WAIT_PAUSED, .reason = run->reason };
	if (run->attempts > 0 && run->fruitless > 0)
		return (struct wait){ .kind = WAIT_RETRY, .reason = run->reason };
	if (run->state == ENTITY_PENDING)
		wait.kind = waits_for_parents(run) ? WAIT_PARENTS : WAIT_TURN;
	else if (wait.kind == WAIT_NONE && run->active == 0 && !run->planning_more)
		wait.kind = WAIT_TURN;
	else if (wait.kind == WAIT_NONE && stalled > 0)
		wait = (struct wait){ .kind = WAIT_STALLED, .since_us = wall_us(stalled) };
	else if (stalled > 0 && (wait.kind == WAIT_PLANNING || wait.kind == WAIT_FILLING))
		wait.since_us = wall_us(stalled); /* "planning since …" is worth telling then */
	return wait;
}

static struct wait entity_wait(const struct entity_run *run)
{
	struct wait wait = { .kind = WAIT_NONE };

	if (entity_run_is_over(run) || run->session->phase == SESSION_ENDED)
		return wait; /* the connections of a dry run have gone with it */
	if (all_stands_still(run->session, &wait))
		return wait;
	return entity_alone(run);
}

/* --- the session --------------------------------------------------------------------------------------- */

/* Before and after its entities have their turn. */
static bool is_about_something_else(const struct session *session, struct wait *ret_wait)
{
	static const enum wait_kind kinds[] = {
		[SESSION_PREPARING] = WAIT_PREPARING, [SESSION_DETECTING] = WAIT_DETECTING,
		[SESSION_OPENING] = WAIT_PREPARING,   [SESSION_RUNNING] = WAIT_NONE,
		[SESSION_ENDING] = WAIT_ENDING,	      [SESSION_ENDED] = WAIT_NONE,
	};

	*ret_wait = (struct wait){ .kind = kinds[session->phase] };
	return ret_wait->kind != WAIT_NONE;
}

/* Rows have come of late, of whatever entity. */
static bool is_going(const struct session *session)
{
	int64_t patience = USUALLY * rate_usual_ms(&session->rate);

	if (patience < WAIT_STALLED_AFTER_MS)
		patience = WAIT_STALLED_AFTER_MS;
	return session->rate.times > 0 && clock_monotonic_ms() - session->rate.at_ms < patience;
}

/* As long as one entity goes on, the session does; else it is what is the most worth telling of any. */
static struct wait among_entities(const struct session *session)
{
	struct wait most = { .kind = WAIT_NONE };

	for (size_t i = 0; i < session->run_count; i++) {
		const struct entity_run *run = &session->runs[i];
		struct wait wait;

		if (entity_run_is_over(run))
			continue;
		wait = entity_alone(run);
		if (wait.kind == WAIT_NONE || (wait.kind == WAIT_STALLED && is_going(session)))
			return (struct wait){ .kind = WAIT_NONE };
		if (wait.kind > most.kind)
			most = wait;
	}
	return most;
}

static struct wait session_wait(const struct session *session)
{
	struct wait wait = { .kind = WAIT_NONE };

	if (session->phase == SESSION_ENDED || all_stands_still(session, &wait) ||
	    is_about_something_else(session, &wait))
		return wait;
	return among_entities(session);
}

/* --- as the protocol has it ------------------------------------------------------------------------------ */

static json_t *described(struct wait wait)
{
	char since[CLOCK_RFC3339_SIZE];

	if (wait.kind == WAIT_NONE)
		return json_null();
	return json_pack("{s:s, s:o, s:o}", "kind", names[wait.kind], "since",
			 wait.since_us > 0 ? json_string(clock_format_rfc3339(since, wait.since_us))
					   : json_null(),
			 "reason",
			 wait.reason != NULL && wait.reason[0] != '\0' ? json_string(wait.reason)
								       : json_null());
}

json_t *wait_of_session(const struct session *session)
{
	return described(session_wait(session));
}

/* Which of them it waits for, of parents: who have not moved yet. */
static json_t *parents_of(const struct entity_run *run)
{
	const struct session *session = run->session;
	_cleanup_text_ struct text text = TEXT_INIT;

	for (size_t i = 0; i < session->run_count; i++) {
		const struct entity_run *parent = &session->runs[i];

		if (parent == run || entity_run_has_moved(parent) ||
		    !bound_depends_on(run->bound, parent->bound))
			continue;
		text_separate(&text, ", ");
		text_append(&text, parent->bound->entity->name);
	}
	return json_string(text_string(&text));
}

json_t *wait_of_entity(const struct entity_run *run)
{
	struct wait wait = entity_wait(run);
	json_t *object = described(wait);

	if (wait.kind == WAIT_PARENTS)
		json_object_set_new(object, "reason", parents_of(run));
	return object;
}
