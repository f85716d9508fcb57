/*
 * Reading the address that metrics are served at; what is refused, and why, stands in listen_address.h.
 */
#include "config/listen_address.h"

#include <arpa/inet.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#define UNIX_PREFIX "unix:"

static bool read_path(const char *path, struct listen_address *ret_address, struct error *err)
{
	struct sockaddr_un *address = (struct sockaddr_un *)&ret_address->address;

	if (path[0] != '/')
		return error_set(err, ERROR_CONFIG,
				 "the path of a Unix socket begins with \"/\", as in "
				 "\"unix:/run/migrated/metrics\"");
	if (strlen(path) >= sizeof(address->sun_path))
		return error_set(err, ERROR_CONFIG,
				 "too long: the path of a Unix socket has at most %zu bytes",
				 sizeof(address->sun_path) - 1);
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path) + 1);
	ret_address->length = sizeof(*address);
	ret_address->path = path;
	return true;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static unsigned port_of(const struct sockaddr_storage *address)
{
	return ntohs(address->ss_family == AF_INET
			     ? ((const struct sockaddr_in *)address)->sin_port
			     : ((const struct sockaddr_in6 *)address)->sin6_port);
}

/* Whatever follows a number would be passed over. */
static bool ends_in_digits(const char *text)
{
	const char *colon = strrchr(text, ':');

	return colon != NULL && colon[1 + strspn(colon + 1, "0123456789")] == '\0';
}

bool listen_address_read(const char *text, struct listen_address *ret_address, struct error *err)
{
	struct listen_address read = { 0 };
	int length = sizeof(read.address);

	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
		if (!read_path(text + strlen(UNIX_PREFIX), &read, err))
			return false;
		*ret_address = read;
		return true;
	}
	if (!ends_in_digits(text) ||
	    evutil_parse_sockaddr_port(text, (struct sockaddr *)&read.address, &length) < 0 ||
	    port_of(&read.address) == 0)
		return error_set(
			err, ERROR_CONFIG,
			"\"%s\" is no address: write \"127.0.0.1:9187\", \"[::1]:9187\" or "
			"\"unix:/run/migrated/metrics\"",
			text);
	if (!is_loopback(&read.address))
		return error_set(
			err, ERROR_CONFIG,
			"\"%s\" can be reached from other machines, and metrics ask nobody "
			"who he is: listen on 127.0.0.1 or [::1], and put in front what knows "
			"whom it answers",
			text);
	read.length = (socklen_t)length;
	*ret_address = read;
	return true;
}
