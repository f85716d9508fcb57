/*
 * The names of what a cycle came to; see cycle.h.
 */
#include "run/cycle.h"

const char *cycle_result_name(enum cycle_result result)
{
	static const char *const names[] = {
		[CYCLE_QUIET] = "quiet",
		[CYCLE_MIGRATED] = "migrated",
		[CYCLE_FAILED] = "failed",
		[CYCLE_SKIPPED] = "skipped",
	};

	return names[result];
}
