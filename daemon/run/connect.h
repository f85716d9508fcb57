/*
 * What every connection is told before it is used: the settings that hashes and text forms depend on, and those that keep
 * the source safe from us.
 */
#ifndef DAEMON_RUN_CONNECT_H
#define DAEMON_RUN_CONNECT_H

#include "config/config.h"
#include "postgres/connection.h"

struct connect_settings;

/* Everything is copied. */
struct connect_settings *connect_settings_new(const struct config *config);
/* Would connections that were made with one be as those made with the other? */
bool connect_settings_equal(const struct connect_settings *a, const struct connect_settings *b);
void connect_settings_free(struct connect_settings *settings);

const struct pg_connection_settings *connect_source(const struct connect_settings *settings);
const struct pg_connection_settings *connect_target(const struct connect_settings *settings);
/* To the target, for the one connection that reads and writes what is not guarded by claim_batch(). */
const struct pg_connection_settings *connect_store(const struct connect_settings *settings);

#endif
