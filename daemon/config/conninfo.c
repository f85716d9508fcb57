/*
 * Connection strings. See conninfo.h.
 *
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING is where the syntax,
 * the quoting and the meaning of sslmode come from.
 */
#include "config/conninfo.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "config/settings.h"

const struct conninfo_override conninfo_overrides[] = {
	{ "HOST", "host" }, { "PORT", "port" },		{ "NAME", "dbname" },
	{ "USER", "user" }, { "PASSWORD", "password" }, { "SSLMODE", "sslmode" },
};
const size_t conninfo_override_count = sizeof conninfo_overrides / sizeof conninfo_overrides[0];

/* The values of sslmode, the only good one last, and what is wrong with the others. */
static const char *const sslmodes[] = { "disable", "allow",	"prefer",
					"require", "verify-ca", "verify-full" };
static const char *const sslmode_weakness[] = {
	"nothing is encrypted",
	"the connection may not be encrypted",
	"the connection may not be encrypted",
	"any server may answer, as its certificate is not checked",
	"any server with a certificate of the same authority may answer",
	NULL,
};
#define SSLMODE_COUNT (sizeof sslmodes / sizeof sslmodes[0])
#define BEST_SSLMODE (SSLMODE_COUNT - 1)

static PQconninfoOption *option_find(PQconninfoOption *options, const char *keyword)
{
	for (PQconninfoOption *option = options; option->keyword; option++)
		if (strcmp(option->keyword, keyword) == 0)
			return option;
	return NULL; /* this libpq does not know it */
}

static void option_set(PQconninfoOption *options, const char *keyword, const char *value)
{
	PQconninfoOption *option = option_find(options, keyword);

	if (!option)
		return;
	free(option->val);
	option->val = text_copy(value);
}

/* What libpq will use: the string's own value, else that of the variable libpq itself reads (PGHOST
 * …). */
static const char *option_value(PQconninfoOption *options, const char *keyword,
				char *const *environment)
{
	const PQconninfoOption *option = option_find(options, keyword);

	if (option && option->val && option->val[0])
		return option->val;
	return option && option->envvar ? environment_get(environment, option->envvar) : NULL;
}

/* The variable that overrides this keyword, when it is set; the caller frees. */
static char *override_variable(const struct conninfo_origin *origin, const char *keyword)
{
	for (size_t i = 0; i < conninfo_override_count; i++) {
		if (strcmp(conninfo_overrides[i].keyword, keyword) != 0)
			continue;
		char *name = text_format("%s%s", origin->prefix, conninfo_overrides[i].suffix);

		if (environment_get(origin->environment, name))
			return name;
		free(name);
	}
	return NULL;
}

/* Adds a problem or a warning at the place this keyword's value came from. */
static void add_at(const struct conninfo_origin *origin, const char *keyword,
		   struct problem_list *list, const char *message)
{
	_cleanup_free_ char *variable = override_variable(origin, keyword);

	problem_add(list, variable ? "environment" : origin->file, 0,
		    variable ? variable : origin->path, "%s", message);
}

/*
 * libpq's complaint in our words. Its own quotes parts of the string, which may be parts of a
 * password that was not quoted, so the only word repeated is a keyword that libpq does know.
 */
static char *explain(const char *errmsg)
{
	PQconninfoOption *known = PQconninfoParse("", NULL); /* every keyword, no values */
	const char *names[128];
	size_t count = 0;
	char *explanation = NULL;
	char word[65] = "";

	for (PQconninfoOption *option = known; known && option->keyword && count < 128; option++)
		names[count++] = option->keyword;
	if (errmsg && (sscanf(errmsg, "invalid connection option \"%64[^\"]", word) == 1 ||
		       sscanf(errmsg, "invalid URI query parameter: \"%64[^\"]", word) == 1)) {
		const char *nearest = text_nearest(word, names, count);

		explanation = nearest ? text_format("unknown keyword (did you mean \"%s\"?)",
						    nearest)
				      : text_copy("unknown keyword");
	} else if (errmsg && strncmp(errmsg, "missing \"=\"", 11) == 0) {
		explanation = text_copy(
			"a keyword without \"=\"; a value that holds spaces stands in single "
			"quotes");
	} else if (errmsg && strncmp(errmsg, "unterminated", 12) == 0) {
		explanation = text_copy("a quoted value has no closing quote");
	} else {
		explanation = text_copy(
			"see \"Connection Strings\" in the manual of PostgreSQL; in a URI, "
			"special characters of a password are percent-encoded");
	}
	PQconninfoFree(known);
	return explanation;
}

static PQconninfoOption *parse(const struct conninfo_origin *origin, struct problem_list *problems)
{
	char *errmsg = NULL;
	PQconninfoOption *options = PQconninfoParse(origin->conninfo ? origin->conninfo : "",
						    &errmsg);

	if (!options) {
		_cleanup_free_ char *explanation = explain(errmsg);

		problem_add(problems, origin->file, 0, origin->path, "not a connection string: %s",
			    explanation);
	}
	PQfreemem(errmsg);
	return options;
}

static void apply_environment(PQconninfoOption *options, const struct conninfo_origin *origin)
{
	for (size_t i = 0; i < conninfo_override_count; i++) {
		const char *keyword = conninfo_overrides[i].keyword;
		_cleanup_free_ char *variable = override_variable(origin, keyword);
		const PQconninfoOption *port = option_find(options, "port");

		if (!variable)
			continue;
		if (strcmp(keyword, "host") == 0) {
			option_set(options, "hostaddr", NULL); /* or it would win over the host */
			if (port->val && strchr(port->val, ','))
				option_set(options, "port", NULL); /* one a host, of other hosts */
		}
		option_set(options, keyword, environment_get(origin->environment, variable));
	}
}

static bool is_port(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	return end != text && *end == '\0' && port >= 1 && port <= 65535;
}

static bool check_port(PQconninfoOption *options, const struct conninfo_origin *origin,
		       struct problem_list *problems)
{
	_cleanup_free_ char *ports = text_copy(option_find(options, "port")->val);
	char *rest = ports;

	for (char *port; (port = strsep(&rest, ","));) {
		if (port[0] == '\0' || is_port(port))
			continue;
		add_at(origin, "port", problems, "the port must be a number between 1 and 65535");
		return false;
	}
	return true;
}

/* The place of a mode in sslmodes, SSLMODE_COUNT when it is none. */
static size_t sslmode_index(const char *mode)
{
	size_t i = 0;

	while (i < SSLMODE_COUNT && strcmp(sslmodes[i], mode) != 0)
		i++;
	return i;
}

static bool is_local(const char *host)
{
	struct in_addr ipv4;
	struct in6_addr ipv6;

	if (host[0] == '\0' || host[0] == '/' || host[0] == '@' || strcmp(host, "localhost") == 0)
		return true; /* a socket, or ourselves by name */
	if (inet_pton(AF_INET, host, &ipv4) == 1)
		return ntohl(ipv4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &ipv6) == 1 && IN6_IS_ADDR_LOOPBACK(&ipv6);
}

/* Is every host of the list (libpq tries them in turn) a socket or loopback? */
static bool all_local(PQconninfoOption *options, char *const *environment)
{
	const char *hosts = option_value(options, "hostaddr", environment);
	bool local = true;

	if (!hosts)
		hosts = option_value(options, "host", environment);
	_cleanup_free_ char *copy = text_copy(hosts ? hosts : "");
	char *rest = copy;

	for (char *host; (host = strsep(&rest, ","));)
		local = local && is_local(host);
	return local;
}

static bool settle_sslmode(PQconninfoOption *options, const struct conninfo_origin *origin,
			   struct problem_list *problems, struct problem_list *warnings)
{
	const char *mode = option_value(options, "sslmode", origin->environment);
	bool service = option_value(options, "service", origin->environment) != NULL;
	bool host = option_value(options, "host", origin->environment) ||
		    option_value(options, "hostaddr", origin->environment);
	size_t index = mode ? sslmode_index(mode) : BEST_SSLMODE;

	if (index == SSLMODE_COUNT) {
		add_at(origin, "sslmode", problems,
		       "sslmode must be verify-full (or, weaker, disable, allow, prefer, require "
		       "or verify-ca)");
		return false;
	}
	if (!mode && service && !host) {
		add_at(origin, "sslmode", warnings,
		       "what the service says of sslmode is not known here: add "
		       "sslmode=verify-full, "
		       "unless its host is a socket or loopback");
		return true;
	}
	if (all_local(options, origin->environment))
		return true;
	if (!mode)
		option_set(options, "sslmode", sslmodes[BEST_SSLMODE]);
	if (index < BEST_SSLMODE) {
		_cleanup_free_ char *warning =
			text_format("with sslmode=%s %s; sslmode=verify-full is safe", mode,
				    sslmode_weakness[index]);

		add_at(origin, "sslmode", warnings, warning);
	}
	return true;
}

static char *join(const PQconninfoOption *options)
{
	struct text text = TEXT_INIT;

	for (; options->keyword; options++) {
		if (!options->val)
			continue;
		text_separate(&text, " ");
		text_appendf(&text, "%s='", options->keyword);
		for (const char *c = options->val; *c; c++) {
			if (*c == '\\' || *c == '\'')
				text_append(&text, "\\");
			text_append_bytes(&text, c, 1);
		}
		text_append(&text, "'");
	}
	return text_steal(&text);
}

char *conninfo_complete(const struct conninfo_origin *origin, struct problem_list *problems,
			struct problem_list *warnings)
{
	PQconninfoOption *options = parse(origin, problems);
	char *conninfo = NULL;

	if (!options)
		return NULL;
	apply_environment(options, origin);
	bool port_good = check_port(options, origin, problems);

	if (settle_sslmode(options, origin, problems, warnings) && port_good)
		conninfo = join(options);
	PQconninfoFree(options);
	return conninfo;
}

bool conninfo_has_password(const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	bool found = options && option_find(options, "password")->val;

	PQconninfoFree(options);
	return found;
}
