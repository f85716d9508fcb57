/*
 * The list of problems. See problem.h.
 */
#include "config/problem.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

void problem_add(struct problem_list *list, const char *file, int line, const char *path,
		 const char *format, ...)
{
	struct text message = TEXT_INIT;
	va_list arguments;

	va_start(arguments, format);
	text_vappendf(&message, format, arguments);
	va_end(arguments);
	list->problems = memory_grow(list->problems, list->count + 1, sizeof *list->problems);
	list->problems[list->count++] = (struct problem){
		.file = text_copy(file),
		.line = line,
		.path = text_copy(path),
		.message = text_steal(&message),
	};
}

void problem_list_done(struct problem_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->problems[i].file);
		free(list->problems[i].path);
		free(list->problems[i].message);
	}
	free(list->problems);
	*list = (struct problem_list){ 0 };
}

bool problem_list_names(const struct problem_list *list, const char *file, const char *path)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct problem *problem = &list->problems[i];

		if (problem->file && problem->path && strcmp(problem->file, file) == 0 &&
		    strcmp(problem->path, path) == 0)
			return true;
	}
	return false;
}

char *problem_format(const struct problem *problem)
{
	struct text text = TEXT_INIT;

	if (problem->file)
		text_append(&text, problem->file);
	if (problem->line > 0)
		text_appendf(&text, ":%d", problem->line);
	if (problem->path) {
		text_separate(&text, ": ");
		text_append(&text, problem->path);
	}
	text_separate(&text, ": ");
	text_append(&text, problem->message);
	return text_steal(&text);
}

static void on_problem(void *arg, const char *path, const char *message)
{
	const struct problem_sink *sink = arg;

	problem_add(sink->list, sink->file, 0, path, "%s", message);
}

struct json_report problem_report(struct problem_sink *sink)
{
	return (struct json_report){ .on_problem = on_problem, .arg = sink };
}
