/*
 * Pieces of SQL that several statements share; see parts.h.
 */
#include "apply/parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* What differs between alias pairs: "m.k1 = s.k1 AND m.k2 = s.k2". `right` holds %zu for the part's number. */
char *parts_equal_keys(size_t count, const char *left, const char *right)
{
	struct text text = TEXT_INIT;

	for (size_t i = 1; i <= count; i++) {
		text_separate(&text, " AND ");
		text_appendf(&text, "%s%zu = %s%zu", left, i, right, i);
	}
	return text_steal(&text);
}

/* "m.k1 = c.legacy_key[1]::bigint": our text form of a key turned back into its type. */
char *parts_keys_from_text(const struct bound_entity *bound, const char *alias, const char *array)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&text, " AND ");
		text_appendf(&text, "%s.k%zu = %s[%zu]::%s", alias, i + 1, array, i + 1,
			     bound->key_types[i]);
	}
	return text_steal(&text);
}

char *parts_target_keys(const struct bound_entity *bound, const char *prefix)
{
	struct text text = TEXT_INIT;

	for (size_t i = 1; i <= bound->entity->target_key.count; i++)
		text_appendf(&text, "%s%st%zu", i > 1 ? ", " : "", prefix, i);
	return text_steal(&text);
}

/* "t.id = m.t1": the target row that `right` (a prefix) points to. */
char *parts_target_is(const struct bound_entity *bound, const char *right)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		text_separate(&text, " AND ");
		text_appendf(&text, "t.%s = %s%zu", bound->target_key_quoted[i], right, i + 1);
	}
	return text_steal(&text);
}

char *parts_written_keys(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		text_separate(&text, ", ");
		text_appendf(&text, "t.%s AS t%zu", bound->target_key_quoted[i], i + 1);
	}
	return text_steal(&text);
}

char *parts_legacy_key(const struct bound_entity *bound, const char *alias)
{
	_cleanup_free_ char *format = text_format("%s.k%%zu::text", alias);
	_cleanup_free_ char *parts = bound_key_list(bound, format, ", ");

	return text_format("ARRAY[%s]", parts);
}

/* One of name, expression, or "expression AS name" of all that is shipped. */
char *parts_shipped_list(const struct bound_entity *bound, bool expressions, bool names)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->shipped_count; i++) {
		const struct shipped_column *shipped = &bound->shipped[i];

		text_separate(&text, expressions && names ? ",\n       " : ", ");
		text_appendf(&text, "%s%s%s", expressions ? shipped->expression : "",
			     expressions && names ? " AS " : "", names ? shipped->name : "");
	}
	return text_steal(&text);
}

bool parts_has_alternatives(const struct written_column *written)
{
	return written->column->reference_count > 1 || written->column->references[0].when != NULL;
}

char *parts_marks(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->mark_count; i++) {
		const struct mark *mark = &bound->entity->marks[i];
		_cleanup_free_ char *column = pg_quote_identifier(mark->column);
		_cleanup_free_ char *value = binding_literal(mark->value);

		text_appendf(&text, "%s%s = %s", i > 0 ? ", " : "", column, value);
	}
	return text_steal(&text);
}

bool parts_has_identity(const struct bound_entity *bound)
{
	return bound->entity->identity.count > 0;
}

bool parts_is_reference(const struct written_column *written)
{
	return bound_is_reference(written);
}

char *parts_missing(const struct written_column *written)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < written->column->from.count; i++)
		text_appendf(&text, "s.f%zu_%zu IS NOT NULL AND ", written->number, i + 1);
	if (parts_has_alternatives(written))
		text_appendf(&text, "s.w%zu IS NOT NULL AND ", written->number);
	text_appendf(&text, "%s IS NULL", written->expression);
	return text_steal(&text);
}

const char *parts_parent_key(const struct written_column *written, size_t alternative, size_t part)
{
	return written->parent_keys[alternative * written->column->from.count + part];
}

/* References whose absence lets the row wait, or lets only the column wait. */
bool parts_is_deferrable(const struct written_column *written)
{
	return bound_is_deferrable(written);
}

bool parts_is_parking(const struct written_column *written)
{
	return parts_is_reference(written) && !parts_is_deferrable(written) &&
	       (written->kin || written->column->if_missing == IF_MISSING_PARK);
}

const char *parts_parent_present(const struct bound_entity *parent, const char *alias,
				 char buffer[64])
{
	if (parent->entity->on_delete != ON_DELETE_DELETE)
		return "";
	snprintf(buffer, 64, " AND %s.gone IS NULL", alias);
	return buffer;
}
