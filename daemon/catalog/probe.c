/*
 * See probe.h. One query an entity asks for everything, all at once; when one is refused each thing in it is asked for alone, to name every
 * one that is at fault. Constants are evaluated, so that a domain's CHECK counts; casts of types are only looked up.
 */
#include "catalog/probe.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/expression.h"
#include "common/text.h"

/* One thing that is asked of the target. */
struct question {
	char *expression;
	char *path;  /* in the mapping */
	char *value; /* that the mapping has there; NULL: it is about types */
};

struct prober {
	struct binding *binding;
	struct pg_connection *target;
	probe_on_done *on_done;
	void *arg;
	struct whole *wholes; /* as many as the set has entities */
	size_t awaited;	      /* answers about them */
	struct error error;
	size_t next; /* entity that was refused */
	struct question *questions;
	size_t count;
	size_t alone; /* question */
};

/* All that is asked about one entity. */
struct whole {
	struct prober *prober;
	bool refused;
};

static void probe_refused(struct prober *prober);

/* `expression` and `value` go with it. */
static void add(struct prober *prober, const char *path, char *expression, char *value)
{
	prober->questions = memory_grow(prober->questions, prober->count + 1,
					sizeof(*prober->questions));
	prober->questions[prober->count++] = (struct question){ expression, text_copy(path),
								value };
}

static void forget(struct prober *prober)
{
	for (size_t i = 0; i < prober->count; i++) {
		free(prober->questions[i].expression);
		free(prober->questions[i].path);
		free(prober->questions[i].value);
	}
	free(prober->questions);
	prober->questions = NULL;
	prober->count = 0;
	prober->alone = 0;
}

/* --- what is asked ----------------------------------------------------------------------------- */

/* Is there a cast? It is not made: a domain may refuse NULL. */
static void add_cast(struct prober *prober, const char *path, const char *from, const char *to)
{
	add(prober, path, text_format("CASE WHEN false THEN CAST(NULL::%s AS %s) END", from, to),
	    NULL);
}

/* A value of the mapping, as it will stand in the column. */
static void add_value(struct prober *prober, const char *path, const json_t *value,
		      const struct written_column *written)
{
	_cleanup_free_ char *literal = NULL;

	if (json_is_null(value))
		return;
	literal = bound_typed_literal(value, written->type);
	if (written->length >= 0)
		add(prober, path,
		    text_format("pg_catalog.\"varchar\"(CAST(%s AS pg_catalog.\"varchar\"), %d, "
				"false)",
				literal, written->length),
		    json_dumps(value, JSON_ENCODE_ANY));
	else
		add(prober, path, text_format("CAST(%s AS %s)", literal, written->type),
		    json_dumps(value, JSON_ENCODE_ANY));
}

static const char *shipped_type(const struct bound_entity *bound, char letter, size_t number)
{
	_cleanup_free_ char *name = text_format("%c%zu", letter, number);

	for (size_t i = 0; i < bound->shipped_count; i++)
		if (strcmp(bound->shipped[i].name, name) == 0)
			return bound->shipped[i].type;
	return "text";
}

static void add_values(struct prober *prober, const struct written_column *written)
{
	const struct column *column = written->column;

	for (size_t i = 0; i < column->value_count; i++)
		add_value(prober, column->path, column->values[i].to, written);
	if (column->default_value != NULL)
		add_value(prober, column->path, column->default_value, written);
}

static void add_reference(struct prober *prober, const struct bound_entity *bound,
			  const struct written_column *written)
{
	const struct column *column = written->column;

	for (size_t i = 0; i < column->reference_count; i++) {
		const struct bound_entity *parent = binding_find(prober->binding,
								 column->references[i].entity_name);

		if (!parent->usable)
			continue;
		add_cast(prober, column->path, parent->target_key_types[0], written->type);
		for (size_t j = 0; j < column->from.count; j++) {
			_cleanup_free_ char *name = text_format("f%zu_%zu", written->number, j + 1);

			for (size_t k = 0; k < bound->shipped_count; k++)
				if (strcmp(bound->shipped[k].name, name) == 0)
					add_cast(prober, column->path, bound->shipped[k].type,
						 parent->key_types[j]);
		}
	}
}

static void add_column(struct prober *prober, const struct bound_entity *bound,
		       const struct written_column *written)
{
	const struct column *column = written->column;

	switch (column->kind) {
	case COLUMN_SOURCE:
	case COLUMN_SQL:
	case COLUMN_JSON:
		add_cast(prober, column->path, shipped_type(bound, 'c', written->number),
			 written->type);
		break;
	case COLUMN_CONSTANT:
		add_value(prober, column->path, column->constant, written);
		break;
	case COLUMN_VALUES:
		add_values(prober, written);
		break;
	case COLUMN_PARSE:
		add_cast(prober, column->path, "jsonb", written->type);
		break;
	case COLUMN_REFERENCE:
		add_reference(prober, bound, written);
		break;
	}
}

static void add_legacy(struct prober *prober, const struct bound_entity *bound)
{
	size_t part = 0;

	for (size_t i = 0; i < bound->written_count; i++)
		if (bound->written[i].column == NULL)
			add_cast(prober, "$.target.legacy_key", bound->key_types[part++],
				 bound->written[i].type);
}

static void add_marks(struct prober *prober, const struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;
	const struct catalog_relation *relation = catalog_relation(&prober->binding->target,
								   entity->target_schema,
								   entity->target_table);

	for (size_t i = 0; i < entity->mark_count; i++) {
		const struct catalog_column *column = catalog_column(relation,
								     entity->marks[i].column);
		_cleanup_free_ char *literal = binding_literal(entity->marks[i].value);

		if (!json_is_null(entity->marks[i].value))
			add(prober, "$.on_delete.mark",
			    text_format("CAST(%s AS %s)", literal, column->base_type),
			    json_dumps(entity->marks[i].value, JSON_ENCODE_ANY));
	}
}

static void ask_all(struct prober *prober, const struct bound_entity *bound)
{
	for (size_t i = 0; i < bound->written_count; i++)
		if (bound->written[i].column != NULL)
			add_column(prober, bound, &bound->written[i]);
	add_legacy(prober, bound);
	add_marks(prober, bound);
}

/* --- asking ------------------------------------------------------------------------------------ */

static void finish(struct prober *prober, const struct error *err)
{
	probe_on_done *on_done = prober->on_done;
	void *arg = prober->arg;
	struct error copy;

	if (err != NULL)
		copy = *err;
	forget(prober);
	free(prober->wholes);
	free(prober);
	on_done(arg, err != NULL ? &copy : NULL);
}

static bool is_refusal(const struct error *err)
{
	return err->kind == ERROR_STRUCTURE || err->kind == ERROR_DATA || err->kind == ERROR_DENIED;
}

static void refuse(struct prober *prober, const struct question *question, const struct error *err)
{
	_cleanup_free_ char *message = text_format("the target refuses %s: %s",
						   question->value != NULL ? question->value : "it",
						   err->message);

	binding_refuse(prober->binding, &prober->binding->entities[prober->next], question->path,
		       message);
}

static void on_answer_alone(void *arg, const struct pg_answer *answer);

static void ask_alone(struct prober *prober)
{
	_cleanup_free_ char *sql = NULL;

	if (prober->alone == prober->count) {
		forget(prober);
		prober->next++;
		probe_refused(prober);
		return;
	}
	sql = text_format("SELECT %s", prober->questions[prober->alone].expression);
	pg_submit(prober->target, sql, 0, NULL, on_answer_alone, prober);
}

static void on_answer_alone(void *arg, const struct pg_answer *answer)
{
	struct prober *prober = arg;

	if (answer->error != NULL && !is_refusal(answer->error)) {
		finish(prober, answer->error);
		return;
	}
	if (answer->error != NULL)
		refuse(prober, &prober->questions[prober->alone], answer->error);
	prober->alone++;
	ask_alone(prober);
}

static void probe_refused(struct prober *prober)
{
	size_t count = prober->binding->set->count;

	while (prober->next < count && !prober->wholes[prober->next].refused)
		prober->next++;
	if (prober->next == count) {
		finish(prober, NULL);
		return;
	}
	ask_all(prober, &prober->binding->entities[prober->next]);
	ask_alone(prober);
}

static void on_answer(void *arg, const struct pg_answer *answer)
{
	struct whole *whole = arg;
	struct prober *prober = whole->prober;

	if (answer->error != NULL && is_refusal(answer->error))
		whole->refused = true;
	else if (answer->error != NULL && prober->error.kind == ERROR_NONE)
		prober->error = *answer->error;
	if (--prober->awaited > 0)
		return;
	if (prober->error.kind != ERROR_NONE)
		finish(prober, &prober->error);
	else
		probe_refused(prober);
}

/* One SELECT has at most 1,664 columns, so that they are rows. */
static void probe_whole(struct prober *prober, size_t index)
{
	_cleanup_text_ struct text sql = TEXT_INIT;

	ask_all(prober, &prober->binding->entities[index]);
	for (size_t i = 0; i < prober->count; i++)
		text_appendf(&sql, "%sSELECT (%s)::text", i > 0 ? "\nUNION ALL\n" : "",
			     prober->questions[i].expression);
	forget(prober);
	if (sql.length == 0)
		return;
	prober->awaited++;
	pg_submit(prober->target, text_string(&sql), 0, NULL, on_answer, &prober->wholes[index]);
}

void probe_target(struct binding *binding, struct pg_connection *target, probe_on_done *on_done,
		  void *arg)
{
	struct prober *prober = memory_new(sizeof(*prober));

	*prober = (struct prober){
		.binding = binding,
		.target = target,
		.on_done = on_done,
		.arg = arg,
		.wholes = memory_new((binding->set->count + 1) * sizeof(struct whole)),
	};
	for (size_t i = 0; i < binding->set->count; i++) {
		prober->wholes[i].prober = prober;
		if (binding->entities[i].usable)
			probe_whole(prober, i);
	}
	if (prober->awaited == 0)
		finish(prober, NULL);
}
