/*
 * The strategy `timestamp`: rows whose time of change is not older than the watermark, less an overlap.
 *
 * The watermark's time is that at which the oldest transaction under way had begun, so rows that are committed later have a later
 * one, if they were stamped when their transaction began or after. The overlap is for stamps that are older: an
 * application's clock that is behind, or a statement that was on its way. Not seen: rows whose time is NULL or was left
 * alone by the change, deletions.
 */
#include "common/clock.h"
#include "detect/internal.h"

static const char *misfit(const struct bound_entity *bound, const struct watermark *kept,
			  const struct moment *moment, const struct highest_id *highest)
{
	(void)bound;
	(void)highest;
	return watermark_time_misfit(kept, moment);
}

static char *condition(const struct bound_entity *bound, const struct watermark *kept)
{
	char since[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(since, kept->at_us - bound->entity->detect.overlap_ms * 1000);
	return text_format(bound->updated_at_zoned ? "%s >= '%s'::timestamptz"
						   : "%s >= '%s'::timestamptz AT TIME ZONE 'UTC'",
			   bound->updated_at, since);
}

const struct strategy_kind strategy_timestamp = {
	.strategy = STRATEGY_TIMESTAMP,
	.looks =
		"compares rows whose time of change is not older than the watermark; deletions, rows "
		"without that time and changes that leave it alone are left to the sweep",
	.misfit = misfit,
	.condition = condition,
};
