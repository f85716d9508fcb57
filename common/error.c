/*
 * Filling, extending and naming errors. Everything is kept in fixed buffers: an error that has to
 * be reported is a bad moment to ask for memory.
 */
#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 character at `bytes`, 0 when there is none (RFC 3629, section 4, less its finer points). */
static size_t character_length(const unsigned char *bytes)
{
	size_t length = bytes[0] < 0x80	  ? 1
			: bytes[0] < 0xC2 ? 0
			: bytes[0] < 0xE0 ? 2
			: bytes[0] < 0xF0 ? 3
			: bytes[0] < 0xF5 ? 4
					  : 0;

	for (size_t i = 1; i < length; i++)
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
	return length;
}

/* A server may speak another encoding before we have told it ours. */
static void replace_invalid(char *string)
{
	while (*string != '\0') {
		size_t length = character_length((const unsigned char *)string);

		if (length == 0)
			*string++ = '?';
		else
			string += length;
	}
}

/* A message that was cut short must not end in half a UTF-8 character: it cannot stand in JSON. */
static void cut_whole(char *buffer, size_t size, const char *string)
{
	size_t length = strlen(string);

	if (length >= size) {
		length = size - 1;
		while (length > 0 && ((unsigned char)string[length] & 0xC0) == 0x80)
			length--;
	}
	memmove(buffer, string, length);
	buffer[length] = '\0';
	replace_invalid(buffer);
}

/* Longer than any field, so that it is cut_whole() that cuts. */
#define SCRATCH_SIZE 1024

bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	char message[SCRATCH_SIZE];
	va_list arguments;

	if (!err)
		return false;
	/* The arguments may point into *err itself ("%s", err->message), so it is written last. */
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	*err = (struct error){ .kind = kind };
	cut_whole(err->message, sizeof err->message, message);
	return false;
}

bool error_context(struct error *err, const char *format, ...)
{
	char longer[SCRATCH_SIZE + sizeof err->message + sizeof ": "];
	va_list arguments;

	if (!err)
		return false;
	va_start(arguments, format);
	int length = vsnprintf(longer, SCRATCH_SIZE, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof err->message / 2)
		return false; /* hardly room for the message, which matters more than its context */
	snprintf(longer + length, sizeof longer - (size_t)length, ": %s", err->message);
	cut_whole(err->message, sizeof err->message, longer);
	return false;
}

bool error_hint(struct error *err, const char *format, ...)
{
	char hint[SCRATCH_SIZE];
	va_list arguments;

	if (!err)
		return false;
	va_start(arguments, format);
	vsnprintf(hint, sizeof hint, format, arguments);
	va_end(arguments);
	cut_whole(err->hint, sizeof err->hint, hint);
	return false;
}

void error_clear(struct error *err)
{
	if (err)
		*err = (struct error){ .kind = ERROR_NONE };
}

/* No default: the compiler names a kind that is missing here. */
const char *error_kind_name(enum error_kind kind)
{
	switch (kind) {
	case ERROR_NONE:
		return "none";
	case ERROR_USAGE:
		return "usage";
	case ERROR_CONFIG:
		return "config";
	case ERROR_NOT_FOUND:
		return "not_found";
	case ERROR_DENIED:
		return "denied";
	case ERROR_CONNECTION:
		return "connection";
	case ERROR_TRANSIENT:
		return "transient";
	case ERROR_BUSY:
		return "busy";
	case ERROR_ENVIRONMENT:
		return "environment";
	case ERROR_DATA:
		return "data";
	case ERROR_STRUCTURE:
		return "structure";
	case ERROR_CANCELLED:
		return "cancelled";
	case ERROR_PROTOCOL:
		return "protocol";
	case ERROR_INTERNAL:
		return "internal";
	}
	return "unknown";
}
