/*
 * The strategy `id`: rows with a higher key than any that was safe, for tables that are only ever added to.
 *
 * Keys are given out in order and committed in any, so the highest key seen is not safe at once: see struct watermark. That
 * holds for a sequence that hands out one key at a time to the transaction that uses it; keys taken in advance (a sequence
 * with CACHE, an application's pool of keys) may come later than the next safe one. Not seen: updates, deletions.
 */
#include <inttypes.h>

#include "detect/internal.h"

static const char *misfit(const struct bound_entity *bound, const struct watermark *kept,
			  const struct moment *moment, const struct highest_id *highest)
{
	(void)bound;
	(void)moment;
	if (!kept->has_safe)
		return "no key is known yet below which all rows were committed";
	if (watermark_ids_went_back(kept, highest))
		return "the highest key is lower than before";
	return NULL;
}

static char *condition(const struct bound_entity *bound, const struct watermark *kept)
{
	return text_format("%s > %" PRId64, bound->key_expressions[0], kept->safe_id);
}

const struct strategy_kind strategy_id = {
	.strategy = STRATEGY_ID,
	.looks =
		"compares rows with a key above those that were all committed; updates, deletions and "
		"keys that were taken in advance are left to the sweep",
	.misfit = misfit,
	.condition = condition,
};
