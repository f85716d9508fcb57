/*
 * Holds business rules against the two databases; see rules.h.
 */
#include "catalog/rules.h"

#include <stdlib.h>

#include "catalog/expression.h"
#include "common/text.h"

/* IS FALSE has the database refuse what is no condition, and CASE what would give several rows. */
char *rule_is_broken(const struct rule *rule)
{
	_cleanup_free_ char *condition = bound_enclosed(rule->sql);

	return text_format("CASE WHEN %s IS FALSE THEN TRUE ELSE FALSE END", condition);
}

void bound_ship_rules(struct bound_entity *bound)
{
	for (size_t i = 0; i < bound->entity->rule_count; i++) {
		const struct rule *rule = &bound->entity->rules[i];
		_cleanup_free_ char *name = text_format("b%zu", i + 1);
		_cleanup_free_ char *expression = rule_is_broken(rule);

		if (!rule->after)
			bound_ship(bound, name, expression, rule->path);
	}
}

/* --- of the target ----------------------------------------------------------------------------- */

/* All are asked at once; the last answer ends it. */
struct questions {
	struct binding *binding;
	rules_on_done *on_done;
	void *arg;
	size_t waiting; /* for so many answers, and for the last question */
	struct error error;
};

struct question {
	struct questions *questions;
	struct bound_entity *bound;
	const struct rule *rule;
};

static void answered(struct questions *questions)
{
	struct questions copy = *questions;

	if (--questions->waiting > 0)
		return;
	free(questions);
	copy.on_done(copy.arg, copy.error.message[0] != '\0' ? &copy.error : NULL);
}

static bool is_refusal(const struct error *err)
{
	return err->kind == ERROR_STRUCTURE || err->kind == ERROR_DATA || err->kind == ERROR_DENIED;
}

static void on_described(void *arg, const struct pg_answer *answer)
{
	struct question *question = arg;
	struct questions *questions = question->questions;

	if (answer->error != NULL && is_refusal(answer->error)) {
		_cleanup_free_ char *message = text_format("the target refuses it: %s",
							   answer->error->message);

		binding_refuse(questions->binding, question->bound, question->rule->path, message);
	} else if (answer->error != NULL) {
		questions->error = *answer->error;
	}
	free(question);
	answered(questions);
}

/* As a WHERE, where there can be no aggregates. */
static void describe(struct questions *questions, struct pg_connection *target,
		     struct bound_entity *bound, const struct rule *rule)
{
	struct question *question = memory_new(sizeof(*question));
	_cleanup_free_ char *broken = rule_is_broken(rule);
	_cleanup_free_ char *sql = text_format("SELECT FROM %s AS target WHERE %s",
					       bound->target_relation, broken);

	*question = (struct question){ questions, bound, rule };
	questions->waiting++;
	pg_describe(target, sql, on_described, question);
}

void rules_describe(struct binding *binding, struct pg_connection *target, rules_on_done *on_done,
		    void *arg)
{
	struct questions *questions = memory_new(sizeof(*questions));

	*questions = (struct questions){ .binding = binding,
					 .on_done = on_done,
					 .arg = arg,
					 .waiting = 1 };
	for (size_t i = 0; i < binding->set->count; i++) {
		struct bound_entity *bound = &binding->entities[i];
		bool usable = bound->usable; /* else the target would say again what is known */

		for (size_t j = 0; usable && j < bound->entity->rule_count; j++)
			if (bound->entity->rules[j].after)
				describe(questions, target, bound, &bound->entity->rules[j]);
	}
	answered(questions);
}
