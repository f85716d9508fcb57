/*
 * migrated --check-config: the configuration against itself and against both databases.
 */
#ifndef DAEMON_CHECK_CONFIG_H
#define DAEMON_CHECK_CONFIG_H

#include "config/config.h"

/* Prints every problem to stderr. 0: it fits; EX_CONFIG: it does not; EX_UNAVAILABLE: a database could not be asked, so
   only the files are known to be right. */
int check_config(const struct config *config);

#endif
