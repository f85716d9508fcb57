/*
 * See process.h. Of /proc only what is this process's own: a unit may hide the rest (ProcSubset=pid).
 */
#include "monitor/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void read_memory(struct process_figures *figures)
{
	char buffer[128] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	long long size = 0, resident = 0;
	ssize_t length;

	if (fd < 0)
		return;
	length = read(fd, buffer, sizeof(buffer) - 1);
	close(fd);
	if (length <= 0 || sscanf(buffer, "%lld %lld", &size, &resident) != 2)
		return;
	figures->virtual_bytes = size * sysconf(_SC_PAGESIZE);
	figures->resident_bytes = resident * sysconf(_SC_PAGESIZE);
}

/* Not the one that counts them, nor . and .. */
static int64_t count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int64_t count = -3;

	if (directory == NULL)
		return -1;
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

void process_read(struct process_figures *ret_figures)
{
	struct rusage usage;
	struct rlimit limit;

	*ret_figures = (struct process_figures){ .resident_bytes = -1,
						 .virtual_bytes = -1,
						 .open_fds = count_fds(),
						 .max_fds = -1 };
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		ret_figures->cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		ret_figures->max_fds = (int64_t)limit.rlim_cur;
	read_memory(ret_figures);
}
