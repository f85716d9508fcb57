/*
 * See conflict.h; the statements stand in apply.sql and conflict.sql.
 */
#include "apply/conflict.h"

#include <stdlib.h>
#include <string.h>

#include "apply/parts.h"
#include "common/text.h"
#include "sql_apply.h"

static enum on_conflict policy_of(const struct bound_entity *bound)
{
	return bound->entity->conflict.policy;
}

static bool is_judged(const struct bound_entity *bound)
{
	return policy_of(bound) != ON_CONFLICT_SOURCE_WINS;
}

char *conflict_standing(const struct bound_entity *bound)
{
	const char *hash = bound->written_hash;

	return text_format("CASE WHEN t.%s IS NULL THEN " CONFLICT_NO_ROW " ELSE %s END",
			   bound->target_key_quoted[0], hash);
}

const char *conflict_resolving(const struct bound_entity *bound)
{
	return is_judged(bound) ? "compared" : "resolved";
}

char *conflict_is_edited(const struct bound_entity *bound, const char *row, const char *target_key)
{
	_cleanup_free_ char *o_is_row = parts_equal_keys(bound->entity->target_key.count, "o.t",
							 target_key);

	if (entity_mints_key(bound->entity) || bound->entity->legacy_key.count > 0)
		return text_format("%s.w1 <> %s.standing", row, row);
	return text_format("%s.w1 <> %s.standing\n"
			   "              AND NOT EXISTS (SELECT FROM %s AS o\n"
			   "                               WHERE %s\n"
			   "                                 AND o.w1 = %s.standing)",
			   row, row, bound->id_map, o_is_row, row);
}

char *conflict_judged(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *edited = conflict_is_edited(bound, "r", "r.o");
	_cleanup_free_ char *key = parts_legacy_key(bound, "r");

	if (is_judged(bound))
		text_fill(
			&text, sql_apply_judged,
			(const struct text_hole[]){
				{ "edited", edited },
				{ "decided",
				  policy_of(bound) == ON_CONFLICT_HOLD
					  ? "'held'"
					  : "CASE WHEN r.present AND coalesce(r.edited_at > r.u, r.edited_at IS NOT NULL AND r.u IS NULL)\n"
					    "                        THEN 'kept' ELSE 'overwritten' END" },
				{ "entity", bound->entity->name },
				{ "legacy_key", key },
				{ NULL, NULL } });
	return text_steal(&text);
}

char *conflict_verdict(const struct bound_entity *bound)
{
	_cleanup_free_ char *edited = conflict_is_edited(bound, "r", "r.o");

	if (is_judged(bound))
		return text_copy("r.verdict");
	return text_format("CASE WHEN r.differs AND %s THEN 'overwritten' END", edited);
}

char *conflict_writes(const struct bound_entity *bound, const char *ok)
{
	if (!is_judged(bound))
		return text_copy(ok);
	return text_format("%s AND (r.verdict IS NULL OR r.verdict = 'overwritten')", ok);
}

char *conflict_defers(const struct bound_entity *bound, const char *ok, const char *missing)
{
	if (!is_judged(bound))
		return text_format("%s AND %s", ok, missing);
	return text_format("%s AND coalesce(r.verdict, '') NOT IN ('held', 'kept') AND %s", ok,
			   missing);
}

char *conflict_fills(const struct bound_entity *bound, const struct written_column *written)
{
	return is_judged(bound) ? text_format("t.%s IS NULL", written->quoted) : text_copy("TRUE");
}

char *conflict_more(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	if (is_judged(bound))
		text_append(&text, ",\n         m.w2");
	if (bound->target_time != NULL)
		text_appendf(&text, ",\n         s.u,\n         %s AS edited_at",
			     bound->target_time);
	return text_steal(&text);
}

char *conflict_dealt(const struct bound_entity *bound, const char *ok)
{
	if (!is_judged(bound))
		return NULL;
	return text_format(
		"CASE WHEN %s AND r.verdict IS DISTINCT FROM 'held' THEN r.h1 ELSE m.w2 END", ok);
}

char *conflict_columns(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	text_append(&text, "ARRAY(SELECT d.name FROM (VALUES ");
	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		const char *as_text = written->no_equality ? "::text COLLATE \"C\"" : "";
		_cleanup_free_ char *name = pg_quote_literal(written->name);

		text_appendf(&text, "%s(%s, t.%s%s IS DISTINCT FROM r.v%zu%s)", i > 0 ? ", " : "",
			     name, written->quoted, as_text, written->number, as_text);
	}
	text_append(&text, ") AS d (name, differs) WHERE d.differs)");
	return text_steal(&text);
}

/* json may hold what jsonb cannot, so it is kept as text. */
char *conflict_before(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	text_append(&text, "(SELECT pg_catalog.to_jsonb(c) FROM (SELECT ");
	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];

		text_appendf(&text, "%st.%s%s", i > 0 ? ", " : "", written->quoted,
			     strcmp(written->type, "json") == 0 ? "::text" : "");
		text_appendf(&text, " AS %s", written->quoted);
	}
	text_append(&text, ") AS c)");
	return text_steal(&text);
}
