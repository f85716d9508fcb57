/*
 * Looking again at what a validation has found and asked to be carried again: entity by entity, those rows alone.
 */
#ifndef DAEMON_RUN_REPAIR_H
#define DAEMON_RUN_REPAIR_H

#include "catalog/binding.h"
#include "run/lane.h"

struct repair_look_request {
	const struct binding *binding;
	struct lane *lane; /* taken, and the look's own until it is done */
	int64_t epoch;
	const char *validation; /* its UUID; borrowed until it is done */
	void (*on_done)(void *arg, const struct error *err);
	void *arg;
};

/* Calls on_done once, with no transaction open. What is equal now is marked as repaired in the store. */
void repair_look_start(const struct repair_look_request *request);

#endif
