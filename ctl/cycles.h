/*
 * Migrating in cycles, as status and watch show it: the lag, when the next begins, and what became of the last ones.
 */
#ifndef CTL_CYCLES_H
#define CTL_CYCLES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"
#include "ctl/look.h"

/* Are there any? */
bool cycles_are_wanted(const json_t *reply);

/* "Cycles every 5min, ...; next at 10:00:00; lag 3 min 20 s", and how the last ones went: at most so many lines. `since_ms`: how old
   the reply is; the lag grows. */
void cycles_append(const struct look *look, struct text *out, const json_t *cycles,
		   int64_t since_ms, size_t lines);

/* "lag 3 min 20 s", or "" when it is not known; the caller frees. */
char *cycles_lag(const json_t *cycles, int64_t since_ms);

#endif
