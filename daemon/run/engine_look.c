/*
 * What is under way in the engine, as those must know who wait for it to be still (reload) or watch over it (health).
 */
#include <stdio.h>

#include "run/engine_internal.h"

const char *engine_under_way(const struct engine *engine, char buffer[ENGINE_UNDER_WAY_SIZE])
{
	const struct session *session = engine->session;

	if (engine->dry_run != NULL)
		return "the dry run";
	if (session != NULL && session->phase != SESSION_ENDED) {
		snprintf(buffer, ENGINE_UNDER_WAY_SIZE, "%s %.8s",
			 session->hold == HOLD_NONE ? "session" : "paused session", session->id);
		return buffer;
	}
	if (validator_is_busy(engine->validator))
		return "the validation";
	if (engine->request != NULL)
		return engine->request->on_detected != NULL ? "the detection"
							    : "what is just beginning";
	return NULL;
}

bool engine_is_still(const struct engine *engine)
{
	return !engine->stopping && !engine_is_busy(engine) &&
	       !validator_is_busy(engine->validator) && !observatory_is_busy(engine->observatory) &&
	       cycle_is_waiting(engine->cycle) && pg_connection_state(engine->source) != PG_BUSY &&
	       pg_connection_state(engine->target) != PG_BUSY;
}

/* A dry run and a validation have connections of their own, of which nothing is known here. */
static bool claims_to_work(const struct engine *engine)
{
	const struct session *session = engine->session;
	bool is_running = session != NULL && session->phase != SESSION_ENDED &&
			  session->hold == HOLD_NONE;

	return (is_running || engine->request != NULL || engine->detection != NULL) &&
	       engine->dry_run == NULL && !validator_is_busy(engine->validator) &&
	       !engine->stopping;
}

static bool timers_run(const struct engine *engine)
{
	const struct session *session = engine->session;

	return event_pending(engine->again, EV_TIMEOUT, NULL) ||
	       event_pending(engine->put_down, EV_TIMEOUT, NULL) ||
	       (session != NULL && (event_pending(session->retry, EV_TIMEOUT, NULL) ||
				    event_pending(session->keep_again, EV_TIMEOUT, NULL)));
}

bool engine_is_stuck(const struct engine *engine)
{
	return claims_to_work(engine) && !timers_run(engine) &&
	       engine_lacks(engine, engine->without_source) == NULL &&
	       owner_state(engine->owner) == OWNER_OURS &&
	       throttle_reason(engine->throttle) == NULL &&
	       pg_connection_state(engine->source) != PG_BUSY &&
	       pg_connection_state(engine->target) != PG_BUSY &&
	       lane_pool_busy(engine->lanes) == 0 && !lane_pool_is_opening(engine->lanes);
}

uint64_t engine_offers(const struct engine *engine)
{
	return engine->offers;
}
