/*
 * One entity's part of a session, in full.
 */
#ifndef CTL_DETAILS_H
#define CTL_DETAILS_H

#include <jansson.h>

#include "common/text.h"
#include "ctl/look.h"

/* `entity` is an EntityProgress, NULL: it takes no part; `letters` what ListDeadLetters says of it, NULL: that is not known (yet). */
void details_append(const struct look *look, struct text *out, const json_t *entity,
		    const json_t *session, const json_t *letters);

#endif
