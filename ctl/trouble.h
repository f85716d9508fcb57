/*
 * What is wrong, in a line each, the worst first: what one wants to read before anything else.
 */
#ifndef CTL_TROUBLE_H
#define CTL_TROUBLE_H

#include <jansson.h>

#include "common/text.h"
#include "ctl/look.h"

/* Of an answer of Status, or a frame of Watch; nothing when all is well. A pause is the session's own line, and not among them. */
void trouble_append(const struct look *look, struct text *out, const json_t *reply);

#endif
