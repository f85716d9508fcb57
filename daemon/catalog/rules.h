/*
 * Business rules held against the two databases. A rule that is asked before writing is shipped with its row as bN; one that is asked
 * after it is an expression over the target's row.
 *
 * N is the rule's place in the file, from 1. What a rule gives is turned about: TRUE is that it is broken, and whatever else,
 * NULL included, that it is not.
 */
#ifndef DAEMON_CATALOG_RULES_H
#define DAEMON_CATALOG_RULES_H

#include "catalog/binding.h"

/* Ships those that are asked of the source's row; the source then says whether they can be. */
void bound_ship_rules(struct bound_entity *bound);

/* SQL over `source` or `target`: whether the rule is broken, never NULL; caller frees. */
char *rule_is_broken(const struct rule *rule);

typedef void rules_on_done(void *arg, const struct error *err);

/* Has the target look at the rules that it will be asked; those it refuses are problems of their entities. Calls on_done
   once, at once when there are none; an error is that the target could not be asked. */
void rules_describe(struct binding *binding, struct pg_connection *target, rules_on_done *on_done,
		    void *arg);

#endif
