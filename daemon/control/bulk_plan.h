/*
 * What bulk mode would do to an entity's table, for `plan` and `check`: it is announced before anything is set aside.
 */
#ifndef DAEMON_CONTROL_BULK_PLAN_H
#define DAEMON_CONTROL_BULK_PLAN_H

#include <jansson.h>
#include <libpq-fe.h>

#include "catalog/binding.h"
#include "config/settings.h"

/* The usable entities of a binding, in its order; as many as *ret_count. The array is the caller's. */
const struct bound_entity **bulk_plan_entities(const struct binding *binding, size_t *ret_count);

/* Bulk of the control protocol. `candidates` is the answer to bulk_sql_candidates() about these entities; NULL: it could not be asked. */
json_t *bulk_plan_describe(const struct binding *binding, const struct bound_entity *bound,
			   const struct settings *settings, const PGresult *candidates);

/* Findings of Check about what is set aside, added to `findings`. False: one of them is a failure. */
bool bulk_plan_findings(json_t *findings, const json_t *set_aside);

#endif
