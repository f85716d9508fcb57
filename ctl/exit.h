/*
 * What migratectl says with its exit status; the same table stands in the manual and in --help.
 */
#ifndef CTL_EXIT_H
#define CTL_EXIT_H

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_RUNNING = 3,
	EXIT_NO_SUCH = 4,
	EXIT_DENIED = 5,
	EXIT_PAUSED = 6,
	EXIT_TIMED_OUT = 7,
};

#endif
