/*
 * Help texts. Nothing about a command or an option is said here that its table does not say.
 */
#include "ctl/help.h"

#include <string.h>

#include "ctl/arguments.h"

#define NAME_WIDTH 26

static void append_option(struct text *out, const struct option *option)
{
	_cleanup_text_ struct text name = TEXT_INIT;

	if (option->letter)
		text_appendf(&name, "-%c, ", option->letter);
	text_append(&name, option->name);
	if (option->value)
		text_appendf(&name, " %s", option->value);
	/* A long one has a line of its own. */
	text_appendf(out, "  %-*s%s", NAME_WIDTH, text_string(&name),
		     name.length > NAME_WIDTH ? "\n" : "");
	text_appendf(out, "%*s%s\n", name.length > NAME_WIDTH ? NAME_WIDTH + 4 : 2, "",
		     option->help);
}

/* Those of one verb, or those of all verbs. */
static void append_options(struct text *out, const char *verb)
{
	for (size_t i = 0; i < option_count; i++)
		if (verb ? options[i].verbs && option_belongs_to(&options[i], verb)
			 : !options[i].verbs)
			append_option(out, &options[i]);
}

static bool has_options(const char *verb)
{
	for (size_t i = 0; i < option_count; i++)
		if (options[i].verbs && option_belongs_to(&options[i], verb))
			return true;
	return false;
}

/* --- commands ---------------------------------------------------------------------------------- */

/* Of one section; verbs of two words as wide as the widest of them. */
static void append_commands(struct text *out, enum command_section section)
{
	size_t width = 10;

	for (size_t i = 0; i < command_count; i++)
		if (commands[i].section == section && strlen(commands[i].verb) > width)
			width = strlen(commands[i].verb);
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].section == section)
			text_appendf(out, "  %-*s  %s\n", (int)width, commands[i].verb,
				     commands[i].help);
}

static void append_program(struct text *out)
{
	text_append(out,
		    "Usage: migratectl [OPTION]... COMMAND [ARGUMENT]...\n"
		    "\n"
		    "Shows and steers what migrated does: carrying a living legacy PostgreSQL\n"
		    "database into a modern one.\n"
		    "\n"
		    "Commands:\n");
	append_commands(out, SECTION_WORK);
	text_append(out, "\nRows that were set aside:\n");
	append_commands(out, SECTION_ASIDE);
	text_append(out, "\nOptions:\n");
	append_options(out, NULL);
	text_append(
		out,
		"\n"
		"migratectl help COMMAND shows the options of a command. A SESSION is named by\n"
		"the first four or more digits of its id; without one, the session under way is\n"
		"meant.\n"
		"\n"
		"Exit status: 0 done, 1 failed, 2 usage, 3 daemon not running, 4 no such thing,\n"
		"5 denied, 6 paused or different, 7 timed out.\n");
}

static void append_usage(struct text *out, const char *start, const struct command *command)
{
	text_appendf(out, "%s migratectl %s [OPTION]...%s%s\n", start, command->verb,
		     command->arguments[0] ? " " : "", command->arguments);
}

static void append_command(struct text *out, const struct command *command)
{
	append_usage(out, "Usage:", command);
	text_appendf(out, "\n%s: %s.\n", command->verb, command->help);
	if (has_options(command->verb)) {
		text_appendf(out, "\nOptions of %s:\n", command->verb);
		append_options(out, command->verb);
	}
	text_append(out, "\nOptions:\n");
	append_options(out, NULL);
}

void help_append(struct text *out, const struct command *command)
{
	if (command)
		append_command(out, command);
	else
		append_program(out);
}

void help_append_group(struct text *out, const char *group)
{
	bool first = true;

	for (size_t i = 0; i < command_count; i++) {
		if (!command_within(&commands[i], group))
			continue;
		append_usage(out, first ? "Usage:" : "      ", &commands[i]);
		first = false;
	}
	text_append(out, "\n");
	for (size_t i = 0; i < command_count; i++)
		if (command_within(&commands[i], group))
			text_appendf(out, "  %-10s  %s\n", command_within(&commands[i], group),
				     commands[i].help);
	text_appendf(out,
		     "\nmigratectl %s alone does the first of these.\n"
		     "migratectl help %s COMMAND shows the options of one of them.\n",
		     group, group);
}
