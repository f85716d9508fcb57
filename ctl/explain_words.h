/*
 * What an explanation says in words: in one sentence where the row is and why, and what to do next.
 */
#ifndef CTL_EXPLAIN_WORDS_H
#define CTL_EXPLAIN_WORDS_H

#include <jansson.h>

/* All strings are the caller's. */

/* "Patients 4711 is in the target as 0a1b…, and equal to the source." */
char *explain_sentence(const json_t *explanation);

/* What can be done, "" when there is nothing to be done; and the command that does it, or shows more of it (NULL: there is none). */
char *explain_next(const json_t *explanation, char **ret_command);

/* "offices 3"; its members are named so. */
char *explain_row(const json_t *object, const char *entity, const char *key);

/* "offices 3 (by office_id), which is not in the source": a member of waits_for or deferred. */
char *explain_parent(const json_t *waiting);

/* "dead letter 42 (23502 name)" */
char *explain_letter(const json_t *letter);

#endif
