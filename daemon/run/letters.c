/*
 * See letters.h. What was set aside is asked of the store, where its messages stand without values.
 */
#include "run/letters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "common/text.h"
#include "run/session.h"
#include "sql_store.h"

enum { KEY, PHASE, SQLSTATE, NAME, MESSAGE, KIND, IS_FIRST };

/* Kinds are of a session and an entity; known ones stand in session->letter_kinds. */
static bool is_new_kind(struct entity_run *run, const char *kind)
{
	struct session *session = run->session;
	_cleanup_free_ char *name = text_format("%s %s", run->bound->entity->name, kind);

	if (session->letter_kinds == NULL)
		session->letter_kinds = json_object();
	if (json_object_get(session->letter_kinds, name) != NULL)
		return false;
	json_object_set_new(session->letter_kinds, name, json_true());
	return true;
}

static void tell(struct entity_run *run, const PGresult *rows, int row)
{
	const char *entity = run->bound->entity->name;
	const char *key = PQgetvalue(rows, row, KEY);
	const char *name = PQgetvalue(rows, row, NAME);
	const struct log_fields fields = { .session = run->session->id,
					   .entity = entity,
					   .legacy_key = key,
					   .sqlstate = PQgetvalue(rows, row, SQLSTATE),
					   .phase = PQgetvalue(rows, row, PHASE) };
	bool new_kind = PQgetvalue(rows, row, IS_FIRST)[0] == 't' &&
			is_new_kind(run, PQgetvalue(rows, row, KIND));
	_cleanup_free_ char *why = text_format("%s%s%s%s", PQgetvalue(rows, row, MESSAGE),
					       name[0] != '\0' ? " (" : "", name,
					       name[0] != '\0' ? ")" : "");

	if (new_kind)
		event_log(EVENT_DEAD_LETTER_KIND, &fields,
			  "%s: row %s is set aside, the first for this reason: %s", entity, key,
			  why);
	else if (run->letters_told < LETTERS_TOLD)
		event_log(EVENT_DEAD_LETTER, &fields, "%s: row %s is set aside: %s", entity, key,
			  why);
	else
		return;
	if (++run->letters_told == LETTERS_TOLD)
		log_event(
			LOG_NOTICE,
			&(struct log_fields){ .session = run->session->id, .entity = entity },
			"%s: of further rows that are set aside only the first for another reason "
			"is told here; migratectl dead-letters --entity %s lists them all",
			entity, entity);
}

static void on_letters(void *arg, const struct pg_answer *answer)
{
	struct entity_run *run = arg;
	const PGresult *rows = pg_answer_rows(answer);

	if (answer->error != NULL)
		return; /* they are counted at the end all the same */
	for (int row = 0; row < PQntuples(rows); row++)
		tell(run, rows, row);
}

void letters_tell(struct entity_run *run, int batch)
{
	struct session *session = run->session;
	_cleanup_free_ char *number = text_format("%d", batch);
	_cleanup_free_ char *most = text_format("%d", LETTERS_TOLD);

	if (session->means.dry) /* it is all undone */
		return;
	pg_submit(session->means.target, sql_store_letters_of_batch, 4,
		  (const char *const[]){ session->id, run->bound->entity->name, number, most },
		  on_letters, run);
}
