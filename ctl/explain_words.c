/*
 * Tables from the state of a row to what is said of it. Words in braces are filled in.
 */
#include "ctl/explain_words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "ctl/format.h"
#include "ctl/reply.h"

/* --- names ---------------------------------------------------------------------------------------- */

char *explain_row(const json_t *object, const char *entity, const char *key)
{
	_cleanup_free_ char *name = reply_key(object, key);

	return text_format("%s %s", reply_string_or(object, entity, "-"), name);
}

char *explain_letter(const json_t *letter)
{
	const char *cause = reply_string_or(letter, "column",
					    reply_string_or(letter, "constraint", ""));

	return text_format("%sdead letter %lld (%s%s%s)",
			   strcmp(reply_string_or(letter, "state", ""), "discarded") == 0
				   ? "the discarded "
				   : "",
			   (long long)reply_integer(letter, "id"),
			   reply_string_or(letter, "sqlstate", "-"), cause[0] ? " " : "", cause);
}

static const char *state_of_parent(const json_t *waiting)
{
	return reply_string_or(waiting, "parent_state", "");
}

char *explain_parent(const json_t *waiting)
{
	static const struct {
		const char *state;
		const char *words;
	} words[] = {
		{ "ring", ", which waits for it in its turn" },
		{ "arrived", ", which has arrived meanwhile" },
		{ "not_carried", ", which is in the source and not carried over yet" },
		{ "filtered_out", ", which the mapping leaves out (where)" },
		{ "not_in_source", ", which is not in the source" },
		{ "parked", ", which waits itself" },
	};
	const json_t *letter = json_object_get(waiting, "parent_letter");
	_cleanup_free_ char *row = explain_row(waiting, "parent_entity", "parent_key");
	const char *more = "";

	if (json_is_object(letter)) {
		_cleanup_free_ char *which = explain_letter(letter);

		return text_format("%s (by %s), which is %s", row,
				   reply_string_or(waiting, "column", "-"), which);
	}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i].state, state_of_parent(waiting)) == 0)
			more = words[i].words;
	return text_format("%s (by %s)%s", row, reply_string_or(waiting, "column", "-"), more);
}

/* A word as a shell takes it. */
static void append_quoted(struct text *text, const char *word)
{
	bool plain = word[0] != '\0' && word[0] != '-';

	for (const char *c = word; *c; c++)
		plain &= isalnum((unsigned char)*c) || strchr("_-.,:/@+", *c);
	if (plain) {
		text_append(text, word);
		return;
	}
	text_append(text, "'");
	for (const char *c = word; *c; c++)
		if (*c == '\'')
			text_append(text, "'\\''");
		else
			text_append_bytes(text, c, 1);
	text_append(text, "'");
}

/* A key as explain takes it: parts that need it in double quotes, unless it is of one part. */
static char *key_argument(const json_t *key)
{
	_cleanup_text_ struct text parts = TEXT_INIT;
	bool several = json_array_size(key) > 1;
	size_t i;
	json_t *part;

	json_array_foreach(key, i, part) {
		const char *string = json_string_value(part);
		bool quoted = several && string && (strpbrk(string, ",\"") || string[0] == ' ');

		text_append(&parts, i > 0 ? "," : "");
		text_append(&parts, quoted ? "\"" : "");
		for (const char *c = string ? string : ""; *c; c++) {
			text_append(&parts, quoted && *c == '"' ? "\"" : "");
			text_append_bytes(&parts, c, 1);
		}
		text_append(&parts, quoted ? "\"" : "");
	}
	return text_copy(text_string(&parts));
}

static char *explain_command(const char *entity, const json_t *key)
{
	_cleanup_free_ char *argument = key_argument(key);
	struct text text = TEXT_INIT;

	text_append(&text, "migratectl explain ");
	append_quoted(&text, entity);
	text_append(&text, argument[0] == '-' ? " -- " : " ");
	append_quoted(&text, argument);
	return text_steal(&text);
}

/* --- what is known -------------------------------------------------------------------------------- */

static const json_t *first_of(const json_t *e, const char *list)
{
	return json_array_get(json_object_get(e, list), 0);
}

/* What everything else waits for. */
static const json_t *root_of(const json_t *e)
{
	const json_t *waits = json_object_get(e, "waits_for");
	size_t count = json_array_size(waits);

	return count > 0 ? json_array_get(waits, count - 1) : NULL;
}

static const char *trouble_of(const json_t *e)
{
	const char *source = reply_string(json_object_get(e, "source"), "error");
	const char *target = reply_string(json_object_get(e, "target"), "error");
	const char *misfit = reply_string(e, "misfit");

	return target ? target : source ? source : misfit ? misfit : "no reason is given";
}

static bool is_older_there(const json_t *e)
{
	return reply_bool(json_object_get(e, "target"), "present");
}

static char *waiting_sentence(const json_t *e)
{
	struct text text = TEXT_INIT;
	size_t i;
	json_t *waits;

	json_array_foreach(json_object_get(e, "waits_for"), i, waits) {
		_cleanup_free_ char *row = explain_row(waits, "parent_entity", "parent_key");
		_cleanup_free_ char *parent = explain_parent(waits);
		bool last = i + 1 == json_array_size(json_object_get(e, "waits_for"));

		if (i > 0)
			text_append(&text, ", which waits for ");
		text_append(&text, last ? parent : row);
		if (i > 2 && !last) {
			_cleanup_free_ char *root = explain_parent(root_of(e));

			text_appendf(&text, " and so on up to %s", root);
			break;
		}
	}
	return text_steal(&text);
}

/* --- the sentence --------------------------------------------------------------------------------- */

static const struct {
	const char *state;
	const char *sentence;
} sentences[] = {
	{ "equal", "{row} is in the target as {target}, and equal to the source" },
	{ "deferred", "{row} is in the target as {target}; what is missing there is {deferred}" },
	{ "edited",
	  "{row} is in the target as {target}, and was edited there: {columns} not as in the source" },
	{ "different",
	  "{row} is in the target as {target}, as migrated wrote it, and {columns} not "
	  "what the source makes of it now" },
	{ "swapped",
	  "{row} leads to {target} in the target, a row that carries another legacy key: "
	  "{carries}" },
	{ "lost",
	  "{row} was carried over as {target}, and that row is not in the target any more: it "
	  "was deleted there" },
	{ "kept", "{row} was edited in the target, and the target's version was decided for" },
	{ "changed", "{row} has changed in the source, and that version was not carried over "
		     "yet{older}" },
	{ "back", "{row} was gone, and is in the source again; that was not carried over yet" },
	{ "new", "{row} is in the source, and was not carried over yet{never}" },
	{ "mapping_changed",
	  "{row} waits, as all rows of {entity} do: their mapping has changed, and "
	  "they were not all read since{older}" },
	{ "discarded", "{row} is {letter}: it is not tried again until it changes in the "
		       "source{older}" },
	{ "dead_letter", "{row} could not be carried over: it is {letter}{older}" },
	{ "parked", "{row} waits for {waits}{older}" },
	{ "held",
	  "{row} has changed on both sides: it is held (conflict {conflict}) until somebody "
	  "decides" },
	{ "leaving", "{row} is not in the source {wanted}; the target has not followed yet" },
	{ "marked",
	  "{row} is not in the source {wanted}; its target row {target} is marked as gone" },
	{ "deleted", "{row} is not in the source {wanted}, and was deleted in the target{again}" },
	{ "left",
	  "{row} is not in the source {wanted}; its target row {target} stays, as the mapping "
	  "says (on_delete: ignore)" },
	{ "deletion_held", "{row} is not in the source {wanted}, and was edited in the target: its "
			   "deletion is held (conflict {conflict}) until somebody decides" },
	{ "deletion_refused",
	  "{row} is not in the source {wanted}, and the target refuses to delete it: {letter}" },
	{ "filtered", "{row} is in the source, and the mapping leaves it out (where)" },
	{ "extra", "{row} is not in the source {wanted}, and nothing leads to the target row that "
		   "carries its key: {carriers}" },
	{ "unknown", "{row} is nowhere: neither database has it, and it was never seen" },
	{ "foreign", "{row} is in the target, and nothing that was carried over leads to it" },
};

static char *unchecked_sentence(const json_t *e, const char *row, const char *target)
{
	const json_t *source_side = json_object_get(e, "source");
	const json_t *target_side = json_object_get(e, "target");
	const char *trouble = trouble_of(e);

	if (!reply_bool(target_side, "asked") && !reply_bool(source_side, "asked"))
		return text_format("Where %s is cannot be said: %s", row, trouble);
	if (!reply_bool(target_side, "asked"))
		return text_format("%s is %s; whether the target has it cannot be said: %s", row,
				   reply_bool(source_side, "wanted") ? "in the source"
				   : reply_bool(source_side, "present")
					   ? "in the source, and the "
					     "mapping leaves it out (where)"
					   : "not in the source",
				   trouble);
	if (!reply_bool(source_side, "asked") && !json_is_object(json_object_get(e, "map")))
		return text_format("%s was never carried over; whether the source has it cannot be "
				   "said: %s",
				   row, trouble);
	if (!reply_bool(source_side, "asked"))
		return text_format("%s %s in the target as %s; whether the source has it, and both "
				   "are equal, cannot be said: %s",
				   row,
				   reply_bool(target_side, "present") ? "is" : "is not any more",
				   target, trouble);
	return text_format(
		"%s leads to %s in the target; whether both are equal cannot be said: %s", row,
		target, trouble);
}

/* "name and city are", "name is", "6 columns are". */
static char *columns_words(const json_t *e)
{
	const json_t *columns = json_object_get(e, "columns");
	_cleanup_free_ char *names = reply_join(columns);
	size_t count = json_array_size(columns);

	if (count > 5)
		return text_format("%zu columns are", count);
	return text_format("%s %s", names, count == 1 ? "is" : "are");
}

static char *carriers_words(const json_t *e)
{
	struct text text = TEXT_INIT;
	size_t i;
	json_t *key;

	json_array_foreach(json_object_get(e, "carriers"), i, key) {
		json_auto_t *object = json_pack("{s:O}", "key", key);
		_cleanup_free_ char *name = reply_key(object, "key");

		text_separate(&text, ", ");
		text_append(&text, name);
	}
	return text_steal(&text);
}

static char *deferred_words(const json_t *e)
{
	const json_t *deferred = json_object_get(e, "deferred");
	const json_t *first = json_array_get(deferred, 0);
	_cleanup_free_ char *parent = first ? explain_parent(first) : text_copy("-");
	size_t more = json_array_size(deferred);

	return more > 1 ? text_format("%s, and %zu more", parent, more - 1) : text_copy(parent);
}

static char *fill(const json_t *e, const char *template)
{
	const json_t *letter = json_object_get(e, "letter");
	const json_t *conflict = first_of(e, "conflicts");
	_cleanup_free_ char *legacy = explain_row(e, "entity", "legacy_key");
	_cleanup_free_ char *target = reply_key(e, "target_key");
	_cleanup_free_ char *by_target = text_format("%s row %s", reply_string_or(e, "entity", "-"),
						     target);
	_cleanup_free_ char *columns = columns_words(e);
	_cleanup_free_ char *carries = reply_key(json_object_get(e, "map"), "carries");
	_cleanup_free_ char *carriers = carriers_words(e);
	_cleanup_free_ char *dead = explain_letter(letter);
	_cleanup_free_ char *waits = waiting_sentence(e);
	_cleanup_free_ char *deferred = deferred_words(e);
	_cleanup_free_ char *number = text_format("%lld", (long long)reply_integer(conflict, "id"));
	_cleanup_free_ char *letter_id = text_format("%lld",
						     (long long)reply_integer(letter, "id"));
	_cleanup_free_ char *root_entity = text_copy(
		reply_string_or(root_of(e), "parent_entity", "-"));
	_cleanup_text_ struct text text = TEXT_INIT;
	const char *mapping = reply_string_or(e, "mapping", "never");

	text_fill(
		&text, template,
		(const struct text_hole[]){
			{ "row",
			  json_is_array(json_object_get(e, "legacy_key")) ? legacy : by_target },
			{ "entity", reply_string_or(e, "entity", "-") },
			{ "target", target },
			{ "columns", columns },
			{ "carries", carries },
			{ "carriers", carriers },
			{ "letter", dead },
			{ "letter_id", letter_id },
			{ "waits", waits },
			{ "deferred", deferred },
			{ "conflict", number },
			{ "parent", root_entity },
			{ "wanted", reply_bool(json_object_get(e, "source"), "present")
					    ? "that the mapping takes (where)"
					    : "any more" },
			{ "older", is_older_there(e)
					   ? "; an older version of it stands in the target"
					   : "" },
			{ "never",
			  strcmp(mapping, "never") == 0 ? ": its entity was never migrated" : "" },
			{ "again", is_older_there(e) ? "; a row with its key is there again" : "" },
			{ NULL, NULL } });
	return text_steal(&text);
}

char *explain_sentence(const json_t *e)
{
	const char *state = reply_string_or(e, "state", "unchecked");
	_cleanup_free_ char *row = fill(e, "{row}");
	_cleanup_free_ char *target = reply_key(e, "target_key");
	_cleanup_free_ char *sentence = NULL;

	for (size_t i = 0; !sentence && i < sizeof sentences / sizeof sentences[0]; i++)
		if (strcmp(sentences[i].state, state) == 0)
			sentence = fill(e, sentences[i].sentence);
	if (!sentence)
		sentence = unchecked_sentence(e, row, target);
	return text_format("%s.", sentence);
}

/* --- what to do ----------------------------------------------------------------------------------- */

#define MIGRATE "migratectl migrate --entities {entity} --wait"
#define SWEEP "migratectl migrate --entities {entity} --strategy sweep --wait"
#define REPAIR "migratectl validate {entity} --checks values --repair"

static const struct advice {
	const char *state;
	const char *advice;
	const char *command;
} advices[] = {
	{ "edited",
	  "Nothing, if the edit is right: it stands until the row changes in the source, and then "
	  "the mapping's on_conflict decides. To have the source's version of all rows that differ:",
	  REPAIR },
	{ "different",
	  "A trigger or a default of the target has changed what was written, or a row that it refers "
	  "to stands for another one now. To have it written again, with all rows that differ:",
	  REPAIR },
	{ "swapped", "Find out who has changed the target's legacy keys. To see all such rows:",
	  "migratectl validate {entity} --checks mappings" },
	{ "lost", "To have it again, with all rows that differ:", REPAIR },
	{ "kept", "To have the source's version after all:",
	  "migratectl conflicts resolve {conflict} --source" },
	{ "changed", "The next session carries it:", SWEEP },
	{ "back", "The next session carries it:", SWEEP },
	{ "new", "The next session carries it:", SWEEP },
	{ "mapping_changed", "A session reads all of them:", MIGRATE },
	{ "discarded",
	  "To have it tried again:", "migratectl dead-letters retry {letter_id} --wait" },
	{ "dead_letter", "Mend its cause, then have it tried again:",
	  "migratectl dead-letters retry {letter_id} --wait" },
	{ "held", "Look at both versions, then decide, --source or --target:",
	  "migratectl conflicts resolve {conflict} --source" },
	{ "leaving", "Only a sweep sees what is gone:", SWEEP },
	{ "deletion_held", "Decide, --source (it is deleted) or --target (it stays):",
	  "migratectl conflicts resolve {conflict} --source" },
	{ "deletion_refused", "Mend its cause, then have it tried again:",
	  "migratectl dead-letters retry {letter_id} --wait" },
	{ "extra",
	  "It was not carried over by migrated, or its id map was lost. To see all such rows:",
	  "migratectl validate {entity} --checks mappings" },
	{ "unchecked",
	  "What is wrong with the databases, or the mapping, says:", "migratectl check" },
	{ "unknown", "If this is a key of the target, say so with --target. What there is:",
	  "migratectl analyze --entities {entity}" },
};

/* Of a row that waits, by what becomes of the row at the end of the chain. */
static const struct advice root_advices[] = {
	{ "ring",
	  "They refer to each other: let a column of the ring be NULL in the target, so that it can "
	  "be filled in later; or bring them in one batch. What the mapping makes of it:",
	  "migratectl plan" },
	{ "arrived", "It follows in the next session:", MIGRATE },
	{ "not_carried", "Carry what it waits for; it follows in the same session:",
	  "migratectl migrate --entities {parent},{entity} --strategy sweep --wait" },
	{ "filtered_out",
	  "Have the mapping take what it waits for (where), or mend the reference in the source, or "
	  "carry such rows without it (\"if_missing\": \"null\").",
	  NULL },
	{ "not_in_source",
	  "Bring what it waits for into the source, or mend the reference there, or carry such rows "
	  "without it (\"if_missing\": \"null\"). It follows by itself.",
	  NULL },
};

static const struct advice *advice_among(const struct advice *advice, size_t count,
					 const char *state)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(advice[i].state, state) == 0)
			return &advice[i];
	return NULL;
}

/* It is going to be carried already: by the session under way, or by the next. */
static const char *next_of_noted(const json_t *e, char **ret_command)
{
	static const char *const waiting[] = { "changed",	  "back", "new",	"leaving",
					       "mapping_changed", "lost", "dead_letter" };
	const json_t *noted = json_object_get(e, "noted");
	const char *session = reply_string(noted, "session");
	const char *state = reply_string_or(e, "state", "");
	bool waits = false;
	char id[FORMAT_SIZE];

	for (size_t i = 0; i < sizeof waiting / sizeof waiting[0]; i++)
		waits |= strcmp(waiting[i], state) == 0;
	if (!waits || (!json_is_object(noted) && !reply_string(e, "again")))
		return NULL;
	*ret_command = session ? text_format("migratectl watch %s", format_short_id(id, session))
			       : text_copy("migratectl migrate --wait");
	return session ? "The session under way carries it:"
		       : "It is noted; the next session carries it:";
}

static char *next_of_waiting(const json_t *e, char **ret_command)
{
	const json_t *root = root_of(e);
	const json_t *letter = json_object_get(root, "parent_letter");
	const struct advice *advice = advice_among(root_advices,
						   sizeof root_advices / sizeof root_advices[0],
						   state_of_parent(root));

	if (json_is_object(letter)) {
		*ret_command = text_format("migratectl dead-letters show %lld",
					   (long long)reply_integer(letter, "id"));
		return text_copy("It follows by itself when that is mended. What can be done:");
	}
	if (!advice) {
		*ret_command = explain_command(reply_string_or(root, "parent_entity", "-"),
					       json_object_get(root, "parent_key"));
		return text_copy("It follows by itself. What becomes of what it waits for:");
	}
	*ret_command = advice->command ? fill(e, advice->command) : NULL;
	return text_copy(advice->advice);
}

static char *next_of_deferred(const json_t *e, char **ret_command)
{
	const json_t *first = first_of(e, "deferred");

	*ret_command = explain_command(reply_string_or(first, "parent_entity", "-"),
				       json_object_get(first, "parent_key"));
	return text_copy("It is filled in by the session that brings what it refers to. Of that:");
}

char *explain_next(const json_t *e, char **ret_command)
{
	const char *state = reply_string_or(e, "state", "unchecked");
	const char *given = reply_string(e, "advice");
	const struct advice *advice = advice_among(advices, sizeof advices / sizeof advices[0],
						   state);
	const char *noted;

	*ret_command = NULL;
	noted = next_of_noted(e, ret_command);
	if (noted)
		return text_copy(noted);
	if (strcmp(state, "parked") == 0)
		return next_of_waiting(e, ret_command);
	if (strcmp(state, "deferred") == 0)
		return next_of_deferred(e, ret_command);
	if (!advice)
		return text_copy("");
	*ret_command = fill(e, advice->command);
	if (given && strcmp(state, "discarded") != 0)
		return text_copy(given);
	return text_copy(advice->advice);
}
