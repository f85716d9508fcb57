/*
 * Which faults of a row can be seen beforehand; see faults.h.
 */
#include "apply/faults.h"

#include <stdlib.h>

#include "apply/parts.h"
#include "apply/reuse_sql.h"

#define RULE_BROKEN "the rule %s does not hold"

/* What a fault is called in the dead letter; NULL: it has none. */
struct fault_names {
	const char *phase;
	const char *sqlstate;
	const char *constraint;
	const char *column;
};

static char *literal_or_null(const char *name)
{
	return name != NULL ? pg_quote_literal(name) : text_copy("NULL");
}

static void add(struct faults *faults, const char *condition, const struct fault_names *names,
		const char *what)
{
	_cleanup_free_ char *constraint = literal_or_null(names->constraint);
	_cleanup_free_ char *column = literal_or_null(names->column);
	_cleanup_free_ char *message = pg_quote_literal(what);

	faults->count++;
	text_appendf(&faults->which, " WHEN %s THEN %zu", condition, faults->count);
	text_appendf(&faults->rows, "%s(%zu, '%s', '%s', %s, %s, %s)",
		     faults->count > 1 ? ", " : "", faults->count, names->phase, names->sqlstate,
		     constraint, column, message);
}

static void add_fault(struct faults *faults, const struct written_column *written,
		      const char *condition, const char *sqlstate, const char *what)
{
	add(faults, condition,
	    &(struct fault_names){ .phase = "resolve",
				   .sqlstate = sqlstate,
				   .column = written->name },
	    what);
}

/* Those that reject, in the order of the file: the first one names the fault. */
static void collect_rules(struct faults *faults, const struct bound_entity *bound)
{
	for (size_t i = 0; i < bound->entity->rule_count; i++) {
		const struct rule *rule = &bound->entity->rules[i];
		_cleanup_free_ char *broken = text_format("s.b%zu", i + 1);
		_cleanup_free_ char *what = text_format(RULE_BROKEN, rule->name);

		if (!rule->after && rule->action == RULE_REJECT)
			add(faults, broken,
			    &(struct fault_names){ .phase = "rule",
						   .sqlstate = "23514",
						   .constraint = rule->name },
			    what);
	}
}

/* When the value is NULL though its parent is there, or it has none; NULL: never, or only the database can tell. */
static char *null_condition(const struct written_column *written, const char *missing)
{
	const struct column *column = written->column;

	if (missing != NULL)
		return text_format("%s IS NULL AND NOT (%s)", written->expression, missing);
	if (column != NULL && column->kind == COLUMN_CONSTANT && json_is_null(column->constant))
		return text_copy("TRUE");
	if (column != NULL && column->kind == COLUMN_PARSE && column->if_invalid == IF_INVALID_NULL)
		return text_format("%s IS NULL", written->expression);
	return written->raw != NULL ? text_format("%s IS NULL", written->raw) : NULL;
}

static void collect(struct faults *faults, const struct bound_entity *bound)
{
	for (size_t i = 0; i < bound->written_count; i++) {
		const struct written_column *written = &bound->written[i];
		_cleanup_free_ char *missing = parts_is_reference(written) ? parts_missing(written)
									   : NULL;
		_cleanup_free_ char *null = NULL;

		if (written->fault != NULL)
			add_fault(faults, written, written->fault, written->fault_sqlstate,
				  written->fault_message);
		if (missing != NULL && !parts_is_deferrable(written) && !parts_is_parking(written))
			add_fault(faults, written, missing, "23503", "its parent is missing");
		if (!written->not_null)
			continue;
		if (missing != NULL && parts_is_deferrable(written))
			add_fault(faults, written, missing, "23502",
				  "its parent is missing, and the target column must have a value");
		null = null_condition(written, missing);
		if (null != NULL)
			add_fault(faults, written, null, "23502",
				  "NULL, where the target column must have a value");
	}
}

static void collect_reuse(struct faults *faults, const struct bound_entity *bound)
{
	const struct written_column *written = NULL;
	_cleanup_free_ char *stuck = reuse_sql_fault(bound, &written);

	if (stuck != NULL)
		add_fault(faults, written, stuck, "23502",
			  "its id was reused, and the row that had it cannot let go of its legacy "
			  "key: the column may not be NULL");
}

void faults_collect(struct faults *faults, const struct bound_entity *bound)
{
	text_append(&faults->which, "CASE");
	collect_rules(faults, bound);
	collect(faults, bound);
	collect_reuse(faults, bound);
	text_append(&faults->which, " END");
	if (faults->count > 0)
		return;
	text_clear(&faults->which);
	text_append(&faults->which, "NULL::integer");
	text_append(&faults->rows, "(0, '', '', '', '', '')");
}

void faults_done(struct faults *faults)
{
	text_done(&faults->which);
	text_done(&faults->rows);
}
