/*
 * The table of settings, and what follows from it: defaults, the file, the environment. What contradicts each other is found by
 * settings_check.c.
 */
#include "config/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/password_file.h"
#include "common/clock.h"
#include "common/json_decode.h"
#include "common/text.h"
#include "config/conninfo.h"
#include "config/settings_check.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define MEMBER(name) offsetof(struct settings, name)

const struct setting setting_table[] = {
	{ "source", "conninfo", "SOURCE_DB_URL", SETTING_TEXT, MEMBER(source_conninfo), NULL, 0, 0,
	  true, "the legacy database, as a libpq connection string or URI", EFFECT_NEXT },
	{ "target", "conninfo", "TARGET_DB_URL", SETTING_TEXT, MEMBER(target_conninfo), NULL, 0, 0,
	  true, "the modern database, as a libpq connection string or URI", EFFECT_NEXT },
	{ "control", "socket", "MIGRATED_SOCKET", SETTING_TEXT, MEMBER(control_socket),
	  "/run/migrated/control", 0, 0, false, "the Unix socket that migratectl talks to",
	  EFFECT_RESTART },
	{ "settings", "batch_size", "BATCH_SIZE", SETTING_COUNT, MEMBER(batch_size), "50000", 1,
	  1000000, false, "most rows of a batch, which is one transaction on the target",
	  EFFECT_NEXT },
	{ "settings", "batch_time", NULL, SETTING_DURATION, MEMBER(batch_time_ms), "500ms", 0,
	  10 * MINUTE, false,
	  "how long a batch should take, which decides how many rows it gets; 0: always batch_size",
	  EFFECT_NEXT },
	{ "settings", "batch_memory", NULL, SETTING_MEMORY, MEMBER(batch_memory_kb), "64MB", 64,
	  INT_MAX, false, "how much the rows of a batch should be together, at most", EFFECT_NEXT },
	{ "settings", "max_concurrent_entities", "MAX_CONCURRENT_ENTITIES", SETTING_COUNT,
	  MEMBER(max_concurrent_entities), "4", 1, 64, false,
	  "entities that are carried at the same time", EFFECT_NEXT },
	{ "settings", "connection_pool_size", "CONNECTION_POOL_SIZE", SETTING_COUNT,
	  MEMBER(connection_pool_size), "10", 3, 256, false,
	  "connections to each database, at most; one for each concurrent entity, and two more",
	  EFFECT_NEXT },
	{ "settings", "source_connections", NULL, SETTING_COUNT, MEMBER(source_connections), "0", 0,
	  256, false, "connections to the source, at most; 0: connection_pool_size", EFFECT_NEXT },
	{ "settings", "target_connections", NULL, SETTING_COUNT, MEMBER(target_connections), "0", 0,
	  256, false, "connections to the target, at most; 0: connection_pool_size", EFFECT_NEXT },
	{ "settings", "max_retry_attempts", "MAX_RETRY_ATTEMPTS", SETTING_COUNT,
	  MEMBER(max_retry_attempts), "5", 0, 100, false,
	  "how often a batch that met a passing fault (a deadlock) is tried again",
	  EFFECT_AT_ONCE },
	{ "settings", "migration_timeout", "MIGRATION_TIMEOUT", SETTING_DURATION,
	  MEMBER(migration_timeout_ms), "0", 0, 365 * DAY, false,
	  "how long a session may take before it is paused; 0: any time", EFFECT_NEXT },
	{ "settings", "connect_timeout", NULL, SETTING_DURATION, MEMBER(connect_timeout_ms), "10s",
	  SECOND, 10 * MINUTE, false, "how long making a connection may take", EFFECT_NEXT },
	{ "settings", "statement_timeout", NULL, SETTING_DURATION, MEMBER(statement_timeout_ms),
	  "10min", 0, INT_MAX, false, "how long one statement may take; 0: any time", EFFECT_NEXT },
	{ "settings", "lock_timeout", NULL, SETTING_DURATION, MEMBER(lock_timeout_ms), "30s", 10,
	  INT_MAX, false, "how long a statement waits for a lock that somebody else holds",
	  EFFECT_NEXT },
	{ "settings", "reconnect_max", NULL, SETTING_DURATION, MEMBER(reconnect_max_ms), "3s",
	  SECOND, HOUR, false,
	  "the longest pause between two attempts to reach a database that is down", EFFECT_NEXT },
	{ "settings", "peer_timeout", NULL, SETTING_DURATION, MEMBER(peer_timeout_ms), "8s", SECOND,
	  10 * MINUTE, false, "after how long a server that acknowledges nothing is given up",
	  EFFECT_NEXT },
	{ "settings", "stall_timeout", NULL, SETTING_DURATION, MEMBER(stall_timeout_ms), "2min", 0,
	  DAY, false,
	  "after how long a server that sends and takes nothing more is given up; 0: never",
	  EFFECT_NEXT },
	{ "settings", "probe_every", NULL, SETTING_DURATION, MEMBER(probe_every_ms), "1min",
	  SECOND / 10, DAY, false, "how often what holds a session up (a full disk) is tried again",
	  EFFECT_NEXT },
	{ "settings", "work_memory", NULL, SETTING_MEMORY, MEMBER(work_memory_kb), "64MB", 64,
	  INT_MAX, false, "work_mem of the statements of a batch on the target", EFFECT_NEXT },
	{ "settings", "bulk_rows", NULL, SETTING_COUNT, MEMBER(bulk_rows), "100000", 0, INT_MAX,
	  false,
	  "from how many rows on an empty table is filled without its indexes and foreign keys; 0: never",
	  EFFECT_NEXT },
	{ "settings", "rebuild_memory", NULL, SETTING_MEMORY, MEMBER(rebuild_memory_kb), "256MB",
	  1024, INT_MAX, false, "maintenance_work_mem of each index that is built again after that",
	  EFFECT_NEXT },
	{ "settings", "rebuild_workers", NULL, SETTING_COUNT, MEMBER(rebuild_workers), "2", 0, 64,
	  false, "parallel workers that build each of them", EFFECT_NEXT },
	{ "settings", "before_images", NULL, SETTING_FLAG, MEMBER(before_images), "true", 0, 0,
	  false, "what changes replace is kept, so that a session can be rolled back",
	  EFFECT_NEXT },
	{ "settings", "before_images_keep", NULL, SETTING_DURATION, MEMBER(before_images_keep_ms),
	  "30d", 0, 3650 * DAY, false,
	  "how long after the end of its session that is kept; 0: for ever", EFFECT_AT_ONCE },
	{ "settings", "validation_keep_differences", NULL, SETTING_COUNT,
	  MEMBER(validation_keep_differences), "10000", 0, INT_MAX, false,
	  "differences of an entity and a check that a validation keeps one by one; all are counted",
	  EFFECT_NEXT },
	{ "settings", "validate_steps", NULL, SETTING_TEXT, MEMBER(validate_steps), "off", 0, 0,
	  false,
	  "when a session checks its entities: \"before\" it carries them, \"after\", \"both\" or \"off\"",
	  EFFECT_NEXT },
	{ "settings", "validate_checks", NULL, SETTING_WORDS, MEMBER(validate_checks),
	  "counts, references", 0, 0, false, "what it checks then", EFFECT_NEXT },
	{ "settings", "validate_stop", NULL, SETTING_FLAG, MEMBER(validate_stop), "false", 0, 0,
	  false, "whether an entity that differs then is stopped", EFFECT_NEXT },
	{ "schedule", "every", NULL, SETTING_DURATION, MEMBER(schedule_every_ms), "0", 0, 365 * DAY,
	  false, "how often changes are detected and migrated; 0: only when asked", EFFECT_NEXT },
	{ "schedule", "window", NULL, SETTING_TEXT, MEMBER(schedule_window), "", 0, 0, false,
	  "the hours of the day in which cycles begin, as \"22:00-06:00\"; empty: any",
	  EFFECT_NEXT },
	{ "schedule", "time_zone", NULL, SETTING_TEXT, MEMBER(schedule_time_zone), "UTC", 0, 0,
	  false, "the time zone of the window, as \"Europe/Berlin\"", EFFECT_NEXT },
	{ "schedule", "sweep_every", NULL, SETTING_DURATION, MEMBER(schedule_sweep_every_ms), "1d",
	  0, 365 * DAY, false, "how often a cycle compares everything; 0: never", EFFECT_NEXT },
	{ "schedule", "jitter", NULL, SETTING_DURATION, MEMBER(schedule_jitter_ms), "0", 0, DAY,
	  false, "up to so much is added to each interval, at random", EFFECT_NEXT },
	{ "breakers", "error_rate", NULL, SETTING_COUNT, MEMBER(breaker_error_rate), "10", 0, 100,
	  false, "percent of a session's rows that may fail before it pauses; 0: any",
	  EFFECT_AT_ONCE },
	{ "breakers", "error_min_rows", NULL, SETTING_COUNT, MEMBER(breaker_error_min_rows), "1000",
	  1, INT_MAX, false, "failed rows below which error_rate does not count", EFFECT_AT_ONCE },
	{ "breakers", "delete_share", NULL, SETTING_COUNT, MEMBER(breaker_delete_share), "20", 0,
	  100, false,
	  "percent of an entity's rows that may be gone before the session pauses; 0: any",
	  EFFECT_AT_ONCE },
	{ "breakers", "delete_min_rows", NULL, SETTING_COUNT, MEMBER(breaker_delete_min_rows),
	  "100", 1, INT_MAX, false, "deletions below which delete_share does not count",
	  EFFECT_AT_ONCE },
	{ "alerts", "command", NULL, SETTING_COMMAND, MEMBER(alert_command), "", 0, 0, true,
	  "a program and its arguments, run for every event that people should hear of; empty: none",
	  EFFECT_AT_ONCE },
	{ "alerts", "timeout", NULL, SETTING_DURATION, MEMBER(alert_timeout_ms), "30s", SECOND,
	  10 * MINUTE, false, "how long it may take before it is killed", EFFECT_AT_ONCE },
	{ "alerts", "repeat_after", NULL, SETTING_DURATION, MEMBER(alert_repeat_after_ms), "10min",
	  0, 7 * DAY, false,
	  "how long the same alert of the same entity is held back, and counted, after one; 0: not",
	  EFFECT_AT_ONCE },
	{ "alerts", "lag", NULL, SETTING_DURATION, MEMBER(alert_lag_ms), "0", 0, 365 * DAY, false,
	  "how far the target may be behind before people are told; 0: any", EFFECT_AT_ONCE },
	{ "metrics", "listen", NULL, SETTING_TEXT, MEMBER(metrics_listen), "", 0, 0, false,
	  "where Prometheus may fetch metrics: \"127.0.0.1:9187\", \"unix:/path\"; empty: nowhere",
	  EFFECT_AT_ONCE },
	{ "metrics", "textfile", NULL, SETTING_TEXT, MEMBER(metrics_textfile), "", 0, 0, false,
	  "a file that they are written to, for the node exporter's textfile collector; empty: none",
	  EFFECT_AT_ONCE },
	{ "metrics", "textfile_every", NULL, SETTING_DURATION, MEMBER(metrics_textfile_every_ms),
	  "15s", SECOND, HOUR, false, "how often that file is written", EFFECT_AT_ONCE },
	{ "throttle", "query", NULL, SETTING_TEXT, MEMBER(throttle_query), "", 0, 0, false,
	  "SQL that yields one number on the target; empty: none", EFFECT_AT_ONCE },
	{ "throttle", "max", NULL, SETTING_COUNT, MEMBER(throttle_max), "0", 0, INT_MAX, false,
	  "above this value no batch is begun", EFFECT_AT_ONCE },
	{ "throttle", "every", NULL, SETTING_DURATION, MEMBER(throttle_every_ms), "5s", SECOND / 10,
	  HOUR, false, "how often the query is asked", EFFECT_AT_ONCE },
};
const size_t setting_count = sizeof setting_table / sizeof setting_table[0];

const char *environment_get(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return (*environment)[length + 1] ? *environment + length + 1 : NULL;
	return NULL;
}

const struct setting *setting_find(const char *section, const char *key)
{
	for (size_t i = 0; i < setting_count; i++)
		if (strcmp(setting_table[i].section, section) == 0 &&
		    strcmp(setting_table[i].key, key) == 0)
			return &setting_table[i];
	return NULL;
}

static bool setting_is_on(const struct setting *setting, const struct settings *settings)
{
	return *(const bool *)((const char *)settings + setting->offset);
}

static bool setting_is_text(const struct setting *setting)
{
	return setting->type == SETTING_TEXT || setting->type == SETTING_WORDS ||
	       setting->type == SETTING_COMMAND;
}

static char **text_member(const struct setting *setting, struct settings *settings)
{
	return (char **)((char *)settings + setting->offset);
}

char *setting_format(const struct setting *setting, const struct settings *settings)
{
	char buffer[32];

	if (setting->secret)
		return text_copy("(secret)");
	switch (setting->type) {
	case SETTING_TEXT:
	case SETTING_WORDS:
	case SETTING_COMMAND: {
		const char *text = *(char *const *)((const char *)settings + setting->offset);

		return text_copy(text ? text : "");
	}
	case SETTING_FLAG:
		return text_copy(setting_is_on(setting, settings) ? "true" : "false");
	case SETTING_COUNT:
		return text_format("%" PRId64, setting_number(setting, settings));
	case SETTING_DURATION:
		return text_copy(clock_format_duration(buffer, setting_number(setting, settings)));
	case SETTING_MEMORY:
		return text_copy(
			text_format_size(buffer, 1024 * setting_number(setting, settings)));
	}
	abort();
}

/* ["a", "b"] as "a, b". */
static void decode_words(struct json_report *report, const char *path, json_t *value,
			 const struct json_field *field, void *target)
{
	char **member = (char **)((char *)target + field->offset);
	struct text words = TEXT_INIT;
	const json_t *each;
	size_t i;

	json_array_foreach(value, i, each) {
		_cleanup_free_ char *each_path = json_path_index(path, i);

		if (json_is_string(each))
			text_appendf(&words, "%s%s", i > 0 ? ", " : "", json_string_value(each));
		else
			json_problem(report, each_path, "expected a string, found %s",
				     json_found(each));
	}
	free(*member);
	*member = text_steal(&words);
}

/* ["/bin/mail", "-s", "alert"] as it stands: words may hold anything. */
static void decode_command(struct json_report *report, const char *path, json_t *value,
			   const struct json_field *field, void *target)
{
	char **member = (char **)((char *)target + field->offset);
	const json_t *each;
	size_t i;

	json_array_foreach(value, i, each) {
		_cleanup_free_ char *each_path = json_path_index(path, i);

		if (!json_is_string(each))
			json_problem(report, each_path, "expected a string, found %s",
				     json_found(each));
	}
	free(*member);
	*member = json_array_size(value) > 0 ? json_dumps(value, JSON_COMPACT) : text_copy("");
}

/* The row of json_decode() that reads this setting under this name. */
static struct json_field setting_field(const struct setting *setting, const char *key)
{
	static const enum json_field_type types[] = {
		[SETTING_TEXT] = JSON_FIELD_STRING,	  [SETTING_COUNT] = JSON_FIELD_INTEGER,
		[SETTING_DURATION] = JSON_FIELD_DURATION, [SETTING_MEMORY] = JSON_FIELD_SIZE,
		[SETTING_FLAG] = JSON_FIELD_BOOL,	  [SETTING_WORDS] = JSON_FIELD_ARRAY,
		[SETTING_COMMAND] = JSON_FIELD_ARRAY,
	};
	static void (*const decoders[])(struct json_report *, const char *, json_t *,
					const struct json_field *, void *) = {
		[SETTING_WORDS] = decode_words,
		[SETTING_COMMAND] = decode_command,
	};

	return (struct json_field){
		.key = key,
		.type = types[setting->type],
		.offset = setting->offset,
		.may_be_empty = setting->default_value && !setting->default_value[0],
		.minimum = setting->minimum,
		.maximum = setting->maximum,
		.scale = 1024,
		.decode = decoders[setting->type],
	};
}

static json_t *words_value(const char *text)
{
	_cleanup_free_ char *copy = text_copy(text);
	json_t *words = json_array();
	char *rest = NULL;

	for (char *word = strtok_r(copy, ", ", &rest); word != NULL;
	     word = strtok_r(NULL, ", ", &rest))
		json_array_append_new(words, json_string(word));
	return words;
}

/* A value that was written as text (a default, a variable) as it would stand in the file. */
static json_t *text_value(const struct setting *setting, const char *text)
{
	bool number = text[strspn(text, "0123456789")] == '\0' && strcmp(text, "0") != 0;

	if (setting->type == SETTING_DURATION && number)
		return json_sprintf("%ss", text); /* MIGRATION_TIMEOUT=300 means seconds */
	if (setting->type == SETTING_FLAG &&
	    (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		return json_boolean(text[0] == 't');
	if (setting->type == SETTING_WORDS || setting->type == SETTING_COMMAND)
		return words_value(text);
	if (setting->type == SETTING_COUNT) {
		char *end;
		long long count = strtoll(text, &end,
					  10); /* what overflows is out of limits, too */

		if (end != text && *end == '\0')
			return json_integer(count);
	}
	return json_string(text); /* NULL when it is not UTF-8 */
}

/* Decodes one setting from text, by the same table, so that it is judged in the same words. */
static void load_text(struct settings_loader *loader, const struct setting *setting,
		      const char *name, const char *text)
{
	struct json_field fields[] = { setting_field(setting, name), { .key = NULL } };
	struct problem_list found = { 0 };
	struct problem_sink sink = { &found, "environment" };
	struct json_report report = problem_report(&sink);
	json_auto_t *object = json_object();
	json_t *value = text_value(setting, text);

	if (!value)
		json_problem(&report, name, "is not UTF-8");
	else if (setting->type == SETTING_COUNT && json_is_string(value))
		json_problem(&report, name, "\"%s\" is no whole number", text);
	else
		json_object_set(object, name, value);
	json_decref(value);
	json_decode(&report, "", object, fields, loader->settings);
	for (size_t i = 0; i < found.count; i++)
		problem_add(loader->problems, "environment", 0, name, "%s",
			    found.problems[i].message);
	problem_list_done(&found);
}

static void load_defaults(struct settings_loader *loader)
{
	for (size_t i = 0; i < setting_count; i++)
		if (setting_table[i].default_value)
			load_text(loader, &setting_table[i], setting_table[i].key,
				  setting_table[i].default_value);
}

static void load_section(struct json_report *report, const char *path, json_t *value,
			 const struct json_field *section, void *target)
{
	struct json_field *fields = memory_new((setting_count + 1) * sizeof *fields);
	size_t count = 0;

	for (size_t i = 0; i < setting_count; i++)
		if (strcmp(setting_table[i].section, section->key) == 0)
			fields[count++] = setting_field(&setting_table[i], setting_table[i].key);
	json_decode(report, path, value, fields, target);
	free(fields);
}

static void load_file(struct settings_loader *loader, json_t *root)
{
	struct problem_sink sink = { loader->problems, loader->file };
	struct json_report report = problem_report(&sink);
	struct json_field *sections = memory_new((setting_count + 1) * sizeof *sections);
	size_t count = 0;

	for (size_t i = 0; i < setting_count; i++) /* rows of a section stand together */
		if (i == 0 || strcmp(setting_table[i].section, setting_table[i - 1].section) != 0)
			sections[count++] = (struct json_field){ .key = setting_table[i].section,
								 .type = JSON_FIELD_OBJECT,
								 .decode = load_section };
	json_decode(&report, "$", root, sections, loader->settings);
	free(sections);
}

static void load_environment(struct settings_loader *loader)
{
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *setting = &setting_table[i];
		const char *text = setting->variable
					   ? environment_get(loader->environment, setting->variable)
					   : NULL;

		if (text)
			load_text(loader, setting, setting->variable, text);
	}
}

/* The variables of a side that say where its database is. */
static bool environment_names_database(const struct settings_loader *loader, const char *prefix)
{
	_cleanup_free_ char *host = text_format("%sHOST", prefix);
	_cleanup_free_ char *name = text_format("%sNAME", prefix);

	return environment_get(loader->environment, host) ||
	       environment_get(loader->environment, name);
}

static void load_conninfo(struct settings_loader *loader, const char *side, const char *prefix)
{
	const struct setting *setting = setting_find(side, "conninfo");
	char **conninfo = text_member(setting, loader->settings);
	struct setting_place place = setting_place(loader, setting);
	struct conninfo_origin origin = { prefix, place.file, place.path, *conninfo,
					  loader->environment };

	if (!setting_was_understood(loader, setting))
		return;
	if (!*conninfo && !environment_names_database(loader, prefix)) {
		_cleanup_free_ char *section = json_path_key("$", side);

		if (!loader->file_was_read ||
		    problem_list_names(loader->problems, loader->file, section))
			return; /* what is wrong with the file, or the section, was said */
		problem_add(
			loader->problems, place.file, 0, place.path,
			"missing: write \"%s\": {\"conninfo\": \"host=… dbname=… user=…\"}, or set "
			"%sURL, or %sHOST and %sNAME",
			side, prefix, prefix, prefix);
		return;
	}
	char *complete = conninfo_complete(&origin, loader->problems, loader->warnings);

	free(*conninfo);
	*conninfo = complete;
}

/* The file that systemd has made of the unit's LoadCredential=source-password:…; none is no problem. */
static char *credential(const struct settings_loader *loader, const char *name)
{
	const char *directory = environment_get(loader->environment, "CREDENTIALS_DIRECTORY");
	char *path = NULL, *password = NULL;
	struct error err;

	if (!directory)
		return NULL;
	if (access(directory, X_OK) != 0) {
		/* Where mounts are not shared (in a container, say) systemd leaves an empty directory that is root's. */
		problem_add(loader->warnings, directory, 0, NULL,
			    "cannot be entered, so there is no credential %s: %s", name,
			    strerror(errno));
		return NULL;
	}
	path = text_format("%s/%s", directory, name);
	if (password_file_read(path, &password, &err)) {
		password_wipe(password);
		return path;
	}
	if (err.kind != ERROR_NOT_FOUND)
		problem_add(loader->problems, path, 0, NULL, "%s", err.message);
	free(path);
	return NULL;
}

void settings_load(struct settings *settings, const char *file, json_t *root,
		   char *const *environment, struct problem_list *problems,
		   struct problem_list *warnings)
{
	struct settings_loader loader = { settings, file,     environment,
					  problems, warnings, root != NULL };

	*settings = (struct settings){ 0 };
	load_defaults(&loader);
	if (root)
		load_file(&loader, root);
	load_environment(&loader);
	load_conninfo(&loader, "source", "SOURCE_DB_");
	load_conninfo(&loader, "target", "TARGET_DB_");
	settings->source_password_file = credential(&loader, "source-password");
	settings->target_password_file = credential(&loader, "target-password");
	settings_check(&loader);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool setting_equal(const struct setting *setting, const struct settings *a,
		   const struct settings *b)
{
	if (setting->type == SETTING_FLAG)
		return setting_is_on(setting, a) == setting_is_on(setting, b);
	if (setting_is_text(setting))
		return same_text(setting_text(setting, a), setting_text(setting, b));
	return setting_number(setting, a) == setting_number(setting, b);
}

void setting_copy(const struct setting *setting, const struct settings *from, struct settings *to)
{
	if (setting_is_text(setting)) {
		char *copy = text_copy(setting_text(setting, from));

		free(*text_member(setting, to));
		*text_member(setting, to) = copy;
	} else if (setting->type == SETTING_FLAG) {
		*(bool *)((char *)to + setting->offset) = setting_is_on(setting, from);
	} else {
		*(int64_t *)((char *)to + setting->offset) = setting_number(setting, from);
	}
}

void settings_done(struct settings *settings)
{
	for (size_t i = 0; i < setting_count; i++)
		if (setting_is_text(&setting_table[i]))
			free(*text_member(&setting_table[i], settings));
	free(settings->source_password_file);
	free(settings->target_password_file);
	*settings = (struct settings){ 0 };
}
