/*
 * What differs between the configuration in force and one that was read later, and when that counts.
 */
#ifndef DAEMON_CONFIG_CHANGES_H
#define DAEMON_CONFIG_CHANGES_H

#include "config/config.h"

enum change_kind { CHANGE_ADDED, CHANGE_REMOVED, CHANGE_CHANGED };

/* "added", "removed", "changed" */
const char *change_kind_name(enum change_kind kind);

struct change {
	char *what; /* "settings.batch_size", "entity offices"; never a value */
	enum change_kind kind;
	enum setting_effect effect;
};

struct change_list {
	struct change *changes;
	size_t count;
};

/* Settings in the order of their table, then entities by name. */
void changes_find(const struct config *running, const struct config *loaded,
		  struct change_list *ret_list);
void change_list_done(struct change_list *list);

/* Is there a change of this effect? */
bool changes_have(const struct change_list *list, enum setting_effect effect);

/* Has the configuration in force say at once what counts at once. */
void changes_take_at_once(struct config *running, const struct config *loaded);

/* Has the one that was read later say what is in force until a restart, before it takes the other's place. */
void changes_keep(const struct config *running, struct config *loaded);

#endif
