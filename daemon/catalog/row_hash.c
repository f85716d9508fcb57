/*
 * See row_hash.h. The hash functions are PostgreSQL's: hash_record_extended() adds up, each time multiplied by 31, what the
 * values' own functions say, so those must spread all of a value's bits (src/backend/utils/adt/rowtypes.c). For the same reason two
 * rows that exchange a value would leave the sum of such hashes as it was; so what is summed is hashed once more, as
 * the bytes of a double, of whose 53 bits two are taken.
 */
#include "catalog/row_hash.h"

#include <string.h>

#define HASHES_RECORDS 140000
#define HASHES_TEXTS 110000

#define AS_IT_IS "%s"
#define AS_TEXT "(%s)::text COLLATE \"C\""
#define SENT_BY(function) "pg_catalog." function "(%s)"

/* Types by the names of format_type() without modifiers, and those by which wire_type.h calls some of them. */
static const struct hashed_type {
	const char *name;
	const char *form;
} hashed_types[] = {
	/* Their hash functions take every bit, and take values for equal only when all are. */
	{ "boolean", AS_IT_IS },
	{ "\"char\"", AS_IT_IS },
	{ "smallint", AS_IT_IS },
	{ "integer", AS_IT_IS },
	{ "oid", AS_IT_IS },
	{ "date", AS_IT_IS },
	{ "uuid", AS_IT_IS },
	{ "bytea", AS_IT_IS },
	{ "bigint", SENT_BY("int8send") },
	{ "real", SENT_BY("float4send") },
	{ "double precision", SENT_BY("float8send") },
	{ "numeric", SENT_BY("numeric_send") },
	{ "bpchar", SENT_BY("bpcharsend") },
	{ "character", SENT_BY("bpcharsend") },
	{ "time", SENT_BY("time_send") },
	{ "time without time zone", SENT_BY("time_send") },
	{ "timetz", SENT_BY("timetz_send") },
	{ "time with time zone", SENT_BY("timetz_send") },
	{ "timestamp", SENT_BY("timestamp_send") },
	{ "timestamp without time zone", SENT_BY("timestamp_send") },
	{ "timestamptz", SENT_BY("timestamptz_send") },
	{ "timestamp with time zone", SENT_BY("timestamptz_send") },
	{ "interval", SENT_BY("interval_send") },
	{ "json", SENT_BY("json_send") },
	{ "jsonb", SENT_BY("jsonb_send") },
};

/* "numeric(12,2)" is numeric, "timestamp(3) with time zone" timestamp with time zone. */
static char *without_modifier(const char *type)
{
	const char *open = strchr(type, '(');
	const char *close = open != NULL ? strchr(open, ')') : NULL;

	if (close == NULL)
		return text_copy(type);
	return text_format("%.*s%s", (int)(open - type), type, close + 1);
}

static const char *form_of(const char *type)
{
	_cleanup_free_ char *name = without_modifier(type);

	for (size_t i = 0; i < sizeof(hashed_types) / sizeof(hashed_types[0]); i++)
		if (strcmp(hashed_types[i].name, name) == 0)
			return hashed_types[i].form;
	return AS_TEXT;
}

void row_hash_value(struct text *values, int server_version, const char *expression,
		    const char *type)
{
	const char *form = server_version >= HASHES_RECORDS ? form_of(type) : AS_IT_IS;
	const char *place = strstr(form, "%s");

	text_separate(values, ", ");
	text_append_bytes(values, form, (size_t)(place - form));
	text_append(values, expression);
	text_append(values, place + 2);
}

char *row_hash_row(int server_version, const char *values)
{
	return text_format(server_version >= HASHES_RECORDS ? "ROW(%s)" : "ROW(%s)::text", values);
}

char *row_hash_text(int server_version, const char *text, int seed)
{
	if (server_version >= HASHES_TEXTS)
		return text_format("pg_catalog.hashtextextended(%s, %d)", text, seed);
	return text_format(
		"('x' || pg_catalog.substr(pg_catalog.md5(%s), %d, 16))::bit(64)::bigint", text,
		1 + 16 * seed);
}

char *row_hash_alone(int server_version, const char *row)
{
	if (server_version >= HASHES_RECORDS)
		return text_format("pg_catalog.hash_record_extended(%s, 0)", row);
	return row_hash_text(server_version, row, 0);
}

char *row_hash(int server_version, const char *row, int seed)
{
	if (server_version >= HASHES_RECORDS)
		return text_format("pg_catalog.hashfloat8extended("
				   "pg_catalog.hash_record_extended(%s, %d)::float8, %d)",
				   row, seed, seed);
	return row_hash_text(server_version, row, seed);
}
