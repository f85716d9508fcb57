/*
 * Table-driven decoding of JSON objects. See json_decode.h.
 */
#include "common/json_decode.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"

void json_problem(struct json_report *report, const char *path, const char *format, ...)
{
	_cleanup_text_ struct text message = TEXT_INIT;
	va_list arguments;

	va_start(arguments, format);
	text_vappendf(&message, format, arguments);
	va_end(arguments);
	report->count++;
	report->on_problem(report->arg, path, text_string(&message));
}

static bool is_plain_key(const char *key)
{
	if (!isalpha((unsigned char)key[0]) && key[0] != '_')
		return false;
	for (; *key; key++)
		if (!isalnum((unsigned char)*key) && *key != '_')
			return false;
	return true;
}

char *json_path_key(const char *path, const char *key)
{
	if (is_plain_key(key))
		return text_format("%s.%s", path, key);
	return text_format("%s[\"%s\"]", path, key);
}

char *json_path_index(const char *path, size_t index)
{
	return text_format("%s[%zu]", path, index);
}

const char *json_found(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "a number";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		return "null";
	}
	return "something else";
}

bool json_is_scalar(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

/* The one value on its way into its member. */
struct slot {
	struct json_report *report;
	const char *path;
	json_t *value;
	const struct json_field *field;
	void *target;
};

static void *member(const struct slot *slot)
{
	return (char *)slot->target + slot->field->offset;
}

static void expected(const struct slot *slot, const char *what)
{
	json_problem(slot->report, slot->path, "expected %s, found %s", what,
		     json_found(slot->value));
}

static void decode_string(const struct slot *slot)
{
	char **string = member(slot);

	if (!json_is_string(slot->value)) {
		expected(slot, "a string");
		return;
	}
	if (json_string_length(slot->value) == 0 && !slot->field->may_be_empty) {
		json_problem(slot->report, slot->path, "must not be empty");
		return;
	}
	free(*string);
	*string = text_copy(json_string_value(slot->value));
}

static void decode_bool(const struct slot *slot)
{
	if (!json_is_boolean(slot->value))
		expected(slot, "true or false");
	else
		*(bool *)member(slot) = json_is_true(slot->value);
}

static int64_t size_scale(const struct json_field *field)
{
	return field->scale > 0 ? field->scale : 1;
}

/* How numbers of a field are written, for messages about its limits. */
static const char *written(const struct json_field *field, char buffer[32], int64_t number)
{
	if (field->type == JSON_FIELD_DURATION)
		return clock_format_duration(buffer, number);
	if (field->type == JSON_FIELD_SIZE)
		return text_format_size(buffer, number * size_scale(field));
	snprintf(buffer, 32, "%" PRId64, number);
	return buffer;
}

static void store_number(const struct slot *slot, int64_t number)
{
	const struct json_field *field = slot->field;
	char low[32], high[32], found[32];
	bool limited = field->minimum != 0 || field->maximum != 0;

	if (limited && (number < field->minimum || number > field->maximum)) {
		json_problem(slot->report, slot->path, "must be between %s and %s, found %s",
			     written(field, low, field->minimum),
			     written(field, high, field->maximum), written(field, found, number));
		return;
	}
	*(int64_t *)member(slot) = number;
}

static void decode_integer(const struct slot *slot)
{
	if (!json_is_integer(slot->value))
		expected(slot, "a whole number");
	else
		store_number(slot, json_integer_value(slot->value));
}

static bool is_zero(const json_t *value)
{
	return (json_is_integer(value) && json_integer_value(value) == 0) ||
	       (json_is_string(value) && strcmp(json_string_value(value), "0") == 0);
}

static void decode_duration(const struct slot *slot)
{
	const char *string = json_string_value(slot->value);
	int64_t ms = 0;

	if (is_zero(slot->value) || (string && clock_parse_duration(string, &ms)))
		store_number(slot, ms); /* nought needs no unit */
	else if (string)
		json_problem(slot->report, slot->path,
			     "\"%s\" is no duration: write a number and ms, s, min, h or d, as in "
			     "\"30s\"",
			     string);
	else
		expected(slot, "a duration with its unit, as in \"30s\"");
}

static void decode_size(const struct slot *slot)
{
	const char *string = json_string_value(slot->value);
	int64_t bytes = 0;

	if (string && text_parse_size(string, &bytes))
		store_number(slot, bytes / size_scale(slot->field));
	else if (string)
		json_problem(slot->report, slot->path,
			     "\"%s\" is no size: write a number and kB, MB or GB, as in \"64MB\"",
			     string);
	else
		expected(slot, "a size with its unit, as in \"64MB\"");
}

static void decode_choice(const struct slot *slot)
{
	const char *const *choices = slot->field->choices;
	const char *string = json_string_value(slot->value);
	_cleanup_text_ struct text all = TEXT_INIT;
	int count = 0;

	for (; choices[count]; count++) {
		if (string && strcmp(string, choices[count]) == 0) {
			memcpy(member(slot), &count, sizeof count); /* enums are ints */
			return;
		}
		text_separate(&all, choices[count + 1] ? ", " : " or ");
		text_appendf(&all, "\"%s\"", choices[count]);
	}
	const char *nearest = string ? text_nearest(string, choices, (size_t)count) : NULL;

	if (nearest)
		json_problem(slot->report, slot->path,
			     "expected %s, found \"%s\" (did you mean \"%s\"?)", text_string(&all),
			     string, nearest);
	else if (string)
		json_problem(slot->report, slot->path, "expected %s, found \"%s\"",
			     text_string(&all), string);
	else
		expected(slot, text_string(&all));
}

/* OBJECT, ARRAY, ANY and SCALAR, once the type is known to be right. */
static void decode_value(const struct slot *slot)
{
	if (slot->field->decode) {
		slot->field->decode(slot->report, slot->path, slot->value, slot->field,
				    slot->target);
		return;
	}
	json_t **kept = member(slot);

	json_decref(*kept);
	*kept = json_incref(slot->value);
}

static void decode_typed(const struct slot *slot)
{
	switch (slot->field->type) {
	case JSON_FIELD_STRING:
		decode_string(slot);
		break;
	case JSON_FIELD_BOOL:
		decode_bool(slot);
		break;
	case JSON_FIELD_INTEGER:
		decode_integer(slot);
		break;
	case JSON_FIELD_DURATION:
		decode_duration(slot);
		break;
	case JSON_FIELD_SIZE:
		decode_size(slot);
		break;
	case JSON_FIELD_CHOICE:
		decode_choice(slot);
		break;
	case JSON_FIELD_SCALAR:
		if (json_is_scalar(slot->value))
			decode_value(slot);
		else
			expected(slot, "a string, a number, true, false or null");
		break;
	case JSON_FIELD_OBJECT:
		if (json_is_object(slot->value))
			decode_value(slot);
		else
			expected(slot, "an object");
		break;
	case JSON_FIELD_ARRAY:
		if (json_is_array(slot->value))
			decode_value(slot);
		else
			expected(slot, "a list");
		break;
	case JSON_FIELD_ANY:
		decode_value(slot);
		break;
	}
}

static const struct json_field *find_field(const struct json_field *fields, const char *key)
{
	for (; fields->key; fields++)
		if (strcmp(fields->key, key) == 0)
			return fields;
	return NULL;
}

static void unknown_key(struct json_report *report, const char *path, const char *key,
			const struct json_field *fields)
{
	size_t count = 0;
	const char *nearest;

	while (fields[count].key)
		count++;
	const char **known = memory_new((count + 1) * sizeof *known);

	for (size_t i = 0; i < count; i++)
		known[i] = fields[i].key;
	nearest = text_nearest(key, known, count);
	if (nearest)
		json_problem(report, path, "unknown key \"%s\" (did you mean \"%s\"?)", key,
			     nearest);
	else
		json_problem(report, path, "unknown key \"%s\"", key);
	free(known);
}

static bool is_absent(const struct json_report *report, const json_t *value)
{
	return !value || (report->null_is_absent && json_is_null(value));
}

bool json_decode(struct json_report *report, const char *path, json_t *value,
		 const struct json_field *fields, void *target)
{
	size_t before = report->count;
	const char *key;
	json_t *part;

	if (!json_is_object(value)) {
		json_problem(report, path, "expected an object, found %s", json_found(value));
		return false;
	}
	json_object_foreach(value, key, part) {
		const struct json_field *field = find_field(fields, key);

		if (!field && strcmp(key, "comment") != 0)
			unknown_key(report, path, key, fields);
		if (!field || is_absent(report, part))
			continue;
		_cleanup_free_ char *part_path = json_path_key(path, key);

		decode_typed(&(struct slot){ report, part_path, part, field, target });
	}
	for (; fields->key; fields++)
		if (fields->required && is_absent(report, json_object_get(value, fields->key)))
			json_problem(report, path, "\"%s\" is missing", fields->key);
	return report->count == before;
}

json_t *json_lossy_string(const char *text)
{
	size_t length = strlen(text);
	_cleanup_free_ char *ascii = NULL;

	for (size_t cut = 0; cut < 4 && cut <= length; cut++) {
		json_t *string = json_stringn(text, length - cut);

		if (string != NULL)
			return string;
	}
	ascii = text_copy(text);
	for (char *byte = ascii; *byte != '\0'; byte++)
		if ((unsigned char)*byte >= 0x80)
			*byte = '?';
	return json_string(ascii);
}
