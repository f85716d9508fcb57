/*
 * What stands in place of an ETA: the type Wait of the interface in words, the same wherever they are shown.
 */
#ifndef CTL_WAIT_H
#define CTL_WAIT_H

#include <jansson.h>
#include <stdbool.h>

#include "common/text.h"
#include "ctl/look.h"

/* Of a session: "2 min 10 s left", "stalled since 10:02:11", "throttled: ..."; NULL when there is nothing to say. The caller frees. */
char *wait_of_session_in_words(const json_t *session);

/* Of an entity: "2 min 10 s", "waiting for parents", "2 attempts failed, again at 10:02:30: deadlock detected", why it has failed; ""
   when there is nothing to say, also of what `session` (may be NULL) says already of all of them. The caller frees. */
char *wait_of_entity_in_words(const json_t *entity, const json_t *session);

/* Is it something somebody should look into? */
bool wait_is_trouble(const json_t *object);

#endif
