/*
 * The preflight's judges of access: may our role do with the tables what a migration does, does it see every row, and may
 * it keep its control schema.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "sql_verify.h"
#include "verify/internal.h"

static bool is_true(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

/* A table that is not there was named with the mapping, unless that could not be looked at. */
static void found_no_table(struct preflight *preflight, const struct table *table)
{
	_cleanup_free_ char *name = table_plain_name(table);

	if (preflight->request.binding == NULL)
		preflight_found(preflight, THEME_PRIVILEGES, preflight->side, name, FINDING_FAIL,
				NULL, "there is no such table");
}

static void found_no_usage(struct preflight *preflight, const struct table *table)
{
	_cleanup_free_ char *role = preflight_role(preflight);
	_cleanup_free_ char *schema = pg_quote_identifier(table->schema);

	preflight_found(preflight, THEME_PRIVILEGES, preflight->side, table->schema, FINDING_FAIL,
			text_format("GRANT USAGE ON SCHEMA %s TO %s", schema, role),
			"role %s may not use the schema", role);
}

static void found_missing(struct preflight *preflight, const struct table *table,
			  const char *privileges)
{
	_cleanup_free_ char *role = preflight_role(preflight);
	_cleanup_free_ char *name = table_plain_name(table);
	_cleanup_free_ char *quoted = table_quoted_name(table);

	preflight_found(preflight, THEME_PRIVILEGES, preflight->side, name, FINDING_FAIL,
			text_format("GRANT %s ON %s TO %s", privileges, quoted, role),
			"role %s lacks %s", role, privileges);
}

static void found_policies(struct preflight *preflight, const struct table *table)
{
	_cleanup_free_ char *role = preflight_role(preflight);
	_cleanup_free_ char *name = table_plain_name(table);

	preflight_found(
		preflight, THEME_ROW_SECURITY, preflight->side, name, FINDING_FAIL,
		text_format("ALTER ROLE %s BYPASSRLS, or use the role that owns the table", role),
		"row-level security would hide rows from role %s, and row_security = off turns "
		"that into an error",
		role);
}

void judge_source_tables(struct preflight *preflight, const PGresult *result)
{
	struct side_state *side = &preflight->sides[SIDE_SOURCE];

	for (int row = 0; row < PQntuples(result); row++) {
		struct table *table = preflight_table_of_row(preflight, result, row);
		bool all = is_true(result, row, 4), some = is_true(result, row, 5);

		table->found = is_true(result, row, 1);
		table->seen_through = some && (!is_true(result, row, 2) || !all);
		if (!table->found)
			found_no_table(preflight, table);
		else if (!is_true(result, row, 3))
			found_no_usage(preflight, table);
		else if (!some)
			found_missing(preflight, table, "SELECT");
		if (is_true(result, row, 6))
			found_policies(preflight, table);
	}
	if (preflight->request.binding == NULL) /* then nothing is asked about queries and views */
		return;
	preflight_passed(preflight, THEME_PRIVILEGES, SIDE_SOURCE,
			 "all that the mapping reads may be read, %zu tables and views",
			 side->table_count);
	preflight_passed(preflight, THEME_ROW_SECURITY, SIDE_SOURCE, "no policy hides a row");
}

static void judge_target_table(struct preflight *preflight, const struct table *table,
			       const PGresult *result, int row)
{
	const struct entity_set *set = preflight->request.entity_set;
	_cleanup_text_ struct text missing = TEXT_INIT;
	_cleanup_free_ char *name = table_plain_name(table);
	bool deletes = false;

	for (size_t i = 0; i < set->count; i++)
		deletes |= table_is_target_of(table, &set->entities[i]) &&
			   set->entities[i].on_delete == ON_DELETE_DELETE;
	text_append(&missing, PQgetvalue(result, row, 3));
	if (deletes && !is_true(result, row, 5)) {
		text_separate(&missing, ", ");
		text_append(&missing, "DELETE");
	}
	if (!is_true(result, row, 2))
		found_no_usage(preflight, table);
	else if (missing.length > 0)
		found_missing(preflight, table, text_string(&missing));
	if (!PQgetisnull(result, row, 4))
		preflight_found(preflight, THEME_PRIVILEGES, SIDE_TARGET, name, FINDING_UNKNOWN,
				text_copy("grant it on the whole table"),
				"not verified: %s is granted on some columns only",
				PQgetvalue(result, row, 4));
	if (is_true(result, row, 6))
		found_policies(preflight, table);
}

void judge_target_tables(struct preflight *preflight, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct table *table = preflight_table_of_row(preflight, result, row);

		table->found = is_true(result, row, 1);
		if (table->found)
			judge_target_table(preflight, table, result, row);
		else
			found_no_table(preflight, table);
	}
	preflight_passed(preflight, THEME_PRIVILEGES, SIDE_TARGET,
			 "the role may write to all %d tables", PQntuples(result));
	preflight_passed(preflight, THEME_ROW_SECURITY, SIDE_TARGET, "no policy hides a row");
}

/* Of a query, a view, or a table that may be read in part, only the planner knows what reading it takes. What an entity
   that does not fit would ship may not exist; then it is asked about the rows alone. */
char *ask_read(const struct preflight *preflight, const struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	_cleanup_text_ struct text values = TEXT_INIT;
	struct text sql = TEXT_INIT;

	if (entity->source_table != NULL &&
	    !preflight_table(&preflight->sides[SIDE_SOURCE], entity->source_schema,
			     entity->source_table)
		     ->seen_through)
		return NULL;
	if (!bound->usable)
		text_append(&values, "1");
	for (size_t i = 0; bound->usable && i < bound->shipped_count; i++) {
		text_separate(&values, ", ");
		text_append(&values, bound->shipped[i].expression);
	}
	text_fill(&sql, sql_verify_preflight_read,
		  (const struct text_hole[]){ { "values", text_string(&values) },
					      { "relation", bound->source_relation },
					      { "filter", bound->source_filter },
					      { NULL, NULL } });
	return text_steal(&sql);
}

bool judge_read_refused(struct preflight *preflight, const struct error *err)
{
	_cleanup_free_ char *role = preflight_role(preflight);
	const char *entity = preflight->bound->entity->name;

	if (err->kind != ERROR_DENIED)
		return false;
	if (strstr(err->message, "row-level security") != NULL)
		preflight_found(
			preflight, THEME_ROW_SECURITY, SIDE_SOURCE, entity, FINDING_FAIL,
			text_format("ALTER ROLE %s BYPASSRLS, or use the role that owns the "
				    "table",
				    role),
			"%s", err->message);
	else
		preflight_found(preflight, THEME_PRIVILEGES, SIDE_SOURCE, entity, FINDING_FAIL,
				text_format("GRANT to %s what is missing", role), "%s",
				err->message);
	return true;
}

void judge_control_schema(struct preflight *preflight, const PGresult *result)
{
	_cleanup_free_ char *role = preflight_role(preflight);
	const char *database = preflight->sides[SIDE_TARGET].database;
	_cleanup_free_ char *quoted = pg_quote_identifier(database != NULL ? database : "…");
	bool present = is_true(result, 0, 2);

	if (!is_true(result, 0, 0))
		preflight_found(
			preflight, THEME_PRIVILEGES, SIDE_TARGET, "target", FINDING_FAIL,
			text_format("GRANT TEMPORARY ON DATABASE %s TO %s", quoted, role),
			"role %s may not make temporary tables, through which every batch goes",
			role);
	if (!present && !is_true(result, 0, 1))
		preflight_found(preflight, THEME_CONTROL_SCHEMA, SIDE_TARGET, "migrated",
				FINDING_FAIL,
				text_format("GRANT CREATE ON DATABASE %s TO %s", quoted, role),
				"role %s may not create the schema \"migrated\"", role);
	if (present && !is_true(result, 0, 3))
		preflight_found(
			preflight, THEME_CONTROL_SCHEMA, SIDE_TARGET, "migrated", FINDING_FAIL,
			text_format("GRANT USAGE, CREATE ON SCHEMA migrated TO %s", role),
			"role %s may not use the schema \"migrated\", or create nothing in it",
			role);
	if (present && strcmp(PQgetvalue(result, 0, 4), "0") != 0)
		preflight_found(preflight, THEME_CONTROL_SCHEMA, SIDE_TARGET, "migrated",
				FINDING_FAIL,
				text_copy("connect as the role that migrated first, or hand its "
					  "tables over with REASSIGN OWNED"),
				"%s of its tables and views belong to another role than %s",
				PQgetvalue(result, 0, 4), role);
	preflight_passed(preflight, THEME_CONTROL_SCHEMA, SIDE_TARGET,
			 present ? "there, and the role's own"
				 : "not there yet; the role may create it");
}
