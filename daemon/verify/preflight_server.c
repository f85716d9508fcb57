/*
 * The preflight's judges of the servers: reachable, of a known version, two of them, no pooler between, room for our
 * connections, and what would hamper detection.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "sql_verify.h"
#include "verify/internal.h"

/* Oldest and newest major versions that are known to work, as server_version_num is made of them. */
static const struct {
	int oldest;
	const char *oldest_name;
	int newest_major;
} known_versions[2] = {
	[SIDE_SOURCE] = { 90600, "9.6", 18 },
	[SIDE_TARGET] = { 130000, "13", 18 },
};

/* Supabase's pooler in transaction mode listens here. */
#define TRANSACTION_POOLER_PORT "6543"

static struct side_state *side_of(struct preflight *preflight)
{
	return &preflight->sides[preflight->side];
}

static bool is_true(const PGresult *result, int column)
{
	return PQgetvalue(result, 0, column)[0] == 't';
}

static int64_t number(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

/* --- reachable ---------------------------------------------------------------------------------- */

static void judge_side(struct preflight *preflight, enum side side)
{
	const struct side_state *state = &preflight->sides[side];
	const struct error *err = state->connection != NULL
					  ? pg_connection_last_error(state->connection)
					  : NULL;
	const char *reason = err != NULL && err->kind != ERROR_NONE ? err->message
								    : "it is not established";
	char *action = err != NULL && err->hint[0] != '\0' ? text_copy(err->hint) : NULL;

	if (state->answered && !state->lost) {
		preflight_passed(preflight, THEME_CONNECTION, side,
				 "connected to database \"%s\" as role \"%s\"", state->database,
				 state->role);
		free(action);
		return;
	}
	if (action == NULL)
		action = text_format("see that the server runs and that %s.conninfo leads to it",
				     side_names[side]);
	preflight_found(preflight, THEME_CONNECTION, side, side_names[side], FINDING_FAIL, action,
			state->answered ? "the connection was lost: %s" : "no connection: %s",
			reason);
}

/* The last step, so that a connection that was lost on the way is not called a good one. */
void judge_connection(struct preflight *preflight, const PGresult *result)
{
	(void)result;
	judge_side(preflight, SIDE_SOURCE);
	judge_side(preflight, SIDE_TARGET);
}

/* --- what server it is -------------------------------------------------------------------------- */

enum finding_result preflight_version_result(enum side side, int version)
{
	if (version < known_versions[side].oldest)
		return FINDING_FAIL;
	return version / 10000 > known_versions[side].newest_major ? FINDING_WARN : FINDING_PASS;
}

static void judge_version(struct preflight *preflight, const char *version)
{
	enum side side = preflight->side;
	int version_number = pg_connection_server_version(side_of(preflight)->connection);
	enum finding_result result = preflight_version_result(side, version_number);

	if (result == FINDING_FAIL)
		preflight_found(preflight, THEME_VERSION, side, side_names[side], result,
				text_format("upgrade it to PostgreSQL %s or newer",
					    known_versions[side].oldest_name),
				"PostgreSQL %s is too old: the %s must be %s or newer", version,
				side_names[side], known_versions[side].oldest_name);
	else if (result == FINDING_WARN)
		preflight_found(
			preflight, THEME_VERSION, side, side_names[side], result,
			text_copy("try the migration on copies of both databases first"),
			"PostgreSQL %s is newer than any that migrated was tested with (%d)",
			version, known_versions[side].newest_major);
	preflight_passed(preflight, THEME_VERSION, side, "PostgreSQL %s", version);
}

static void judge_encoding(struct preflight *preflight, const char *encoding)
{
	enum side side = preflight->side;

	if (strcmp(encoding, "SQL_ASCII") == 0)
		preflight_found(preflight, THEME_ENCODING, side, side_names[side], FINDING_WARN,
				text_copy("look for text that is not UTF-8 and mend it first"),
				"the encoding is SQL_ASCII: text is not checked there, and %s",
				side == SIDE_SOURCE ? "rows whose text is not UTF-8 cannot be read"
						    : "nothing is converted");
	else if (side == SIDE_TARGET && strcmp(encoding, "UTF8") != 0)
		preflight_found(
			preflight, THEME_ENCODING, side, side_names[side], FINDING_WARN,
			text_copy("make the target database with ENCODING 'UTF8'"),
			"the encoding is %s: rows with characters that it lacks become dead letters",
			encoding);
	preflight_passed(preflight, THEME_ENCODING, side,
			 strcmp(encoding, "UTF8") == 0 ? "%s" : "%s, converted on the way",
			 encoding);
}

static void judge_limit(struct preflight *preflight, int64_t limit, int64_t free_now)
{
	enum side side = preflight->side;
	int64_t wanted = preflight->request.settings->connection_pool_size;

	if (wanted > limit)
		preflight_found(preflight, THEME_CONNECTION_LIMIT, side, side_names[side],
				FINDING_FAIL,
				text_format("set connection_pool_size to at most %" PRId64
					    ", or raise max_connections or the role's limit",
					    limit),
				"connection_pool_size is %" PRId64
				", and the server allows this role %" PRId64 " connections",
				wanted, limit);
	else if (wanted > free_now)
		preflight_found(preflight, THEME_CONNECTION_LIMIT, side, side_names[side],
				FINDING_WARN,
				text_copy("lower connection_pool_size, or raise max_connections"),
				"connection_pool_size is %" PRId64
				", and others leave only %" PRId64 " connections free now",
				wanted, free_now > 0 ? free_now : 0);
	preflight_passed(preflight, THEME_CONNECTION_LIMIT, side,
			 "room for %" PRId64 " connections, at most %" PRId64 " needed", limit,
			 wanted);
}

static void judge_writable(struct preflight *preflight, bool recovering, bool read_only)
{
	if (preflight->side != SIDE_TARGET)
		return;
	if (recovering)
		preflight_found(preflight, THEME_CONNECTION, SIDE_TARGET, "target", FINDING_FAIL,
				text_copy("let target.conninfo lead to the primary"),
				"the target is a standby: it cannot be written");
	else if (read_only)
		preflight_found(preflight, THEME_CONNECTION, SIDE_TARGET, "target", FINDING_FAIL,
				text_copy("see whether its disk is full, or set "
					  "default_transaction_read_only = off for the role"),
				"the target is read-only: default_transaction_read_only is on");
}

void judge_server(struct preflight *preflight, const PGresult *result)
{
	struct side_state *side = side_of(preflight);

	side->answered = true;
	side->role = text_copy(PQgetvalue(result, 0, 2));
	side->database = text_copy(PQgetvalue(result, 0, 3));
	judge_version(preflight, PQgetvalue(result, 0, 0));
	judge_encoding(preflight, PQgetvalue(result, 0, 1));
	judge_limit(preflight, number(result, 4), number(result, 5));
	judge_writable(preflight, is_true(result, 6), is_true(result, 7));
}

/* --- two databases, not one --------------------------------------------------------------------- */

void judge_identity(struct preflight *preflight, const PGresult *result)
{
	side_of(preflight)->identity = (struct identity){
		.known = true,
		.system = text_copy(PQgetvalue(result, 0, 0)),
		.database = text_copy(PQgetvalue(result, 0, 1)),
		.started = text_copy(PQgetvalue(result, 0, 2)),
		.recovering = is_true(result, 3),
	};
}

/* A restored copy has the system identifier of its original, and a standby even follows it. */
enum sameness preflight_sameness(const struct side_state *source, const struct side_state *target)
{
	const struct identity *one = &source->identity;
	const struct identity *other = &target->identity;

	if (source->answered && target->answered && strcmp(source->database, target->database) != 0)
		return DATABASES_DIFFER;
	if (!one->known || !other->known)
		return DATABASES_UNKNOWN;
	if (strcmp(one->system, other->system) != 0 || strcmp(one->database, other->database) != 0)
		return DATABASES_DIFFER;
	if (strcmp(one->started, other->started) == 0 || one->recovering || other->recovering)
		return DATABASES_SAME;
	return DATABASES_COPIES;
}

void judge_same_database(struct preflight *preflight, const PGresult *result)
{
	const char *name = preflight->sides[SIDE_TARGET].database;

	(void)result;
	switch (preflight_sameness(&preflight->sides[SIDE_SOURCE],
				   &preflight->sides[SIDE_TARGET])) {
	case DATABASES_DIFFER:
		preflight_passed(preflight, THEME_SAME_DATABASE, SIDE_BOTH,
				 "source and target are two databases");
		break;
	case DATABASES_SAME:
		preflight_found(preflight, THEME_SAME_DATABASE, SIDE_BOTH, "source and target",
				FINDING_FAIL,
				text_copy("correct source.conninfo or target.conninfo"),
				"source and target are the same database, \"%s\"", name);
		break;
	case DATABASES_COPIES:
		preflight_found(
			preflight, THEME_SAME_DATABASE, SIDE_BOTH, "source and target",
			FINDING_WARN,
			text_copy("see that both connection strings are as they should be"),
			"source and target are physical copies of one server, database \"%s\"",
			name);
		break;
	case DATABASES_UNKNOWN:
		preflight_found(preflight, THEME_SAME_DATABASE, SIDE_BOTH, "source and target",
				FINDING_UNKNOWN,
				text_copy("GRANT EXECUTE ON FUNCTION pg_control_system() to the "
					  "role on both sides, or compare the connection strings"),
				"not verified: which servers these are could not be asked");
		break;
	}
}

/* --- poolers ------------------------------------------------------------------------------------ */

/* "5432,6543": is it one of them? */
static bool list_has(const char *list, const char *port)
{
	size_t length = strlen(port);

	for (const char *item = list; item != NULL; item = strchr(item, ',')) {
		item += *item == ',';
		if (strncmp(item, port, length) == 0 &&
		    (item[length] == ',' || item[length] == '\0'))
			return true;
	}
	return false;
}

bool preflight_names_port(const char *conninfo, const char *port)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	bool named = false;

	for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
	     option++)
		if (strcmp(option->keyword, "port") == 0 && option->val != NULL)
			named = list_has(option->val, port);
	PQconninfoFree(options);
	return named;
}

void judge_pooler_mark(struct preflight *preflight, const PGresult *result)
{
	side_of(preflight)->backend_pid = (int)number(result, 1);
}

static void found_transaction_pooler(struct preflight *preflight, enum side side,
				     const char *evidence)
{
	preflight_found(preflight, THEME_POOLER, side, side_names[side], FINDING_FAIL,
			text_format("let %s.conninfo lead to the server itself, or to a pooler in "
				    "session mode",
				    side_names[side]),
			"a pooler in transaction mode stands before the server (%s): neither "
			"temporary tables nor settings last there",
			evidence);
}

/* The key that cancels a query holds the backend's process id; a pooler gives out keys of its own. */
static bool key_is_backends(const struct side_state *side)
{
	return pg_connection_backend_pid(side->connection) == side->backend_pid;
}

void judge_pooler_look(struct preflight *preflight, const PGresult *result)
{
	struct side_state *side = side_of(preflight);

	side->looked = true;
	side->backend_changed |= number(result, 1) != side->backend_pid;
	side->mark_lost |= strcmp(PQgetvalue(result, 0, 0), preflight->mark) != 0;
}

static void judge_pooler(struct preflight *preflight, enum side side)
{
	const struct side_state *state = &preflight->sides[side];
	const struct settings *settings = preflight->request.settings;
	const char *conninfo = side == SIDE_SOURCE ? settings->source_conninfo
						   : settings->target_conninfo;

	if (!state->looked)
		return;
	if (state->backend_changed)
		found_transaction_pooler(
			preflight, side,
			"two transactions of one connection had different backends");
	else if (state->mark_lost)
		found_transaction_pooler(preflight, side,
					 "a setting did not outlast its transaction");
	else if (conninfo != NULL && preflight_names_port(conninfo, TRANSACTION_POOLER_PORT))
		found_transaction_pooler(preflight, side, "port " TRANSACTION_POOLER_PORT);
	else if (!key_is_backends(state))
		preflight_found(
			preflight, THEME_POOLER, side, side_names[side], FINDING_UNKNOWN,
			text_copy("see that its pool mode is session, or go round it"),
			"not verified: a pooler stands before the server, and whether it is in "
			"session mode cannot be seen from here");
	preflight_passed(preflight, THEME_POOLER, side, "none before the server");
}

void judge_poolers(struct preflight *preflight, const PGresult *result)
{
	(void)result;
	judge_pooler(preflight, SIDE_SOURCE);
	judge_pooler(preflight, SIDE_TARGET);
}

/* --- what detection and the disk want ----------------------------------------------------------- */

void judge_prepared(struct preflight *preflight, const PGresult *result)
{
	int count = PQntuples(result);

	if (count > 0)
		preflight_found(
			preflight, THEME_PREPARED, SIDE_SOURCE, "source", FINDING_WARN,
			text_copy("COMMIT PREPARED or ROLLBACK PREPARED those that nobody "
				  "will come back for"),
			"%d prepared %s undecided, the oldest (\"%s\", of %s) since %s: its rows "
			"cannot be seen, and watermarks stand still",
			count, count == 1 ? "transaction is" : "transactions are",
			PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1),
			PQgetvalue(result, 0, 2));
	preflight_passed(preflight, THEME_PREPARED, SIDE_SOURCE, "none is undecided");
}

void judge_statistics(struct preflight *preflight, const PGresult *result)
{
	const struct side_state *side = side_of(preflight);
	bool has_role = pg_connection_server_version(side->connection) >= 100000;
	_cleanup_free_ char *role = pg_quote_identifier(side->role != NULL ? side->role : "");

	if (!is_true(result, 0))
		preflight_found(
			preflight, THEME_STATISTICS, SIDE_SOURCE, "source", FINDING_WARN,
			has_role ? text_format("GRANT pg_read_all_stats TO %s", role) : NULL,
			"role %s cannot see when other roles' transactions began, so hybrid "
			"entities are looked at by transaction, and \"timestamp\" and \"id\" rest on "
			"their overlap alone",
			role);
	preflight_passed(preflight, THEME_STATISTICS, SIDE_SOURCE,
			 "other roles' transactions can be seen");
}

/* Disk room is outside what SQL can see, so all that can be told is the need. */
void judge_disk(struct preflight *preflight, const PGresult *result)
{
	const struct entity_set *set = preflight->request.entity_set;
	size_t queries = 0;
	_cleanup_free_ char *without = NULL;

	for (size_t i = 0; i < set->count; i++)
		queries += set->entities[i].source_table == NULL;
	if (queries > 0)
		without = text_format(", not counting what %zu %s of a query", queries,
				      queries == 1 ? "entity reads" : "entities read");
	preflight_found(
		preflight, THEME_DISK, SIDE_TARGET, "target", FINDING_UNKNOWN,
		text_copy("see on the target's host, or in its console, that so much is free"),
		"not verified: SQL cannot see it. About %s will be needed, twice the %s of "
		"the source's tables%s",
		PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2), without != NULL ? without : "");
}

/* --- the throttle ------------------------------------------------------------------------------- */

/* As the throttle asks it: one statement, in a transaction that cannot write and has 2 seconds. Asked once, not for each entity. */
char *ask_throttle(const struct preflight *preflight, const struct bound_entity *bound)
{
	const char *query = preflight->request.settings->throttle_query;
	struct text sql = TEXT_INIT;
	_cleanup_free_ char *bare = text_copy(query);
	size_t length = strlen(bare);

	while (length > 0 && strchr("; \t\r\n", bare[length - 1]) != NULL)
		bare[--length] = '\0';
	if (length == 0 || bound != &preflight->request.binding->entities[0])
		return NULL;
	pg_submit(preflight->sides[SIDE_TARGET].connection, sql_verify_preflight_throttle_begin, 0,
		  NULL, NULL, NULL);
	text_fill(&sql, sql_verify_preflight_throttle,
		  (const struct text_hole[]){ { "query", bare }, { NULL, NULL } });
	return text_steal(&sql);
}

static void end_throttle(struct preflight *preflight)
{
	pg_submit(side_of(preflight)->connection, "ROLLBACK", 0, NULL, NULL, NULL);
}

void judge_throttle(struct preflight *preflight, const PGresult *result)
{
	double most = (double)preflight->request.settings->throttle_max;

	end_throttle(preflight);
	if (PQntuples(result) != 1 || PQgetisnull(result, 0, 0))
		preflight_found(
			preflight, THEME_THROTTLE, SIDE_TARGET, "target", FINDING_FAIL,
			text_copy("have throttle.query yield 0 then, as by coalesce()"),
			"throttle.query yields no number just now, so nothing would be begun");
	else
		preflight_found(preflight, THEME_THROTTLE, SIDE_TARGET, "target",
				strtod(PQgetvalue(result, 0, 0), NULL) <= most ? FINDING_PASS
									       : FINDING_WARN,
				NULL, "throttle.query says %s, throttle.max is %g",
				PQgetvalue(result, 0, 0), most);
}

bool judge_throttle_refused(struct preflight *preflight, const struct error *err)
{
	if (err->kind == ERROR_CONNECTION)
		return false;
	end_throttle(preflight);
	preflight_found(preflight, THEME_THROTTLE, SIDE_TARGET, "target", FINDING_FAIL,
			text_copy(
				"throttle.query must be one SELECT, WITH or VALUES that names its "
				"tables with their schemas, and be done within 2 seconds"),
			"throttle.query fails, so nothing would be begun: %s", err->message);
	return true;
}
