/*
 * The mapping language in SQL; see expression.h.
 *
 * A row function of the source is evaluated there and shipped; what needs the id maps, or must not fail while a row
 * is only being staged (casts, value tables, parsing), is evaluated on the target.
 */
#include "catalog/expression.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/hashed.h"
#include "catalog/row_hash.h"
#include "common/text.h"

/* The shortest text that is this number again: 0.1, not 0.10000000000000001. */
static char *number_text(double number)
{
	char text[32];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	return text_copy(text);
}

char *binding_literal(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return pg_quote_literal(json_string_value(value));
	case JSON_TRUE:
		return text_copy("'true'");
	case JSON_FALSE:
		return text_copy("'false'");
	case JSON_INTEGER:
		return text_format("'%" JSON_INTEGER_FORMAT "'", json_integer_value(value));
	case JSON_REAL: {
		_cleanup_free_ char *number = number_text(json_real_value(value));

		return text_format("'%s'", number);
	}
	default:
		return text_copy("NULL");
	}
}

/* A JSON scalar as a literal of type jsonb. */
static char *json_literal(const json_t *value)
{
	_cleanup_free_ char *dumped = json_is_real(value)
					      ? number_text(json_real_value(value))
					      : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	_cleanup_free_ char *quoted = pg_quote_literal(dumped);

	return text_format("%s::jsonb", quoted);
}

char *bound_typed_literal(const json_t *value, const char *type)
{
	if (strcmp(type, "json") == 0 || strcmp(type, "jsonb") == 0)
		return json_is_null(value) ? text_copy("NULL") : json_literal(value);
	return binding_literal(value);
}

void bound_ship(struct bound_entity *bound, const char *name, const char *expression,
		const char *path)
{
	bound->shipped = memory_grow(bound->shipped, bound->shipped_count + 1,
				     sizeof(*bound->shipped));
	bound->shipped[bound->shipped_count++] = (struct shipped_column){ .name = text_copy(name),
									  .expression = text_copy(
										  expression),
									  .path = text_copy(path) };
}

char *bound_key_list(const struct bound_entity *bound, const char *format, const char *separator)
{
	struct text list = TEXT_INIT;

	for (size_t i = 1; i <= bound->entity->source_key.count; i++) {
		text_separate(&list, separator);
		for (const char *c = format; *c != '\0'; c++) {
			if (strncmp(c, "%zu", 3) == 0) {
				text_appendf(&list, "%zu", i);
				c += 2;
			} else {
				text_append_bytes(&list, c, 1);
			}
		}
	}
	return text_steal(&list);
}

char *bound_enclosed(const char *sql)
{
	return text_format(strstr(sql, "--") != NULL ? "(%s\n)" : "(%s)", sql);
}

static char *source_column(const char *name)
{
	_cleanup_free_ char *quoted = pg_quote_identifier(name);

	return text_format("source.%s", quoted);
}

/* --- value tables ------------------------------------------------------------------------------ */

/* CASE over `subject` (text): a row for each pair, the default for the rest and for NULL. */
static char *value_table(const struct column *column, const char *subject, const char *type)
{
	struct text text = TEXT_INIT;

	text_appendf(&text, "CASE %s", subject);
	for (size_t i = 0; i < column->value_count; i++) {
		_cleanup_free_ char *from = pg_quote_literal(column->values[i].from);
		_cleanup_free_ char *to = bound_typed_literal(column->values[i].to, type);

		text_appendf(&text, " WHEN %s THEN %s", from, to);
	}
	if (column->default_value != NULL) {
		_cleanup_free_ char *rest = bound_typed_literal(column->default_value, type);

		text_appendf(&text, " ELSE %s", rest);
	}
	text_append(&text, " END");
	return text_steal(&text);
}

/* A value that no pair names, where there is no default: not something to pass over in silence. */
static char *value_table_fault(const struct column *column, const char *subject)
{
	struct text text = TEXT_INIT;

	if (column->default_value != NULL)
		return NULL;
	text_appendf(&text, "%s NOT IN (", subject);
	for (size_t i = 0; i < column->value_count; i++) {
		_cleanup_free_ char *from = pg_quote_literal(column->values[i].from);

		text_appendf(&text, "%s%s", i > 0 ? ", " : "", from);
	}
	text_append(&text, ")");
	return text_steal(&text);
}

/* --- assembled JSON ---------------------------------------------------------------------------- */

static char *assemble(const struct column *column);

/* A member of an assembled object, as an expression of the source row. */
static char *member(const struct column *column)
{
	switch (column->kind) {
	case COLUMN_SOURCE:
		return source_column(column->from.names[0]);
	case COLUMN_SQL:
		return bound_enclosed(column->sql);
	case COLUMN_CONSTANT:
		return json_literal(column->constant);
	case COLUMN_VALUES: {
		_cleanup_free_ char *name = source_column(column->from.names[0]);
		_cleanup_free_ char *subject = text_format("%s::text", name);

		return value_table(column, subject, "jsonb");
	}
	case COLUMN_JSON:
		return assemble(column);
	case COLUMN_PARSE:
	case COLUMN_REFERENCE:
		break;
	}
	return text_copy("NULL");
}

/* A function takes at most 100 arguments, two for each member. */
#define MEMBERS_OF_A_CALL 50

static char *assemble(const struct column *column)
{
	struct text text = TEXT_INIT;

	text_append(&text, "pg_catalog.jsonb_build_object(");
	for (size_t i = 0; i < column->member_count; i++) {
		_cleanup_free_ char *key = pg_quote_literal(column->members[i].name);
		_cleanup_free_ char *value = member(&column->members[i]);
		bool next_call = i > 0 && i % MEMBERS_OF_A_CALL == 0;

		text_appendf(&text, "%s%s, %s",
			     next_call ? ") || pg_catalog.jsonb_build_object("
			     : i > 0   ? ", "
				       : "",
			     key, value);
	}
	text_append(&text, ")");
	if (column->member_count <= MEMBERS_OF_A_CALL)
		return text_steal(&text);
	_cleanup_free_ char *sum = text_steal(&text);

	return text_format("(%s)", sum);
}

/* --- target columns ---------------------------------------------------------------------------- */

static struct written_column *add_written(struct bound_entity *bound, const struct column *column,
					  const struct catalog_column *target)
{
	struct written_column *written;

	bound->written = memory_grow(bound->written, bound->written_count + 1,
				     sizeof(*bound->written));
	written = &bound->written[bound->written_count++];
	*written = (struct written_column){
		.column = column,
		.name = text_copy(target->name),
		.quoted = pg_quote_identifier(target->name),
		.type = text_copy(target->base_type),
		.not_null = target->not_null,
		.no_equality = target->no_equality,
		.length = target->length,
		.number = bound->written_count,
	};
	return written;
}

static char *cast(const char *expression, const char *type)
{
	return text_format("CAST(%s AS %s)", expression, type);
}

/* Ships an expression as cN and gives `s.cN`. */
static char *ship_value(struct bound_entity *bound, const struct written_column *written,
			const char *expression)
{
	_cleanup_free_ char *name = text_format("c%zu", written->number);

	bound_ship(bound, name, expression, written->column->path);
	return text_format("s.%s", name);
}

static void write_plain(struct bound_entity *bound, struct written_column *written,
			const char *expression)
{
	written->raw = ship_value(bound, written, expression);
	written->expression = cast(written->raw, written->type);
}

static void write_values(struct bound_entity *bound, struct written_column *written)
{
	_cleanup_free_ char *name = source_column(written->column->from.names[0]);
	_cleanup_free_ char *as_text = text_format("%s::text", name);
	_cleanup_free_ char *subject = ship_value(bound, written, as_text);

	written->raw = value_table(written->column, subject, written->type);
	written->expression = cast(written->raw, written->type);
	written->fault = value_table_fault(written->column, subject);
	written->fault_sqlstate = "22000";
	written->fault_message = "no row of the value table fits, and there is no default";
}

static void write_parsed(struct bound_entity *bound, struct written_column *written)
{
	_cleanup_free_ char *name = source_column(written->column->from.names[0]);
	_cleanup_free_ char *as_text = text_format("%s::text", name);
	_cleanup_free_ char *subject = ship_value(bound, written, as_text);
	_cleanup_free_ char *parsed = text_format("migrated.json_or_null(%s)", subject);
	_cleanup_free_ char *wrapped = text_format("coalesce(%s, pg_catalog.to_jsonb(%s))", parsed,
						   subject);
	bool wraps = written->column->if_invalid == IF_INVALID_WRAP;

	written->raw = text_copy(subject);
	written->expression = cast(wraps ? wrapped : parsed, written->type);
	if (written->column->if_invalid == IF_INVALID_DEAD_LETTER) {
		written->fault = text_format("%s IS NOT NULL AND %s IS NULL", subject, parsed);
		written->fault_sqlstate = "22P02";
		written->fault_message = "the text is not valid JSON";
	}
}

/* The parts of the parent's legacy key as fN_M, and which alternative holds as wN. */
static void ship_reference(struct bound_entity *bound, const struct written_column *written)
{
	const struct column *column = written->column;
	_cleanup_text_ struct text which = TEXT_INIT;
	_cleanup_free_ char *which_name = text_format("w%zu", written->number);

	for (size_t i = 0; i < column->from.count; i++) {
		_cleanup_free_ char *name = text_format("f%zu_%zu", written->number, i + 1);
		_cleanup_free_ char *expression = source_column(column->from.names[i]);

		bound_ship(bound, name, expression, column->path);
	}
	if (column->reference_count == 1 && column->references[0].when == NULL)
		return;
	text_append(&which, "CASE");
	for (size_t i = 0; i < column->reference_count; i++) {
		const char *when = column->references[i].when;
		_cleanup_free_ char *condition = when != NULL && strstr(when, "--") != NULL
							 ? bound_enclosed(when)
							 : text_copy(when != NULL ? when : "TRUE");

		text_appendf(&which, " WHEN %s THEN %zu", condition, i + 1);
	}
	text_append(&which, " END");
	bound_ship(bound, which_name, text_string(&which), column->path);
}

static void write_reference(struct bound_entity *bound, struct written_column *written)
{
	struct text text = TEXT_INIT;

	ship_reference(bound, written);
	text_append(&text, "coalesce(");
	for (size_t i = 0; i < written->column->reference_count; i++)
		text_appendf(&text, "%sr%zu_%zu.t1", i > 0 ? ", " : "", written->number, i + 1);
	text_append(&text, ")");
	written->expression = text_steal(&text);
}

void bound_write(struct bound_entity *bound, const struct column *column,
		 const struct catalog_column *target)
{
	struct written_column *written = add_written(bound, column, target);
	_cleanup_free_ char *expression = NULL;

	switch (column->kind) {
	case COLUMN_SOURCE:
		expression = source_column(column->from.names[0]);
		write_plain(bound, written, expression);
		break;
	case COLUMN_SQL:
		expression = bound_enclosed(column->sql);
		write_plain(bound, written, expression);
		break;
	case COLUMN_JSON:
		expression = assemble(column);
		write_plain(bound, written, expression);
		break;
	case COLUMN_CONSTANT:
		expression = bound_typed_literal(column->constant, written->type);
		written->expression = cast(expression, written->type);
		break;
	case COLUMN_VALUES:
		write_values(bound, written);
		break;
	case COLUMN_PARSE:
		write_parsed(bound, written);
		break;
	case COLUMN_REFERENCE:
		write_reference(bound, written);
		break;
	}
}

void bound_write_legacy(struct bound_entity *bound, size_t part,
			const struct catalog_column *target)
{
	struct written_column *written = add_written(bound, NULL, target);
	_cleanup_free_ char *key = text_format("s.k%zu", part + 1);

	written->expression = cast(key, written->type);
}

/* --- fingerprint ------------------------------------------------------------------------------- */

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)

/* FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv): a name for a text, not a defence. */
static uint64_t fnv1a(uint64_t hash, const char *string)
{
	for (; *string != '\0'; string++)
		hash = (hash ^ (unsigned char)*string) * UINT64_C(0x100000001b3);
	return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

/* Rules that were changed are asked of every row again. */
static uint64_t hash_rule(uint64_t hash, const struct rule *rule)
{
	hash = fnv1a(hash, rule->name);
	hash = fnv1a(hash, rule_action_names[rule->action]);
	return fnv1a(hash, rule->after ? rule->sql : "");
}

/* Deferred for the sake of a circle alone. When that is decided anew, rows that were left NULL must be seen again. */
static bool waits_otherwise(const struct bound_entity *bound, const struct written_column *written)
{
	if (!written->deferred || written->column->if_missing == IF_MISSING_NULL)
		return false;
	for (size_t i = 0; i < written->column->reference_count; i++)
		if (written->column->references[i].entity == bound->entity)
			return false;
	return true;
}

uint64_t bound_name_of_text(const char *text)
{
	return fnv1a(FNV_OFFSET, text);
}

void bound_fingerprint(struct bound_entity *bound, int source_version)
{
	_cleanup_free_ char *version = text_format("%d", source_version / 10000);
	_cleanup_free_ char *row = hashed_row(bound, source_version);
	_cleanup_free_ char *hashed = row_hash(source_version, row, 0);
	uint64_t hash = fnv1a(FNV_OFFSET, version);

	hash = fnv1a(hash, bound->source_relation);
	hash = fnv1a(hash, bound->target_relation);
	if (bound->identity[0] != '\0')
		hash = fnv1a(hash, bound->identity);
	for (size_t i = 0; i < bound->shipped_count; i++) {
		hash = fnv1a(hash, bound->shipped[i].expression);
		hash = fnv1a(hash, bound->shipped[i].type);
	}
	for (size_t i = 0; i < bound->written_count; i++) {
		hash = fnv1a(hash, bound->written[i].name);
		hash = fnv1a(hash, bound->written[i].expression);
		if (waits_otherwise(bound, &bound->written[i]))
			hash = fnv1a(hash, "deferred");
	}
	for (size_t i = 0; i < bound->entity->rule_count; i++)
		hash = hash_rule(hash, &bound->entity->rules[i]);
	hash = fnv1a(hash, hashed);
	snprintf(bound->fingerprint, sizeof(bound->fingerprint), "%016" PRIx64, hash);
}

void bound_set_written_hash(struct bound_entity *bound, int target_version)
{
	_cleanup_text_ struct text values = TEXT_INIT;
	_cleanup_free_ char *row = NULL;

	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		_cleanup_free_ char *column = text_format("t.%s", written->quoted);

		row_hash_value(&values, target_version, column, written->type);
	}
	row = row_hash_row(target_version, text_string(&values));
	bound->written_hash = row_hash_alone(target_version, row);
}
