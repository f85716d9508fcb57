/*
 * The terminal's keyboard while a screen is shown: keys come as they are pressed, and are not echoed. What the terminal was like before is
 * put back whenever the program stops or ends, by whatever signal; Ctrl-C and Ctrl-Z remain signals.
 */
#ifndef CTL_TERMINAL_H
#define CTL_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
	int fd;	   /* of the keyboard; -1: there is none */
	bool ours; /* its settings are */
	struct termios before;
	sigset_t old_signals;
	sigset_t wait_signals; /* the mask while waiting: signals come then only */
};

/* Has signals taken note of, and the keyboard give keys if `wants_keys` and standard input is a terminal. */
void terminal_begin(struct terminal *terminal, bool wants_keys);

/* Puts everything back; a signal that was to end the program does so now. */
void terminal_end(struct terminal *terminal);

/* The signal that is to end the program; 0: none came. */
int terminal_interrupted(void);

/* Ctrl-Z: stops here, with the terminal as it was, until the program is continued; true: it was stopped or continued, so whatever is on the
   terminal now, it is not what we have drawn. */
bool terminal_stopped(struct terminal *terminal);

/* Are we in the foreground of this terminal? In the background nothing is to be drawn. */
bool terminal_in_foreground(int fd);

/* Where keys come from just now; -1: from nowhere. */
int terminal_keyboard(const struct terminal *terminal);

/* Reads keys that were pressed, of a keyboard that is readable. False: the terminal is gone. */
bool terminal_read(struct terminal *terminal, char *bytes, size_t size, size_t *ret_length);

#endif
