/*
 * A session and its entities as they are shown by status, watch and migrate --wait.
 */
#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include <jansson.h>
#include <stdint.h>

#include "common/text.h"
#include "ctl/look.h"

/* Where it is shown. */
struct progress_room {
	int columns;	      /* 0: as many as it takes */
	size_t lines;	      /* for the entities, their header included; 0: as many as it takes */
	size_t first;	      /* entities that are scrolled past */
	const char *selected; /* an entity that is marked; NULL: none can be */
};

/* One line: id, mode, state, time spent, reason; why a paused one is held is a second. `since_ms`: how old the reply
   is; a running session's clock goes on. */
void progress_head(const struct look *look, struct text *out, const json_t *session,
		   int64_t since_ms, int columns);

/* "Overall  █████▊     58%  2 s left, 197 of 340 rows, 1 failed, 38,987 rows/s, success 99.7%" */
void progress_overall(const struct look *look, struct text *out, const json_t *session,
		      int columns);

/* The entities in a table. Where not all have room, those that one wants to see come first, and the rest is summed up. */
void progress_entities(const struct look *look, struct text *out, const json_t *session,
		       const json_t *entities, const struct progress_room *room);

/* All three. */
void progress_frame(const struct look *look, struct text *out, const json_t *session,
		    const json_t *entities);

/* Those that are shown, in the order in which they are when so many lines are there; the caller owns it. */
json_t *progress_shown(const json_t *session, const json_t *entities, size_t lines);

/* The line of a validation that is under way, or has found something; nothing without one. */
void progress_validation(const struct look *look, struct text *out, const json_t *validation);

/* What the longest name of an entity takes. */
int progress_name_width(const json_t *entities);

/* The whole percentage of a session or an entity: 0 to 100, and 100 only of what is complete. */
int progress_percent(const json_t *object);

#endif
