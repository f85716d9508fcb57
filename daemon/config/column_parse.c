/*
 * The forms of a column. Each is a row of a table that says which key announces it and which keys
 * go with it, so that contradictions are named the same way for all.
 */
#include "config/column_parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

#define NAME_MAX_BYTES 63 /* NAMEDATALEN - 1; PostgreSQL would cut longer names silently */
#define JSON_DEPTH_MAX 16 /* of "json" within "json" */

/* A column while it is read. */
struct draft {
	struct column column;
	size_t depth; /* how many "json" it stands within */
	int parse;    /* which of the formats; there is one */
};

struct form {
	const char *key;
	enum column_kind kind;
	bool from;	    /* needs "from"; else it must not stand beside it */
	const char *option; /* the further key that goes with it; NULL: none */
};

static const struct form forms[] = {
	{ "sql", COLUMN_SQL, false, NULL },
	{ "constant", COLUMN_CONSTANT, false, NULL },
	{ "values", COLUMN_VALUES, true, "default" },
	{ "json", COLUMN_JSON, false, NULL },
	{ "parse", COLUMN_PARSE, true, "if_invalid" },
	{ "references", COLUMN_REFERENCE, true, "if_missing" },
};
#define FORM_COUNT (sizeof forms / sizeof forms[0])

static const char *const parse_formats[] = { "json", NULL };

static const char *const if_invalid_names[] = {
	[IF_INVALID_NULL] = "null",
	[IF_INVALID_DEAD_LETTER] = "dead_letter",
	[IF_INVALID_WRAP] = "wrap",
	NULL,
};

static const char *const if_missing_names[] = {
	[IF_MISSING_PARK] = "park",
	[IF_MISSING_NULL] = "null",
	[IF_MISSING_DEAD_LETTER] = "dead_letter",
	NULL,
};

static void draft_parse(struct json_report *report, const char *path, const char *name,
			json_t *value, size_t depth, struct column *ret_column);

void name_check(struct json_report *report, const char *path, const char *name)
{
	if (name[0] == '\0')
		json_problem(report, path, "a name must not be empty");
	else if (strlen(name) > NAME_MAX_BYTES)
		json_problem(report, path,
			     "\"%.20s…\" is no name of PostgreSQL, which have at most %d bytes",
			     name, NAME_MAX_BYTES);
}

void sql_check(struct json_report *report, const char *path, const char *sql)
{
	size_t length = sql ? strlen(sql) : 0;

	if (!sql)
		return;
	while (length > 0 && isspace((unsigned char)sql[length - 1]))
		length--;
	if (length == 0)
		json_problem(report, path, "must not be empty");
	else if (sql[length - 1] == ';')
		json_problem(report, path,
			     "must not end with \";\": it becomes part of a longer statement");
}

static void name_list_add(struct json_report *report, const char *path, json_t *value,
			  struct name_list *list)
{
	const char *name = json_string_value(value);

	if (!name) {
		json_problem(report, path, "expected the name of a column, found %s",
			     json_found(value));
		return;
	}
	name_check(report, path, name);
	if (name_list_has(list, name)) {
		json_problem(report, path, "\"%s\" stands here twice", name);
		return;
	}
	list->names = memory_grow(list->names, list->count + 1, sizeof *list->names);
	list->names[list->count++] = text_copy(name);
}

void name_list_parse(struct json_report *report, const char *path, json_t *value,
		     struct name_list *ret_list)
{
	size_t i;
	json_t *item;

	name_list_done(ret_list);
	if (!json_is_array(value)) {
		if (!json_is_string(value))
			json_problem(report, path, "expected a column or a list of them, found %s",
				     json_found(value));
		else
			name_list_add(report, path, value, ret_list);
		return;
	}
	if (json_array_size(value) == 0)
		json_problem(report, path, "the list of columns is empty");
	json_array_foreach(value, i, item) {
		_cleanup_free_ char *item_path = json_path_index(path, i);

		name_list_add(report, item_path, item, ret_list);
	}
}

static void decode_from(struct json_report *report, const char *path, json_t *value,
			const struct json_field *field, void *target)
{
	struct draft *draft = target;

	(void)field;
	name_list_parse(report, path, value, &draft->column.from);
}

static void decode_values(struct json_report *report, const char *path, json_t *value,
			  const struct json_field *field, void *target)
{
	struct column *column = &((struct draft *)target)->column;
	const char *from;
	json_t *to;

	(void)field;
	if (json_object_size(value) == 0)
		json_problem(report, path, "the table of values is empty");
	column->values = memory_new(json_object_size(value) * sizeof *column->values);
	json_object_foreach(value, from, to) {
		if (json_is_scalar(to)) {
			column->values[column->value_count++] = (struct value_pair){
				text_copy(from), json_incref(to)
			};
			continue;
		}
		_cleanup_free_ char *to_path = json_path_key(path, from);

		json_problem(report, to_path,
			     "expected a string, a number, true, false or null, found %s",
			     json_found(to));
	}
}

static void decode_members(struct json_report *report, const char *path, json_t *value,
			   const struct json_field *field, void *target)
{
	struct draft *draft = target;
	struct column *column = &draft->column;
	const char *key;
	json_t *member;

	(void)field;
	if (draft->depth == JSON_DEPTH_MAX) {
		json_problem(report, path, "\"json\" is nested too deeply: at most %d levels",
			     JSON_DEPTH_MAX);
		return;
	}
	column->members = memory_new(json_object_size(value) * sizeof *column->members);
	json_object_foreach(value, key, member) {
		_cleanup_free_ char *member_path = json_path_key(path, key);

		draft_parse(report, member_path, key, member, draft->depth + 1,
			    &column->members[column->member_count++]);
	}
}

static const struct json_field alternative_fields[] = {
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct reference, entity_name),
	  .required = true },
	{ .key = "when", .type = JSON_FIELD_STRING, .offset = offsetof(struct reference, when) },
	{ .key = NULL },
};

/* One of several parents. Only the last may do without a condition, as it hides those after it. */
static void decode_alternative(struct json_report *report, const char *path, json_t *value,
			       bool last, struct reference *ret_reference)
{
	if (!json_decode(report, path, value, alternative_fields, ret_reference))
		return;
	_cleanup_free_ char *when_path = json_path_key(path, "when");

	sql_check(report, when_path, ret_reference->when);
	if (!ret_reference->when && !last)
		json_problem(report, path,
			     "\"when\" is missing: without it the alternatives after this one "
			     "are never reached");
}

static void decode_references(struct json_report *report, const char *path, json_t *value,
			      const struct json_field *field, void *target)
{
	struct column *column = &((struct draft *)target)->column;
	size_t count = json_is_array(value) ? json_array_size(value) : 1;
	size_t i;
	json_t *alternative;

	(void)field;
	column->references = memory_new(count * sizeof *column->references);
	if (json_is_string(value)) {
		column->references[column->reference_count++].entity_name = text_copy(
			json_string_value(value));
		return;
	}
	if (!json_is_array(value) || count == 0) {
		json_problem(report, path,
			     "expected an entity or a list of {\"entity\", \"when\"}, found %s",
			     json_is_array(value) ? "an empty list" : json_found(value));
		return;
	}
	json_array_foreach(value, i, alternative) {
		_cleanup_free_ char *alternative_path = json_path_index(path, i);

		decode_alternative(report, alternative_path, alternative, i + 1 == count,
				   &column->references[column->reference_count++]);
	}
}

#define DRAFT(name) offsetof(struct draft, name)

static const struct json_field column_fields[] = {
	{ .key = "from", .type = JSON_FIELD_ANY, .decode = decode_from },
	{ .key = "sql", .type = JSON_FIELD_STRING, .offset = DRAFT(column.sql) },
	{ .key = "constant", .type = JSON_FIELD_SCALAR, .offset = DRAFT(column.constant) },
	{ .key = "values", .type = JSON_FIELD_OBJECT, .decode = decode_values },
	{ .key = "default", .type = JSON_FIELD_SCALAR, .offset = DRAFT(column.default_value) },
	{ .key = "json", .type = JSON_FIELD_OBJECT, .decode = decode_members },
	{ .key = "parse",
	  .type = JSON_FIELD_CHOICE,
	  .offset = DRAFT(parse),
	  .choices = parse_formats },
	{ .key = "if_invalid",
	  .type = JSON_FIELD_CHOICE,
	  .offset = DRAFT(column.if_invalid),
	  .choices = if_invalid_names },
	{ .key = "references", .type = JSON_FIELD_ANY, .decode = decode_references },
	{ .key = "if_missing",
	  .type = JSON_FIELD_CHOICE,
	  .offset = DRAFT(column.if_missing),
	  .choices = if_missing_names },
	{ .key = NULL },
};

/* The form that this object's keys announce; two of them contradict each other. NULL when there is
 * none. */
static const struct form *find_form(struct json_report *report, const char *path,
				    const json_t *value)
{
	const struct form *form = NULL;

	for (size_t i = 0; i < FORM_COUNT; i++) {
		if (!json_object_get(value, forms[i].key))
			continue;
		if (form)
			json_problem(
				report, path,
				"\"%s\" and \"%s\" contradict each other: a column has one form",
				form->key, forms[i].key);
		else
			form = &forms[i];
	}
	return form;
}

/* Options that stand beside a form they do not belong to. */
static void check_options(struct json_report *report, const char *path, const json_t *value,
			  const struct form *form)
{
	for (size_t i = 0; i < FORM_COUNT; i++) {
		const char *option = forms[i].option;

		if (!option || !json_object_get(value, option) || &forms[i] == form ||
		    json_object_get(value, forms[i].key))
			continue;
		json_problem(report, path, "\"%s\" has no meaning without \"%s\"", option,
			     forms[i].key);
	}
}

static void check_from(struct json_report *report, const char *path, const json_t *value,
		       const struct form *form)
{
	if (form && form->from && !json_object_get(value, "from"))
		json_problem(report, path, "\"%s\" needs \"from\", the column of the source",
			     form->key);
	if (form && !form->from && json_object_get(value, "from"))
		json_problem(report, path, "\"from\" has no meaning beside \"%s\"", form->key);
	if (!form && !json_object_get(value, "from"))
		json_problem(report, path,
			     "says nothing of its value: write \"from\", \"sql\", \"constant\", "
			     "\"values\", \"json\", \"parse\" or \"references\"");
}

/* What the form allows of what was decoded. */
static void check_draft(struct json_report *report, const char *path, const struct draft *draft)
{
	const struct column *column = &draft->column;
	_cleanup_free_ char *from_path = json_path_key(path, "from");
	_cleanup_free_ char *sql_path = json_path_key(path, "sql");

	sql_check(report, sql_path, column->sql);
	if (column->kind != COLUMN_REFERENCE && column->from.count > 1)
		json_problem(
			report, from_path,
			"expected one column, found a list of %zu: only a reference to an entity "
			"with several key columns has several",
			column->from.count);
	if (draft->depth > 0 && column->kind == COLUMN_REFERENCE)
		json_problem(report, path, "a reference cannot stand within \"json\"");
	if (draft->depth > 0 && column->kind == COLUMN_PARSE)
		json_problem(report, path, "\"parse\" cannot stand within \"json\"");
}

static void parse_object(struct json_report *report, const char *path, json_t *value,
			 struct draft *draft)
{
	size_t before = report->count;

	json_decode(report, path, value, column_fields, draft);
	bool understood = report->count ==
			  before; /* else what seems to be missing may be misspelt */
	const struct form *form = find_form(report, path, value);

	draft->column.kind = form ? form->kind : COLUMN_SOURCE;
	check_options(report, path, value, form);
	if (understood || form)
		check_from(report, path, value, form);
	check_draft(report, path, draft);
}

static void parse_string(struct json_report *report, const char *path, json_t *value,
			 struct draft *draft)
{
	const char *from = json_string_value(value);

	if (strcmp(draft->column.name, "comment") == 0 && strchr(from, ' ')) {
		json_problem(
			report, path,
			"among columns, \"comment\" is a column of the target, and this is "
			"hardly the name of one of the source: write a comment into the object "
			"of a column, or outside \"columns\"");
		return;
	}
	draft->column.kind = COLUMN_SOURCE;
	name_list_parse(report, path, value, &draft->column.from);
}

static void draft_parse(struct json_report *report, const char *path, const char *name,
			json_t *value, size_t depth, struct column *ret_column)
{
	struct draft draft = { .depth = depth };

	draft.column.name = text_copy(name);
	draft.column.path = text_copy(path);
	draft.column.if_invalid = IF_INVALID_DEAD_LETTER;
	draft.column.if_missing = IF_MISSING_PARK;
	if (json_is_string(value))
		parse_string(report, path, value, &draft);
	else if (json_is_object(value))
		parse_object(report, path, value, &draft);
	else
		json_problem(
			report, path,
			"expected a column of the source or an object that says where the value "
			"comes from, found %s",
			json_found(value));
	*ret_column = draft.column;
}

void column_parse(struct json_report *report, const char *path, const char *name, json_t *value,
		  struct column *ret_column)
{
	name_check(report, path, name);
	draft_parse(report, path, name, value, 0, ret_column);
}
