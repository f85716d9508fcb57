/*
 * Members of a reply, as values and as cells of a table.
 */
#include "ctl/reply.h"

#include "common/text.h"
#include "ctl/format.h"

const char *reply_string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

const char *reply_string_or(const json_t *object, const char *key, const char *otherwise)
{
	const char *string = reply_string(object, key);

	return string ? string : otherwise;
}

bool reply_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

int64_t reply_integer(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool reply_number(const json_t *object, const char *key, double *ret_number)
{
	const json_t *number = json_object_get(object, key);

	if (!json_is_number(number))
		return false;
	*ret_number = json_number_value(number);
	return true;
}

void reply_cell_string(struct table *table, const json_t *object, const char *key)
{
	table_add(table, reply_string(object, key));
}

void reply_cell_state(struct table *table, const json_t *object, const char *key)
{
	table_add_state(table, reply_string(object, key));
}

void reply_cell_integer(struct table *table, const json_t *object, const char *key)
{
	double number;

	if (reply_number(object, key, &number))
		table_add_number(table, (int64_t)number);
	else
		table_add(table, NULL);
}

void reply_cell_duration(struct table *table, const json_t *object, const char *key)
{
	char buffer[FORMAT_SIZE];
	double ms;

	table_add(table,
		  reply_number(object, key, &ms) ? format_duration(buffer, (int64_t)ms) : NULL);
}

void reply_cell_time(struct table *table, const json_t *object, const char *key)
{
	char buffer[FORMAT_SIZE];
	const char *time = reply_string(object, key);

	table_add(table, time ? format_time(buffer, time) : NULL);
}

char *reply_join(const json_t *list)
{
	struct text joined = TEXT_INIT;
	size_t i;
	json_t *member;

	json_array_foreach(list, i, member) {
		text_separate(&joined, ", ");
		text_append(&joined, json_is_string(member) ? json_string_value(member) : "?");
	}
	return text_steal(&joined);
}

char *reply_key(const json_t *object, const char *member)
{
	const json_t *key = json_object_get(object, member);
	char *parts = reply_join(key);
	char *several;

	if (json_array_size(key) < 2)
		return parts;
	several = text_format("(%s)", parts);
	free(parts);
	return several;
}
