/*
 * From a JSON object to a C struct, by a table: one row a key, with its type, its limits and where
 * it goes.
 *
 * What does not fit is reported with its JSON path and with what was expected, and decoding goes
 * on, so that one pass finds every problem. The report is a callback: configuration files, and the
 * parameters of control requests, answer for problems in different ways.
 */
#ifndef COMMON_JSON_DECODE_H
#define COMMON_JSON_DECODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where problems go. One report serves a whole document. */
struct json_report {
	void (*on_problem)(void *arg, const char *path, const char *message);
	void *arg;
	size_t count;	     /* problems reported so far */
	bool null_is_absent; /* {"x": null} says the same as {}, as Varlink has it */
};

/* Reports one problem. Never repeat a secret in it. */
void json_problem(struct json_report *report, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

enum json_field_type {
	JSON_FIELD_STRING, /* char *: a copy, not "" unless it may be; what stood there before is freed */
	JSON_FIELD_BOOL,     /* bool */
	JSON_FIELD_INTEGER,  /* int64_t, within minimum and maximum */
	JSON_FIELD_DURATION, /* int64_t, milliseconds; "30s", and 0 where the minimum is 0 */
	JSON_FIELD_SIZE,     /* int64_t, in units of `scale` bytes; "64MB" */
	JSON_FIELD_CHOICE,   /* an enum: the place of the string among `choices` */
	JSON_FIELD_SCALAR,   /* json_t *: a string, number, boolean or null; a new reference */
	JSON_FIELD_OBJECT,   /* `decode` is called; without one a json_t *, a new reference */
	JSON_FIELD_ARRAY,    /* likewise */
	JSON_FIELD_ANY,	     /* likewise, and of any type: `decode` says what is wrong with it */
};

/* One key. A table of them ends with a NULL key. */
struct json_field {
	const char *key;
	enum json_field_type type;
	size_t offset;
	bool required;
	bool may_be_empty; /* STRING: "" is a value */
	int64_t minimum;   /* INTEGER, DURATION, SIZE; no limits when both are 0 */
	int64_t maximum;
	int64_t scale; /* SIZE: 1024 keeps kilobytes, 0 bytes; limits are in the same unit */
	const char *const *choices; /* CHOICE; ends with NULL */

	/* Called with the value and its path; `target` is the struct, the offset is not added. */
	void (*decode)(struct json_report *report, const char *path, json_t *value,
		       const struct json_field *field, void *target);
};

/*
 * Decodes `value`, which ought to be an object, into *target. Keys that are absent, or wrong, leave
 * their member untouched, so it is set to its default beforehand. A key "comment" is allowed and
 * ignored in any object unless the table has a row for it. Unknown keys are problems, with the
 * nearest known one suggested. True when nothing was reported.
 */
bool json_decode(struct json_report *report, const char *path, json_t *value,
		 const struct json_field *fields, void *target);

/* "$.columns.status", "$.columns[\"Élan\"]", "$.references[1]"; the caller frees. */
char *json_path_key(const char *path, const char *key);
char *json_path_index(const char *path, size_t index);

/* "a string", "a list": what a value is, for "expected …, found …". */
const char *json_found(const json_t *value);

/* A text that need not be UTF-8 to its end, since it was cut or came from a library: as much of it as can be said in JSON. */
json_t *json_lossy_string(const char *text);

/* A string, number, boolean or null? */
bool json_is_scalar(const json_t *value);

#endif
