/*
 * Puts back what bulk mode (bulk.h) has set aside and no session under way will: of a session that was cancelled or has failed, of an
 * earlier life of the daemon, of an entity that is not configured any more.
 *
 * It looks when the store has been reached and no session is unfinished, and when one has ended; works on a connection of its own, one thing
 * after the other; and tries again every probe_every for as long as something cannot be put back. A session that begins meanwhile does not
 * wait for it, but for the tables that it is at.
 */
#ifndef DAEMON_RUN_RESTORER_H
#define DAEMON_RUN_RESTORER_H

#include <jansson.h>

struct engine;
struct restorer;

struct restorer *restorer_new(struct engine *engine);
void restorer_free(struct restorer *restorer);

/* Looks what is set aside, soon, and puts back what nobody else will. */
void restorer_look(struct restorer *restorer);

/* The daemon stops: what it is at is left to the next life. */
void restorer_stop(struct restorer *restorer);

/* What is set aside, as it was seen last: SetAside of the control protocol. A new reference. */
json_t *restorer_describe(const struct restorer *restorer);

#endif
