/*
 * Writes the expression of a dead letter's row; see letter_row.h.
 */
#include "apply/letter_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/parts.h"
#include "common/text.h"

/* As the stage has it, so compressed: large enough for any row that people read, far from what JSON cannot hold. */
#define MOST_BYTES 262144

/* A function takes at most 100 arguments, two for each member. */
#define MOST_MEMBERS 40

/* Types whose values JSON has, too. All others go as text: json may hold what jsonb refuses, and types of extensions may bring a
   conversion of their own. */
static const char *const plain_types[] = { "smallint", "integer",	   "bigint",  "numeric",
					   "real",     "double precision", "boolean", "jsonb" };

/* An object under construction; `||` joins its pieces. */
struct object {
	struct text text;
	size_t members;
};

static void add_member(struct object *object, const char *name, const char *value)
{
	_cleanup_free_ char *quoted = pg_quote_literal(name);

	if (object->members % MOST_MEMBERS == 0)
		text_appendf(&object->text, "%spg_catalog.jsonb_build_object(",
			     object->members > 0 ? ") || " : "");
	text_appendf(&object->text, "%s%s, %s", object->members % MOST_MEMBERS > 0 ? ", " : "",
		     quoted, value);
	object->members++;
}

static char *finish(struct object *object)
{
	text_append(&object->text, object->members > 0 ? ")" : "pg_catalog.jsonb_build_object()");
	return text_steal(&object->text);
}

static const char *type_of(const struct bound_entity *bound, const char *name)
{
	for (size_t i = 0; i < bound->shipped_count; i++)
		if (strcmp(bound->shipped[i].name, name) == 0)
			return bound->shipped[i].type;
	return NULL;
}

/* The value shipped as `name`; NULL when there is none. */
static char *value(const struct bound_entity *bound, const char *name)
{
	const char *type = type_of(bound, name);

	if (type == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(plain_types) / sizeof(plain_types[0]); i++)
		if (strcmp(type, plain_types[i]) == 0)
			return text_format("pg_catalog.to_jsonb(s.%s)", name);
	return text_format("pg_catalog.to_jsonb(s.%s::text)", name);
}

static char *key(const struct bound_entity *bound)
{
	struct object object = { 0 };

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "k%zu", i + 1);
		_cleanup_free_ char *part = value(bound, name);

		add_member(&object, bound->entity->source_key.names[i], part);
	}
	return finish(&object);
}

/* A parent's key: itself, or an object when it has several parts. */
static char *reference(const struct bound_entity *bound, const struct written_column *written)
{
	struct object object = { 0 };
	bool several = written->column->from.count > 1;

	for (size_t i = 0; i < written->column->from.count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "f%zu_%zu", written->number, i + 1);
		char *part = value(bound, name);

		if (!several)
			return part;
		add_member(&object, written->column->from.names[i], part);
		free(part);
	}
	return finish(&object);
}

static char *columns(const struct bound_entity *bound)
{
	struct object object = { 0 };

	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		char name[32];

		snprintf(name, sizeof(name), "c%zu", written->number);
		_cleanup_free_ char *shipped = parts_is_reference(written)
						       ? reference(bound, written)
						       : value(bound, name);

		if (shipped != NULL)
			add_member(&object, written->name, shipped);
	}
	return finish(&object);
}

char *letter_row(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *key_object = key(bound);
	_cleanup_free_ char *column_object = columns(bound);

	text_append(&text, "CASE WHEN 0");
	for (size_t i = 0; i < bound->shipped_count; i++)
		text_appendf(&text, " + coalesce(pg_catalog.pg_column_size(s.%s), 0)",
			     bound->shipped[i].name);
	text_appendf(&text,
		     " <= %d\n              THEN pg_catalog.jsonb_build_object('key', %s,\n"
		     "                   'columns', %s) END",
		     MOST_BYTES, key_object, column_object);
	return text_steal(&text);
}
