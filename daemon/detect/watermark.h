/*
 * A watermark: the moment of the source up to which all changes of an entity were applied, as it is kept in the control schema.
 *
 * One detection observes a moment and reads; when all it found is applied, the moment becomes the entity's watermark, and the next
 * detection asks for what has changed since. It holds what every strategy needs, so that one may follow another.
 */
#ifndef DAEMON_DETECT_WATERMARK_H
#define DAEMON_DETECT_WATERMARK_H

#include "detect/moment.h"

#define WATERMARK_SIZE 512

struct watermark {
	bool present;
	char identity[SOURCE_IDENTITY_SIZE];
	int64_t timeline;
	int64_t at_us; /* rows of an earlier time were seen; 0: no time is known */
	bool sure;     /* no transaction was hidden from us when `at_us` was observed */
	int64_t xmin;  /* rows of earlier transactions were seen */
	/* For the strategy `id`. Ids commit out of order: up to `pending_id` some may still have been under way at `pending_us`; when the
	   watermark's time has passed that, they are safe, and rows above are all that is new. */
	bool has_safe;
	bool has_pending;
	int64_t safe_id;
	int64_t pending_id;
	int64_t pending_us;
};

/* The highest id of a source and the time after which it was read. */
struct highest_id {
	bool known;
	int64_t id;
	int64_t at_us;
};

/* Reads what the store keeps; what cannot be read is not present. */
void watermark_parse(struct watermark *watermark, const char *json);

/* As the store keeps it; returns the buffer. */
char *watermark_format(char buffer[WATERMARK_SIZE], const struct watermark *watermark);

/* The watermark of a detection that observed `moment`, `kept` being the one it began with and `highest` unknown unless it asked. */
struct watermark watermark_next(const struct watermark *kept, const struct moment *moment,
				const struct highest_id *highest);

/* Why `kept` says nothing of this source at all; NULL when it does. */
const char *watermark_misfit(const struct watermark *kept, const struct moment *moment);

/* The same of its time, and of its transaction number. */
const char *watermark_time_misfit(const struct watermark *kept, const struct moment *moment);
const char *watermark_xmin_misfit(const struct watermark *kept, const struct moment *moment);

/* Ids begin anew, or the highest rows were deleted: what is above the safe one is not all that is new. */
bool watermark_ids_went_back(const struct watermark *kept, const struct highest_id *highest);

/* A condition over the row `source`: written by a transaction that was not over at the watermark. Caller frees. */
char *watermark_xmin_condition(const struct watermark *kept);

#endif
