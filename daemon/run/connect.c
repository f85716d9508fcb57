/*
 * See connect.h; the statements stand in connect.sql.
 */
#include "run/connect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "sql_run.h"

struct connect_settings {
	char *source_conninfo;
	char *target_conninfo;
	char *source_password_file;
	char *target_password_file;
	char *source_setup;
	char *target_setup;
	struct pg_connection_settings source;
	struct pg_connection_settings target;
	struct pg_connection_settings store;
};

/* A source that is a query names its schemas itself, or means "public". */
static const char *schema_of(const struct entity *entity, bool source)
{
	if (!source)
		return entity->target_schema;
	return entity->source_schema != NULL ? entity->source_schema : "public";
}

/* ", public, sales": every schema the mapping names on this side, once; queries of the mapping may rely on them. */
static char *schema_list(const struct entity_set *set, bool source)
{
	struct text text = TEXT_INIT;

	text_append(&text, "");
	for (size_t i = 0; i < set->count; i++) {
		const char *schema = schema_of(&set->entities[i], source);
		_cleanup_free_ char *quoted = pg_quote_identifier(schema);
		bool seen = false;

		for (size_t j = 0; j < i; j++)
			seen |= strcmp(schema_of(&set->entities[j], source), schema) == 0;
		if (!seen)
			text_appendf(&text, ", %s", quoted);
	}
	return text_steal(&text);
}

static char *setup(const struct config *config, bool source)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *schemas = schema_list(&config->entities, source);
	_cleanup_free_ char *lock = text_format("%" PRId64, config->settings.lock_timeout_ms);
	_cleanup_free_ char *statement = text_format("%" PRId64,
						     config->settings.statement_timeout_ms);
	int64_t peer = config->settings.peer_timeout_ms;
	_cleanup_free_ char *idle = text_format("%" PRId64, pg_keepalive_idle_s(peer));
	_cleanup_free_ char *interval = text_format("%" PRId64, pg_keepalive_interval_s(peer));
	_cleanup_free_ char *count = text_format("%" PRId64, pg_keepalive_count(peer));

	text_fill(&text, sql_run_pins,
		  (const struct text_hole[]){ { "schemas", schemas },
					      { "lock_timeout", lock },
					      { "statement_timeout", statement },
					      { "keepalives_idle", idle },
					      { "keepalives_interval", interval },
					      { "keepalives_count", count },
					      { NULL, NULL } });
	if (source)
		text_append(&text, sql_run_source_pins);
	return text_steal(&text);
}

static struct pg_connection_settings connection(const struct config *config, const char *name,
						const char *conninfo, const char *password_file,
						const char *setup_sql)
{
	return (struct pg_connection_settings){
		.name = name,
		.conninfo = conninfo,
		.password_file = password_file,
		.application_name = "migrated",
		.setup_sql = setup_sql,
		.connect_timeout_ms = config->settings.connect_timeout_ms,
		.backoff_min_ms = 100,
		.backoff_max_ms = config->settings.reconnect_max_ms,
		.denied_every_ms = config->settings.probe_every_ms,
		.peer_timeout_ms = config->settings.peer_timeout_ms,
		.stall_timeout_ms = config->settings.stall_timeout_ms,
		.statement_timeout_ms = config->settings.statement_timeout_ms,
		.reconnect = true,
	};
}

struct connect_settings *connect_settings_new(const struct config *config)
{
	struct connect_settings *settings = memory_new(sizeof(*settings));

	settings->source_conninfo = text_copy(config->settings.source_conninfo);
	settings->target_conninfo = text_copy(config->settings.target_conninfo);
	settings->source_password_file = text_copy(config->settings.source_password_file);
	settings->target_password_file = text_copy(config->settings.target_password_file);
	settings->source_setup = setup(config, true);
	settings->target_setup = setup(config, false);
	settings->source = connection(config, "source", settings->source_conninfo,
				      settings->source_password_file, settings->source_setup);
	settings->target = connection(config, "target", settings->target_conninfo,
				      settings->target_password_file, settings->target_setup);
	settings->store = settings->target;
	settings->store.outlives_predecessors = true;
	return settings;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same(const struct pg_connection_settings *a, const struct pg_connection_settings *b)
{
	return same_text(a->conninfo, b->conninfo) &&
	       same_text(a->password_file, b->password_file) &&
	       same_text(a->setup_sql, b->setup_sql) &&
	       a->connect_timeout_ms == b->connect_timeout_ms &&
	       a->backoff_max_ms == b->backoff_max_ms && a->denied_every_ms == b->denied_every_ms &&
	       a->peer_timeout_ms == b->peer_timeout_ms &&
	       a->stall_timeout_ms == b->stall_timeout_ms &&
	       a->statement_timeout_ms == b->statement_timeout_ms;
}

bool connect_settings_equal(const struct connect_settings *a, const struct connect_settings *b)
{
	return same(&a->source, &b->source) && same(&a->target, &b->target);
}

void connect_settings_free(struct connect_settings *settings)
{
	free(settings->source_conninfo);
	free(settings->target_conninfo);
	free(settings->source_password_file);
	free(settings->target_password_file);
	free(settings->source_setup);
	free(settings->target_setup);
	free(settings);
}

const struct pg_connection_settings *connect_source(const struct connect_settings *settings)
{
	return &settings->source;
}

const struct pg_connection_settings *connect_target(const struct connect_settings *settings)
{
	return &settings->target;
}

const struct pg_connection_settings *connect_store(const struct connect_settings *settings)
{
	return &settings->store;
}
