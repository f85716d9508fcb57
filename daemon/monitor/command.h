/*
 * A program that is run beside the loop: what it is told stands on its standard input, what it says goes nowhere, and it has a limited
 * time.
 *
 * It is a session of its own, so that it can be ended with all that it has started; it has no descriptor of ours but the three
 * that every program has; signals are as at the beginning of a program; and of our environment it sees what a mail program needs,
 * and no password.
 */
#ifndef DAEMON_MONITOR_COMMAND_H
#define DAEMON_MONITOR_COMMAND_H

#include <event2/event.h>

#include "common/error.h"

struct command;

enum command_outcome { COMMAND_DONE, COMMAND_FAILED, COMMAND_TIMED_OUT };

/* It is over; `how` says how in words. The next may be started from within. */
typedef void command_on_over(void *arg, enum command_outcome outcome, const char *how);

/* One at a time. SIGCHLD is the command's from now on. */
struct command *command_new(struct event_base *base, command_on_over *on_over, void *arg);

/* What is running is killed, and nobody is told. */
void command_free(struct command *command);

/* `words`: the program and its arguments; ends with NULL. `variables`: further ones ("NAME=value"); likewise. All are borrowed for the
   call only. False: it could not be started. */
bool command_start(struct command *command, char *const *words, const char *input,
		   char *const *variables, int64_t timeout_ms, struct error *err) _warn_unused_;

bool command_is_running(const struct command *command);

#endif
