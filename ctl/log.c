/*
 * The client's sink of common/log.h: stderr, one line an event, hints below it.
 */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/text.h"
#include "ctl/look.h"

#define PROGRAM "migratectl"

static void write_line(const char *lead, const char *string)
{
	const struct look plain = { 0 };
	_cleanup_text_ struct text line = TEXT_INIT;

	text_append(&line, lead);
	look_append(&plain, &line, STYLE_PLAIN, string);
	text_append(&line, "\n");
	fputs(text_string(&line), stderr);
}

void log_event(int priority, const struct log_fields *fields, const char *format, ...)
{
	_cleanup_text_ struct text message = TEXT_INIT;
	va_list arguments;

	(void)fields;
	if (priority > LOG_INFO)
		return;
	va_start(arguments, format);
	text_vappendf(&message, format, arguments);
	va_end(arguments);
	write_line(PROGRAM ": ", text_string(&message));
}

void log_error(int priority, const struct error *err)
{
	if (priority > LOG_INFO)
		return;
	write_line(PROGRAM ": ", err->message);
	if (err->hint[0])
		write_line("  ", err->hint);
}
