/*
 * Which daemon may write: one at a time owns the control schema, others stand by and take over by themselves.
 *
 *   UNKNOWN ──▶ OURS      the lock is ours, and so is the row migrated.owner
 *      │ ▲  ╲
 *      ▼ │   ▶ STANDBY    somebody else has the lock; looked at again every few seconds
 *    link lost
 *
 * Owning is two things. The engine's connection to the target holds an advisory lock of its session, so it ends with that
 * connection, whatever becomes of the daemon. And migrated.owner counts epochs: what other connections write names its epoch and is
 * refused (MG004) once another daemon has counted on. A connection of the engine that does not hold the lock is read-only
 * from its very first statement, so whatever waited for it while it was down cannot write either.
 *
 * Before the control schema exists there is nothing to own but the lock; owner_settle() takes the row when it has been made.
 */
#ifndef DAEMON_RUN_OWNER_H
#define DAEMON_RUN_OWNER_H

#include <event2/event.h>

#include "postgres/connection.h"

enum owner_state { OWNER_UNKNOWN, OWNER_OURS, OWNER_STANDBY };

struct owner;

/* on_change is called after every change of state, from the loop. The settings (of a connection to the target) are borrowed
   for the owner's life. */
struct owner *owner_new(struct event_base *base, const struct pg_connection_settings *target,
			void (*on_change)(void *arg), void *arg);
void owner_free(struct owner *owner);

/* The settings for the one connection that owning is tied to; borrowed. */
const struct pg_connection_settings *owner_connection(const struct owner *owner);

/* To be told of every state of that connection, before anything is done with it. */
void owner_on_connection(struct owner *owner, struct pg_connection *connection,
			 enum pg_state state);

enum owner_state owner_state(const struct owner *owner);

/* The epoch under which this daemon owns the control schema; 0: there is no control schema yet, or it is not ours. */
int64_t owner_epoch(const struct owner *owner);

/* Why it is not ours: who has it, or what went wrong; ERROR_NONE while that is not known. */
const struct error *owner_reason(const struct owner *owner);

/* The control schema stands: takes the row, unless it is ours already, and says whether that went well. */
void owner_settle(struct owner *owner, void (*on_done)(void *arg, const struct error *err),
		  void *arg);

#endif
