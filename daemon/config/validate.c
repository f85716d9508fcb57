/*
 * What is checked of an entity before and after a session carries it, in words and in bits; see validate.h.
 */
#include "config/validate.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

#define VALIDATE(member) offsetof(struct validate_config, member)

const char *const validate_step_names[] = {
	[0] = "off",
	[VALIDATE_BEFORE] = "before",
	[VALIDATE_AFTER] = "after",
	[VALIDATE_BEFORE | VALIDATE_AFTER] = "both",
	NULL,
};

const char *const validate_check_names[] = {
	"counts", "references", "mappings", "values", "rules", NULL,
};

static bool place_of(const char *const *names, const char *word, unsigned *ret_place)
{
	for (unsigned i = 0; word != NULL && names[i] != NULL; i++)
		if (strcmp(names[i], word) == 0) {
			*ret_place = i;
			return true;
		}
	return false;
}

bool validate_steps_read(const char *word, unsigned *ret_steps)
{
	return place_of(validate_step_names, word, ret_steps);
}

bool validate_checks_read(const char *words, unsigned *ret_checks, char **ret_word)
{
	_cleanup_free_ char *copy = text_copy(words);
	char *rest = NULL;
	unsigned checks = 0, place;

	for (char *word = strtok_r(copy, ", ", &rest); word != NULL;
	     word = strtok_r(NULL, ", ", &rest)) {
		if (!place_of(validate_check_names, word, &place)) {
			*ret_word = text_copy(word);
			return false;
		}
		checks |= 1U << place;
	}
	*ret_checks = checks;
	return true;
}

/* --- an entity's file ---------------------------------------------------------------------------- */

static void decode_steps(struct json_report *report, const char *path, json_t *value,
			 const struct json_field *field, void *target)
{
	struct validate_config *config = target;
	const char *word = json_string_value(value);

	(void)field;
	config->says_steps = validate_steps_read(word, &config->steps);
	if (!config->says_steps)
		json_problem(report, path,
			     "expected \"off\", \"before\", \"after\" or \"both\", found %s%s%s%s",
			     word ? "" : json_found(value), word ? "\"" : "", word ? word : "",
			     word ? "\"" : "");
}

static void decode_checks(struct json_report *report, const char *path, json_t *value,
			  const struct json_field *field, void *target)
{
	struct validate_config *config = target;
	const json_t *each;
	unsigned place;
	size_t i;

	(void)field;
	json_array_foreach(value, i, each) {
		_cleanup_free_ char *each_path = json_path_index(path, i);

		if (place_of(validate_check_names, json_string_value(each), &place))
			config->checks |= 1U << place;
		else
			json_problem(report, each_path,
				     "expected \"counts\", \"references\", \"mappings\", "
				     "\"values\" or \"rules\"");
	}
	if (json_array_size(value) == 0)
		json_problem(report, path,
			     "names no check; \"steps\": \"off\" says that there are none");
}

static void decode_stop(struct json_report *report, const char *path, json_t *value,
			const struct json_field *field, void *target)
{
	struct validate_config *config = target;

	(void)field;
	if (!json_is_boolean(value)) {
		json_problem(report, path, "expected true or false, found %s", json_found(value));
		return;
	}
	config->says_stop = true;
	config->stop = json_is_true(value);
}

static const struct json_field fields[] = {
	{ .key = "steps", .type = JSON_FIELD_ANY, .decode = decode_steps },
	{ .key = "checks", .type = JSON_FIELD_ARRAY, .decode = decode_checks },
	{ .key = "stop", .type = JSON_FIELD_ANY, .decode = decode_stop },
	{ .key = NULL },
};

void validate_parse(struct json_report *report, const char *path, json_t *value,
		    const struct json_field *field, void *target)
{
	struct validate_config *config = &((struct entity *)target)->validate;

	if (json_is_object(value))
		json_decode(report, path, value, fields, config);
	else
		decode_steps(report, path, value, field, config);
}

/* --- what holds ---------------------------------------------------------------------------------- */

struct validate_config validate_of(const struct entity *entity, const struct settings *settings)
{
	struct validate_config config = entity->validate;
	_cleanup_free_ char *word = NULL;

	if (!config.says_steps)
		validate_steps_read(settings->validate_steps, &config.steps);
	if (config.checks == 0)
		validate_checks_read(settings->validate_checks, &config.checks, &word);
	if (!config.says_stop)
		config.stop = settings->validate_stop;
	return config;
}
