/*
 * The daemon: owns everything, starts it and stops it in order.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "config/config.h"

/* Runs until it is told to stop (SIGTERM, SIGINT); the configuration is borrowed. Returns the process's exit status. */
int daemon_run(const struct config *config);

#endif
