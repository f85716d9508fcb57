/*
 * Telling, in the log, of rows that a batch has set aside: the first of each kind (phase, SQLSTATE, constraint, column), which is an
 * alert; and of each entity the first LETTERS_TOLD rows of a session by their keys. The others are counted, in what the session says
 * at its end: `migratectl dead-letters` has them all.
 */
#ifndef DAEMON_RUN_LETTERS_H
#define DAEMON_RUN_LETTERS_H

#define LETTERS_TOLD 10

struct entity_run;

/* The entity's batch of this number is done, and has set rows aside. */
void letters_tell(struct entity_run *run, int batch);

#endif
