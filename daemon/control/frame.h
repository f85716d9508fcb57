/*
 * What the daemon is doing, as Status and Watch have it: one and the same object, so that whoever watches sees what whoever asks is
 * told. From memory alone.
 */
#ifndef DAEMON_CONTROL_FRAME_H
#define DAEMON_CONTROL_FRAME_H

#include <jansson.h>

struct handlers;

/* The caller owns it. */
json_t *frame_describe(const struct handlers *handlers);

#endif
