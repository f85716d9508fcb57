/*
 * What a session leaves behind for those who read a report of it later, beside its progress: what it was made with, what its entities
 * refer to, and where their time went. Nothing here decides anything.
 */
#ifndef DAEMON_RUN_RECORD_H
#define DAEMON_RUN_RECORD_H

#include "run/session.h"

/* An id map of more rows is not counted for a report, which takes 40 ms a million; as a parameter. */
#define RECORD_COUNT_MOST "5000000"

/* Keeps the versions and the settings in force, without secrets; once in each life. */
void record_circumstances(const struct session *session);
/* The same once more in this life, since settings have been changed. */
void record_settings(const struct session *session);

/* "schema.table", without the schema when it is public; NULL for a query. The caller frees. */
char *record_relation(const char *schema, const char *table);

/* The entities of the session whose rows must go first, or those that its deferred references lead to, as a text[]; the caller
   frees. */
char *record_parents(const struct entity_run *run, bool deferred);

/* Counts the time up to now as spent in the present state; called before each change of state. */
void record_time(struct entity_run *run);

/* {"waiting": 0, "planning": 3, …} in milliseconds; and read again by a later life. The caller frees. */
char *record_timings(const struct entity_run *run);
void record_restore(struct entity_run *run, const char *timings);

#endif
