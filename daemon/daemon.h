/*
 * The daemon: owns everything, starts it and stops it in order.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "config/config.h"

/* Runs until it is told to stop (SIGTERM, SIGINT). The configuration is the caller's; it can be read again meanwhile, from its file and
   this environment, and `socket` (NULL: none) goes before the configured one. Returns the process's exit status. */
int daemon_run(struct config *config, const char *socket, char *const *environment);

#endif
