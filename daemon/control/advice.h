/*
 * What can be done about a dead letter: one table from where and why it was refused to a sentence or two.
 */
#ifndef DAEMON_CONTROL_ADVICE_H
#define DAEMON_CONTROL_ADVICE_H

/* Never NULL. */
const char *advice_for(const char *phase, const char *sqlstate);

#endif
