/*
 * Reads the catalogs; see catalog.h. The queries stand in catalog.sql.
 */
#include "catalog/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "sql_catalog.h"

/* One reading under way: three queries or four, one after the other. */
struct reading {
	struct catalog *catalog;
	struct pg_connection *connection;
	catalog_on_done *on_done;
	void *arg;
	char *schemas; /* array literals */
	char *names;
	size_t awaited; /* answers */
	struct error error;
};

size_t catalog_want(struct catalog *catalog, const char *schema, const char *name)
{
	for (size_t i = 0; i < catalog->count; i++)
		if (strcmp(catalog->relations[i].schema, schema) == 0 &&
		    strcmp(catalog->relations[i].name, name) == 0)
			return i;
	catalog->relations = memory_grow(catalog->relations, catalog->count + 1,
					 sizeof(*catalog->relations));
	catalog->relations[catalog->count] = (struct catalog_relation){ .schema = text_copy(schema),
									.name = text_copy(name) };
	return catalog->count++;
}

/* "{\"a\",\"b\"}": an array literal of text. */
static char *array_literal(const struct catalog *catalog, bool schemas)
{
	struct text text = TEXT_INIT;

	text_append(&text, "{");
	for (size_t i = 0; i < catalog->count; i++) {
		const char *item = schemas ? catalog->relations[i].schema
					   : catalog->relations[i].name;

		text_append(&text, i > 0 ? ",\"" : "\"");
		for (; *item != '\0'; item++) {
			if (*item == '"' || *item == '\\')
				text_append(&text, "\\");
			text_append_bytes(&text, item, 1);
		}
		text_append(&text, "\"");
	}
	text_append(&text, "}");
	return text_steal(&text);
}

static bool is_true(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

/* NULL for NULL. */
static char *optional_text(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : text_copy(PQgetvalue(result, row, column));
}

static void take_column(struct catalog_relation *relation, const PGresult *result, int row)
{
	struct catalog_column *column;

	relation->found = is_true(result, row, 1);
	if (!relation->found || PQgetisnull(result, row, 4))
		return;
	relation->kind = PQgetvalue(result, row, 2)[0];
	relation->estimated_rows = strtoll(PQgetvalue(result, row, 3), NULL, 10);
	relation->heap = is_true(result, row, 12);
	relation->has_children = is_true(result, row, 20);
	relation->columns = memory_grow(relation->columns, relation->column_count + 1,
					sizeof(*relation->columns));
	column = &relation->columns[relation->column_count++];
	*column = (struct catalog_column){
		.name = text_copy(PQgetvalue(result, row, 4)),
		.type = text_copy(PQgetvalue(result, row, 5)),
		.base_type = text_copy(PQgetvalue(result, row, 6)),
		.not_null = is_true(result, row, 8),
		.has_default = is_true(result, row, 9),
		.generated = is_true(result, row, 10),
		.no_equality = is_true(result, row, 11),
		.indexed = is_true(result, row, 13),
		.readable = is_true(result, row, 14),
		.identity_always = PQgetvalue(result, row, 15)[0] == 'a',
		.minted = optional_text(result, row, 16),
		.sequence = optional_text(result, row, 17),
		.may_use_sequence = is_true(result, row, 18),
		.length = atoi(PQgetvalue(result, row, 19)),
	};
}

static void take_key_column(struct catalog_relation *relation, bool first, const char *name)
{
	struct catalog_key *key;

	if (first) {
		relation->unique_keys = memory_grow(relation->unique_keys,
						    relation->unique_key_count + 1,
						    sizeof(*relation->unique_keys));
		relation->unique_keys[relation->unique_key_count++] = (struct catalog_key){ 0 };
	}
	key = &relation->unique_keys[relation->unique_key_count - 1];
	key->columns = memory_grow(key->columns, key->count + 1, sizeof(*key->columns));
	key->columns[key->count++] = text_copy(name);
}

static void finish(struct reading *reading, const struct error *err)
{
	catalog_on_done *on_done = reading->on_done;
	void *arg = reading->arg;

	free(reading->schemas);
	free(reading->names);
	free(reading);
	on_done(arg, err);
}

static struct catalog_relation *relation_of_row(struct catalog *catalog, const PGresult *result,
						int row)
{
	return &catalog->relations[strtoul(PQgetvalue(result, row, 0), NULL, 10) - 1];
}

/* The first error counts; all are waited for. */
static void answered(struct reading *reading, const struct error *err)
{
	struct error first;

	if (err != NULL && reading->error.kind == ERROR_NONE)
		reading->error = *err;
	if (--reading->awaited > 0)
		return;
	first = reading->error;
	finish(reading, first.kind != ERROR_NONE ? &first : NULL);
}

static void on_functions(void *arg, const struct pg_answer *answer)
{
	struct reading *reading = arg;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error == NULL && PQntuples(result) > 0) {
		char *function = text_copy(PQgetvalue(result, 0, 1));

		if (strcmp(PQgetvalue(result, 0, 0), "digest") == 0)
			reading->catalog->digest = function;
		else
			reading->catalog->uuid_generate_v5 = function;
	}
	answered(reading, answer->error);
}

static void on_foreign_keys(void *arg, const struct pg_answer *answer)
{
	struct reading *reading = arg;
	const PGresult *result = pg_answer_rows(answer);

	for (int row = 0; answer->error == NULL && row < PQntuples(result); row++) {
		struct catalog_relation *relation = relation_of_row(reading->catalog, result, row);
		size_t count = relation->foreign_key_count++;

		relation->foreign_keys = memory_grow(relation->foreign_keys, count + 1,
						     sizeof(*relation->foreign_keys));
		relation->foreign_keys[count] = (struct catalog_foreign_key){
			.name = text_copy(PQgetvalue(result, row, 1)),
			.column = text_copy(PQgetvalue(result, row, 2)),
			.deferrable = is_true(result, row, 3),
			.yields = strchr("cnd", PQgetvalue(result, row, 4)[0]) != NULL &&
				  !PQgetisnull(result, row, 4),
			.parent_schema = text_copy(PQgetvalue(result, row, 5)),
			.parent_table = text_copy(PQgetvalue(result, row, 6)),
			.parent_column = text_copy(PQgetvalue(result, row, 7)),
		};
	}
	answered(reading, answer->error);
}

static void on_keys(void *arg, const struct pg_answer *answer)
{
	struct reading *reading = arg;
	const PGresult *result = pg_answer_rows(answer);
	const char *index = "";

	for (int row = 0; answer->error == NULL && row < PQntuples(result); row++) {
		bool first = strcmp(index, PQgetvalue(result, row, 1)) != 0;

		index = PQgetvalue(result, row, 1);
		take_key_column(relation_of_row(reading->catalog, result, row), first,
				PQgetvalue(result, row, 2));
	}
	answered(reading, answer->error);
}

static void on_columns(void *arg, const struct pg_answer *answer)
{
	struct reading *reading = arg;
	const PGresult *result = pg_answer_rows(answer);

	for (int row = 0; answer->error == NULL && row < PQntuples(result); row++)
		take_column(relation_of_row(reading->catalog, result, row), result, row);
	answered(reading, answer->error);
}

static void ask(struct reading *reading, const char *sql, pg_on_answer *on_answer)
{
	reading->awaited++;
	pg_submit(reading->connection, sql, 2,
		  (const char *const[]){ reading->schemas, reading->names }, on_answer, reading);
}

void catalog_read(struct catalog *catalog, struct pg_connection *connection,
		  catalog_on_done *on_done, void *arg)
{
	struct reading *reading = memory_new(sizeof(*reading));

	*reading = (struct reading){
		.catalog = catalog,
		.connection = connection,
		.on_done = on_done,
		.arg = arg,
		.schemas = array_literal(catalog, true),
		.names = array_literal(catalog, false),
	};
	ask(reading, sql_catalog_columns, on_columns);
	ask(reading, sql_catalog_unique_keys, on_keys);
	ask(reading, sql_catalog_foreign_keys, on_foreign_keys);
	if (!catalog->uuid_functions)
		return;
	reading->awaited++;
	pg_submit(connection, sql_catalog_uuid_functions, 0, NULL, on_functions, reading);
}

const struct catalog_relation *catalog_relation(const struct catalog *catalog, const char *schema,
						const char *name)
{
	for (size_t i = 0; i < catalog->count; i++)
		if (strcmp(catalog->relations[i].schema, schema) == 0 &&
		    strcmp(catalog->relations[i].name, name) == 0)
			return &catalog->relations[i];
	return NULL;
}

const struct catalog_column *catalog_column(const struct catalog_relation *relation,
					    const char *name)
{
	for (size_t i = 0; i < relation->column_count; i++)
		if (strcmp(relation->columns[i].name, name) == 0)
			return &relation->columns[i];
	return NULL;
}

static bool is_among(const char *name, char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

bool catalog_is_unique(const struct catalog_relation *relation, char *const *columns, size_t count)
{
	for (size_t i = 0; i < relation->unique_key_count; i++) {
		const struct catalog_key *key = &relation->unique_keys[i];
		size_t covered = 0;

		while (covered < key->count && is_among(key->columns[covered], columns, count))
			covered++;
		if (covered == key->count)
			return true;
	}
	return false;
}

static void relation_done(struct catalog_relation *relation)
{
	for (size_t i = 0; i < relation->column_count; i++) {
		free(relation->columns[i].name);
		free(relation->columns[i].type);
		free(relation->columns[i].base_type);
		free(relation->columns[i].minted);
		free(relation->columns[i].sequence);
	}
	for (size_t i = 0; i < relation->unique_key_count; i++) {
		for (size_t j = 0; j < relation->unique_keys[i].count; j++)
			free(relation->unique_keys[i].columns[j]);
		free(relation->unique_keys[i].columns);
	}
	for (size_t i = 0; i < relation->foreign_key_count; i++) {
		free(relation->foreign_keys[i].name);
		free(relation->foreign_keys[i].column);
		free(relation->foreign_keys[i].parent_schema);
		free(relation->foreign_keys[i].parent_table);
		free(relation->foreign_keys[i].parent_column);
	}
	free(relation->columns);
	free(relation->unique_keys);
	free(relation->foreign_keys);
	free(relation->schema);
	free(relation->name);
}

void catalog_done(struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->count; i++)
		relation_done(&catalog->relations[i]);
	free(catalog->relations);
	free(catalog->uuid_generate_v5);
	free(catalog->digest);
	*catalog = (struct catalog){ 0 };
}
