/*
 * Beginning a link: the connection string as it was configured, with what every connection of ours has in common.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "postgres/internal.h"

/*
 * A peer that vanished without a word is noticed by these in half a minute, unless the connection string has its own:
 * keepalives when an answer is awaited, tcp_user_timeout when data are. The latter also ends a connection whose peer is
 * alive but has not read for so long (a full window, as in the COPY of a target that is busy), so it must not be short.
 */
static const struct {
	const char *keyword;
	const char *value;
} defaults[] = {
	{ "keepalives_idle", "10" },
	{ "keepalives_interval", "5" },
	{ "keepalives_count", "3" },
	{ "tcp_user_timeout", "30000" },
};

static const char *default_of(const char *keyword)
{
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
		if (strcmp(defaults[i].keyword, keyword) == 0)
			return defaults[i].value;
	return NULL;
}

/* Ours whatever the connection string says: the quoting relies on UTF-8, and operators find us by name. */
static const char *fixed_value(const struct pg_connection_settings *settings, const char *keyword)
{
	if (strcmp(keyword, "client_encoding") == 0)
		return "UTF8";
	if (strcmp(keyword, "application_name") == 0)
		return settings->application_name;
	return NULL;
}

static size_t count_options(const PQconninfoOption *options)
{
	size_t count = 0;

	while (options[count].keyword)
		count++;
	return count;
}

static PGconn *start_with(const struct pg_connection_settings *settings,
			  const PQconninfoOption *options)
{
	size_t count = count_options(options);
	const char **keywords = memory_new((count + 1) * sizeof *keywords);
	const char **values = memory_new((count + 1) * sizeof *values);
	PGconn *link;

	for (size_t i = 0; i < count; i++) {
		const char *fixed = fixed_value(settings, options[i].keyword);

		keywords[i] = options[i].keyword;
		values[i] = fixed ? fixed : options[i].val;
		if (!values[i])
			values[i] = default_of(options[i].keyword);
	}
	link = PQconnectStartParams(keywords, values, 0);
	free(keywords);
	free(values);
	return link;
}

PGconn *pg_link_start(const struct pg_connection_settings *settings, struct error *err)
{
	PQconninfoOption *options = PQconninfoParse(settings->conninfo, NULL);
	PGconn *link;

	if (!options) { /* libpq's message would quote what it stumbled over, a password perhaps */
		error_set(err, ERROR_CONFIG, "the connection string of the %s makes no sense",
			  settings->name);
		error_hint(err, "write it as \"host=… dbname=… user=…\" or as postgresql://…, "
				"with special characters of a password in a URI %%-encoded");
		return NULL;
	}
	link = start_with(settings, options);
	PQconninfoFree(options);
	if (!link) {
		error_set(err, ERROR_ENVIRONMENT, "out of memory for a connection");
		return NULL;
	}
	/* libpq keeps no SQLSTATE of a failed attempt, but in this verbosity its message does. */
	PQsetErrorVerbosity(link, PQERRORS_VERBOSE);
	return link;
}
