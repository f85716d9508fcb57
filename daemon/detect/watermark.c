/*
 * What a watermark holds, how it moves on, and when it can be trusted; see watermark.h.
 */
#include "detect/watermark.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/text.h"

/* Transaction numbers are compared modulo 2^32; this far apart they can still be told from each other, with room for what
   happens between the look and the read. */
#define MOST_TRANSACTIONS ((INT64_C(1) << 31) - (INT64_C(1) << 24))

/* How long a transaction that we may not see is taken to last, where there is nothing better to go by. */
#define UNSEEN_US (INT64_C(10) * 60 * 1000000)

/* --- as it is kept ------------------------------------------------------------------------------ */

/* What clock_format_rfc3339() has written. 0 when it is none. */
static int64_t parse_time(const char *text)
{
	struct tm tm = { 0 };
	long micros = 0;

	if (text == NULL || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6ldZ", &tm.tm_year, &tm.tm_mon,
				   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &micros) != 7)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * 1000000 + micros;
}

static int64_t time_at(const json_t *object, const char *key)
{
	return parse_time(json_string_value(json_object_get(object, key)));
}

static bool id_at(const json_t *object, const char *key, int64_t *ret_id)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return false;
	*ret_id = json_integer_value(value);
	return true;
}

void watermark_parse(struct watermark *watermark, const char *json)
{
	json_auto_t *object = json_loads(json, 0, NULL);
	const char *identity = json_string_value(json_object_get(object, "source"));

	*watermark = (struct watermark){ 0 };
	if (identity == NULL)
		return;
	watermark->present = true;
	snprintf(watermark->identity, sizeof(watermark->identity), "%s", identity);
	watermark->timeline = json_integer_value(json_object_get(object, "timeline"));
	watermark->at_us = time_at(object, "at");
	watermark->sure = json_is_true(json_object_get(object, "sure"));
	watermark->xmin = json_integer_value(json_object_get(object, "xmin"));
	watermark->has_safe = id_at(object, "safe_id", &watermark->safe_id);
	watermark->pending_us = time_at(object, "pending_at");
	watermark->has_pending = watermark->pending_us > 0 &&
				 id_at(object, "pending_id", &watermark->pending_id);
}

static void set_time(json_t *object, const char *key, int64_t us)
{
	char buffer[CLOCK_RFC3339_SIZE];

	json_object_set_new(object, key, json_string(clock_format_rfc3339(buffer, us)));
}

char *watermark_format(char buffer[WATERMARK_SIZE], const struct watermark *watermark)
{
	json_auto_t *object = json_pack("{s:s, s:I, s:I}", "source", watermark->identity,
					"timeline", (json_int_t)watermark->timeline, "xmin",
					(json_int_t)watermark->xmin);
	_cleanup_free_ char *text = NULL;

	if (watermark->at_us > 0) {
		set_time(object, "at", watermark->at_us);
		json_object_set_new(object, "sure", json_boolean(watermark->sure));
	}
	if (watermark->has_safe)
		json_object_set_new(object, "safe_id", json_integer(watermark->safe_id));
	if (watermark->has_pending) {
		json_object_set_new(object, "pending_id", json_integer(watermark->pending_id));
		set_time(object, "pending_at", watermark->pending_us);
	}
	text = json_dumps(object, JSON_COMPACT);
	snprintf(buffer, WATERMARK_SIZE, "%s", text);
	return buffer;
}

/* --- when it can be trusted ------------------------------------------------------------------------ */

const char *watermark_misfit(const struct watermark *kept, const struct moment *moment)
{
	if (!kept->present)
		return "no watermark is kept yet";
	if (strcmp(kept->identity, moment->identity) != 0)
		return "the source is another database than the watermark is of";
	if (kept->timeline != moment->timeline)
		return "the source was promoted or restored since the watermark";
	if (kept->xmin > moment->xmax)
		return "the source's transaction numbers went back: it was restored";
	return NULL;
}

const char *watermark_time_misfit(const struct watermark *kept, const struct moment *moment)
{
	if (kept->at_us == 0)
		return "the watermark has no time: a transaction was prepared, or the source a standby";
	if (kept->at_us > moment->now_us)
		return "the source's clock went back behind the watermark";
	return NULL;
}

const char *watermark_xmin_misfit(const struct watermark *kept, const struct moment *moment)
{
	if (moment->xmax - kept->xmin >= MOST_TRANSACTIONS)
		return "too many transactions since the watermark to tell them apart";
	return NULL;
}

/* Both ages are counted from the same number of the statement's own, so a row of any transaction from xmin on is at most that old. */
char *watermark_xmin_condition(const struct watermark *kept)
{
	return text_format("pg_catalog.age(source.xmin) <= pg_catalog.age('%" PRIu32 "'::xid)",
			   (uint32_t)kept->xmin);
}

/* --- how it moves on ------------------------------------------------------------------------------ */

/* A prepared transaction does not say when it began, but it was under way or not begun at the watermark before: so the time
   stands still until it is over. */
static void set_next_time(struct watermark *next, const struct watermark *kept,
			  const struct moment *moment)
{
	bool goes_on = watermark_misfit(kept, moment) == NULL &&
		       watermark_time_misfit(kept, moment) == NULL;

	if (moment->standby || (moment->prepared && !goes_on))
		return;
	next->at_us = moment->oldest_us;
	next->sure = !moment->unseen;
	if (moment->prepared && kept->at_us < next->at_us) {
		next->at_us = kept->at_us;
		next->sure = kept->sure;
	}
}

bool watermark_ids_went_back(const struct watermark *kept, const struct highest_id *highest)
{
	return highest->known && ((kept->has_safe && highest->id < kept->safe_id) ||
				  (kept->has_pending && highest->id < kept->pending_id));
}

/* Ids up to the pending one were given out before `pending_us`, by transactions that are all over now. */
static void set_next_ids(struct watermark *next, const struct watermark *kept,
			 const struct moment *moment, const struct highest_id *highest)
{
	int64_t over_us = next->at_us - (next->sure ? 0 : UNSEEN_US);

	if (watermark_misfit(kept, moment) == NULL && !watermark_ids_went_back(kept, highest)) {
		next->has_safe = kept->has_safe;
		next->safe_id = kept->safe_id;
		next->has_pending = kept->has_pending;
		next->pending_id = kept->pending_id;
		next->pending_us = kept->pending_us;
	}
	if (next->has_pending && over_us > next->pending_us) {
		next->has_safe = true;
		next->safe_id = next->pending_id;
		next->has_pending = false;
	}
	if (!next->has_pending && highest->known) {
		next->has_pending = true;
		next->pending_id = highest->id;
		next->pending_us = highest->at_us;
	}
}

struct watermark watermark_next(const struct watermark *kept, const struct moment *moment,
				const struct highest_id *highest)
{
	struct watermark next = { .present = true,
				  .timeline = moment->timeline,
				  .xmin = moment->xmin };

	snprintf(next.identity, sizeof(next.identity), "%s", moment->identity);
	set_next_time(&next, kept, moment);
	set_next_ids(&next, kept, moment, highest);
	return next;
}
