/*
 * See describe.h. The whole reads of all entities are described at once; of one that is refused each expression is asked for alone, to
 * name every one that is at fault.
 */
#include "catalog/describe.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/changed.h"
#include "catalog/expression.h"
#include "catalog/identity.h"
#include "catalog/mint.h"
#include "catalog/wire_type.h"
#include "common/text.h"

/* One description under way. */
struct describer {
	struct binding *binding;
	struct pg_connection *source;
	describe_on_done *on_done;
	void *arg;
	struct whole *wholes; /* as many as the set has entities */
	size_t awaited;	      /* answers about them */
	struct error error;
	size_t next;	     /* entity that was refused */
	size_t next_shipped; /* expression to be described alone */
	bool found;	     /* one at fault */
};

/* The whole read of an entity. */
struct whole {
	struct describer *describer;
	struct bound_entity *bound;
	char *refusal; /* NULL: it was not refused */
};

static void describe_refused(struct describer *describer);
static void describe_alone(struct describer *describer);

static bool is_integer(const char *type)
{
	return strcmp(type, "bigint") == 0 || strcmp(type, "integer") == 0 ||
	       strcmp(type, "smallint") == 0;
}

static void replace(char **string, char *value)
{
	free(*string);
	*string = value;
}

/* --- types of what is shipped ------------------------------------------------------------------ */

/* What the source cannot send in a form that the target reads goes as text. */
static void set_shipped_type(struct shipped_column *shipped, Oid oid)
{
	const char *type = wire_type_name(oid);

	if (type == NULL)
		replace(&shipped->expression, text_format("(%s)::text", shipped->expression));
	replace(&shipped->type, text_copy(type != NULL ? type : "text"));
}

static void finish_types(struct binding *binding, struct bound_entity *bound,
			 const PGresult *description)
{
	for (size_t i = 0; i < bound->shipped_count; i++)
		set_shipped_type(&bound->shipped[i], PQftype(description, (int)i));
	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		replace(&bound->key_expressions[i], text_copy(bound->shipped[i].expression));
		replace(&bound->key_types[i], text_copy(bound->shipped[i].type));
	}
	bound->integer_key = bound->entity->source_key.count == 1 &&
			     is_integer(bound->key_types[0]);
	bound_set_mint(binding, bound);
	if (bound->updated_at != NULL)
		bound_set_changed_type(binding, bound,
				       PQftype(description, (int)bound->shipped_count));
	bound_set_identity(bound, binding->source_version, description,
			   bound->shipped_count + (bound->updated_at != NULL));
	if (bound->source_time != NULL)
		bound_set_source_time_type(binding, bound,
					   PQftype(description, PQnfields(description) - 1));
	bound_check_strategy(binding, bound);
}

char *binding_read(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->shipped_count; i++)
		text_appendf(&text, "%s%s AS %s", i == 0 ? "SELECT " : ",\n       ",
			     bound->shipped[i].expression, bound->shipped[i].name);
	if (bound->updated_at != NULL)
		text_appendf(&text, ",\n       %s", bound->updated_at);
	bound_append_identity(&text, bound);
	if (bound->source_time != NULL)
		text_appendf(&text, ",\n       %s", bound->source_time);
	text_appendf(&text, "\n  FROM %s\n WHERE %s", bound->source_relation, bound->source_filter);
	return text_steal(&text);
}

static void finish(struct describer *describer, const struct error *err)
{
	describe_on_done *on_done = describer->on_done;
	void *arg = describer->arg;
	struct error copy;

	if (err != NULL)
		copy = *err;
	for (size_t i = 0; i < describer->binding->set->count; i++)
		free(describer->wholes[i].refusal);
	free(describer->wholes);
	free(describer);
	on_done(arg, err != NULL ? &copy : NULL);
}

static bool is_refusal(const struct error *err)
{
	return err->kind == ERROR_STRUCTURE || err->kind == ERROR_DATA || err->kind == ERROR_DENIED;
}

/* What is asked for alone, behind all that is shipped. */
enum { ALONE_UPDATED_AT, ALONE_SOURCE_TIME, ALONE_RELATION, ALONE_COUNT };

/* One expression of the source, and where in the mapping it stands; NULL: there is none of this sort. */
static const char *expression_alone(const struct describer *describer,
				    const struct bound_entity *bound, const char **ret_path)
{
	if (describer->next_shipped < bound->shipped_count) {
		*ret_path = bound->shipped[describer->next_shipped].path;
		return bound->shipped[describer->next_shipped].expression;
	}
	switch (describer->next_shipped - bound->shipped_count) {
	case ALONE_UPDATED_AT:
		*ret_path = "$.detect.updated_at";
		return bound->updated_at;
	case ALONE_SOURCE_TIME:
		*ret_path = "$.on_conflict";
		return bound->source_time;
	default:
		*ret_path = "$.source";
		return "1";
	}
}

static void refuse(struct describer *describer, const char *path, const char *message)
{
	_cleanup_free_ char *words = text_format("the source refuses it: %s", message);

	binding_refuse(describer->binding, &describer->binding->entities[describer->next], path,
		       words);
	describer->found = true;
}

/* Each was asked for; where none is at fault alone, they are together. */
static void end_alone(struct describer *describer)
{
	if (!describer->found)
		refuse(describer, "$.columns", describer->wholes[describer->next].refusal);
	describer->next++;
	describe_refused(describer);
}

/* The whole read was refused: ask for each expression alone, to name every one that is at fault. */
static void on_described_alone(void *arg, const struct pg_answer *answer)
{
	struct describer *describer = arg;
	struct bound_entity *bound = &describer->binding->entities[describer->next];
	const char *path;

	if (answer->error != NULL && !is_refusal(answer->error)) {
		finish(describer, answer->error);
		return;
	}
	expression_alone(describer, bound, &path);
	if (answer->error != NULL)
		refuse(describer, path, answer->error->message);
	/* The relation itself is the last one asked for, and the first at fault when all are. */
	do
		describer->next_shipped++;
	while (expression_alone(describer, bound, &path) == NULL);
	if (describer->next_shipped == bound->shipped_count + ALONE_COUNT)
		end_alone(describer);
	else
		describe_alone(describer);
}

/* As a condition, where there can be no aggregates: with others, one of these has the whole read refused, and alone it has not. */
static void describe_alone(struct describer *describer)
{
	struct bound_entity *bound = &describer->binding->entities[describer->next];
	const char *path;
	const char *expression = expression_alone(describer, bound, &path);
	_cleanup_free_ char *condition = describer->next_shipped ==
							 bound->shipped_count + ALONE_RELATION
						 ? text_copy(bound->source_filter)
						 : text_format("(%s) IS NOT NULL", expression);
	_cleanup_free_ char *sql = text_format("SELECT 1 FROM %s WHERE %s", bound->source_relation,
					       condition);

	pg_describe(describer->source, sql, on_described_alone, describer);
}

static void describe_refused(struct describer *describer)
{
	size_t count = describer->binding->set->count;

	while (describer->next < count && describer->wholes[describer->next].refusal == NULL)
		describer->next++;
	if (describer->next == count) {
		finish(describer, NULL);
		return;
	}
	describer->found = false;
	describer->next_shipped = 0;
	describe_alone(describer);
}

/* Of the whole read. */
static int column_count(const struct bound_entity *bound)
{
	return (int)(bound->shipped_count + (bound->updated_at != NULL) +
		     bound->entity->identity.count + (bound->source_time != NULL));
}

static const char *refusal_of(const struct bound_entity *bound, const struct pg_answer *answer)
{
	if (answer->error != NULL)
		return answer->error->message;
	if (PQnfields(answer->results[answer->count - 1]) != column_count(bound))
		return "an expression is not one value";
	return NULL;
}

static void on_described(void *arg, const struct pg_answer *answer)
{
	struct whole *whole = arg;
	struct describer *describer = whole->describer;

	if (answer->error != NULL && !is_refusal(answer->error)) {
		if (describer->error.kind == ERROR_NONE)
			describer->error = *answer->error;
	} else if (refusal_of(whole->bound, answer) != NULL) {
		whole->bound->usable = false;
		whole->refusal = text_copy(refusal_of(whole->bound, answer));
	} else {
		finish_types(describer->binding, whole->bound, answer->results[answer->count - 1]);
	}
	if (--describer->awaited > 0)
		return;
	if (describer->error.kind != ERROR_NONE)
		finish(describer, &describer->error);
	else
		describe_refused(describer);
}

static void describe_whole(struct describer *describer, struct whole *whole)
{
	_cleanup_free_ char *sql = binding_read(whole->bound);

	describer->awaited++;
	pg_describe(describer->source, sql, on_described, whole);
}

/* Entities already known not to fit are not described: the source would only say again what is known. */
void describe_source(struct binding *binding, struct pg_connection *source,
		     describe_on_done *on_done, void *arg)
{
	struct describer *describer = memory_new(sizeof(*describer));

	*describer = (struct describer){
		.binding = binding,
		.source = source,
		.on_done = on_done,
		.arg = arg,
		.wholes = memory_new((binding->set->count + 1) * sizeof(struct whole)),
	};
	for (size_t i = 0; i < binding->set->count; i++) {
		describer->wholes[i] = (struct whole){ .describer = describer,
						       .bound = &binding->entities[i] };
		if (binding->entities[i].usable)
			describe_whole(describer, &describer->wholes[i]);
	}
	if (describer->awaited == 0)
		finish(describer, NULL);
}
