/*
 * Fills the templates of reuse.sql; see reuse_sql.h.
 *
 * The new row must be there before anything is pointed at it, and the old one may be deleted only after; so most is done behind the
 * statement that writes the rows. Before it, the old row lets go of its legacy key, which is unique in most targets. Where that column
 * may not be NULL, an old row that is to be deleted is deleted first, and any other has the new row set aside.
 */
#include "apply/reuse_sql.h"

#include <stdlib.h>
#include <string.h>

#include "apply/logged.h"
#include "apply/parts.h"
#include "sql_apply.h"

/* How an old row that is still there lets go of its legacy key. */
enum release { RELEASE_NOTHING, RELEASE_NULL, RELEASE_DELETE, RELEASE_NEVER };

static bool is_nullable_legacy(const struct written_column *written)
{
	return written->column == NULL && !written->not_null;
}

static enum release release_of(const struct bound_entity *bound)
{
	if (bound->entity->legacy_key.count == 0)
		return RELEASE_NOTHING;
	for (size_t i = 0; i < bound->written_count; i++)
		if (is_nullable_legacy(&bound->written[i]))
			return RELEASE_NULL;
	return bound->entity->on_delete == ON_DELETE_DELETE ? RELEASE_DELETE : RELEASE_NEVER;
}

/* Each legacy key column that may be NULL, set to that, or to what the staged row says. */
static char *legacy_assignments(const struct bound_entity *bound, bool take_back)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];

		if (!is_nullable_legacy(written))
			continue;
		text_separate(&text, ", ");
		if (take_back)
			text_appendf(&text, "%s = r.v%zu", written->quoted, written->number);
		else
			text_appendf(&text, "%s = NULL", written->quoted);
	}
	return text_steal(&text);
}

/* Those values, as they stand in the staged row; for `withdraw`. */
static char *legacy_values(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->written_count; i++)
		if (is_nullable_legacy(&bound->written[i]))
			text_appendf(&text, ",\n            %s AS v%zu",
				     bound->written[i].expression, bound->written[i].number);
	return text_steal(&text);
}

/* How `standing`, the old row, is changed; "" when it is left as it is. */
static char *release_write(const struct bound_entity *bound, bool take_back)
{
	_cleanup_free_ char *assignments = legacy_assignments(bound, take_back);
	_cleanup_free_ char *t_is_r = parts_target_is(bound, "r.t");

	switch (release_of(bound)) {
	case RELEASE_NULL:
		return text_format(
			"UPDATE %s AS t\n     SET %s\n    FROM standing AS r\n   WHERE %s",
			bound->target_relation, assignments, t_is_r);
	case RELEASE_DELETE:
		return text_format("DELETE FROM %s AS t\n   USING standing AS r\n   WHERE %s",
				   bound->target_relation, t_is_r);
	case RELEASE_NOTHING:
	case RELEASE_NEVER:
		break;
	}
	return text_copy("");
}

/* What becomes of the old rows of `rows`, a CTE, and what is logged of that. */
static char *released(const struct logged *logged, const char *rows, bool take_back)
{
	struct text text = TEXT_INIT;
	const struct bound_entity *bound = logged->bound;
	bool deletes = release_of(bound) == RELEASE_DELETE;
	enum logged_change change = deletes ? LOGGED_DELETED_LOCKED : LOGGED_UPDATED_LOCKED;
	const char *kind = deletes ? "deleted" : take_back ? "taken_back" : "let_go";
	_cleanup_free_ char *r_k = bound_key_list(bound, "r.k%zu", ", ");
	_cleanup_free_ char *t_is_r = parts_target_is(bound, "r.t");
	_cleanup_free_ char *o_is_r = parts_equal_keys(bound->entity->source_key.count, "o.k",
						       "r.k");
	_cleanup_free_ char *write = release_write(bound, take_back);
	_cleanup_free_ char *standing = logged_standing(logged);
	_cleanup_free_ char *returned = logged_returned(logged, change, "r");
	_cleanup_free_ char *ctes = logged_ctes(logged, change, "released", kind);
	_cleanup_free_ char *alone_returned = logged_returned(logged, LOGGED_REMAPPED, NULL);
	_cleanup_free_ char *alone_ctes = logged_ctes(logged, LOGGED_REMAPPED, "alone", "remapped");
	_cleanup_free_ char *unreleased =
		text_format("\n   WHERE NOT EXISTS (SELECT FROM released AS o WHERE %s)", o_is_r);

	if (write[0] != '\0')
		text_fill(&text, sql_apply_released,
			  (const struct text_hole[]){ { "rows", rows },
						      { "target", bound->target_relation },
						      { "t_is_r", t_is_r },
						      { "standing", standing },
						      { "write", write },
						      { "r_k", r_k },
						      { "returned", returned },
						      { "logged", ctes },
						      { NULL, NULL } });
	text_fill(&text, sql_apply_alone,
		  (const struct text_hole[]){ { "rows", rows },
					      { "r_k", r_k },
					      { "returned", alone_returned },
					      { "unreleased", write[0] != '\0' ? unreleased : "" },
					      { "logged", alone_ctes },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- what all statements share ------------------------------------------------------------------- */

struct reuse_parts {
	char *m_is_s, *m_is_r, *stage_legacy_key, *h_is_ours, *batch;
};

static void reuse_parts_init(struct reuse_parts *parts, const struct bound_entity *bound,
			     const struct batch_place *place)
{
	size_t keys = bound->entity->source_key.count;

	parts->m_is_s = parts_equal_keys(keys, "m.k", "s.k");
	parts->m_is_r = parts_equal_keys(keys, "m.k", "r.k");
	parts->stage_legacy_key = parts_legacy_key(bound, "s");
	parts->batch = text_format("%d", place->batch);
	parts->h_is_ours =
		text_format("h.session = '%s'\n   AND h.entity = '%s'\n   AND h.batch = %d",
			    place->session, bound->entity->name, place->batch);
}

static void reuse_parts_done(struct reuse_parts *parts)
{
	free(parts->m_is_s);
	free(parts->m_is_r);
	free(parts->stage_legacy_key);
	free(parts->h_is_ours);
	free(parts->batch);
}
#define _cleanup_reuse_parts_ __attribute__((cleanup(reuse_parts_done)))

static const char *rows(bool isolate)
{
	return isolate ? "s.ctid = ANY ($1)" : "TRUE";
}

/* What is made of the legacy key alone has been made of it already. */
static const char *mint(const struct bound_entity *bound)
{
	return bound->entity->uuid == UUID_V5 ? "pg_catalog.gen_random_uuid()" : bound->mint;
}

/* --- before the rows are written ------------------------------------------------------------------- */

/* Where the old row never lets go, only what is not there any more gets out of the way; the rest is a fault. */
static char *only_absent(const struct bound_entity *bound)
{
	_cleanup_free_ char *t_is_m = parts_target_is(bound, "m.t");

	if (release_of(bound) != RELEASE_NEVER)
		return text_copy("");
	return text_format("\n     AND NOT EXISTS (SELECT FROM %s AS t WHERE %s)",
			   bound->target_relation, t_is_m);
}

void reuse_sql_append_before(struct text *text, const struct binding *binding,
			     const struct bound_entity *bound, const struct batch_place *place,
			     bool isolate)
{
	const struct logged logged = { .binding = binding, .bound = bound, .place = place };
	_cleanup_reuse_parts_ struct reuse_parts parts = { 0 };
	_cleanup_free_ char *m_k = bound_key_list(bound, "m.k%zu", ", ");
	_cleanup_free_ char *legacy_key = parts_legacy_key(bound, "r");
	_cleanup_free_ char *old_rows = released(&logged, "reused", false);
	_cleanup_free_ char *only = only_absent(bound);
	_cleanup_free_ char *session = text_format("%d", place->session_number);

	if (!parts_has_identity(bound))
		return;
	reuse_parts_init(&parts, bound, place);
	text_fill(text, sql_apply_reuse,
		  (const struct text_hole[]){ { "m_k", m_k },
					      { "stage", bound->stage },
					      { "id_map", bound->id_map },
					      { "m_is_s", parts.m_is_s },
					      { "m_is_r", parts.m_is_r },
					      { "rows", rows(isolate) },
					      { "only", only },
					      { "entity", bound->entity->name },
					      { "legacy_key", legacy_key },
					      { "session", place->session },
					      { "batch", parts.batch },
					      { "released", old_rows },
					      { "mint", mint(bound) },
					      { "session_number", session },
					      { "known", release_of(bound) == RELEASE_DELETE
								 ? ",\n       i1 = r.new_i1"
								 : "" },
					      { NULL, NULL } });
	text_append(text, ";\n");
}

char *reuse_sql_fault(const struct bound_entity *bound, const struct written_column **ret_column)
{
	if (!parts_has_identity(bound) || release_of(bound) != RELEASE_NEVER)
		return NULL;
	for (size_t i = 0; i < bound->written_count; i++)
		if (bound->written[i].column == NULL)
			*ret_column = &bound->written[i];
	return text_format("m.i1 <> s.i1 AND t.%s IS NOT NULL", bound->target_key_quoted[0]);
}

/* --- behind ------------------------------------------------------------------------------------- */

/* What had to be deleted first cannot be brought back. */
static void append_withdraw(struct text *text, const struct logged *logged,
			    const struct reuse_parts *parts, bool isolate)
{
	const struct bound_entity *bound = logged->bound;
	_cleanup_free_ char *s_k = bound_key_list(bound, "s.k%zu", ", ");
	_cleanup_free_ char *n_is_m = text_format("n.%s = m.t1", bound->target_key_quoted[0]);
	_cleanup_free_ char *values = legacy_values(bound);
	_cleanup_free_ char *old_rows = released(logged, "withdrawn", true);

	if (release_of(bound) == RELEASE_DELETE)
		return;
	text_append(text, ";\n");
	text_fill(text, sql_apply_withdraw,
		  (const struct text_hole[]){ { "stage", bound->stage },
					      { "id_map", bound->id_map },
					      { "target", bound->target_relation },
					      { "m_is_s", parts->m_is_s },
					      { "m_is_r", parts->m_is_r },
					      { "h_is_ours", parts->h_is_ours },
					      { "stage_legacy_key", parts->stage_legacy_key },
					      { "rows", rows(isolate) },
					      { "n_is_m", n_is_m },
					      { "t1_type", bound->target_key_types[0] },
					      { "s_k", s_k },
					      { "values", values },
					      { "released", old_rows },
					      { NULL, NULL } });
}

/* Children whose own batches come after this one, in this session, find their parent themselves. Those that are gone stay with the
   parent that they had, unless they or it must go. */
static char *unless_gone(const struct bound_entity *parent, const struct bound_entity *child,
			 const struct written_column *written, const struct batch_place *place)
{
	struct text text = TEXT_INIT;
	_cleanup_free_ char *key = parts_legacy_key(child, "c");
	bool parent_goes = parent->entity->on_delete == ON_DELETE_DELETE;
	bool comes_after = !parent_goes && child != parent && !written->deferred;

	if (parent_goes && child->entity->on_delete == ON_DELETE_DELETE)
		return text_copy("");
	text_appendf(&text,
		     "\n     AND NOT EXISTS (SELECT FROM migrated.change AS g\n"
		     "                      WHERE g.analysis = '%s'\n"
		     "                        AND g.entity = '%s'\n"
		     "                        AND g.legacy_key = %s%s)",
		     place->analysis, child->entity->name, key,
		     comes_after ? "" : "\n                        AND g.kind = 'deleted'");
	if (comes_after)
		text_appendf(&text,
			     "\n     AND NOT EXISTS (SELECT FROM migrated.session_entity AS e\n"
			     "                      WHERE e.session = '%s'\n"
			     "                        AND e.entity = '%s'\n"
			     "                        AND e.whole)",
			     place->session, child->entity->name);
	return text_steal(&text);
}

/* A reference that is part of the child's own key moves that, too: "t2 = p.new_key, ". */
static char *remapped(const struct bound_entity *child, const struct written_column *written)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < child->entity->target_key.count; i++)
		if (strcmp(child->entity->target_key.names[i], written->name) == 0)
			text_appendf(&text, "t%zu = p.new_key, ", i + 1);
	return text_steal(&text);
}

static void append_repoint(struct text *text, const struct binding *binding,
			   const struct bound_entity *parent, const struct bound_entity *child,
			   const struct written_column *written, const struct batch_place *place,
			   const struct reuse_parts *parts, bool isolate)
{
	_cleanup_free_ char *c_k = bound_key_list(child, "c.k%zu", ", ");
	_cleanup_free_ char *c_t = parts_target_keys(child, "c.");
	_cleanup_free_ char *t_is_c = parts_target_is(child, "c.t");
	_cleanup_free_ char *t_is_moved = parts_target_is(child, "moved.t");
	_cleanup_free_ char *unless = unless_gone(parent, child, written, place);
	_cleanup_free_ char *map = remapped(child, written);
	_cleanup_free_ char *moved_k = bound_key_list(child, "moved.k%zu", ", ");
	_cleanup_free_ char *c_is_p = parts_equal_keys(child->entity->source_key.count, "c.k",
						       "p.k");
	const char *hash = child->written_hash;
	const struct logged logged = { .binding = binding, .bound = child, .place = place };
	_cleanup_free_ char *standing = logged_standing(&logged);
	_cleanup_free_ char *t_keys = parts_written_keys(child);
	_cleanup_free_ char *returned = logged_returned(&logged, LOGGED_UPDATED_LOCKED, "moved");
	_cleanup_free_ char *ctes = logged_ctes(&logged, LOGGED_UPDATED_LOCKED, "pointed",
						"repointed");

	text_append(text, ";\n");
	text_fill(text, sql_apply_repoint,
		  (const struct text_hole[]){ { "c_k", c_k },
					      { "c_t", c_t },
					      { "stage", parent->stage },
					      { "id_map", parent->id_map },
					      { "m_is_s", parts->m_is_s },
					      { "stage_legacy_key", parts->stage_legacy_key },
					      { "h_is_ours", parts->h_is_ours },
					      { "child_target", child->target_relation },
					      { "child_map", child->id_map },
					      { "column", written->quoted },
					      { "type", written->type },
					      { "t_is_c", t_is_c },
					      { "t_is_moved", t_is_moved },
					      { "rows", rows(isolate) },
					      { "unless_gone", unless },
					      { "remapped", map },
					      { "moved_k", moved_k },
					      { "c_is_p", c_is_p },
					      { "written_hash", hash },
					      { "standing", standing },
					      { "t_keys", t_keys },
					      { "returned", returned },
					      { "logged", ctes },
					      { NULL, NULL } });
}

static bool refers_to(const struct written_column *written, const struct bound_entity *parent)
{
	for (size_t i = 0; parts_is_reference(written) && i < written->column->reference_count; i++)
		if (written->column->references[i].entity == parent->entity)
			return true;
	return false;
}

static void append_repoints(struct text *text, const struct binding *binding,
			    const struct bound_entity *parent, const struct batch_place *place,
			    const struct reuse_parts *parts, bool isolate)
{
	for (size_t i = 0; i < binding->set->count; i++) {
		const struct bound_entity *child = &binding->entities[i];

		for (size_t j = 0; child->usable && j < child->written_count; j++)
			if (refers_to(&child->written[j], parent))
				append_repoint(text, binding, parent, child, &child->written[j],
					       place, parts, isolate);
	}
}

/* What becomes of the old row: the same as of one whose source row is gone. */
static void append_leave(struct text *text, const struct logged *logged,
			 const struct reuse_parts *parts, bool isolate)
{
	const struct bound_entity *bound = logged->bound;
	bool deletes = bound->entity->on_delete == ON_DELETE_DELETE;
	enum logged_change change = deletes ? LOGGED_DELETED_LOCKED : LOGGED_UPDATED_LOCKED;
	_cleanup_free_ char *s_k = bound_key_list(bound, "s.k%zu", ", ");
	_cleanup_free_ char *r_k = bound_key_list(bound, "r.k%zu", ", ");
	_cleanup_free_ char *r_t = parts_target_keys(bound, "r.");
	_cleanup_free_ char *t_keys = parts_written_keys(bound);
	_cleanup_free_ char *t_is_r = parts_target_is(bound, "r.t");
	_cleanup_free_ char *marks = parts_marks(bound);
	_cleanup_free_ char *t_is_h = text_format("t.%s = h.target_key[1]::%s",
						  bound->target_key_quoted[0],
						  bound->target_key_types[0]);
	_cleanup_free_ char *standing = logged_standing(logged);
	_cleanup_free_ char *returned = logged_returned(logged, change, "r");
	_cleanup_free_ char *ctes = logged_ctes(logged, change, "abandoned",
						deletes ? "deleted" : "marked");
	_cleanup_free_ char *write =
		deletes ? text_format("DELETE FROM %s AS t\n   USING standing AS r",
				      bound->target_relation)
			: text_format("UPDATE %s AS t\n     SET %s\n    FROM standing AS r",
				      bound->target_relation, marks);

	if (bound->entity->on_delete == ON_DELETE_IGNORE)
		return;
	text_append(text, ";\n");
	text_fill(text, sql_apply_leave,
		  (const struct text_hole[]){ { "write", write },
					      { "stage", bound->stage },
					      { "target", bound->target_relation },
					      { "h_is_ours", parts->h_is_ours },
					      { "stage_legacy_key", parts->stage_legacy_key },
					      { "rows", rows(isolate) },
					      { "t_is_h", t_is_h },
					      { "s_k", s_k },
					      { "r_k", r_k },
					      { "r_t", r_t },
					      { "t_keys", t_keys },
					      { "t_is_r", t_is_r },
					      { "standing", standing },
					      { "returned", returned },
					      { "logged", ctes },
					      { NULL, NULL } });
}

void reuse_sql_append_after(struct text *text, const struct binding *binding,
			    const struct bound_entity *bound, const struct batch_place *place,
			    bool isolate)
{
	_cleanup_reuse_parts_ struct reuse_parts parts = { 0 };
	const struct logged logged = { .binding = binding, .bound = bound, .place = place };

	if (!parts_has_identity(bound))
		return;
	reuse_parts_init(&parts, bound, place);
	append_withdraw(text, &logged, &parts, isolate);
	append_repoints(text, binding, bound, place, &parts, isolate);
	append_leave(text, &logged, &parts, isolate);
}
