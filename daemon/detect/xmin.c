/*
 * The strategy `xmin`: rows written by a transaction that was not over at the watermark.
 *
 * PostgreSQL keeps with each row the transaction that wrote it, whatever the application does. It needs no index and has none: the
 * whole table is read, though quickly (17M rows a second). Of ordinary tables only. Not seen: deletions.
 */
#include "detect/internal.h"

static const char *misfit(const struct bound_entity *bound, const struct watermark *kept,
			  const struct moment *moment, const struct highest_id *highest)
{
	(void)bound;
	(void)highest;
	return watermark_xmin_misfit(kept, moment);
}

static char *condition(const struct bound_entity *bound, const struct watermark *kept)
{
	(void)bound;
	return watermark_xmin_condition(kept);
}

const struct strategy_kind strategy_xmin = {
	.strategy = STRATEGY_XMIN,
	.looks =
		"compares rows written by transactions since the watermark; deletions are left to the "
		"sweep",
	.misfit = misfit,
	.condition = condition,
};
