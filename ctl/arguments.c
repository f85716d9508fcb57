/*
 * Options may stand before and after the verb, as "--name value", "--name=value", "-Nvalue" or "-N
 * value".
 */
#include "ctl/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "common/uuid.h"
#include "ctl/moment.h"

#define SIMILAR_LEAST 5 /* characters of an option's name, its dashes included */

/* --- finding ---------------------------------------------------------------------------------- */

static const struct option *find_long(const char *name, size_t length)
{
	for (size_t i = 0; i < option_count; i++)
		if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
			return &options[i];
	return NULL;
}

static const struct option *find_letter(char letter)
{
	for (size_t i = 0; i < option_count; i++)
		if (options[i].letter && options[i].letter == letter)
			return &options[i];
	return NULL;
}

/* A verb of two words, and what it names. */
#define MOST_WORDS (2 + ARGUMENTS_MOST_IDS)

/* One pass over argv. */
struct scan {
	int argc;
	char *const *argv;
	int next;
	const char *words[MOST_WORDS]; /* what is not an option: the verb and its arguments */
	size_t word_count;
	const struct option *given[OPTIONS_MOST];
	size_t given_count;
};

/* --entity is not --entities, but whoever says one means the other. */
static bool begins_like(const char *name, const char *word)
{
	size_t length = strlen(word);

	size_t shorter = length < strlen(name) ? length : strlen(name);

	return shorter > SIMILAR_LEAST && strncmp(name, word, shorter - 1) == 0;
}

/* Of the options that the verb takes, or of all. Names of several rows stand there as often, which does no harm. */
static const char *nearest_option(const char *word, const char *verb)
{
	const char *names[OPTIONS_MOST];
	const char *similar = NULL;
	size_t count = 0;

	for (size_t i = 0; i < option_count; i++) {
		if (verb && !option_belongs_to(&options[i], verb))
			continue;
		names[count++] = options[i].name;
		if (begins_like(options[i].name, word))
			similar = options[i].name;
	}
	const char *nearest = text_nearest(word, names, count);

	return nearest ? nearest : similar;
}

/* The verb may already be known; it does not have to be good. */
static bool unknown_option(const struct scan *scan, const char *name, size_t length,
			   struct error *err)
{
	_cleanup_free_ char *word = text_format("%.*s", (int)length, name);
	size_t taken;
	const struct command *command = command_by_words(scan->words, scan->word_count, &taken);
	const char *nearest = nearest_option(word, command ? command->verb : NULL);

	error_set(err, ERROR_USAGE, "there is no option %s", word);
	if (nearest)
		return error_hint(err, "did you mean %s?", nearest);
	return command ? error_hint(err, "migratectl %s --help shows what it takes", command->verb)
		       : error_hint(err, "migratectl --help lists the options");
}

static bool unknown_verb(const char *const *words, size_t count, struct error *err)
{
	_cleanup_free_ char *nearest = command_nearest(words, count);
	bool in_group = count > 1 && command_is_group(words[0]);

	error_set(err, ERROR_USAGE, "there is no command %s%s%s", words[0], in_group ? " " : "",
		  in_group ? words[1] : "");
	if (nearest)
		return error_hint(err, "did you mean %s?", nearest);
	return in_group ? error_hint(err, "migratectl help %s lists its commands", words[0])
			: error_hint(err, "migratectl --help lists the commands");
}

/* --- values ----------------------------------------------------------------------------------- */

static bool are_names(const char *names)
{
	size_t length = strlen(names);

	return length > 0 && names[0] != ',' && names[length - 1] != ',' && !strstr(names, ",,");
}

#define CHOICES_MOST 16

/* Is it one of "a|b"? */
static bool is_one_of(const char *choices, const char *value)
{
	size_t length = strlen(value);

	while (*choices) {
		size_t word = strcspn(choices, "|");

		if (word == length && memcmp(choices, value, length) == 0)
			return true;
		choices += word + (choices[word] == '|');
	}
	return false;
}

static bool parse_count(const char *string, int64_t *ret_count)
{
	char *end;

	errno = 0;
	long long count = strtoll(string, &end, 10);

	if (errno || end == string || *end || count < 1)
		return false;
	*ret_count = count;
	return true;
}

static bool parse_seconds(const char *string, int64_t *ret_ms)
{
	char *end;
	int64_t ms;

	if (clock_parse_duration(string, &ms) && ms > 0) {
		*ret_ms = ms;
		return true;
	}
	double seconds = strtod(string, &end);

	if (end == string || *end || !(seconds > 0 && seconds < 1e9))
		return false;
	*ret_ms = (int64_t)(seconds * 1000) > 0 ? (int64_t)(seconds * 1000) : 1;
	return true;
}

static const char *expectation_of(enum option_kind kind)
{
	switch (kind) {
	case OPTION_FLAG:
		return "nothing";
	case OPTION_STRING:
		return "a value";
	case OPTION_NAMES:
		return "names separated by commas";
	case OPTION_CHOICE:
		return "one of";
	case OPTION_COUNT:
		return "a number of at least 1";
	case OPTION_SECONDS:
		return "seconds, or a time with its unit";
	case OPTION_KEY:
		return "an entity and a legacy key, ENTITY:KEY";
	case OPTION_MOMENT:
		return "a time that has passed (2h, 2026-01-05, \"2026-01-05 09:00\")";
	case OPTION_SESSION:
		return "the first four or more digits of a session's id";
	}
	return "something else";
}

/* Of "a|b"; the caller frees. */
static char *nearest_choice(const char *choices, const char *value)
{
	_cleanup_free_ char *copy = text_copy(choices);
	const char *words[CHOICES_MOST];
	size_t count = 0;
	char *rest = copy;

	for (char *word; (word = strsep(&rest, "|")) && count < CHOICES_MOST;)
		words[count++] = word;
	return text_copy(text_nearest(value, words, count));
}

static bool misfit(const struct option *option, const char *value, struct error *err)
{
	bool is_choice = option->kind == OPTION_CHOICE;
	_cleanup_free_ char *nearest = is_choice ? nearest_choice(option->value, value) : NULL;

	error_set(err, ERROR_USAGE, "%s needs %s%s%s, not \"%s\"", option->name,
		  expectation_of(option->kind), is_choice ? " " : "",
		  is_choice ? option->value : "", value);
	return nearest ? error_hint(err, "did you mean %s?", nearest) : false;
}

static bool set_value(struct arguments *arguments, const struct option *option, const char *value,
		      struct error *err)
{
	char *member = (char *)arguments + option->offset;

	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)member = true;
		return true;
	case OPTION_STRING:
	case OPTION_NAMES:
		if (option->kind == OPTION_STRING ? value[0] == '\0' : !are_names(value))
			break;
		*(const char **)member = value;
		return true;
	case OPTION_CHOICE: /* whether it is one of those that the verb knows, check_options() says */
		*(const char **)member = value;
		return true;
	case OPTION_COUNT:
		if (!parse_count(value, (int64_t *)member))
			break;
		return true;
	case OPTION_SECONDS:
		if (!parse_seconds(value, (int64_t *)member))
			break;
		return true;
	case OPTION_KEY:
		if (value[0] == ':' || !strchr(value, ':') ||
		    arguments->key_count == ARGUMENTS_MOST_IDS)
			break;
		arguments->keys[arguments->key_count++] = value;
		return true;
	case OPTION_MOMENT:
		if (!moment_parse(value, clock_wall_us(), (int64_t *)member))
			break;
		return true;
	case OPTION_SESSION:
		if (!uuid_is_prefix(value))
			break;
		*(const char **)member = value;
		return true;
	}
	return misfit(option, value, err);
}

/* --- the line --------------------------------------------------------------------------------- */

static bool take_option(struct scan *scan, struct arguments *arguments, const struct option *option,
			const char *attached, struct error *err)
{
	const char *value = attached;

	if (option->kind == OPTION_FLAG && attached)
		return error_set(err, ERROR_USAGE, "%s takes no value", option->name);
	if (option->kind != OPTION_FLAG && !attached) {
		if (scan->next >= scan->argc)
			return error_set(err, ERROR_USAGE, "%s needs a value: %s", option->name,
					 option->value);
		value = scan->argv[scan->next++];
	}
	if (scan->given_count < option_count)
		scan->given[scan->given_count++] = option;
	return set_value(arguments, option, value, err);
}

static bool take_long(struct scan *scan, struct arguments *arguments, const char *word,
		      struct error *err)
{
	size_t length = strcspn(word, "=");
	const struct option *option = find_long(word, length);

	if (!option)
		return unknown_option(scan, word, length, err);
	return take_option(scan, arguments, option, word[length] ? word + length + 1 : NULL, err);
}

static bool take_letter(struct scan *scan, struct arguments *arguments, const char *word,
			struct error *err)
{
	const struct option *option = find_letter(word[1]);

	if (!option)
		return unknown_option(scan, word, 2, err);
	return take_option(scan, arguments, option, word[2] ? word + 2 : NULL, err);
}

static bool take_word(struct scan *scan, const char *word, struct error *err)
{
	if (scan->word_count < MOST_WORDS) {
		scan->words[scan->word_count++] = word;
		return true;
	}
	return error_set(err, ERROR_USAGE, "there is one argument too many: %s", word);
}

static bool scan_line(struct scan *scan, struct arguments *arguments, struct error *err)
{
	bool options_ended = false;

	while (scan->next < scan->argc) {
		const char *word = scan->argv[scan->next++];
		bool taken;

		if (options_ended || word[0] != '-' || word[1] == '\0')
			taken = take_word(scan, word, err);
		else if (strcmp(word, "--") == 0)
			taken = options_ended = true;
		else if (word[1] == '-')
			taken = take_long(scan, arguments, word, err);
		else
			taken = take_letter(scan, arguments, word, err);
		if (!taken)
			return false;
	}
	return true;
}

/* The row of that name which is the verb's; NULL: it does not take it. */
static const struct option *row_of(const struct option *given, const char *verb)
{
	for (size_t i = 0; i < option_count; i++)
		if (strcmp(options[i].name, given->name) == 0 &&
		    option_belongs_to(&options[i], verb))
			return &options[i];
	return NULL;
}

static bool check_options(const struct scan *scan, const struct arguments *arguments,
			  struct error *err)
{
	const char *verb = arguments->command->verb;

	for (size_t i = 0; i < scan->given_count; i++) {
		const struct option *option = row_of(scan->given[i], verb);
		const char *value;

		if (!option) {
			const char *nearest = nearest_option(scan->given[i]->name, verb);

			error_set(err, ERROR_USAGE, "%s takes no %s", verb, scan->given[i]->name);
			return nearest ? error_hint(err, "did you mean %s?", nearest)
				       : error_hint(err, "migratectl %s --help shows what it takes",
						    verb);
		}
		if (option->kind != OPTION_CHOICE)
			continue;
		value = *(const char *const *)((const char *)arguments + option->offset);
		if (!is_one_of(option->value, value))
			return misfit(option, value, err);
	}
	return true;
}

/* Who wins must be said, and of which rows; that nothing is said must not mean everything. */
static bool check_decision(const struct arguments *arguments, struct error *err)
{
	if (strcmp(arguments->command->verb, "conflicts resolve") != 0)
		return true;
	if (arguments->source == arguments->target)
		return error_set(err, ERROR_USAGE,
				 "conflicts resolve needs one of --source and --target");
	if (arguments->id_count == 0 && !arguments->entity)
		return error_set(err, ERROR_USAGE,
				 "conflicts resolve needs the ids of conflicts, or --entity");
	return true;
}

/* All of it is one transaction, so it has one lane. */
static bool check_dry_run(const struct arguments *arguments, struct error *err)
{
	if (strcmp(arguments->command->verb, "migrate") != 0)
		return true;
	if (arguments->dry_run && arguments->parallel > 0)
		return error_set(err, ERROR_USAGE, "migrate takes no --parallel with --dry-run");
	if (!arguments->dry_run && (arguments->verbose || arguments->key_count > 0))
		return error_set(err, ERROR_USAGE, "migrate takes %s only with --dry-run",
				 arguments->verbose ? "--verbose" : "--key");
	return true;
}

/* Showing what was found starts nothing. */
static bool check_validation(const struct arguments *arguments, struct error *err)
{
	if (strcmp(arguments->command->verb, "validate") != 0)
		return true;
	if (!arguments->show && (arguments->entity || arguments->limit > 0))
		return error_set(err, ERROR_USAGE, "validate takes %s only with --show",
				 arguments->entity ? "--entity" : "--limit");
	if (arguments->show && (arguments->checks || arguments->repair || arguments->exclude ||
				arguments->wait || arguments->no_wait))
		return error_set(err, ERROR_USAGE, "validate --show only shows what was found");
	if (arguments->wait && arguments->no_wait)
		return error_set(err, ERROR_USAGE, "--wait or --no-wait");
	if (!arguments->show || arguments->name_count == 0)
		return true;
	if (arguments->name_count > 1 || !uuid_is_prefix(arguments->names[0])) {
		error_set(err, ERROR_USAGE, "%s is not a validation",
			  arguments->names[arguments->name_count - 1]);
		return error_hint(err, "validations are named by the first four or more digits of "
				       "their id; --entity chooses an entity");
	}
	return true;
}

/* What is asked by only one of both kinds is not passed over. */
static bool check_audit(const struct arguments *arguments, struct error *err)
{
	if (strcmp(arguments->command->verb, "audit") != 0)
		return true;
	if (arguments->commands && arguments->rows)
		return error_set(err, ERROR_USAGE,
				 "audit shows either --commands or --rows, not both at a time");
	if (arguments->key_count > 0 && !arguments->rows)
		return error_set(err, ERROR_USAGE, "audit takes --key only with --rows");
	if (arguments->key_count > 1 || (arguments->key_count > 0 && arguments->entity))
		return error_set(err, ERROR_USAGE, "audit takes one --key, which names its entity");
	if (arguments->user && arguments->rows)
		return error_set(
			err, ERROR_USAGE,
			"audit takes --user only of commands: rows are changed by sessions");
	return true;
}

/* Only the accounts are by entity. */
static bool check_together(const struct arguments *arguments, struct error *err)
{
	bool is_status = strcmp(arguments->command->verb, "status") == 0;

	if (is_status && !arguments->accounts && (arguments->entities || arguments->exclude))
		return error_set(err, ERROR_USAGE, "status takes %s only with --accounts",
				 arguments->entities ? "--entities" : "--exclude");
	return check_decision(arguments, err) && check_dry_run(arguments, err) &&
	       check_validation(arguments, err) && check_audit(arguments, err);
}

/* --- what a verb is given ----------------------------------------------------------------------- */

static bool take_session(struct arguments *arguments, const char *word, struct error *err)
{
	if (!uuid_is_prefix(word)) {
		error_set(err, ERROR_USAGE, "%s is not a session", word);
		return error_hint(err, "sessions are named by the first four or more digits of "
				       "their id; migratectl list shows them");
	}
	arguments->session = word;
	return true;
}

static bool take_id(struct arguments *arguments, const char *word, struct error *err)
{
	int64_t id;

	if (!parse_count(word, &id)) {
		error_set(err, ERROR_USAGE, "%s is not an id", word);
		return error_hint(err, "ids are numbers; migratectl %.*s list shows them",
				  (int)strcspn(arguments->command->verb, " "),
				  arguments->command->verb);
	}
	arguments->ids[arguments->id_count++] = id;
	return true;
}

static bool take_name(struct arguments *arguments, const char *word, struct error *err)
{
	if (word[0] == '\0')
		return error_set(err, ERROR_USAGE, "an entity has a name");
	arguments->names[arguments->name_count++] = word;
	return true;
}

static bool take_row(struct arguments *arguments, const char *word, struct error *err)
{
	const char **member = arguments->entity ? &arguments->key : &arguments->entity;

	if (word[0] == '\0')
		return error_set(err, ERROR_USAGE, "%s needs a name and a key that are not empty",
				 arguments->command->verb);
	*member = word;
	return true;
}

/* The forms of `arguments` in the table of commands. */
static const struct form {
	const char *arguments;
	size_t least;
	size_t most;
	bool (*take)(struct arguments *arguments, const char *word, struct error *err);
} forms[] = {
	{ "", 0, 0, NULL },
	{ "[SESSION]", 0, 1, take_session },
	{ "SESSION", 1, 1, take_session },
	{ "ID", 1, 1, take_id },
	{ "[ID]...", 0, ARGUMENTS_MOST_IDS, take_id },
	{ "[ENTITY]...", 0, ARGUMENTS_MOST_IDS, take_name },
	{ "ENTITY KEY", 2, 2, take_row },
};

static const struct form *form_of(const struct command *command)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
		if (strcmp(forms[i].arguments, command->arguments) == 0)
			return &forms[i];
	return &forms[0];
}

static bool take_arguments(struct arguments *arguments, const char *const *words, size_t count,
			   struct error *err)
{
	const struct form *form = form_of(arguments->command);
	const char *verb = arguments->command->verb;

	if (count > form->most)
		return form->most == 0
			       ? error_set(err, ERROR_USAGE, "%s takes no argument: %s", verb,
					   words[0])
			       : error_set(err, ERROR_USAGE, "there is one argument too many: %s",
					   words[form->most]);
	if (count < form->least && !arguments->help && !arguments->version) {
		error_set(err, ERROR_USAGE, "%s needs %s: %s", verb,
			  form->least > 1 ? "arguments" : "an argument", form->arguments);
		return error_hint(err, "migratectl %s --help shows what it takes", verb);
	}
	for (size_t i = 0; i < count; i++)
		if (!form->take(arguments, words[i], err))
			return false;
	return true;
}

static bool take_words(const struct scan *scan, struct arguments *arguments, struct error *err)
{
	const char *const *words = scan->words;
	size_t count = scan->word_count, taken;

	if (count > 0 && strcmp(words[0], "help") == 0) {
		arguments->help = true;
		words++;
		count--;
	}
	if (count == 0) {
		if (arguments->help || arguments->version)
			return true;
		error_set(err, ERROR_USAGE, "what is to be done?");
		return error_hint(err, "migratectl --help lists the commands");
	}
	arguments->command = command_by_words(words, count, &taken);
	if (!arguments->command)
		return unknown_verb(words, count, err);
	if (arguments->help && taken == 1 && command_is_group(words[0]))
		arguments->group = words[0];
	return check_options(scan, arguments, err) &&
	       take_arguments(arguments, words + taken, count - taken, err) &&
	       (arguments->help || check_together(arguments, err));
}

const char *arguments_default_socket(void)
{
	const char *socket = getenv("MIGRATED_SOCKET");

	return socket && socket[0] ? socket : OPTIONS_DEFAULT_SOCKET;
}

bool arguments_parse(struct arguments *ret_arguments, int argc, char *const *argv,
		     struct error *err)
{
	struct scan scan = { .argc = argc, .argv = argv, .next = 1 };
	struct arguments arguments = { 0 };

	arguments.socket = arguments_default_socket();
	if (!scan_line(&scan, &arguments, err) || !take_words(&scan, &arguments, err))
		return false;
	*ret_arguments = arguments;
	return true;
}

json_t *arguments_names(const char *names)
{
	json_t *list = json_array();

	for (const char *at = names; at;) {
		size_t length = strcspn(at, ",");

		json_array_append_new(list, json_stringn(at, length));
		at = at[length] == ',' ? at + length + 1 : NULL;
	}
	return list;
}
