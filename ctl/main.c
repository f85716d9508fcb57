/*
 * migratectl: shows and steers what migrated does.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "ctl/arguments.h"
#include "ctl/completion.h"
#include "ctl/exit.h"
#include "ctl/help.h"
#include "ctl/view.h"

#ifndef MIGRATED_VERSION
#define MIGRATED_VERSION "unknown"
#endif

static enum exit_status show_help(const struct arguments *arguments)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	if (arguments->group)
		help_append_group(&out, arguments->group);
	else
		help_append(&out, arguments->command);
	fputs(text_string(&out), stdout);
	return EXIT_DONE;
}

/* For the shells; no option of the table, as nobody types it. */
static enum exit_status complete(const char *const *words, size_t count)
{
	_cleanup_text_ struct text out = TEXT_INIT;

	completion_append(&out, words, count);
	fputs(text_string(&out), stdout);
	return EXIT_DONE;
}

static enum exit_status run(int argc, char **argv)
{
	struct arguments arguments;
	struct error err;

	if (argc > 1 && strcmp(argv[1], "--complete") == 0)
		return complete((const char *const *)argv + 2, (size_t)argc - 2);
	if (!arguments_parse(&arguments, argc, argv, &err)) {
		log_error(LOG_ERR, &err);
		return EXIT_USAGE;
	}
	if (arguments.help)
		return show_help(&arguments);
	if (arguments.version) {
		puts("migratectl " MIGRATED_VERSION);
		return EXIT_DONE;
	}
	return view_run(view_by_verb(arguments.command->verb), &arguments);
}

int main(int argc, char **argv)
{
	/* Only the characters: numbers are written and read the same everywhere. */
	setlocale(LC_CTYPE, "");
	enum exit_status status = run(argc, argv);

	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_event(LOG_ERR, NULL, "cannot write the output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return status;
}
