/*
 * A session and its entities as they are shown by status, watch and migrate --wait.
 */
#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include <jansson.h>
#include <stdint.h>

#include "common/text.h"
#include "ctl/look.h"

/* One line: id, mode, state, time spent, reason; why a paused one is held is a second. `since_ms`: how old the reply
   is; a running session's clock goes on. */
void progress_head(const struct look *look, struct text *out, const json_t *session,
		   int64_t since_ms);

/* "Overall 58% (197 of 340), success 99.7%, 38,987 rows/s, 2 s left" */
void progress_overall(const struct look *look, struct text *out, const json_t *session);

/* Both, with the entities' table between them; at most so many lines (0: all), the busiest entities being kept. */
void progress_frame(const struct look *look, struct text *out, const json_t *session,
		    const json_t *entities, int64_t since_ms, size_t max_lines);

/* What the longest name of an entity takes. */
int progress_name_width(const json_t *entities);

/* The whole percentage of a session or an entity: 0 to 100, and 100 only when nothing is left. */
int progress_percent(const json_t *object);

#endif
