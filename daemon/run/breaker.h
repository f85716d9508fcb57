/*
 * Breakers: what a session must not do before somebody has approved it.
 *
 * Before anything is written: more of an entity's rows gone than breakers.delete_share allows, a source relation that is
 * suddenly empty, another source than before. While it runs: more rows failing than breakers.error_rate allows. Each holds
 * the session (HOLD_BREAKER) and says which entity, how many, and what to do. What it was held for stands in
 * session->breach, and becomes part of session->approved when it is resumed; only what is worse is asked about again:
 *
 *   {"deletes": {"patients": {"deleted": 120, "mapped": 300}}, "empty": {"cases": {"mapped": 55}},
 *    "source": "7312…/16384", "errors": {"orders": {"failed": 1200, "done": 3000}}}
 */
#ifndef DAEMON_RUN_BREAKER_H
#define DAEMON_RUN_BREAKER_H

#include "run/session.h"

/* SQL for the target: what the session's analysis would delete, and of how much; the caller frees. */
char *breaker_sql(const struct session *session);

/* Weighs the answer. Then the session is held if it may not go on. */
void breaker_weigh(struct session *session, const struct pg_answer *answer);

/* Has too much failed? Then the session is held. */
void breaker_watch(struct session *session);

/* What the session is held for is approved. */
void breaker_approve(struct session *session);

#endif
