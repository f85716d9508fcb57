/*
 * Reads "on_conflict": the name of a policy, or last_writer_wins with the two columns whose times are compared.
 */
#include "config/conflict_parse.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "config/column_parse.h"

#define CONFLICT(member) offsetof(struct conflict_config, member)

static const struct json_field time_fields[] = {
	{ .key = "source", .type = JSON_FIELD_STRING, .offset = CONFLICT(source_time) },
	{ .key = "target", .type = JSON_FIELD_STRING, .offset = CONFLICT(target_time) },
	{ .key = NULL },
};

static void check_name(struct json_report *report, const char *path, const char *key,
		       const char *name)
{
	_cleanup_free_ char *name_path = json_path_key(path, key);

	if (name != NULL)
		name_check(report, name_path, name);
}

static void decode_times(struct json_report *report, const char *path, json_t *value,
			 const struct json_field *field, void *target)
{
	struct conflict_config *conflict = target;

	(void)field;
	conflict->policy = ON_CONFLICT_LAST_WRITER_WINS;
	json_decode(report, path, value, time_fields, conflict);
	check_name(report, path, "source", conflict->source_time);
	check_name(report, path, "target", conflict->target_time);
}

static const struct json_field object_fields[] = {
	{ .key = "last_writer_wins",
	  .type = JSON_FIELD_OBJECT,
	  .required = true,
	  .decode = decode_times },
	{ .key = NULL },
};

static bool policy_by_name(const char *name, enum on_conflict *ret_policy)
{
	for (size_t i = 0; name != NULL && on_conflict_names[i] != NULL; i++)
		if (strcmp(name, on_conflict_names[i]) == 0) {
			*ret_policy = (enum on_conflict)i;
			return true;
		}
	return false;
}

void conflict_parse(struct json_report *report, const char *path, json_t *value,
		    const struct json_field *field, void *target)
{
	struct conflict_config *conflict = &((struct entity *)target)->conflict;
	const char *word = json_string_value(value);

	(void)field;
	if (json_is_object(value))
		json_decode(report, path, value, object_fields, conflict);
	else if (!policy_by_name(word, &conflict->policy))
		json_problem(report, path,
			     "expected \"source_wins\", \"last_writer_wins\", \"hold\" or "
			     "{\"last_writer_wins\": {…}}, found %s%s%s%s",
			     word ? "" : json_found(value), word ? "\"" : "", word ? word : "",
			     word ? "\"" : "");
}
