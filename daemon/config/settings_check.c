/*
 * What is wrong with settings together: a limit that another one never lets be reached, one that has no meaning without another.
 * Each is blamed on one of them, where its value came from; what was not understood contradicts nothing.
 */
#include "config/settings_check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/text.h"
#include "config/monitor_check.h"
#include "config/time_window.h"
#include "config/validate.h"

#define SECOND INT64_C(1000)

/* Connections to a database that are open while one entity is carried. */
#define LEAST_CONNECTIONS 3

struct setting_place setting_place(const struct settings_loader *loader,
				   const struct setting *setting)
{
	struct setting_place place = { .file = loader->file };

	if (setting->variable && environment_get(loader->environment, setting->variable)) {
		place.file = "environment";
		snprintf(place.path, sizeof place.path, "%s", setting->variable);
	} else {
		snprintf(place.path, sizeof place.path, "$.%s.%s", setting->section, setting->key);
	}
	return place;
}

bool setting_was_understood(const struct settings_loader *loader, const struct setting *setting)
{
	struct setting_place place = setting_place(loader, setting);

	return !problem_list_names(loader->problems, place.file, place.path);
}

int64_t setting_number(const struct setting *setting, const struct settings *settings)
{
	return *(const int64_t *)((const char *)settings + setting->offset);
}

const char *setting_text(const struct setting *setting, const struct settings *settings)
{
	return *(char *const *)((const char *)settings + setting->offset);
}

/* Does it say anything, be it in the file or by default? */
static bool is_set(const struct setting *setting, const struct settings *settings)
{
	return setting->type == SETTING_TEXT ? setting_text(setting, settings)[0] != '\0'
					     : setting_number(setting, settings) != 0;
}

void settings_blame(const struct settings_loader *loader, const struct setting *setting,
		    const char *format, ...)
{
	struct setting_place place = setting_place(loader, setting);
	_cleanup_text_ struct text message = TEXT_INIT;
	va_list arguments;

	if (!setting_was_understood(loader, setting))
		return;
	va_start(arguments, format);
	text_vappendf(&message, format, arguments);
	va_end(arguments);
	problem_add(loader->problems, place.file, 0, place.path, "%s", text_string(&message));
}

/* --- two that must stand in an order ------------------------------------------------------------- */

enum order { SHORTER_THAN, AT_MOST, AT_LEAST };

/* 0, which for these means "none" or "any", contradicts nothing. */
static const struct pair {
	const char *section, *key;
	enum order order;
	const char *other_section, *other_key;
	const char *because;
	bool but_default; /* a default that does not fit is no mistake */
} pairs[] = {
	{ "settings", "lock_timeout", SHORTER_THAN, "settings", "statement_timeout",
	  "ends the statement no later: lock_timeout must be the shorter one", false },
	{ "settings", "batch_time", AT_MOST, "settings", "statement_timeout",
	  "ends the statements of a batch before", false },
	{ "settings", "peer_timeout", AT_MOST, "settings", "stall_timeout",
	  "gives the server up before", false },
	{ "settings", "source_connections", AT_MOST, "settings", "connection_pool_size",
	  "is the most for either side", false },
	{ "settings", "target_connections", AT_MOST, "settings", "connection_pool_size",
	  "is the most for either side", false },
	{ "schedule", "jitter", SHORTER_THAN, "schedule", "every",
	  "is what it is added to: jitter must be the shorter one", false },
	{ "schedule", "sweep_every", AT_LEAST, "schedule", "every",
	  "is how often there is a cycle that could sweep", true },
};

/* Is it what nobody needs to write? */
static bool is_default(const struct setting *setting, const struct settings *settings)
{
	int64_t by_default;

	return clock_parse_duration(setting->default_value, &by_default) &&
	       setting_number(setting, settings) == by_default;
}

static bool stands(int64_t value, enum order order, int64_t other)
{
	switch (order) {
	case SHORTER_THAN:
		return value < other;
	case AT_MOST:
		return value <= other;
	case AT_LEAST:
		return value >= other;
	}
	return true;
}

static void check_pair(const struct settings_loader *loader, const struct pair *pair)
{
	const struct setting *setting = setting_find(pair->section, pair->key);
	const struct setting *other = setting_find(pair->other_section, pair->other_key);
	int64_t value = setting_number(setting, loader->settings);
	int64_t other_value = setting_number(other, loader->settings);

	if (value == 0 || other_value == 0 ||
	    (pair->but_default && is_default(setting, loader->settings)) ||
	    stands(value, pair->order, other_value) || !setting_was_understood(loader, other))
		return;
	_cleanup_free_ char *written = setting_format(setting, loader->settings);
	_cleanup_free_ char *other_written = setting_format(other, loader->settings);

	settings_blame(loader, setting, "%s is %s, but %s = %s %s", setting->key, written,
		       other->key, other_written, pair->because);
}

/* --- one that must be so much, or nothing --------------------------------------------------------- */

static const struct least {
	const char *section, *key;
	int64_t minimum;
	const char *otherwise;
} leasts[] = {
	{ "settings", "migration_timeout", SECOND, "0 for any time" },
	{ "settings", "stall_timeout", SECOND, "0 for never" },
	{ "settings", "source_connections", LEAST_CONNECTIONS, "0 for connection_pool_size" },
	{ "settings", "target_connections", LEAST_CONNECTIONS, "0 for connection_pool_size" },
	{ "schedule", "every", SECOND, "0 for no schedule" },
};

static void check_least(const struct settings_loader *loader, const struct least *least)
{
	const struct setting *setting = setting_find(least->section, least->key);
	struct settings minimum = { 0 };
	int64_t value = setting_number(setting, loader->settings);

	if (value == 0 || value >= least->minimum)
		return;
	*(int64_t *)((char *)&minimum + setting->offset) = least->minimum;
	_cleanup_free_ char *written = setting_format(setting, &minimum);

	settings_blame(loader, setting, "must be at least %s, or %s", written, least->otherwise);
}

/* --- one that has no meaning without another ------------------------------------------------------ */

static const struct need {
	const char *section, *key, *needed;
	const char *because;
} needs[] = {
	{ "schedule", "window", "every", "there are no cycles that could begin within it" },
	{ "schedule", "jitter", "every", "there is no interval to add it to" },
	{ "throttle", "max", "query", "there is no value to hold against it" },
};

static void check_need(const struct settings_loader *loader, const struct need *need)
{
	const struct setting *setting = setting_find(need->section, need->key);
	const struct setting *needed = setting_find(need->section, need->needed);

	if (is_set(setting, loader->settings) && !is_set(needed, loader->settings) &&
	    setting_was_understood(loader, needed))
		settings_blame(loader, setting, "has no meaning without \"%s\": %s", need->needed,
			       need->because);
}

/* --- the others ----------------------------------------------------------------------------------- */

static void check_pool(const struct settings_loader *loader)
{
	const struct settings *settings = loader->settings;
	int64_t needed = settings->max_concurrent_entities + LEAST_CONNECTIONS - 1;

	if (settings->connection_pool_size < needed &&
	    setting_was_understood(loader, setting_find("settings", "max_concurrent_entities")))
		settings_blame(loader, setting_find("settings", "connection_pool_size"),
			       "connection_pool_size is %" PRId64
			       ", but max_concurrent_entities = %" PRId64 " needs at least %" PRId64
			       ": one for each entity and two for control and planning",
			       settings->connection_pool_size, settings->max_concurrent_entities,
			       needed);
}

static void check_window(const struct settings_loader *loader)
{
	const struct settings *settings = loader->settings;
	struct time_window window;
	struct error err;

	if (!time_window_parse(settings->schedule_window, "UTC", &window, &err))
		settings_blame(loader, setting_find("schedule", "window"), "%s", err.message);
	if (!time_zone_check(settings->schedule_time_zone, &err))
		settings_blame(loader, setting_find("schedule", "time_zone"), "%s: %s", err.message,
			       err.hint);
}

static void check_query(const struct settings_loader *loader)
{
	const char *query = loader->settings->throttle_query;

	if (query[0] != '\0' && query[strspn(query, " \t\r\n")] == '\0')
		settings_blame(loader, setting_find("throttle", "query"),
			       "says nothing but spaces");
}

static void check_socket(const struct settings_loader *loader)
{
	const struct setting *setting = setting_find("control", "socket");
	const char *socket = loader->settings->control_socket;

	if (socket[0] != '/')
		settings_blame(loader, setting, "must be an absolute path, beginning with \"/\"");
	else if (strlen(socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
		settings_blame(loader, setting,
			       "too long: the path of a Unix socket has at most 107 bytes");
}

static void check_validate(const struct settings_loader *loader)
{
	const struct setting *setting = setting_find("settings", "validate_checks");
	const char *steps_word = loader->settings->validate_steps;
	_cleanup_free_ char *word = NULL;
	unsigned steps, checks = 0;

	if (!validate_steps_read(steps_word, &steps))
		settings_blame(loader, setting_find("settings", "validate_steps"),
			       "\"%s\" is none of off, before, after and both", steps_word);
	if (!validate_checks_read(loader->settings->validate_checks, &checks, &word))
		settings_blame(
			loader, setting,
			"there is no check \"%s\": counts, references, mappings, values and rules "
			"are",
			word);
	else if (checks == 0)
		settings_blame(loader, setting,
			       "names no check; validate_steps says whether there are any");
}

void settings_check(const struct settings_loader *loader)
{
	for (size_t i = 0; i < sizeof leasts / sizeof leasts[0]; i++)
		check_least(loader, &leasts[i]);
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		check_pair(loader, &pairs[i]);
	for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
		check_need(loader, &needs[i]);
	check_pool(loader);
	check_window(loader);
	check_query(loader);
	check_socket(loader);
	check_validate(loader);
	monitor_check(loader);
}
