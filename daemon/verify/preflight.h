/*
 * The preflight: whether both databases are ready for a migration, and what to do where they are not.
 *
 * It only asks. Every theme ends in a finding: what is wrong, each thing by its name, or one pass for the whole theme,
 * or unknown for what could not be verified.
 */
#ifndef DAEMON_VERIFY_PREFLIGHT_H
#define DAEMON_VERIFY_PREFLIGHT_H

#include <stddef.h>

#include "catalog/binding.h"
#include "config/settings.h"
#include "postgres/connection.h"
#include "verify/finding.h"

struct preflight_request {
	const struct binding *binding; /* NULL when it could not be made */
	const struct entity_set *entity_set;
	const struct settings *settings;
	struct pg_connection *
		source; /* one that is down, or NULL, is a finding; nobody else's transaction on it */
	struct pg_connection *target;
};

/* `findings` are borrowed for the call. `err` is always NULL today: what goes wrong is a finding. */
typedef void preflight_on_done(void *arg, const struct finding *findings, size_t count,
			       const struct error *err);

/* Everything in the request is borrowed until on_done, which is called once; before this returns when neither database
   can be asked. No transaction is left open. */
void preflight_start(const struct preflight_request *request, preflight_on_done *on_done,
		     void *arg);

#endif
