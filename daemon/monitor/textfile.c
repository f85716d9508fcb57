/*
 * See textfile.h. Nothing is synced to the disk: what a crash of the machine loses is old when it is up again.
 */
#include "monitor/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0644 /* the collector is another user */

static bool write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes += written;
		length -= (size_t)written;
	}
	return true;
}

/* The collector reads files that end in .prom; this one does not. */
static bool write_beside(const char *beside, const struct text *text)
{
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	bool written = fd >= 0 && fchmod(fd, FILE_MODE) == 0 &&
		       write_all(fd, text_string(text), text->length);
	int reason = errno;

	if (fd >= 0 && close(fd) < 0 && written) {
		written = false;
		reason = errno;
	}
	errno = reason;
	return written;
}

bool textfile_write(const char *path, const struct text *text, struct error *err)
{
	_cleanup_free_ char *beside = text_format("%s.new", path);

	if (write_beside(beside, text) && rename(beside, path) == 0)
		return true;
	error_set(err, ERROR_ENVIRONMENT, "cannot write metrics to %s: %s", path, strerror(errno));
	unlink(beside);
	return error_hint(err, "its directory must be writable by the daemon's user, and under "
			       "systemd stand in ReadWritePaths=");
}
