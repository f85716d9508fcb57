/*
 * Fills the template of kin.sql; see kin_sql.h.
 */
#include "apply/kin_sql.h"

#include <stdlib.h>

#include "apply/parts.h"
#include "common/text.h"
#include "sql_apply.h"

/* The source names a row of the same entity, and the id map does not have it. */
static char *may_be_kin(const struct bound_entity *bound, const struct written_column *written)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *missing = parts_missing(written);
	bool first = true;

	text_append(&text, missing);
	if (!parts_has_alternatives(written))
		return text_steal(&text);
	for (size_t i = 0; i < written->column->reference_count; i++) {
		if (written->column->references[i].entity != bound->entity)
			continue;
		if (first)
			text_appendf(&text, " AND s.w%zu IN (%zu", written->number, i + 1);
		else
			text_appendf(&text, ", %zu", i + 1);
		first = false;
	}
	text_append(&text, ")");
	return text_steal(&text);
}

char *kin_sql_links(const struct bound_entity *bound, const struct written_column *written)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *condition = may_be_kin(bound, written);

	for (size_t i = 0; i < written->column->from.count; i++)
		text_appendf(&text, "CASE WHEN %s THEN s.f%zu_%zu::%s END AS x%zu_%zu,\n         ",
			     condition, written->number, i + 1, bound->key_types[i],
			     written->number, i + 1);
	return text_steal(&text);
}

/* "n4.k1 = r.x4_1": for each part of the key, prefixes without its number. */
static char *parts_match(const struct bound_entity *bound, const char *key, const char *link)
{
	return parts_equal_keys(bound->entity->source_key.count, key, link);
}

static char *links(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *keys = bound_key_list(bound, "e.k%zu", ", ");

	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];

		if (!written->kin)
			continue;
		_cleanup_free_ char *format = text_format("e.x%zu_%%zu", written->number);
		_cleanup_free_ char *parents = bound_key_list(bound, format, ", ");

		text_separate(&text, "\n  UNION ALL\n  ");
		text_appendf(&text,
			     "SELECT %s, %s\n    FROM examined AS e\n   WHERE e.x%zu_1 IS NOT NULL",
			     keys, parents, written->number);
	}
	return text_steal(&text);
}

/* Why a row cannot be written whatever becomes of the others; why it cannot since its parent is nowhere. */
static char *lost(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	text_append(&text, "e.fault IS NOT NULL");
	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		_cleanup_free_ char *link = text_format("e.x%zu_", written->number);
		_cleanup_free_ char *matches = parts_match(bound, "o.k", link);

		if (written->kin)
			text_appendf(&text,
				     "\n      OR e.g%zu IS NOT NULL AND NOT EXISTS (SELECT FROM "
				     "examined AS o WHERE %s)",
				     written->number, matches);
		else if (parts_is_parking(written))
			text_appendf(&text, "\n      OR e.p%zu IS NOT NULL", written->number);
	}
	return text_steal(&text);
}

static void append_resolved(struct text *columns, struct text *joins,
			    const struct bound_entity *bound, const struct written_column *written)
{
	size_t n = written->number;
	_cleanup_free_ char *promised = text_format("n%zu.k", n);
	_cleanup_free_ char *staged = text_format("o%zu.k", n);
	_cleanup_free_ char *link = text_format("r.x%zu_", n);
	_cleanup_free_ char *is_promised = parts_match(bound, promised, link);
	_cleanup_free_ char *is_staged = parts_match(bound, staged, link);

	text_appendf(columns,
		     ",\n         coalesce(r.e%zu, n%zu.t1) AS v%zu"
		     ",\n         CASE WHEN n%zu.t1 IS NULL THEN r.g%zu END AS p%zu"
		     ",\n         o%zu.k1 IS NOT NULL AS z%zu",
		     n, n, n, n, n, n, n, n);
	text_appendf(joins,
		     "\n    LEFT JOIN promised AS n%zu\n      ON %s"
		     "\n    LEFT JOIN examined AS o%zu\n      ON %s",
		     n, is_promised, n, is_staged);
}

char *kin_sql(const struct bound_entity *bound, const char *resolving)
{
	struct text text = TEXT_INIT;
	_cleanup_text_ struct text resolved = TEXT_INIT;
	_cleanup_text_ struct text joins = TEXT_INIT;
	_cleanup_free_ char *c_keys = bound_key_list(bound, "c%zu", ", ");
	_cleanup_free_ char *p_keys = bound_key_list(bound, "p%zu", ", ");
	_cleanup_free_ char *e_keys = bound_key_list(bound, "e.k%zu", ", ");
	_cleanup_free_ char *l_children = bound_key_list(bound, "l.c%zu", ", ");
	_cleanup_free_ char *l_is_u = parts_match(bound, "l.p", "u.k");
	_cleanup_free_ char *u_is_e = parts_match(bound, "u.k", "e.k");
	_cleanup_free_ char *all_links = links(bound);
	_cleanup_free_ char *all_lost = lost(bound);

	if (!bound->kin)
		return text_copy("");
	for (size_t i = 0; i < bound->written_count; i++)
		if (bound->written[i].kin)
			append_resolved(&resolved, &joins, bound, &bound->written[i]);
	text_fill(&text, sql_apply_kin,
		  (const struct text_hole[]){ { "c_keys", c_keys },
					      { "p_keys", p_keys },
					      { "e_keys", e_keys },
					      { "l_children", l_children },
					      { "l_is_u", l_is_u },
					      { "u_is_e", u_is_e },
					      { "links", all_links },
					      { "lost", all_lost },
					      { "resolved", text_string(&resolved) },
					      { "resolving", resolving },
					      { "joins", text_string(&joins) },
					      { NULL, NULL } });
	return text_steal(&text);
}
