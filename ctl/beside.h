/*
 * A call beside the stream that is followed: on a connection of its own, since calls on one are answered one after the other, and without
 * waiting for it.
 */
#ifndef CTL_BESIDE_H
#define CTL_BESIDE_H

#include "ctl/client.h"

/* All zero but the path: nothing is asked. */
struct beside {
	const char *path; /* of the socket; borrowed */
	bool is_open;
	int what; /* the caller's own word for what was asked */
	struct client client;
};

/* Where its answer comes; -1: nothing is asked. */
int beside_fd(const struct beside *beside);

/* Asks; `parameters` is borrowed. Only when nothing is asked. False with the failure. */
_warn_unused_ bool beside_ask(struct beside *beside, int what, const char *method,
			      json_t *parameters, struct failure *failure);

enum beside_result {
	BESIDE_NOTHING,	 /* not yet */
	BESIDE_ANSWERED, /* *ret_reply is the caller's */
	BESIDE_FAILED,	 /* *failure is set */
};

/* What has come of it; after an answer nothing is asked any more. */
enum beside_result beside_look(struct beside *beside, json_t **ret_reply, struct failure *failure);

void beside_done(struct beside *beside);

#endif
