/*
 * Places where a test may have the daemon die, stand still or fail.
 *
 * They are compiled in by `make FAULTS=1` alone, into a build directory of their own; of the ordinary program nothing of
 * them is left. There the variable MIGRATED_FAULT=NAME:DEED:NTH[,…] says what is to happen when a place is reached for
 * the NTH time:
 *
 *   kill   SIGKILL to itself
 *   wait   SIGSTOP to itself; whoever waits for that sends SIGCONT
 *   error  fault_point() is true: the caller goes on as if the step had failed, and might do better next time
 *
 * and MIGRATED_CLOCK=SECONDS moves the wall clock as the daemon sees it.
 */
#ifndef DAEMON_BASE_FAULT_H
#define DAEMON_BASE_FAULT_H

#include <stdbool.h>

#include "common/error.h"

/* Every place, in the order of a session's life. A second column says that `error` means something there. */
#define FAULT_POINTS(POINT) \
	POINT("reload.exchanging", false) \
	POINT("reload.exchanged", false) \
	POINT("lane.offered", true) \
	POINT("store.upgraded", false) \
	POINT("owner.taken", false) \
	POINT("store.prepared", false) \
	POINT("again.asked", false) \
	POINT("session.inserted", false) \
	POINT("detect.begun", false) \
	POINT("detect.compared", true) \
	POINT("detect.kept", false) \
	POINT("detect.finished", false) \
	POINT("session.opened", false) \
	POINT("plan.unparked", false) \
	POINT("plan.counted", false) \
	POINT("plan.ranges_known", false) \
	POINT("plan.ranges_kept", false) \
	POINT("plan.changes_kept", false) \
	POINT("plan.followed", false) \
	POINT("plan.loaded", false) \
	POINT("bulk.asked", false) \
	POINT("bulk.set_aside", false) \
	POINT("batch.begun", false) \
	POINT("batch.keys_known", true) \
	POINT("batch.read_begun", false) \
	POINT("batch.staged", true) \
	POINT("batch.isolated", false) \
	POINT("batch.write_sent", false) \
	POINT("batch.committed", false) \
	POINT("batch.counted", false) \
	POINT("bulk.sent", false) \
	POINT("bulk.put_back", false) \
	POINT("fill.sent", false) \
	POINT("fill.committed", false) \
	POINT("delete.staged", true) \
	POINT("delete.write_sent", false) \
	POINT("delete.committed", false) \
	POINT("undo.planned", false) \
	POINT("undo.sent", false) \
	POINT("undo.committed", false) \
	POINT("undo.retried", false) \
	POINT("undo.finished", false) \
	POINT("entity.completed", false) \
	POINT("session.ending", false) \
	POINT("session.ended", false) \
	POINT("cycle.begun", false) \
	POINT("cycle.looked", false)

#ifdef FAULTS

/* True: behave as if this step had failed. */
bool fault_point(const char *name);

/* A transient error that says so, for those who need one; borrowed. */
const struct error *fault_error(void);

#else

static inline bool fault_none(void)
{
	return false;
}

#define fault_point(name) fault_none()

static inline const struct error *fault_error(void)
{
	return 0;
}

#endif

#endif
