/*
 * Reading the configuration again, for SIGHUP and for migratectl reload.
 *
 * All of it is read, as at a start. If anything is wrong, all problems are told and nothing is changed. Otherwise what counts at once is
 * taken over at once, and the rest when nothing is under way that knows the old one: then everything that was made of it is made anew, so
 * that it is as after a restart. What waits is forgotten by a restart, which reads the files itself, and by the next reload.
 */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include "config/config.h"
#include "control/audit.h"
#include "control/handlers.h"
#include "run/engine.h"

struct reload;

/* Who must know of another configuration. All are borrowed. */
struct reload_means {
	struct event_base *base;
	struct config *config; /* in force; what counts at once is changed in it */
	const char
		*socket; /* of the command line, which goes before the configured one; NULL: none */
	char *const *environment;
	struct engine *engine;
	struct handlers *handlers;
	struct audit *audit;
};

struct reload *reload_new(const struct reload_means *means);
/* After the engine, and whoever waits for an answer, are gone. NULL is allowed. */
void reload_free(struct reload *reload);

/* Reads it now. on_done (NULL: nobody) is called once, from the loop, with the reply of io.migrated.Reload: when all is in force that can
   be, or when it is clear what that waits for. */
void reload_ask(struct reload *reload, reload_on_done *on_done, void *arg);

#endif
