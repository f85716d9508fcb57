/*
 * A Unix stream socket that listens. What bind() cannot tell, a stale file from a living daemon, is
 * found by connecting to it.
 */
#include "control/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/text.h"

#define BACKLOG 4096 /* the kernel's own limit, net.core.somaxconn, where that is less */
#define SOCKET_MODE 0666

static bool fill_address(struct sockaddr_un *ret_address, const char *path, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!path || path[0] != '/')
		return error_set(err, ERROR_CONFIG,
				 "the control socket needs an absolute path, not \"%s\"",
				 path ? path : "");
	if (strlen(path) >= sizeof address.sun_path)
		return error_set(err, ERROR_CONFIG,
				 "the control socket's path has more than %zu bytes: %s",
				 sizeof address.sun_path - 1, path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	*ret_address = address;
	return true;
}

static int unix_socket(struct error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		error_set(err, ERROR_ENVIRONMENT, "cannot make a socket: %s", strerror(errno));
	return fd;
}

/* Nobody listens where connecting is refused. A living daemon whose backlog is full answers EAGAIN.
   */
static bool is_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused = fd >= 0 &&
		       connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 &&
		       errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return refused;
}

static bool remove_stale(const struct sockaddr_un *address, struct error *err)
{
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return true; /* bind() will say what is wrong, if anything is */
	if (!S_ISSOCK(status.st_mode)) {
		error_set(err, ERROR_CONFIG, "%s is not a socket and is left alone",
			  address->sun_path);
		return error_hint(err, "remove it, or give the control socket another path");
	}
	if (!is_stale(address)) {
		error_set(err, ERROR_ENVIRONMENT, "another migrated listens on %s",
			  address->sun_path);
		return error_hint(err, "stop it (systemctl stop migrated), or give this one "
				       "another control socket");
	}
	if (unlink(address->sun_path) < 0)
		return error_set(err, ERROR_ENVIRONMENT, "cannot replace the stale socket %s: %s",
				 address->sun_path, strerror(errno));
	return true;
}

static bool bind_and_listen(struct listen_socket *socket, const struct sockaddr_un *address,
			    struct error *err)
{
	struct stat status;
	const char *path = address->sun_path;

	if (bind(socket->fd, (const struct sockaddr *)address, sizeof *address) < 0) {
		int reason = errno;

		error_set(err, ERROR_ENVIRONMENT, "cannot make the control socket %s: %s", path,
			  strerror(reason));
		return reason == ENOENT ? error_hint(err, "its directory has to exist") : false;
	}
	if (chmod(path, SOCKET_MODE) < 0 || listen(socket->fd, BACKLOG) < 0 ||
	    lstat(path, &status) < 0)
		return error_set(err, ERROR_ENVIRONMENT, "cannot listen on %s: %s", path,
				 strerror(errno));
	socket->path = text_copy(path);
	socket->device = status.st_dev;
	socket->inode = status.st_ino;
	return true;
}

bool listen_open(struct listen_socket *ret_socket, const char *path, struct error *err)
{
	struct listen_socket socket = { .fd = -1 };
	struct sockaddr_un address;

	if (!fill_address(&address, path, err) || !remove_stale(&address, err))
		return false;
	socket.fd = unix_socket(err);
	if (socket.fd < 0)
		return false;
	if (!bind_and_listen(&socket, &address, err)) {
		close(socket.fd);
		return false;
	}
	*ret_socket = socket;
	return true;
}

static int socket_option(int fd, int option)
{
	int value = 0;
	socklen_t length = sizeof value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &length) < 0 ? -1 : value;
}

bool listen_adopt(struct listen_socket *ret_socket, int fd, struct error *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (socket_option(fd, SO_DOMAIN) != AF_UNIX || socket_option(fd, SO_TYPE) != SOCK_STREAM ||
	    socket_option(fd, SO_ACCEPTCONN) != 1) {
		error_set(err, ERROR_CONFIG, "descriptor %d is not a listening Unix stream socket",
			  fd);
		return error_hint(err, "migrated.socket needs ListenStream= with a path");
	}
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_set(err, ERROR_ENVIRONMENT, "cannot use the socket passed to us: %s",
				 strerror(errno));
	*ret_socket = (struct listen_socket){ .fd = fd };
	return true;
}

void listen_done(struct listen_socket *socket)
{
	struct stat status;

	if (socket->path && lstat(socket->path, &status) == 0 && status.st_dev == socket->device &&
	    status.st_ino == socket->inode)
		unlink(socket->path);
	free(socket->path);
	*socket = (struct listen_socket){ .fd = -1 };
}
