/*
 * The state of a row, from what was found of it: a table of states in the order in which they are asked for, each with its condition, so that
 * what says more stands before what says less. Where account.sql knows the class, it is the same.
 */
#include <string.h>

#include "verify/explain.h"

/* --- words of an explanation ---------------------------------------------------------------------- */

static const json_t *member(const json_t *object, const char *a, const char *b)
{
	return json_object_get(json_object_get(object, a), b);
}

static bool is(const json_t *value, const char *word)
{
	return json_is_string(value) && strcmp(json_string_value(value), word) == 0;
}

static bool is_any(const json_t *value)
{
	return json_array_size(value) > 0;
}

static bool source_is_asked(const json_t *e)
{
	return json_is_true(member(e, "source", "asked"));
}

/* The source has a row that is to be carried. */
static bool is_wanted(const json_t *e)
{
	return json_is_true(member(e, "source", "wanted"));
}

static bool is_mapped(const json_t *e)
{
	return json_is_object(json_object_get(e, "map"));
}

static bool is_found_gone(const json_t *e)
{
	return json_is_string(member(e, "map", "gone"));
}

static bool is_there(const json_t *e)
{
	return json_is_true(member(e, "map", "present"));
}

/* As far as is known, there is no source row to be carried (any more). */
static bool is_gone(const json_t *e)
{
	return source_is_asked(e) ? !is_wanted(e) : is_found_gone(e);
}

static bool letter_is(const json_t *e, const char *state, bool of_deletion)
{
	return is(member(e, "letter", "state"), state) &&
	       is(member(e, "letter", "phase"), "delete") == of_deletion;
}

/* The last conflict, or the one that is held. */
static bool conflict_is(const json_t *e, const char *state, const char *in_source)
{
	const json_t *conflict = json_array_get(json_object_get(e, "conflicts"), 0);

	return is(json_object_get(conflict, "state"), state) &&
	       is(json_object_get(conflict, "in_source"), in_source);
}

/* Is the version of the source that this was about the one that it has now? */
static bool is_of_version(const json_t *e, const char *what)
{
	return json_equal(member(e, "versions", what), member(e, "versions", "source"));
}

/* --- conditions ----------------------------------------------------------------------------------- */

static bool nothing_is_known(const json_t *e)
{
	return !json_is_true(member(e, "target", "asked"));
}

static bool is_foreign(const json_t *e)
{
	return !json_is_array(json_object_get(e, "legacy_key")) &&
	       json_is_true(member(e, "target", "present"));
}

static bool is_nameless(const json_t *e)
{
	return !json_is_array(json_object_get(e, "legacy_key"));
}

static bool deletion_is_refused(const json_t *e)
{
	return is_gone(e) && letter_is(e, "open", true);
}

static bool deletion_is_held(const json_t *e)
{
	return is_gone(e) && conflict_is(e, "held", "deleted");
}

static bool is_left(const json_t *e)
{
	return is_gone(e) && is_found_gone(e) && is(json_object_get(e, "on_delete"), "ignore");
}

static bool is_marked(const json_t *e)
{
	return is_gone(e) && is_found_gone(e) && is(json_object_get(e, "on_delete"), "mark");
}

static bool is_deleted(const json_t *e)
{
	return is_gone(e) && is_found_gone(e);
}

static bool is_leaving(const json_t *e)
{
	return is_gone(e) && (is_mapped(e) || letter_is(e, "open", false) ||
			      is_any(json_object_get(e, "waits_for")));
}

static bool is_filtered(const json_t *e)
{
	return json_is_true(member(e, "source", "present")) && is_gone(e);
}

static bool is_extra(const json_t *e)
{
	return is_gone(e) && is_any(json_object_get(e, "carriers"));
}

static bool is_dead_letter(const json_t *e)
{
	return letter_is(e, "open", false);
}

static bool is_parked(const json_t *e)
{
	return is_any(json_object_get(e, "waits_for"));
}

static bool is_held(const json_t *e)
{
	return conflict_is(e, "held", "changed");
}

static bool source_is_unknown(const json_t *e)
{
	return !source_is_asked(e);
}

static bool mapping_has_changed(const json_t *e)
{
	return is(json_object_get(e, "mapping"), "changed");
}

static bool is_discarded(const json_t *e)
{
	return letter_is(e, "discarded", false) && is_of_version(e, "letter");
}

static bool is_new(const json_t *e)
{
	return !is_mapped(e);
}

static bool has_changed(const json_t *e)
{
	return json_is_false(json_object_get(e, "handled"));
}

static bool version_is_unknown(const json_t *e)
{
	return !json_is_true(json_object_get(e, "handled"));
}

static bool is_kept(const json_t *e)
{
	const json_t *conflict = json_array_get(json_object_get(e, "conflicts"), 0);

	return (is(json_object_get(conflict, "state"), "kept") ||
		(is(json_object_get(conflict, "state"), "resolved") &&
		 is(json_object_get(conflict, "resolution"), "target"))) &&
	       is_of_version(e, "conflict") &&
	       (is_there(e) || is(json_object_get(conflict, "in_target"), "deleted"));
}

static bool is_lost(const json_t *e)
{
	return json_is_false(member(e, "map", "present"));
}

static bool is_not_compared(const json_t *e)
{
	return !json_is_true(json_object_get(e, "compared"));
}

static bool is_swapped(const json_t *e)
{
	const json_t *carries = member(e, "map", "carries");

	return json_is_string(json_array_get(carries, 0)) &&
	       !json_equal(carries, json_object_get(e, "legacy_key"));
}

/* Of the columns that differ, is there one that is not merely waiting for its parent? */
static bool differs_beyond_deferred(const json_t *e)
{
	const json_t *deferred = json_object_get(e, "deferred");
	size_t i, j;
	json_t *column, *reference;

	json_array_foreach(json_object_get(e, "columns"), i, column) {
		bool waits = false;

		json_array_foreach(deferred, j, reference)
			waits |= json_equal(json_object_get(reference, "column"), column);
		if (!waits)
			return true;
	}
	return false;
}

static bool is_edited(const json_t *e)
{
	return differs_beyond_deferred(e) && json_is_true(member(e, "map", "edited"));
}

static bool is_deferred(const json_t *e)
{
	return is_any(json_object_get(e, "deferred"));
}

static bool always(const json_t *e)
{
	(void)e;
	return true;
}

/* --- states --------------------------------------------------------------------------------------- */

static const struct {
	const char *state;
	bool (*holds)(const json_t *explanation);
} states[] = {
	{ "unchecked", nothing_is_known },
	{ "foreign", is_foreign }, /* a row of the target that nothing leads to */
	{ "unknown", is_nameless },
	{ "deletion_refused", deletion_is_refused },
	{ "deletion_held", deletion_is_held },
	{ "left", is_left },
	{ "marked", is_marked },
	{ "deleted", is_deleted },
	{ "leaving", is_leaving },
	{ "extra", is_extra },
	{ "filtered", is_filtered },
	{ "unknown", is_gone },
	{ "dead_letter", is_dead_letter },
	{ "parked", is_parked },
	{ "held", is_held },
	{ "unchecked", source_is_unknown },
	{ "mapping_changed", mapping_has_changed },
	{ "discarded", is_discarded },
	{ "new", is_new },
	{ "back", is_found_gone },
	{ "changed", has_changed },
	{ "unchecked", version_is_unknown },
	{ "kept", is_kept },
	{ "lost", is_lost },
	{ "swapped", is_swapped },
	{ "unchecked", is_not_compared },
	{ "edited", is_edited },
	{ "different", differs_beyond_deferred },
	{ "deferred", is_deferred },
	{ "equal", always },
};

const char *explain_state(const json_t *explanation)
{
	size_t i = 0;

	while (!states[i].holds(explanation))
		i++;
	return states[i].state;
}
