/*
 * How a rollback is asked for: which session is meant, may it be undone, then the session that undoes it; or only what that would do.
 * See rollback.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "common/uuid.h"
#include "run/engine_internal.h"
#include "run/rollback.h"
#include "run/selection.h"
#include "sql_store.h"

struct rollback_asked {
	char *session;
	json_t *entities;
	bool force;
	session_on_started *on_started;
	rollback_on_survey *on_survey;
	void *arg;
	PGresult *rows;
	struct error error;
};

void rollback_asked_free(struct rollback_asked *asked)
{
	if (asked == NULL)
		return;
	free(asked->session);
	json_decref(asked->entities);
	PQclear(asked->rows);
	free(asked);
}

void rollback_refused(struct rollback_asked *asked, const struct error *err)
{
	if (asked->on_survey != NULL)
		asked->on_survey(asked->arg, NULL, err);
	else
		asked->on_started(asked->arg, NULL, err);
}

/* --- what it would do -------------------------------------------------------------------------- */

static void on_surveyed(void *arg, const struct pg_answer *answer)
{
	struct request *request = arg;
	struct rollback_asked *asked = request->rollback;

	(void)answer; /* rolled back, or the connection is lost: nothing is left either way */
	asked->on_survey(asked->arg, asked->rows,
			 asked->error.kind != ERROR_NONE ? &asked->error : NULL);
	request_end(request);
}

static void on_survey(void *arg, const struct pg_answer *answer)
{
	struct request *request = arg;
	struct rollback_asked *asked = request->rollback;

	if (answer->error != NULL)
		asked->error = *answer->error;
	else
		asked->rows = PQcopyResult(pg_answer_rows(answer),
					   PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
	pg_submit(request->engine->target, "ROLLBACK", 0, NULL, on_surveyed, request);
}

/* A text[] of the entities; NULL: all. */
static char *entity_array(const json_t *entities)
{
	struct text text = TEXT_INIT;
	size_t i;
	json_t *name;

	if (json_array_size(entities) == 0)
		return NULL;
	text_append(&text, "ARRAY[");
	json_array_foreach(entities, i, name) {
		_cleanup_free_ char *literal = pg_quote_literal(json_string_value(name));

		text_appendf(&text, "%s%s", i > 0 ? ", " : "", literal);
	}
	text_append(&text, "]::text[]");
	return text_steal(&text);
}

static void survey(struct request *request, const PGresult *found)
{
	_cleanup_free_ char *entities = entity_array(request->rollback->entities);
	_cleanup_text_ struct text sql = TEXT_INIT;

	text_fill(&sql, sql_store_rollback_survey,
		  (const struct text_hole[]){
			  { "session", PQgetvalue(found, 0, 0) },
			  { "number", PQgetvalue(found, 0, 1) },
			  { "entities", entities != NULL ? entities : "NULL" },
			  { "force", request->rollback->force ? "true" : "false" },
			  { NULL, NULL } });
	pg_submit(request->engine->target, text_string(&sql), 0, NULL, on_survey, request);
}

/* --- may it begin? ----------------------------------------------------------------------------- */

enum { SESSION, NUMBER, MODE, STATE, UNDONE_BY };

static bool is_one(const struct rollback_asked *asked, const PGresult *found, struct error *err)
{
	if (PQntuples(found) == 1)
		return true;
	error_set(err, PQntuples(found) == 0 ? ERROR_NOT_FOUND : ERROR_USAGE,
		  PQntuples(found) == 0 ? "there is no session %s"
					: "more than one session begins with %s",
		  asked->session);
	return error_hint(err, "migratectl list shows the sessions");
}

static bool may_be_undone(const struct rollback_asked *asked, const PGresult *found,
			  struct error *err)
{
	if (!is_one(asked, found, err))
		return false;
	if (strcmp(PQgetvalue(found, 0, MODE), "rollback") == 0) {
		error_set(err, ERROR_USAGE, "session %s is a rollback itself",
			  PQgetvalue(found, 0, SESSION));
		return error_hint(
			err,
			"migratectl resume lets cycles, and migratectl migrate a session, carry "
			"the rows over again");
	}
	if (!PQgetisnull(found, 0, UNDONE_BY))
		return error_set(err, ERROR_USAGE,
				 "session %s was rolled back already, by session %s",
				 PQgetvalue(found, 0, SESSION), PQgetvalue(found, 0, UNDONE_BY));
	return true;
}

static json_t *options_of(const struct rollback_asked *asked, const PGresult *found)
{
	json_t *options = json_pack("{s:s, s:b}", "rollback", PQgetvalue(found, 0, SESSION),
				    "force", (int)asked->force);

	if (json_array_size(asked->entities) > 0)
		json_object_set(options, "entities", asked->entities);
	return options;
}

static void begin(struct request *request, const PGresult *found)
{
	struct rollback_asked *asked = request->rollback;

	request->options = options_of(asked, found);
	request->on_started = asked->on_started;
	request->arg = asked->arg;
	request->binding = binding_of_names(&request->engine->config->entities);
	request_begin_session(request);
}

/* The control socket tells these from others by the phase. */
static void refuse(struct request *request, struct error *err)
{
	snprintf(err->phase, sizeof(err->phase), "rollback");
	request_refuse(request, err);
}

static void on_found(void *arg, const struct pg_answer *answer)
{
	struct request *request = arg;
	const PGresult *found = pg_answer_rows(answer);
	struct error err;

	if (answer->error != NULL)
		request_refuse(request, answer->error);
	else if (!may_be_undone(request->rollback, found, &err))
		refuse(request, &err);
	else if (request->rollback->on_survey != NULL)
		survey(request, found);
	else
		begin(request, found);
}

void rollback_ask(struct request *request)
{
	pg_submit(request->engine->target, sql_store_rollback_find, 1,
		  (const char *const[]){ request->rollback->session }, on_found, request);
}

void engine_rollback(struct engine *engine, const struct rollback_request *asked)
{
	struct request *request = memory_new(sizeof(*request));
	_cleanup_free_ bool *selected = NULL;
	struct error err;

	*request = (struct request){ .engine = engine, .since_ms = clock_monotonic_ms() };
	request->rollback = memory_new(sizeof(*request->rollback));
	*request->rollback = (struct rollback_asked){ .session = text_copy(asked->session),
						      .entities = json_incref(asked->entities),
						      .force = asked->force,
						      .on_started = asked->on_started,
						      .on_survey = asked->on_survey,
						      .arg = asked->arg };
	selected = selection_make(&engine->config->entities, asked->entities, NULL, &err);
	if (selected == NULL)
		request_refuse(request, &err);
	else
		request_submit(request);
}
