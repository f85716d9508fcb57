/*
 * Creates and upgrades the control schema by numbered migrations (schema/NNNN_name.sql), each in a transaction
 * of its own together with its row in migrated.schema_version.
 */
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/fault.h"
#include "common/log.h"
#include "common/text.h"
#include "sql_store.h"
#include "sql_store_schema.h"
#include "store/store.h"

struct upgrade {
	struct pg_connection *target;
	store_on_done *on_done;
	void *arg;
	size_t first; /* as many had been run before */
	size_t next;  /* migration to be run */
};

static void run_next(struct upgrade *upgrade);

static void finish(struct upgrade *upgrade, const struct error *err)
{
	store_on_done *on_done = upgrade->on_done;
	void *arg = upgrade->arg;

	free(upgrade);
	on_done(arg, err);
}

static void on_run(void *arg, const struct pg_answer *answer)
{
	struct upgrade *upgrade = arg;

	if (answer->error != NULL) {
		struct error told = *answer->error;

		error_context(&told, "control schema, migration %s",
			      sql_store_schema[upgrade->next].name);
		finish(upgrade, &told);
		return;
	}
	log_debug("control schema: migration %d (%s) is done",
		  sql_store_schema[upgrade->next].version, sql_store_schema[upgrade->next].name);
	upgrade->next++;
	fault_point("store.upgraded");
	run_next(upgrade);
}

static void tell(const struct upgrade *upgrade)
{
	const struct sql_migration *newest = &sql_store_schema[sql_store_schema_count - 1];

	if (upgrade->first == 0)
		event_log(EVENT_SCHEMA_UPGRADED, NULL, "control schema made, at version %d (%s)",
			  newest->version, newest->name);
	else if (upgrade->first < sql_store_schema_count)
		event_log(EVENT_SCHEMA_UPGRADED, NULL,
			  "control schema upgraded from version %d to %d (%s)",
			  sql_store_schema[upgrade->first - 1].version, newest->version,
			  newest->name);
}

static void run_next(struct upgrade *upgrade)
{
	_cleanup_text_ struct text text = TEXT_INIT;
	const struct sql_migration *migration;
	_cleanup_free_ char *name = NULL;

	if (upgrade->next == sql_store_schema_count) {
		tell(upgrade);
		finish(upgrade, NULL);
		return;
	}
	migration = &sql_store_schema[upgrade->next];
	name = pg_quote_literal(migration->name);
	/* One query, and so one transaction. */
	text_appendf(&text, "%s\n", migration->script);
	text_appendf(&text, "INSERT INTO migrated.schema_version (version, name) VALUES (%d, %s)",
		     migration->version, name);
	pg_submit(upgrade->target, text_string(&text), 0, NULL, on_run, upgrade);
}

/* --- what is there ------------------------------------------------------------------------------ */

static bool refuse(struct error *err, const char *hint, char *message)
{
	error_set(err, ERROR_STRUCTURE, "%s", message);
	error_hint(err, "%s", hint);
	free(message);
	return false;
}

/* The migrations that were run must be the first of ours, all of them: what was made otherwise is nothing to build on. */
static bool fits(const PGresult *versions, struct error *err)
{
	static const char another[] = "install the migrated that made it, or a newer one";
	static const char damaged[] = "restore the schema migrated of the target from a backup";
	size_t count = sql_store_schema_count;
	const struct sql_migration *newest = &sql_store_schema[count - 1];

	for (int row = 0; row < PQntuples(versions); row++) {
		const struct sql_migration *expected = &sql_store_schema[row];
		int version = atoi(PQgetvalue(versions, row, 0));
		const char *name = PQgetvalue(versions, row, 1);

		if (version > newest->version)
			return refuse(err, another,
				      text_format("the control schema is at version %d (%s), and "
						  "this migrated knows only %d (%s)",
						  version, name, newest->version, newest->name));
		if (version != expected->version)
			return refuse(err, damaged,
				      text_format("the control schema is at version %s, and "
						  "migration %d (%s) is missing from it",
						  PQgetvalue(versions, PQntuples(versions) - 1, 0),
						  expected->version, expected->name));
		if (strcmp(name, expected->name) != 0)
			return refuse(err, another,
				      text_format("version %d of the control schema is \"%s\", and "
						  "that of this migrated is \"%s\"",
						  version, name, expected->name));
	}
	return true;
}

static void on_versions(void *arg, const struct pg_answer *answer)
{
	struct upgrade *upgrade = arg;
	struct error err;

	if (answer->error != NULL) {
		finish(upgrade, answer->error);
		return;
	}
	if (!fits(pg_answer_rows(answer), &err)) {
		finish(upgrade, &err);
		return;
	}
	upgrade->first = upgrade->next = (size_t)PQntuples(pg_answer_rows(answer));
	run_next(upgrade);
}

static void on_version(void *arg, const struct pg_answer *answer)
{
	struct upgrade *upgrade = arg;
	const PGresult *result = pg_answer_rows(answer);
	struct error err;

	if (answer->error != NULL) {
		finish(upgrade, answer->error);
		return;
	}
	if (PQgetvalue(result, 0, 0)[0] == 't') {
		pg_submit(upgrade->target, sql_store_schema_versions, 0, NULL, on_versions,
			  upgrade);
		return;
	}
	if (PQgetvalue(result, 0, 1)[0] != 't') {
		error_set(&err, ERROR_DENIED,
			  "role \"%s\" may not create the control schema in the target",
			  PQgetvalue(result, 0, 2));
		error_hint(&err, "GRANT CREATE ON DATABASE … TO \"%s\"", PQgetvalue(result, 0, 2));
		finish(upgrade, &err);
		return;
	}
	run_next(upgrade);
}

void store_upgrade(struct pg_connection *target, store_on_done *on_done, void *arg)
{
	struct upgrade *upgrade = memory_new(sizeof(*upgrade));

	*upgrade = (struct upgrade){ .target = target, .on_done = on_done, .arg = arg };
	pg_submit(target, sql_store_schema_version, 0, NULL, on_version, upgrade);
}
