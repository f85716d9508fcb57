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
						const char *conninfo, const char *setup_sql)
{
	return (struct pg_connection_settings){
		.name = name,
		.conninfo = conninfo,
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

	settings->source_setup = setup(config, true);
	settings->target_setup = setup(config, false);
	settings->source = connection(config, "source", config->settings.source_conninfo,
				      settings->source_setup);
	settings->target = connection(config, "target", config->settings.target_conninfo,
				      settings->target_setup);
	settings->store = settings->target;
	settings->store.outlives_predecessors = true;
	return settings;
}

void connect_settings_free(struct connect_settings *settings)
{
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
