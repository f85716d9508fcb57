/*
 * Why something does not go on, in words: a session that is held, an entity whose batch has failed.
 */
#ifndef CTL_HOLD_H
#define CTL_HOLD_H

#include <jansson.h>

#include "common/text.h"
#include "ctl/look.h"

/* "disk full on target; it is tried again by itself" of a paused session; nothing of another. */
void hold_append(struct text *out, const json_t *session);

/* "3 attempts failed, again at 09:12:44: deadlock detected" of an entity, or its reason alone, or ""; the caller frees. */
char *hold_entity_reason(const json_t *entity);

#endif
