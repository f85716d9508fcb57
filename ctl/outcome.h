/*
 * How a session ended: one sentence for people, one exit status for scripts.
 */
#ifndef CTL_OUTCOME_H
#define CTL_OUTCOME_H

#include <jansson.h>

#include "common/text.h"
#include "ctl/exit.h"

/* For the last frame's session; NULL or null when there was none. The sentence has no line end, and
   may be empty. */
enum exit_status outcome_of(const json_t *session, struct text *sentence);

#endif
