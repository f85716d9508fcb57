/*
 * What the files of this room share, and nobody else includes.
 */
#ifndef DAEMON_STORE_INTERNAL_H
#define DAEMON_STORE_INTERNAL_H

#include "store/store.h"

/* store_check_id_maps(); with `keep`, id maps that were not looked at for a while are counted, too, and what was counted is
   kept. */
void id_maps_check(struct pg_connection *target, struct binding *binding, bool keep,
		   store_on_done *on_done, void *arg);

#endif
