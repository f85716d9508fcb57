/*
 * The client's sink of common/log.h: stderr, one line an event, lists and hints below it.
 */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "ctl/look.h"

#define PROGRAM "migratectl"
#define FURTHER "    " /* before what goes on below */

static void write_line(const char *lead, const char *string)
{
	const struct look plain = { 0 };
	_cleanup_text_ struct text lines = TEXT_INIT;
	_cleanup_free_ char *copy = text_copy(string);
	char *rest = copy;

	for (const char *line; (line = strsep(&rest, "\n")); lead = FURTHER) {
		text_append(&lines, lead);
		look_append(&plain, &lines, STYLE_PLAIN, line);
		text_append(&lines, "\n");
	}
	fputs(text_string(&lines), stderr);
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
