// Settings: defaults, the file, the environment over it, limits; and connection strings that keep
// their secrets.
#include "tests/unit/testing.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "config/conninfo.h"
#include "tests/unit/config_files.h"

/* The value of a keyword in a conninfo, "" when it is not there; the caller frees. */
static char *keyword_value(const char *conninfo, const char *keyword)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	char *value = NULL;

	assert_non_null(options);
	for (PQconninfoOption *option = options; option->keyword; option++)
		if (strcmp(option->keyword, keyword) == 0)
			value = text_copy(option->val ? option->val : "");
	PQconninfoFree(options);
	assert_non_null(value);
	return value;
}

static void assert_keyword(const char *conninfo, const char *keyword, const char *expected)
{
	_cleanup_free_ char *value = keyword_value(conninfo, keyword);

	assert_string_equal(value, expected);
}

static void test_defaults(void **state)
{
	struct config_files files;

	(void)state;
	config_files_init(&files);
	config_files_load(&files, NULL);
	assert_no_problem(&files);
	const struct settings *settings = &files.config.settings;

	assert_string_equal(settings->control_socket, "/run/migrated/control");
	assert_int_equal(settings->batch_size, 50000);
	assert_int_equal(settings->max_concurrent_entities, 4);
	assert_int_equal(settings->connection_pool_size, 10);
	assert_int_equal(settings->max_retry_attempts, 5);
	assert_int_equal(settings->migration_timeout_ms, 0);
	assert_int_equal(settings->connect_timeout_ms, 10000);
	assert_int_equal(settings->statement_timeout_ms, 600000);
	assert_int_equal(settings->lock_timeout_ms, 30000);
	assert_int_equal(settings->reconnect_max_ms, 3000);
	assert_int_equal(settings->work_memory_kb, 65536);
	assert_int_equal(settings->schedule_every_ms, 0);
	config_files_done(&files);
}

static const char whole_file[] =
	"{'comment': 1, 'source': {'conninfo': 'postgresql://me:se%20cret@localhost:5433/old'},"
	" 'target': {'comment': 'x', 'conninfo': 'host=/run/b dbname=new application_name=mine'},"
	" 'control': {'socket': '/tmp/control'},"
	" 'settings': {'batch_size': 500, 'max_concurrent_entities': 8, 'connection_pool_size': 20,"
	"  'max_retry_attempts': 0, 'migration_timeout': '2h', 'connect_timeout': '5s',"
	"  'statement_timeout': 0, 'lock_timeout': '250ms', 'reconnect_max': '1min',"
	"  'work_memory': '1GB'},"
	" 'schedule': {'every': '5min'}}";

static void test_file(void **state)
{
	struct config_files files;

	(void)state;
	config_files_init(&files);
	config_files_write(&files, "migrated.json", whole_file);
	config_files_load(&files, NULL);
	assert_no_problem(&files);
	const struct settings *settings = &files.config.settings;

	assert_string_equal(settings->control_socket, "/tmp/control");
	assert_int_equal(settings->batch_size, 500);
	assert_int_equal(settings->max_concurrent_entities, 8);
	assert_int_equal(settings->connection_pool_size, 20);
	assert_int_equal(settings->max_retry_attempts, 0);
	assert_int_equal(settings->migration_timeout_ms, 7200000);
	assert_int_equal(settings->connect_timeout_ms, 5000);
	assert_int_equal(settings->statement_timeout_ms, 0);
	assert_int_equal(settings->lock_timeout_ms, 250);
	assert_int_equal(settings->reconnect_max_ms, 60000);
	assert_int_equal(settings->work_memory_kb, 1 << 20);
	assert_int_equal(settings->schedule_every_ms, 300000);
	assert_keyword(settings->source_conninfo, "port", "5433");
	assert_keyword(settings->source_conninfo, "password", "se cret");
	assert_keyword(settings->target_conninfo, "dbname", "new");
	assert_keyword(settings->target_conninfo, "application_name", "mine");
	config_files_done(&files);
}

static void test_environment_overrides_the_file(void **state)
{
	static char *const environment[] = { "BATCH_SIZE=77",
					     "MAX_RETRY_ATTEMPTS=9",
					     "MIGRATION_TIMEOUT=300",
					     "MAX_CONCURRENT_ENTITIES=2",
					     "CONNECTION_POOL_SIZE=4",
					     "MIGRATED_SOCKET=/tmp/other",
					     "SOURCE_DB_URL=postgresql://u@localhost/url",
					     "SOURCE_DB_PASSWORD=it's \\ secret",
					     "TARGET_DB_HOST=localhost",
					     "TARGET_DB_PORT=6543",
					     "TARGET_DB_NAME=named",
					     "TARGET_DB_USER=user",
					     "TARGET_DB_SSLMODE=disable",
					     "TARGET_DB_URL=",
					     NULL };
	struct config_files files;

	(void)state;
	config_files_init(&files);
	config_files_write(&files, "migrated.json", whole_file);
	config_files_load(&files, environment);
	assert_no_problem(&files);
	const struct settings *settings = &files.config.settings;

	assert_int_equal(settings->batch_size, 77);
	assert_int_equal(settings->max_retry_attempts, 9);
	assert_int_equal(settings->migration_timeout_ms, 300000);
	assert_int_equal(settings->max_concurrent_entities, 2);
	assert_int_equal(settings->connection_pool_size, 4);
	assert_string_equal(settings->control_socket, "/tmp/other");
	assert_keyword(settings->source_conninfo, "dbname", "url");
	assert_keyword(settings->source_conninfo, "user", "u");
	assert_keyword(settings->source_conninfo, "password", "it's \\ secret");
	assert_keyword(settings->target_conninfo, "host", "localhost");
	assert_keyword(settings->target_conninfo, "port", "6543");
	assert_keyword(settings->target_conninfo, "dbname", "named");
	assert_keyword(settings->target_conninfo, "user", "user");
	assert_keyword(settings->target_conninfo, "sslmode", "disable");
	assert_keyword(settings->target_conninfo, "application_name", "mine");
	config_files_done(&files);
}

#define FIFTY_BYTES "/2345678901234567890123456789012345678901234567890"

static void test_environment_alone_makes_a_connection(void **state)
{
	static char *const environment[] = { "SOURCE_DB_HOST=/run/x",
					     "SOURCE_DB_NAME=old",
					     "TARGET_DB_URL=host=/run/y dbname=new",
					     "MIGRATION_TIMEOUT=90min",
					     "MIGRATED_SOCKET=" FIFTY_BYTES FIFTY_BYTES "/234567",
					     NULL };
	struct config_files files;

	(void)state;
	config_files_init(&files);
	config_files_write(&files, "migrated.json", "{}");
	config_files_load(&files, environment);
	assert_no_problem(&files);
	assert_keyword(files.config.settings.source_conninfo, "dbname", "old");
	assert_keyword(files.config.settings.target_conninfo, "dbname", "new");
	assert_int_equal(files.config.settings.migration_timeout_ms, 5400000);
	config_files_done(&files);
}

#define GOOD_SIDES "'source': {'conninfo': 'dbname=a'}, 'target': {'conninfo': 'dbname=b'}"

/* One bad thing each: in the file, or in the environment. */
static const struct {
	const char *json, *variable;
	const char *file, *path, *message;
} bad_rows[] = {
	{ "{" GOOD_SIDES ", 'setings': {}}", NULL, "migrated.json", "$",
	  "unknown key 'setings' (did you mean 'settings'?)" },
	{ "{" GOOD_SIDES ", 'settings': {'batchsize': 5}}", NULL, "migrated.json", "$.settings",
	  "unknown key 'batchsize' (did you mean 'batch_size'?)" },
	{ "{" GOOD_SIDES ", 'settings': []}", NULL, "migrated.json", "$.settings",
	  "expected an object, found a list" },
	{ "{" GOOD_SIDES ", 'settings': {'batch_size': '5'}}", NULL, "migrated.json",
	  "$.settings.batch_size", "expected a whole number, found a string" },
	{ "{" GOOD_SIDES ", 'settings': {'batch_size': 0}}", NULL, "migrated.json",
	  "$.settings.batch_size", "must be between 1 and 1000000, found 0" },
	{ "{" GOOD_SIDES ", 'settings': {'lock_timeout': 30}}", NULL, "migrated.json",
	  "$.settings.lock_timeout",
	  "expected a duration with its unit, as in '30s', found a number" },
	{ "{" GOOD_SIDES ", 'settings': {'connect_timeout': '1h'}}", NULL, "migrated.json",
	  "$.settings.connect_timeout", "must be between 1s and 10min, found 1h" },
	{ "{" GOOD_SIDES ", 'settings': {'work_memory': '1kB'}}", NULL, "migrated.json",
	  "$.settings.work_memory", "must be between 64kB and 2147483647kB, found 1kB" },
	{ "{" GOOD_SIDES ", 'settings': {'connection_pool_size': 5}}", NULL, "migrated.json",
	  "$.settings.connection_pool_size",
	  "connection_pool_size is 5, but max_concurrent_entities = 4 needs at least 6: one for "
	  "each entity and two for control and planning" },
	{ "{" GOOD_SIDES "}", "MAX_CONCURRENT_ENTITIES=9", "migrated.json",
	  "$.settings.connection_pool_size",
	  "connection_pool_size is 10, but max_concurrent_entities = 9 needs at least 11: one "
	  "for each entity and two for control and planning" },
	{ "{" GOOD_SIDES "}", "CONNECTION_POOL_SIZE=5", "environment", "CONNECTION_POOL_SIZE",
	  "connection_pool_size is 5, but max_concurrent_entities = 4 needs at least 6: one for "
	  "each entity and two for control and planning" },
	{ "{" GOOD_SIDES ", 'settings': {'statement_timeout': '30s'}}", NULL, "migrated.json",
	  "$.settings.lock_timeout",
	  "lock_timeout is 30s, but statement_timeout = 30s ends the statement no later: "
	  "lock_timeout must "
	  "be the shorter one" },
	{ "{" GOOD_SIDES ", 'schedule': {'every': '10ms'}}", NULL, "migrated.json",
	  "$.schedule.every", "must be at least 1s, or 0 for no schedule" },
	{ "{" GOOD_SIDES ", 'settings': {'statement_timeout': '1min', 'batch_time': '90s'}}", NULL,
	  "migrated.json", "$.settings.batch_time",
	  "batch_time is 90s, but statement_timeout = 1min ends the statements "
	  "of a batch before" },
	{ "{" GOOD_SIDES ", 'settings': {'stall_timeout': '5s'}}", NULL, "migrated.json",
	  "$.settings.peer_timeout",
	  "peer_timeout is 8s, but stall_timeout = 5s gives the server up "
	  "before" },
	{ "{" GOOD_SIDES ", 'settings': {'validate_steps': 'always'}}", NULL, "migrated.json",
	  "$.settings.validate_steps", "\"always\" is none of off, before, after and both" },
	{ "{" GOOD_SIDES ", 'settings': {'validate_checks': ['counts', 'hashes']}}", NULL,
	  "migrated.json", "$.settings.validate_checks",
	  "there is no check 'hashes': counts, references, mappings, values and rules are" },
	{ "{" GOOD_SIDES ", 'settings': {'validate_checks': []}}", NULL, "migrated.json",
	  "$.settings.validate_checks",
	  "names no check; validate_steps says whether there are any" },
	{ "{" GOOD_SIDES ", 'settings': {'stall_timeout': '20ms'}}", NULL, "migrated.json",
	  "$.settings.stall_timeout", "must be at least 1s, or 0 for never" },
	{ "{" GOOD_SIDES ", 'settings': {'migration_timeout': '5ms'}}", NULL, "migrated.json",
	  "$.settings.migration_timeout", "must be at least 1s, or 0 for any time" },
	{ "{" GOOD_SIDES ", 'settings': {'source_connections': 2}}", NULL, "migrated.json",
	  "$.settings.source_connections", "must be at least 3, or 0 for connection_pool_size" },
	{ "{" GOOD_SIDES ", 'settings': {'target_connections': 11}}", NULL, "migrated.json",
	  "$.settings.target_connections",
	  "target_connections is 11, but connection_pool_size = 10 is the most "
	  "for either side" },
	{ "{" GOOD_SIDES ", 'schedule': {'every': '5min', 'jitter': '5min'}}", NULL,
	  "migrated.json", "$.schedule.jitter",
	  "jitter is 5min, but every = 5min is what it is added to: jitter must be "
	  "the shorter one" },
	{ "{" GOOD_SIDES ", 'schedule': {'jitter': '5min'}}", NULL, "migrated.json",
	  "$.schedule.jitter",
	  "has no meaning without 'every': there is no interval to add it to" },
	{ "{" GOOD_SIDES ", 'schedule': {'every': '2h', 'sweep_every': '1h'}}", NULL,
	  "migrated.json", "$.schedule.sweep_every",
	  "sweep_every is 1h, but every = 2h is how often there is a cycle "
	  "that could sweep" },
	{ "{" GOOD_SIDES ", 'schedule': {'window': '22:00-06:00'}}", NULL, "migrated.json",
	  "$.schedule.window",
	  "has no meaning without 'every': there are no cycles that could "
	  "begin within it" },
	{ "{" GOOD_SIDES ", 'schedule': {'every': '5min', 'window': '22-06'}}", NULL,
	  "migrated.json", "$.schedule.window",
	  "'22-06' is no window: write two times of the day, as in "
	  "'22:00-06:00'" },
	{ "{" GOOD_SIDES ", 'schedule': {'every': '5min', 'window': '06:00-06:00'}}", NULL,
	  "migrated.json", "$.schedule.window",
	  "the window '06:00-06:00' ends when it begins: leave it out when "
	  "cycles may begin at any time" },
	{ "{" GOOD_SIDES ", 'schedule': {'every': '5min', 'time_zone': 'Europe/Atlantis'}}", NULL,
	  "migrated.json", "$.schedule.time_zone",
	  "'Europe/Atlantis' is no time zone that this system knows: write a "
	  "name of the time zone database, as 'Europe/Berlin' (timedatectl "
	  "list-timezones has them all)" },
	{ "{" GOOD_SIDES ", 'schedule': {'time_zone': '/etc/passwd'}}", NULL, "migrated.json",
	  "$.schedule.time_zone",
	  "'/etc/passwd' is no time zone that this system knows: write a name "
	  "of the time zone database, as 'Europe/Berlin' (timedatectl "
	  "list-timezones has them all)" },
	{ "{" GOOD_SIDES ", 'schedule': {'time_zone': ''}}", NULL, "migrated.json",
	  "$.schedule.time_zone", "must not be empty" },
	{ "{" GOOD_SIDES ", 'breakers': {'error_rate': 101}}", NULL, "migrated.json",
	  "$.breakers.error_rate", "must be between 0 and 100, found 101" },
	{ "{" GOOD_SIDES ", 'breakers': {'delete_share': -1}}", NULL, "migrated.json",
	  "$.breakers.delete_share", "must be between 0 and 100, found -1" },
	{ "{" GOOD_SIDES ", 'breakers': {'delete_rate': 5}}", NULL, "migrated.json", "$.breakers",
	  "unknown key 'delete_rate'" },
	{ "{" GOOD_SIDES ", 'throttle': {'max': 5}}", NULL, "migrated.json", "$.throttle.max",
	  "has no meaning without 'query': there is no value to hold against it" },
	{ "{" GOOD_SIDES ", 'throttle': {'query': '  '}}", NULL, "migrated.json",
	  "$.throttle.query", "says nothing but spaces" },
	{ "{" GOOD_SIDES ", 'throttle': {'query': 'SELECT 1', 'every': '10ms'}}", NULL,
	  "migrated.json", "$.throttle.every", "must be between 100ms and 1h, found 10ms" },
	{ "{" GOOD_SIDES ", 'control': {'socket': 'control'}}", NULL, "migrated.json",
	  "$.control.socket", "must be an absolute path, beginning with '/'" },
	{ "{" GOOD_SIDES "}", "MIGRATED_SOCKET=" FIFTY_BYTES FIFTY_BYTES "/2345678", "environment",
	  "MIGRATED_SOCKET", "too long: the path of a Unix socket has at most 107 bytes" },
	{ "{" GOOD_SIDES "}", "BATCH_SIZE=many", "environment", "BATCH_SIZE",
	  "'many' is no whole number" },
	{ "{" GOOD_SIDES "}", "BATCH_SIZE=-5", "environment", "BATCH_SIZE",
	  "must be between 1 and 1000000, found -5" },
	{ "{" GOOD_SIDES "}", "BATCH_SIZE=99999999999999999999", "environment", "BATCH_SIZE",
	  "must be between 1 and 1000000, found 9223372036854775807" },
	{ "{" GOOD_SIDES "}", "MAX_RETRY_ATTEMPTS=\xff", "environment", "MAX_RETRY_ATTEMPTS",
	  "is not UTF-8" },
	{ "{" GOOD_SIDES "}", "MIGRATION_TIMEOUT=soon", "environment", "MIGRATION_TIMEOUT",
	  "'soon' is no duration: write a number and ms, s, min, h or d, as in '30s'" },
	{ "{" GOOD_SIDES "}", "SOURCE_DB_PORT=http", "environment", "SOURCE_DB_PORT",
	  "the port must be a number between 1 and 65535" },
	{ "{" GOOD_SIDES "}", "TARGET_DB_SSLMODE=on", "environment", "TARGET_DB_SSLMODE",
	  "sslmode must be verify-full (or, weaker, disable, allow, prefer, require or "
	  "verify-ca)" },
	{ "{'source': {'conninfo': 'dbname=a'}}", NULL, "migrated.json", "$.target.conninfo",
	  "missing: write 'target': {'conninfo': 'host=… dbname=… user=…'}, or set "
	  "TARGET_DB_URL, or TARGET_DB_HOST and TARGET_DB_NAME" },
	{ "{'source': {'conninfo': 'dbname=a'}, 'target': {'coninfo': 'dbname=b'}}", NULL,
	  "migrated.json", "$.target", "unknown key 'coninfo' (did you mean 'conninfo'?)" },
	{ "{'source': {'conninfo': 'dbname=a'}, 'target': 'dbname=b'}", NULL, "migrated.json",
	  "$.target", "expected an object, found a string" },
	{ "{'source': {'conninfo': 5}, 'target': {'conninfo': 'dbname=b'}}", NULL, "migrated.json",
	  "$.source.conninfo", "expected a string, found a number" },
	{ "{'source': {'conninfo': 'dbname=a port=0'}, 'target': {'conninfo': 'dbname=b'}}", NULL,
	  "migrated.json", "$.source.conninfo", "the port must be a number between 1 and 65535" },
};

static void test_bad_settings_are_named(void **state)
{
	struct config_files files;

	(void)state;
	config_files_init(&files);
	for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0]; i++) {
		_cleanup_free_ char *variable = text_copy(bad_rows[i].variable);
		char *const environment[] = { variable, NULL };

		config_files_write(&files, "migrated.json", bad_rows[i].json);
		config_files_load(&files, environment);
		assert_int_equal(files.problems.count, 1);
		assert_problem(&files, 0, bad_rows[i].file, bad_rows[i].path, bad_rows[i].message);
	}
	config_files_done(&files);
}

/* Limits that only look as if they contradicted each other. */
static void test_good_settings_stand(void **state)
{
	static const char *const good[] = {
		"'schedule': {'every': '7d'}", /* every cycle sweeps */
		"'schedule': {'every': '1d', 'sweep_every': '1d', 'jitter': '23h'}",
		"'schedule': {'every': '5min', 'sweep_every': 0}",
		"'schedule': {'every': '5min', 'window': '22:00-06:00', 'time_zone': 'Europe/Berlin'}",
		"'schedule': {'every': 0, 'window': ''}",
		"'settings': {'stall_timeout': 0, 'peer_timeout': '10min'}",
		"'settings': {'statement_timeout': 0, 'batch_time': '10min', 'lock_timeout': '1h'}",
		"'settings': {'source_connections': 3, 'target_connections': 10}",
		"'throttle': {'query': '', 'max': 0}",
		"'throttle': {'query': 'SELECT 1;', 'max': 0}",
		"'breakers': {'error_rate': 0, 'delete_share': 100}",
	};
	struct config_files files;

	(void)state;
	config_files_init(&files);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		_cleanup_free_ char *json = text_format("{" GOOD_SIDES ", %s}", good[i]);

		config_files_write(&files, "migrated.json", json);
		config_files_load(&files, NULL);
		assert_no_problem(&files);
	}
	config_files_done(&files);
}

/* Completes one conninfo and gives the problem or warning there was, "" if none; the caller frees.
 */
static char *complete(const char *conninfo, char *const *environment, char **ret_conninfo)
{
	struct conninfo_origin origin = { "TARGET_DB_", "f", "$.target.conninfo", conninfo,
					  environment };
	struct problem_list said = { 0 };
	char *message;

	*ret_conninfo = conninfo_complete(&origin, &said, &said);
	assert_true(said.count <= 1);
	message = text_copy(said.count == 1 ? said.problems[0].message : "");
	problem_list_done(&said);
	return message;
}

#define SAFE "; sslmode=verify-full is safe"
#define SERVICE_SSLMODE \
	"what the service says of sslmode is not known here: add sslmode=verify-full, unless its " \
	"host is a socket or loopback"

static void test_sslmode_is_verify_full_unless_local(void **state)
{
	static const struct {
		const char *conninfo, *variable;
		const char *sslmode, *said;
	} rows[] = {
		{ "host=db.example.org", NULL, "verify-full", "" },
		{ "postgresql://db.example.org/x", NULL, "verify-full", "" },
		{ "host=db.example.org sslmode=verify-full", NULL, "verify-full", "" },
		{ "", NULL, "", "" },
		{ "host=/run/postgresql", NULL, "", "" },
		{ "host=@abstract", NULL, "", "" },
		{ "host=localhost", NULL, "", "" },
		{ "host=127.0.0.2", NULL, "", "" },
		{ "host=::1", NULL, "", "" },
		{ "host=127.evil.example.org", NULL, "verify-full", "" },
		{ "host=localhost.example.org", NULL, "verify-full", "" },
		{ "host=localhost,db.example.org", NULL, "verify-full", "" },
		{ "host=localhost hostaddr=192.0.2.1", NULL, "verify-full", "" },
		{ "host=db.example.org hostaddr=127.0.0.1", NULL, "", "" },
		{ "", "PGHOST=db.example.org", "verify-full", "" },
		{ "host=/run/postgresql", "TARGET_DB_HOST=db.example.org", "verify-full", "" },
		{ "hostaddr=127.0.0.1", "TARGET_DB_HOST=db.example.org", "verify-full", "" },
		{ "host=localhost sslmode=disable", NULL, "disable", "" },
		{ "host=h sslmode=disable", NULL, "disable",
		  "with sslmode=disable nothing is encrypted" SAFE },
		{ "host=h sslmode=prefer", NULL, "prefer",
		  "with sslmode=prefer the connection may not be encrypted" SAFE },
		{ "host=h", "TARGET_DB_SSLMODE=require", "require",
		  "with sslmode=require any server may answer, as its certificate is not "
		  "checked" SAFE },
		{ "host=h", "PGSSLMODE=verify-ca", "",
		  "with sslmode=verify-ca any server with a certificate of the same authority may "
		  "answer" SAFE },
		{ "service=legacy", NULL, "", SERVICE_SSLMODE },
		{ "service=legacy sslmode=verify-full", NULL, "verify-full", "" },
		{ "service=legacy host=h", NULL, "verify-full", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		_cleanup_free_ char *variable = text_copy(rows[i].variable);
		char *const environment[] = { variable, NULL };
		_cleanup_free_ char *conninfo = NULL;
		_cleanup_free_ char *said = complete(rows[i].conninfo, environment, &conninfo);

		assert_string_equal(said, rows[i].said);
		assert_non_null(conninfo);
		assert_keyword(conninfo, "sslmode", rows[i].sslmode);
	}
}

static void test_what_is_said_of_keepalives_is_kept(void **state)
{
	_cleanup_free_ char *given = NULL;
	_cleanup_free_ char *said = complete("keepalives_idle=99 tcp_user_timeout=0", NULL, &given);

	(void)state;
	assert_string_equal(said, "");
	assert_keyword(given, "keepalives_idle", "99");
	assert_keyword(given, "tcp_user_timeout", "0");
}

static void test_other_host_takes_no_ports_of_the_old_ones(void **state)
{
	static char *const environment[] = { "TARGET_DB_HOST=localhost", NULL };
	_cleanup_free_ char *conninfo = NULL;
	_cleanup_free_ char *said = complete("host=a,b port=1,2", environment, &conninfo);

	(void)state;
	assert_string_equal(said, "");
	assert_keyword(conninfo, "host", "localhost");
	assert_keyword(conninfo, "port", "");
}

/* Whatever is broken, no part of the string is repeated. */
static void test_broken_conninfo_keeps_its_secrets(void **state)
{
	static const struct {
		const char *conninfo, *said;
	} rows[] = {
		{ "host=h pasword=hunter2", "unknown keyword (did you mean \"password\"?)" },
		{ "postgresql://h/d?sslmod=hunter2",
		  "unknown keyword (did you mean \"sslmode\"?)" },
		{ "password=my hunter2=x", "unknown keyword" },
		{ "password=my hunter2 host=h",
		  "a keyword without \"=\"; a value that holds spaces stands in single quotes" },
		{ "password='hunter2", "a quoted value has no closing quote" },
		{ "postgresql://me:hunter2%zz@h/d", "see \"Connection Strings\" in the manual of "
						    "PostgreSQL; in a URI, special characters of a "
						    "password are percent-encoded" },
		{ "postgresql://me:hunter2@[::1/d", "see \"Connection Strings\" in the manual of "
						    "PostgreSQL; in a URI, special characters of a "
						    "password are percent-encoded" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		_cleanup_free_ char *conninfo = NULL;
		_cleanup_free_ char *said = complete(rows[i].conninfo, NULL, &conninfo);
		_cleanup_free_ char *expected = text_format("not a connection string: %s",
							    rows[i].said);

		assert_null(conninfo);
		assert_string_equal(said, expected);
		assert_null(strstr(said, "hunter2"));
	}
}

static void test_settings_are_shown_as_written_but_secrets_are_not(void **state)
{
	static const struct {
		const char *section, *key, *shown;
	} rows[] = {
		{ "source", "conninfo", "(secret)" },	   { "control", "socket", "/tmp/control" },
		{ "settings", "batch_size", "500" },	   { "settings", "lock_timeout", "250ms" },
		{ "settings", "migration_timeout", "2h" }, { "settings", "work_memory", "1GB" },
	};
	struct config_files files;

	(void)state;
	config_files_init(&files);
	config_files_write(&files, "migrated.json", whole_file);
	config_files_load(&files, NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct setting *setting = setting_find(rows[i].section, rows[i].key);
		_cleanup_free_ char *shown = setting_format(setting, &files.config.settings);

		assert_string_equal(shown, rows[i].shown);
	}
	assert_null(setting_find("settings", "conninfo"));
	config_files_done(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_environment_overrides_the_file),
		cmocka_unit_test(test_environment_alone_makes_a_connection),
		cmocka_unit_test(test_bad_settings_are_named),
		cmocka_unit_test(test_good_settings_stand),
		cmocka_unit_test(test_sslmode_is_verify_full_unless_local),
		cmocka_unit_test(test_what_is_said_of_keepalives_is_kept),
		cmocka_unit_test(test_other_host_takes_no_ports_of_the_old_ones),
		cmocka_unit_test(test_broken_conninfo_keeps_its_secrets),
		cmocka_unit_test(test_settings_are_shown_as_written_but_secrets_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
