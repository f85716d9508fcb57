/*
 * Fills the templates of logged.sql; see logged.h.
 *
 * All columns of the target's table are kept, not only those that the mapping names: triggers may have written others, and a row that
 * was deleted is to come back whole. Not those that the database makes of others.
 */
#include "apply/logged.h"

#include <stdlib.h>
#include <string.h>

#include "apply/parts.h"
#include "common/text.h"
#include "sql_apply.h"

#define NUMBERED "pg_catalog.nextval('migrated.change_number'::regclass) AS change"

/* Types of which equality is identity, and that are compared faster by it than by their bits. */
static const char *const plain_types[] = { "boolean", "smallint", "integer", "bigint",
					   "uuid",    "date",	  "oid" };

static bool is_plain(const struct catalog_column *column)
{
	for (size_t i = 0; i < sizeof(plain_types) / sizeof(plain_types[0]); i++)
		if (strcmp(column->type, plain_types[i]) == 0)
			return true;
	return false;
}

static bool is_kept(const struct catalog_column *column)
{
	return column->readable && (!column->generated || column->identity_always);
}

static bool is_deletion(enum logged_change change)
{
	return change == LOGGED_DELETED_LOCKED || change == LOGGED_DELETED_RESOLVED;
}

static bool is_update(enum logged_change change)
{
	return change == LOGGED_UPDATED_LOCKED || change == LOGGED_UPDATED_RESOLVED;
}

static bool is_resolved(enum logged_change change)
{
	return change == LOGGED_UPDATED_RESOLVED || change == LOGGED_DELETED_RESOLVED;
}

/* --- columns ------------------------------------------------------------------------------------- */

/* Appends something of one column; it is the `number`th that is kept, from 1. */
typedef void column_writer(struct text *text, const struct catalog_column *column, size_t number);

static char *each_column(const struct logged *logged, const char *separator, column_writer *write)
{
	const struct entity *entity = logged->bound->entity;
	const struct catalog_relation *relation = catalog_relation(&logged->binding->target,
								   entity->target_schema,
								   entity->target_table);
	struct text text = TEXT_INIT;
	size_t number = 0;

	for (size_t i = 0; i < relation->column_count; i++) {
		if (!is_kept(&relation->columns[i]))
			continue;
		text_separate(&text, separator);
		write(&text, &relation->columns[i], ++number);
	}
	return text_steal(&text);
}

static void write_standing(struct text *text, const struct catalog_column *column, size_t number)
{
	_cleanup_free_ char *name = pg_quote_identifier(column->name);

	text_appendf(text, "t.%s AS b%zu", name, number);
}

static void write_passed(struct text *text, const struct catalog_column *column, size_t number)
{
	(void)column;
	text_appendf(text, "b%zu", number);
}

static void write_left(struct text *text, const struct catalog_column *column, size_t number)
{
	_cleanup_free_ char *name = pg_quote_identifier(column->name);

	text_appendf(text, "t.%s AS a%zu", name, number);
}

static void write_name(struct text *text, const struct catalog_column *column, size_t number)
{
	_cleanup_free_ char *name = pg_quote_literal(column->name);

	(void)number;
	text_append(text, name);
}

static void write_differs(struct text *text, const struct catalog_column *column, size_t number)
{
	if (is_plain(column))
		text_appendf(text, "b.b%zu IS DISTINCT FROM w.a%zu AS d%zu", number, number,
			     number);
	else
		text_appendf(
			text,
			"ROW(b.b%zu)::record OPERATOR(pg_catalog.*<>) ROW(w.a%zu)::record AS d%zu",
			number, number, number);
}

static void write_alike(struct text *text, const struct catalog_column *column, size_t number)
{
	_cleanup_free_ char *name = pg_quote_literal(column->name);

	text_appendf(text, "CASE WHEN NOT c.d%zu THEN %s::text END", number, name);
}

static void write_old(struct text *text, const struct catalog_column *column, size_t number)
{
	(void)column;
	text_appendf(text, "CASE WHEN c.d%zu THEN b.b%zu::text END", number, number);
}

static void write_new(struct text *text, const struct catalog_column *column, size_t number)
{
	(void)column;
	text_appendf(text, "CASE WHEN c.d%zu THEN w.a%zu::text END", number, number);
}

static void write_text(struct text *text, const struct catalog_column *column, size_t number)
{
	(void)column;
	text_appendf(text, "b.b%zu::text", number);
}

/* --- what a statement returns ---------------------------------------------------------------------- */

char *logged_standing(const struct logged *logged)
{
	_cleanup_free_ char *columns = each_column(logged, ", ", write_standing);

	return logged->place->before_images ? text_format(",\n         %s", columns)
					    : text_copy("");
}

char *logged_resolved(const struct logged *logged)
{
	_cleanup_free_ char *columns = logged_standing(logged);

	return logged->place->before_images ? text_format("%s,\n         (m.*)::%s AS map", columns,
							  logged->bound->id_map)
					    : text_copy("");
}

char *logged_returned(const struct logged *logged, enum logged_change change, const char *row)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *separator = text_format(", %s.", row != NULL ? row : "");
	_cleanup_free_ char *passed = each_column(logged, separator, write_passed);
	_cleanup_free_ char *left = each_column(logged, ", ", write_left);

	text_append(&text, ", " NUMBERED);
	if (logged->place->before_images && (is_update(change) || is_deletion(change)))
		text_appendf(&text, ",\n            %s.%s", row, passed);
	if (logged->place->before_images && is_resolved(change))
		text_appendf(&text, ", %s.map", row);
	if (logged->place->before_images && is_update(change))
		text_appendf(&text, ",\n            %s", left);
	return text_steal(&text);
}

/* --- what stands behind it ------------------------------------------------------------------------- */

/* Appends a template that continues a line. */
static void append_part(struct text *text, const char *template, const struct text_hole *holes)
{
	text_fill(text, template, holes);
	text->data[--text->length] = '\0'; /* the newline that ends every template */
}

static char *standing(const struct logged *logged, enum logged_change change)
{
	_cleanup_free_ char *passed = each_column(logged, ", w.", write_passed);

	if (!is_update(change) && !is_deletion(change))
		return text_copy("");
	return text_format("\n   CROSS JOIN LATERAL (SELECT w.%s) AS b", passed);
}

static char *differing(const struct logged *logged, enum logged_change change)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *differ = each_column(logged, ", ", write_differs);
	_cleanup_free_ char *names = each_column(logged, ", ", write_name);
	_cleanup_free_ char *alike = each_column(logged, ", ", write_alike);
	_cleanup_free_ char *olds = each_column(logged, ", ", write_old);
	_cleanup_free_ char *news = each_column(logged, ", ", write_new);

	if (is_update(change))
		append_part(&text, sql_apply_differing,
			    (const struct text_hole[]){ { "differ", differ },
							{ "names", names },
							{ "alike", alike },
							{ "olds", olds },
							{ "news", news },
							{ NULL, NULL } });
	return text_steal(&text);
}

static char *before(const struct logged *logged, enum logged_change change)
{
	_cleanup_free_ char *names = each_column(logged, ", ", write_name);
	_cleanup_free_ char *texts = each_column(logged, ", ", write_text);

	if (is_update(change))
		return text_copy("d.before");
	if (is_deletion(change))
		return text_format("pg_catalog.jsonb_object(ARRAY[%s]::text[], ARRAY[%s])", names,
				   texts);
	return text_copy("NULL");
}

/* What the id map said of it before. */
static char *mapping(const struct logged *logged, enum logged_change change)
{
	_cleanup_free_ char *m_is_w = parts_equal_keys(logged->bound->entity->source_key.count,
						       "m.k", "w.k");

	if (is_resolved(change))
		return text_copy("pg_catalog.to_jsonb(w.map)");
	return text_format("(SELECT pg_catalog.to_jsonb(m) FROM %s AS m WHERE %s)",
			   logged->bound->id_map, m_is_w);
}

static void append_image(struct text *text, const struct logged *logged, enum logged_change change,
			 const struct text_hole *holes)
{
	_cleanup_free_ char *row = standing(logged, change);
	_cleanup_free_ char *columns = differing(logged, change);
	_cleanup_free_ char *was = before(logged, change);
	_cleanup_free_ char *mapped = mapping(logged, change);

	append_part(text, sql_apply_imaged,
		    (const struct text_hole[]){
			    holes[0],
			    holes[1],
			    { "entity", logged->bound->entity->name },
			    { "before", was },
			    { "after", is_update(change) ? "d.after" : "NULL" },
			    { "mapping", mapped },
			    { "standing", row },
			    { "differing", columns },
			    { "only", change == LOGGED_INSERTED ? "\n   WHERE w.mapped" : "" },
			    { NULL, NULL } });
}

char *logged_ctes(const struct logged *logged, enum logged_change change, const char *written,
		  const char *kind)
{
	struct text text = TEXT_INIT;
	const struct bound_entity *bound = logged->bound;
	_cleanup_free_ char *session = text_format("%d", logged->place->session_number);
	_cleanup_free_ char *batch = text_format("%d", logged->place->batch);
	_cleanup_free_ char *k_names = bound_key_list(bound, "k%zu", ", ");
	_cleanup_free_ char *w_k = bound_key_list(bound, "w.k%zu", ", ");
	_cleanup_free_ char *t_names = parts_target_keys(bound, "");
	_cleanup_free_ char *w_t = parts_target_keys(bound, "w.");
	const struct text_hole holes[] = {
		{ "written", written },
		{ "session_number", session },
		{ "change_log", bound->change_log },
		{ "batch", batch },
		{ "kind", kind },
		{ "k_names", k_names },
		{ "t_names", t_names },
		{ "w_k", w_k },
		{ "w_t", w_t },
		{ "done", change == LOGGED_LOADED ? "\n   WHERE w.change IS NOT NULL" : "" },
		{ NULL, NULL },
	};

	append_part(&text, sql_apply_logged, holes);
	if (logged->place->before_images && change != LOGGED_LOADED)
		append_image(&text, logged, change, holes);
	return text_steal(&text);
}
