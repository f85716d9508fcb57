/*
 * See describe.h. The whole read is described at once; when it is refused each expression is asked for alone, to name every one that is at
 * fault.
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
	size_t next;	     /* entity to be described */
	size_t next_shipped; /* expression to be described alone, after the whole read was refused */
	bool alone;
	bool found;    /* one at fault */
	char *refusal; /* of the whole */
};

static void describe_next(struct describer *describer);

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
	free(describer->refusal);
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
		refuse(describer, "$.columns", describer->refusal);
	free(describer->refusal);
	describer->refusal = NULL;
	describer->alone = false;
	describer->next++;
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
	describe_next(describer);
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

static void begin_alone(struct describer *describer, const char *refusal)
{
	describer->binding->entities[describer->next].usable = false;
	describer->alone = true;
	describer->found = false;
	describer->refusal = text_copy(refusal);
	describer->next_shipped = 0;
}

/* Of the whole read. */
static int column_count(const struct bound_entity *bound)
{
	return (int)(bound->shipped_count + (bound->updated_at != NULL) +
		     bound->entity->identity.count + (bound->source_time != NULL));
}

static void on_described(void *arg, const struct pg_answer *answer)
{
	struct describer *describer = arg;
	struct bound_entity *bound = &describer->binding->entities[describer->next];

	if (answer->error != NULL && !is_refusal(answer->error)) {
		finish(describer, answer->error);
		return;
	}
	if (answer->error != NULL) {
		begin_alone(describer, answer->error->message);
	} else if (PQnfields(answer->results[answer->count - 1]) != column_count(bound)) {
		begin_alone(describer, "an expression is not one value");
	} else {
		finish_types(describer->binding, bound, answer->results[answer->count - 1]);
		describer->next++;
	}
	describe_next(describer);
}

/* Entities already known not to fit are not described: the source would only say again what is known. */
static void describe_next(struct describer *describer)
{
	struct binding *binding = describer->binding;

	if (describer->alone) {
		describe_alone(describer);
		return;
	}
	while (describer->next < binding->set->count && !binding->entities[describer->next].usable)
		describer->next++;
	if (describer->next == binding->set->count) {
		finish(describer, NULL);
		return;
	}
	_cleanup_free_ char *sql = binding_read(&binding->entities[describer->next]);

	pg_describe(describer->source, sql, on_described, describer);
}

void describe_source(struct binding *binding, struct pg_connection *source,
		     describe_on_done *on_done, void *arg)
{
	struct describer *describer = memory_new(sizeof(*describer));

	*describer = (struct describer){ .binding = binding,
					 .source = source,
					 .on_done = on_done,
					 .arg = arg };
	describe_next(describer);
}
