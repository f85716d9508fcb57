/*
 * What is wrong with the sections "alerts" and "metrics". Part of settings_check.c's work, apart for its size.
 */
#ifndef DAEMON_CONFIG_MONITOR_CHECK_H
#define DAEMON_CONFIG_MONITOR_CHECK_H

#include "config/settings_check.h"

/* A command that is not there, or must not be run, is a warning: the daemon does its work without. */
void monitor_check(const struct settings_loader *loader);

#endif
