/*
 * A growable string, templates with named holes, and memory that is there or the program is not.
 */
#include "common/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_CAPACITY 64

static void *memory_or_abort(void *memory)
{
	if (!memory) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return memory;
}

void *memory_new(size_t size)
{
	return memory_or_abort(calloc(1, size > 0 ? size : 1));
}

void *memory_grow(void *array, size_t count, size_t size)
{
	if (count == 0 || size == 0)
		count = size = 1; /* reallocarray(array, 0, …) might free and return NULL */
	return memory_or_abort(reallocarray(array, count, size));
}

/* Makes room for `more` bytes and the terminating NUL. */
static void text_reserve(struct text *text, size_t more)
{
	size_t needed;
	size_t capacity = text->capacity > 0 ? text->capacity : FIRST_CAPACITY;

	if (__builtin_add_overflow(text->length, more, &needed) ||
	    __builtin_add_overflow(needed, 1, &needed) || needed > SIZE_MAX / 2)
		memory_or_abort(NULL);
	if (needed <= text->capacity)
		return;
	while (capacity < needed)
		capacity *= 2;
	text->data = memory_grow(text->data, capacity, 1);
	text->capacity = capacity;
}

void text_append_bytes(struct text *text, const void *bytes, size_t length)
{
	text_reserve(text, length);
	if (length > 0)
		memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void text_append(struct text *text, const char *string)
{
	text_append_bytes(text, string, strlen(string));
}

void text_vappendf(struct text *text, const char *format, va_list arguments)
{
	va_list again;

	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		memory_or_abort(NULL);
	text_reserve(text, (size_t)length);
	vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
	text->length += (size_t)length;
}

void text_appendf(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_vappendf(text, format, arguments);
	va_end(arguments);
}

void text_separate(struct text *text, const char *separator)
{
	if (text->length > 0)
		text_append(text, separator);
}

const char *text_string(const struct text *text)
{
	return text->data ? text->data : "";
}

char *text_steal(struct text *text)
{
	char *string = text->data ? text->data : text_copy("");

	*text = TEXT_INIT;
	return string;
}

void text_clear(struct text *text)
{
	text->length = 0;
	if (text->data)
		text->data[0] = '\0';
}

void text_done(struct text *text)
{
	free(text->data);
	*text = TEXT_INIT;
}

/* The length of the identifier at `string`, 0 when there is none. */
static size_t identifier_length(const char *string)
{
	size_t length = 0;

	if (!isalpha((unsigned char)string[0]) && string[0] != '_')
		return 0;
	while (isalnum((unsigned char)string[length]) || string[length] == '_')
		length++;
	return length;
}

static const char *hole_value(const struct text_hole *holes, const char *name, size_t length)
{
	for (const struct text_hole *hole = holes; hole->name; hole++)
		if (strlen(hole->name) == length && memcmp(hole->name, name, length) == 0)
			return hole->value;
	fprintf(stderr, "template has a hole that nothing fills: {%.*s}\n", (int)length, name);
	abort();
}

void text_fill(struct text *text, const char *template, const struct text_hole *holes)
{
	const char *rest = template;

	for (const char *brace; (brace = strchr(rest, '{'));) {
		size_t length = identifier_length(brace + 1);

		text_append_bytes(text, rest, (size_t)(brace - rest));
		if (length == 0 || brace[1 + length] != '}') {
			text_append(text, "{");
			rest = brace + 1;
			continue;
		}
		text_append(text, hole_value(holes, brace + 1, length));
		rest = brace + length + 2;
	}
	text_append(text, rest);
}

char *text_copy(const char *string)
{
	return string ? memory_or_abort(strdup(string)) : NULL;
}

char *text_format(const char *format, ...)
{
	struct text text = TEXT_INIT;
	va_list arguments;

	va_start(arguments, format);
	text_vappendf(&text, format, arguments);
	va_end(arguments);
	return text_steal(&text);
}

char *text_thousands(char buffer[32], int64_t number)
{
	char digits[24];
	int length = snprintf(digits, sizeof digits, "%" PRIu64,
			      number < 0 ? -(uint64_t)number : (uint64_t)number);
	char *out = buffer;

	if (number < 0)
		*out++ = '-';
	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return buffer;
}

static const struct {
	const char *unit;
	int64_t bytes;
} size_units[] = {
	{ "TB", INT64_C(1) << 40 },
	{ "GB", INT64_C(1) << 30 },
	{ "MB", INT64_C(1) << 20 },
	{ "kB", INT64_C(1) << 10 },
	{ "B", 1 },
};

#define SIZE_UNIT_COUNT (sizeof size_units / sizeof size_units[0])

bool text_parse_size(const char *text, int64_t *ret_bytes)
{
	const char *unit = text;
	int64_t number = 0;

	for (; *unit >= '0' && *unit <= '9'; unit++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *unit - '0', &number))
			return false;
	if (unit == text)
		return false;
	if (*unit == ' ')
		unit++;
	for (size_t i = 0; i < SIZE_UNIT_COUNT; i++) {
		int64_t bytes;

		if (strcasecmp(unit, size_units[i].unit) != 0)
			continue;
		if (__builtin_mul_overflow(number, size_units[i].bytes, &bytes))
			return false;
		*ret_bytes = bytes;
		return true;
	}
	return false;
}

char *text_format_size(char buffer[32], int64_t bytes)
{
	size_t i = 0;

	while (i < SIZE_UNIT_COUNT - 1 && (bytes == 0 || bytes % size_units[i].bytes != 0))
		i++;
	snprintf(buffer, 32, "%" PRId64 "%s", bytes / size_units[i].bytes, size_units[i].unit);
	return buffer;
}

#define WORD_MAX 64

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t text_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1]; /* the last two and the present row of the usual matrix */
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length > WORD_MAX || b_length > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *now = rows[i % 3];
		const size_t *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			now[j] = smaller(before[j], now[j - 1]) + 1;
			now[j] = smaller(now[j], before[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = smaller(now[j], two_before[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count)
{
	const char *nearest = NULL;
	size_t best = strlen(word) <= 3 ? 2 : 3; /* what is not below this is not near */

	for (size_t i = 0; i < count; i++) {
		size_t distance = candidates[i] ? text_distance(word, candidates[i]) : SIZE_MAX;

		if (distance < best && distance < strlen(candidates[i])) {
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}

void text_free_pointer(void *pointer)
{
	void **target = pointer;

	free(*target);
	*target = NULL;
}
