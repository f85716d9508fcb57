/*
 * Reads the names of a method's parameters from the interface's description, which is what the socket serves; see
 * audit_parameters.h.
 */
#include "control/audit_parameters.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "control/route.h"

#define METHOD_MAX 100 /* characters of a name */
#define VALUE_MAX 1024 /* bytes of one parameter's JSON */
#define UNDECLARED "(undeclared)"

static bool is_name_character(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* What stands behind "method NAME(" in the description of its interface; NULL: there is no such method. */
static const char *declaration_of(const char *method)
{
	const char *dot = method ? strrchr(method, '.') : NULL;

	if (!dot)
		return NULL;
	_cleanup_free_ char *interface = text_format("%.*s", (int)(dot - method), method);
	_cleanup_free_ char *opening = text_format("\nmethod %s(", dot + 1);
	const char *description = route_interface(interface);
	const char *found = description ? strstr(description, opening) : NULL;

	return found ? found + strlen(opening) : NULL;
}

/* Is it among "name: type, name: type)"? Types that are written out, in parentheses, have names of their own. */
static bool declares(const char *declaration, const char *name)
{
	int depth = 1;

	for (const char *at = declaration; *at && depth > 0;) {
		size_t length = 0;

		while (is_name_character(at[length]))
			length++;
		if (depth == 1 && length > 0 && at[length] == ':' && strlen(name) == length &&
		    memcmp(at, name, length) == 0)
			return true;
		depth += *at == '(';
		depth -= *at == ')';
		at += length > 0 ? length : 1;
	}
	return false;
}

/* A value as it is, or how long it was. */
static json_t *kept_value(json_t *value)
{
	size_t length = json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	char size[32];

	if (length <= VALUE_MAX)
		return json_incref(value);
	return json_sprintf("(%s bytes)", text_thousands(size, (int64_t)length));
}

char *audit_parameters(const char *method, json_t *parameters)
{
	if (json_object_size(parameters) == 0)
		return NULL;
	const char *declaration = declaration_of(method);
	json_auto_t *kept = json_object();
	json_int_t undeclared = 0;
	const char *name;
	json_t *value;

	json_object_foreach(parameters, name, value) {
		if (json_is_null(value))
			continue;
		if (declaration && declares(declaration, name))
			json_object_set_new(kept, name, kept_value(value));
		else
			undeclared++;
	}
	if (undeclared > 0)
		json_object_set_new(kept, UNDECLARED, json_integer(undeclared));
	return json_object_size(kept) > 0 ? json_dumps(kept, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

const char *audit_method(const char *method)
{
	size_t length = 0;

	if (!method)
		return NULL;
	while (is_name_character(method[length]) || method[length] == '.' || method[length] == '-')
		length++;
	return method[length] == '\0' && length > 0 && length <= METHOD_MAX ? method : NULL;
}

bool audit_method_is_known(const char *method)
{
	return declaration_of(method) != NULL;
}
