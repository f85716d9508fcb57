/*
 * What this process takes of the machine, by the names that all exporters have for it.
 */
#ifndef DAEMON_MONITOR_PROCESS_H
#define DAEMON_MONITOR_PROCESS_H

#include <stdint.h>

struct process_figures {
	double cpu_s;		/* user and system, since it started */
	int64_t resident_bytes; /* negative, as all below: it is not known */
	int64_t virtual_bytes;
	int64_t open_fds;
	int64_t max_fds;
};

void process_read(struct process_figures *ret_figures);

#endif
