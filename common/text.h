/*
 * A growable string, and the few ways in which people read numbers and times.
 *
 * Appending never fails: a program that cannot get a few kilobytes says so and aborts.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Always NUL-terminated once something was appended; `data` is NULL before. TEXT_INIT or zeros. */
struct text {
	char *data;
	size_t length;
	size_t capacity;
};

#define TEXT_INIT ((struct text){ 0 })

void text_append(struct text *text, const char *string);
void text_append_bytes(struct text *text, const void *bytes, size_t length);
void text_appendf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vappendf(struct text *text, const char *format, va_list arguments);

/* Appends `separator` unless the text is empty: for lists that are built one member at a time. */
void text_separate(struct text *text, const char *separator);

/* The string so far, "" for an empty text; borrowed. */
const char *text_string(const struct text *text);

/* Hands the string to the caller, who frees it; the text is empty again. Never NULL. */
char *text_steal(struct text *text);
void text_clear(struct text *text);
void text_done(struct text *text);
#define _cleanup_text_ __attribute__((cleanup(text_done)))

/* One named hole of a template: `{name}` becomes `value`. */
struct text_hole {
	const char *name;
	const char *value;
};

/* Appends `template` with each `{name}` replaced by the value of that hole. A hole that is not in
   the table is a programming error and aborts; braces that enclose no identifier are copied as they
   stand. `holes` ends with a NULL name. */
void text_fill(struct text *text, const char *template, const struct text_hole *holes);

/* malloc family that never returns NULL. memory_grow makes room for `count` members of `size`
   bytes, keeps those there were, and leaves the new ones unset. */
char *text_copy(const char *string); /* NULL gives NULL */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *memory_new(size_t size); /* zeroed */
void *memory_grow(void *array, size_t count, size_t size);

/* "1,234,567" in a buffer of at least 32 bytes; returns the buffer. */
char *text_thousands(char buffer[32], int64_t number);

/* A size with its unit as PostgreSQL writes it (B, kB, MB, GB, TB; 1024 each; upper or lower case).
   False, output untouched, when it is none or overflows. */
bool text_parse_size(const char *text, int64_t *ret_bytes);

/* The shortest exact way to write a size: "64MB", "1025B"; returns the buffer. */
char *text_format_size(char buffer[32], int64_t bytes);

/* The number of insertions, deletions, substitutions and swaps of neighbours that turn one word
   into the other (optimal string alignment); SIZE_MAX for words of more than 64 bytes. */
size_t text_distance(const char *a, const char *b);

/* The candidate that somebody who wrote `word` may have meant, or NULL when none is near: at most 2
   slips away, and only 1 for words of up to 3 letters. NULL candidates are passed over. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

/* Frees what a local pointer points to when it goes out of scope. */
void text_free_pointer(void *pointer);
#define _cleanup_free_ __attribute__((cleanup(text_free_pointer)))

#endif
