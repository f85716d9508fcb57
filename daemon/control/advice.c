/*
 * See advice.h. The first row that fits counts, so what is special stands before its class.
 */
#include "control/advice.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *phase;    /* NULL: any */
	const char *sqlstate; /* its beginning */
	const char *advice;
} advices[] = {
	{ "delete", "23503",
	  "The source has not got the row any more, and rows of the target still refer to it. Delete "
	  "or repoint those, or have the mapping mark instead of delete; then retry." },
	{ "delete", "",
	  "The source has not got the row any more, and the target refuses to delete it. Mend that in "
	  "the target; then retry, or leave it to the next sweep." },
	{ "rule", "",
	  "A business rule of the mapping rejects the row. Mend the row in the source, or the rule." },
	{ NULL, "23502",
	  "The target column must have a value. Give it one in the source, or in the mapping "
	  "(\"sql\": \"coalesce(...)\"), or let the column be NULL." },
	{ NULL, "23503",
	  "The parent that the row names is not there. Bring the parent, or mend the reference in the "
	  "source; \"if_missing\": \"park\" has such rows wait instead, \"null\" carries them without." },
	{ NULL, "23505",
	  "Another row of the target has the same value. Find it by the constraint's columns, and "
	  "mend one of the two in the source. It is tried again when rows of the entity change." },
	{ NULL, "23P01",
	  "Another row of the target stands in the way of this one. Mend one of the two in the "
	  "source. It is tried again when rows of the entity change." },
	{ NULL, "23514",
	  "A CHECK constraint of the target refuses a value. Mend the row in the source, or the "
	  "mapping, or the constraint; then retry." },
	{ NULL, "23",
	  "A constraint of the target refuses the row. Mend the row in the source, or the mapping, or "
	  "the constraint; then retry." },
	{ NULL, "22001",
	  "A value is longer than its target column. Shorten it in the source or the mapping "
	  "(\"sql\": \"left(...)\"), or widen the column; then retry." },
	{ NULL, "22003",
	  "A number is out of the range of its target column. Mend it in the source, or widen the "
	  "column; then retry." },
	{ NULL, "22007",
	  "A text is no date or time. Mend it in the source, or convert it in the mapping (\"sql\")." },
	{ NULL, "22008",
	  "A date or time is out of range. Mend it in the source, or convert it in the mapping." },
	{ NULL, "2203",
	  "A text is not the JSON that it should be. Mend it in the source, or say in the mapping what "
	  "becomes of such (\"if_invalid\": \"null\" or \"wrap\")." },
	{ NULL, "22",
	  "A value does not fit the type of its target column, or no row of the value table fits it. "
	  "Mend it in the source, or convert it in the mapping (\"sql\", \"values\", \"default\")." },
	{ NULL, "44",
	  "The view that is written to refuses the row (WITH CHECK OPTION). Mend the row in the "
	  "source, or the view; then retry." },
	{ NULL, "54",
	  "A value or the row is too large for the target, or for one of its indexes. Shorten it in "
	  "the source or the mapping; then retry." },
	{ NULL, "",
	  "A trigger or a function of the target refuses the row. What it said may hold values and is "
	  "not repeated: see the target's log. Mend its cause; then retry." },
};

const char *advice_for(const char *phase, const char *sqlstate)
{
	size_t i = 0;

	while ((advices[i].phase != NULL && strcmp(advices[i].phase, phase) != 0) ||
	       strncmp(advices[i].sqlstate, sqlstate, strlen(advices[i].sqlstate)) != 0)
		i++;
	return advices[i].advice;
}
