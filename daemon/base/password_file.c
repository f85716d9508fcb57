/*
 * See password_file.h. Read without stdio, whose buffer would keep a copy.
 */
#include "base/password_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"

#define LENGTH_MAX 1024

void password_wipe(char *password)
{
	if (password == NULL)
		return;
	explicit_bzero(password, strlen(password));
	free(password);
}

/* How many bytes, up to one more than a password may have; -1: it failed. */
static ssize_t read_all(int fd, char *buffer)
{
	size_t length = 0;

	while (length <= LENGTH_MAX) {
		ssize_t count = read(fd, buffer + length, LENGTH_MAX + 1 - length);

		if (count < 0)
			return -1;
		if (count == 0)
			break;
		length += (size_t)count;
	}
	return (ssize_t)length;
}

/* Ends the line. False: it is none that could be a password. */
static bool cut(char *buffer, size_t length, struct error *err)
{
	if (length > LENGTH_MAX)
		return error_set(err, ERROR_CONFIG, "is longer than %d bytes", LENGTH_MAX);
	if (length > 0 && buffer[length - 1] == '\n')
		length--;
	if (length > 0 && buffer[length - 1] == '\r')
		length--;
	buffer[length] = '\0';
	if (length == 0)
		return error_set(err, ERROR_CONFIG, "is empty");
	if (strlen(buffer) != length || strchr(buffer, '\n') != NULL)
		return error_set(err, ERROR_CONFIG,
				 "holds more than one line: only the password may stand in it");
	return true;
}

bool password_file_read(const char *path, char **ret_password, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char buffer[LENGTH_MAX + 2];
	ssize_t length = fd >= 0 ? read_all(fd, buffer) : -1;
	bool good;

	if (length < 0) {
		error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_CONFIG,
			  "cannot be read: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	close(fd);
	good = cut(buffer, (size_t)length, err);
	if (good)
		*ret_password = text_copy(buffer);
	explicit_bzero(buffer, sizeof(buffer));
	return good;
}
