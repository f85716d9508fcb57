/*
 * Metrics as a file, for the textfile collector of Prometheus' node exporter: written beside it and put in its place, so that nobody
 * reads half of one; removed when the daemon stops, so that nobody reads of a daemon that is not there.
 */
#ifndef DAEMON_MONITOR_TEXTFILE_H
#define DAEMON_MONITOR_TEXTFILE_H

#include "common/error.h"
#include "common/text.h"

/* Replaces `path` by this text; its directory must be writable. */
bool textfile_write(const char *path, const struct text *text, struct error *err) _warn_unused_;

#endif
