/*
 * The words are gone through as they stand: which command they name, and whether the last is an option's value.
 */
#include "ctl/completion.h"

#include <string.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/reply.h"

#define PATIENCE_MS 500
#define SESSIONS 20

struct line {
	struct text *out;
	const char *typed;  /* what the candidates begin with */
	const char *prefix; /* what stands before it in the same word: "--state=" */
	const char *words[2];
	size_t word_count;	     /* of the command's name and arguments, without options */
	const struct option *option; /* whose value is typed; NULL: none */
	const char *socket;
};

static void offer(const struct line *line, const char *candidate, size_t length, const char *help)
{
	size_t typed = strlen(line->typed);

	if (length >= typed && memcmp(candidate, line->typed, typed) == 0)
		text_appendf(line->out, "%s%.*s\t%s\n", line->prefix, (int)length, candidate, help);
}

/* --- what the line says so far --------------------------------------------------------------------- */

static const struct option *option_named(const char *name, size_t length)
{
	for (size_t i = 0; i < option_count; i++)
		if ((strlen(options[i].name) == length &&
		     memcmp(options[i].name, name, length) == 0) ||
		    (length == 2 && options[i].letter && name[1] == options[i].letter))
			return &options[i];
	return NULL;
}

/* Some shells make words of their own of "--name=value". */
static bool is_equals_sign(const char *word)
{
	return strcmp(word, "=") == 0;
}

static void take_word(struct line *line, const char *word)
{
	if (is_equals_sign(word))
		return;
	if (line->option) {
		if (strcmp(line->option->name, "--socket") == 0)
			line->socket = word;
		line->option = NULL;
	} else if (word[0] == '-') {
		line->option = option_named(word, strlen(word));
		if (line->option && line->option->kind == OPTION_FLAG)
			line->option = NULL;
	} else if (strcmp(word, "help") != 0 && line->word_count < 2) {
		line->words[line->word_count++] = word;
	}
}

/* "--state=he": the value of an option, of which "--state=" is there already. */
static void split_typed(struct line *line, char *ret_prefix, size_t size)
{
	size_t length = strcspn(line->typed, "=");

	if (is_equals_sign(line->typed)) {
		line->typed = "";
	} else if (strncmp(line->typed, "--", 2) == 0 && line->typed[length] == '=' &&
		   length + 1 < size) {
		line->option = option_named(line->typed, length);
		memcpy(ret_prefix, line->typed, length + 1);
		ret_prefix[length + 1] = '\0';
		line->typed += length + 1;
	}
}

/* --- what only the daemon knows ---------------------------------------------------------------------- */

static json_t *ask(const struct line *line, const char *method, json_t *parameters)
{
	struct client client;
	struct failure failure;
	json_t *reply = NULL;

	if (client_open(&client, line->socket, PATIENCE_MS, &failure))
		reply = client_call(&client, method, parameters, &failure);
	client_done(&client);
	return reply;
}

static void offer_sessions(const struct line *line)
{
	json_auto_t *parameters = json_pack("{s:i}", "limit", SESSIONS);
	json_auto_t *reply = ask(line, "io.migrated.List", parameters);
	size_t i;
	json_t *session;

	json_array_foreach(json_object_get(reply, "sessions"), i, session) {
		char id[FORMAT_SIZE];

		format_short_id(id, reply_string_or(session, "session", ""));
		offer(line, id, strlen(id), reply_string_or(session, "state", ""));
	}
}

static void offer_entities(const struct line *line)
{
	json_auto_t *reply = ask(line, "io.migrated.Status", NULL);
	size_t i;
	json_t *entity;

	json_array_foreach(json_object_get(reply, "entities"), i, entity) {
		const char *name = reply_string_or(entity, "entity", "");

		offer(line, name, strlen(name), "entity");
	}
}

/* By what the help calls it. */
static void offer_values_called(const struct line *line, const char *name)
{
	if (strstr(name, "SESSION"))
		offer_sessions(line);
	else if (strstr(name, "ENTITY") || strcmp(name, "A,B") == 0)
		offer_entities(line);
}

/* --- the candidates ---------------------------------------------------------------------------------- */

static bool is_of(const struct option *option, const struct command *command)
{
	return command ? option_belongs_to(option, command->verb) : !option->verbs;
}

static void offer_choices(const struct line *line, const char *choices)
{
	while (*choices) {
		size_t length = strcspn(choices, "|");

		offer(line, choices, length, "");
		choices += length + (choices[length] == '|');
	}
}

/* Of rows with the same name, the verb's says which there are. */
static void offer_values(const struct line *line, const struct command *command)
{
	for (size_t i = 0; i < option_count; i++) {
		if (strcmp(options[i].name, line->option->name) != 0 ||
		    !is_of(&options[i], command))
			continue;
		if (options[i].kind == OPTION_CHOICE)
			offer_choices(line, options[i].value);
		else if (options[i].value)
			offer_values_called(line, options[i].value);
		return;
	}
}

static void offer_options(const struct line *line, const struct command *command)
{
	for (size_t i = 0; i < option_count; i++)
		if (is_of(&options[i], command))
			offer(line, options[i].name, strlen(options[i].name), options[i].help);
}

/* Groups once, where their first row stands. */
static void offer_verbs(const struct line *line)
{
	for (size_t i = 0; i < command_count; i++) {
		const char *verb = commands[i].verb;
		size_t length = strcspn(verb, " ");
		bool again = i > 0 && strncmp(verb, commands[i - 1].verb, length + 1) == 0;

		if (!again)
			offer(line, verb, length, commands[i].help);
	}
}

static void offer_second_words(const struct line *line, const char *group)
{
	for (size_t i = 0; i < command_count; i++) {
		const char *word = command_within(&commands[i], group);

		if (word)
			offer(line, word, strlen(word), commands[i].help);
	}
}

static void offer_words(const struct line *line, const struct command *command)
{
	if (line->word_count == 0)
		offer_verbs(line);
	else if (line->word_count == 1 && command_is_group(line->words[0]))
		offer_second_words(line, line->words[0]);
	else if (command && (line->word_count == 1 || !strchr(command->arguments, ' ')))
		offer_values_called(line, command->arguments); /* of "ENTITY KEY", the first */
}

void completion_append(struct text *out, const char *const *words, size_t count)
{
	char prefix[64] = "";
	struct line line = { .out = out,
			     .typed = count > 0 ? words[count - 1] : "",
			     .prefix = prefix,
			     .socket = arguments_default_socket() };
	const struct command *command;
	size_t taken;

	for (size_t i = 0; i + 1 < count; i++)
		take_word(&line, words[i]);
	split_typed(&line, prefix, sizeof prefix);
	command = line.word_count > 0 ? command_by_words(line.words, line.word_count, &taken)
				      : NULL;
	if (line.option)
		offer_values(&line, command);
	else if (line.typed[0] == '-')
		offer_options(&line, command);
	else
		offer_words(&line, command);
}
