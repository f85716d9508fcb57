/*
 * See reference.h. A child may hold its parent's key in another type than the parent does: it is cast to the parent's, and where that
 * would round it to the key of some other row, the row is at fault.
 */
#include "catalog/reference.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

static bool is_among(const char *type, const char *const *types)
{
	for (; *types != NULL; types++)
		if (strcmp(*types, type) == 0)
			return true;
	return false;
}

/* Does a cast from one to the other lose what tells keys apart, without a word? */
static bool rounds(const char *from, const char *to)
{
	static const char *const fractions[] = { "numeric", "real", "double precision", NULL };
	static const char *const whole[] = { "bigint", "integer", "smallint", NULL };
	static const char *const moments[] = { "timestamp", "timestamptz", NULL };

	return (is_among(from, fractions) && is_among(to, whole)) ||
	       (is_among(from, moments) && strcmp(to, "date") == 0);
}

static const char *shipped_type(const struct bound_entity *bound, const char *name)
{
	for (size_t i = 0; i < bound->shipped_count; i++)
		if (strcmp(bound->shipped[i].name, name) == 0)
			return bound->shipped[i].type;
	return "text";
}

static bool has_alternatives(const struct column *column)
{
	return column->reference_count > 1 || column->references[0].when != NULL;
}

/* One part of the parent's key as this alternative has it. */
static char *parent_key(const struct written_column *written, size_t alternative, size_t part,
			const char *from, const char *to)
{
	size_t number = written->number;

	if (has_alternatives(written->column) && strcmp(from, to) != 0)
		return text_format("CASE WHEN s.w%zu = %zu THEN s.f%zu_%zu::%s END", number,
				   alternative + 1, number, part + 1, to);
	return text_format("s.f%zu_%zu::%s", number, part + 1, to);
}

static void add_fault(struct written_column *written, size_t alternative, size_t part,
		      const char *from, const char *to)
{
	size_t number = written->number;
	_cleanup_free_ char *chosen = has_alternatives(written->column)
					      ? text_format("s.w%zu = %zu AND ", number,
							    alternative + 1)
					      : text_copy("");
	_cleanup_free_ char *before = written->fault;

	written->fault = text_format("%s%s(%ss.f%zu_%zu::%s::%s <> s.f%zu_%zu)",
				     before != NULL ? before : "", before != NULL ? " OR " : "",
				     chosen, number, part + 1, to, from, number, part + 1);
	written->fault_sqlstate = "22003";
	written->fault_message = "it refers to a key that its parent's type cannot hold";
}

/* Its text form, which waits where the parent is missing, is that of the parent's type. */
static char *parent_text(const struct written_column *written, size_t part, bool cast)
{
	size_t count = written->column->from.count;
	struct text text = TEXT_INIT;

	if (!cast)
		return text_format("s.f%zu_%zu::text", written->number, part + 1);
	if (!has_alternatives(written->column))
		return text_format("(%s)::text", written->parent_keys[part]);
	text_appendf(&text, "CASE s.w%zu", written->number);
	for (size_t i = 0; i < written->column->reference_count; i++)
		text_appendf(&text, " WHEN %zu THEN (%s)::text", i + 1,
			     written->parent_keys[i * count + part]);
	text_append(&text, " END");
	return text_steal(&text);
}

static void set_part(const struct binding *binding, const struct bound_entity *bound,
		     struct written_column *written, size_t part)
{
	const struct column *column = written->column;
	_cleanup_free_ char *name = text_format("f%zu_%zu", written->number, part + 1);
	const char *from = shipped_type(bound, name);
	bool cast = false;

	for (size_t i = 0; i < column->reference_count; i++) {
		const struct bound_entity *parent = binding_find(binding,
								 column->references[i].entity_name);
		const char *to = parent->key_types[part];

		cast |= strcmp(from, to) != 0;
		written->parent_keys[i * column->from.count + part] = parent_key(written, i, part,
										 from, to);
		if (rounds(from, to))
			add_fault(written, i, part, from, to);
	}
	written->parent_texts[part] = parent_text(written, part, cast);
}

/* Target keys of other types than the column's are cast, or nothing could be compared with it. */
static void set_value(const struct binding *binding, struct written_column *written)
{
	struct text text = TEXT_INIT;

	text_append(&text, "coalesce(");
	for (size_t i = 0; i < written->column->reference_count; i++) {
		const struct bound_entity *parent =
			binding_find(binding, written->column->references[i].entity_name);
		bool same = strcmp(parent->target_key_types[0], written->type) == 0;

		text_append(&text, i > 0 ? ", " : "");
		if (same)
			text_appendf(&text, "r%zu_%zu.t1", written->number, i + 1);
		else
			text_appendf(&text, "CAST(r%zu_%zu.t1 AS %s)", written->number, i + 1,
				     written->type);
	}
	text_append(&text, ")");
	free(written->expression);
	written->expression = text_steal(&text);
}

static void resolve(const struct binding *binding, const struct bound_entity *bound,
		    struct written_column *written)
{
	size_t parts = written->column->from.count;

	written->parent_keys = memory_new(parts * written->column->reference_count *
					  sizeof(char *));
	written->parent_texts = memory_new(parts * sizeof(char *));
	for (size_t i = 0; i < parts; i++)
		set_part(binding, bound, written, i);
	set_value(binding, written);
}

static bool parents_are_usable(const struct binding *binding, const struct column *column)
{
	for (size_t i = 0; i < column->reference_count; i++)
		if (!binding_find(binding, column->references[i].entity_name)->usable)
			return false;
	return true;
}

void bound_resolve_references(struct binding *binding)
{
	for (size_t i = 0; i < binding->set->count; i++) {
		struct bound_entity *bound = &binding->entities[i];

		for (size_t j = 0; bound->usable && j < bound->written_count; j++)
			if (bound_is_reference(&bound->written[j]) &&
			    parents_are_usable(binding, bound->written[j].column))
				resolve(binding, bound, &bound->written[j]);
	}
}
