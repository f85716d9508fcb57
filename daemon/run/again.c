/*
 * See again.h. What is asked for beside a session goes over the same connection as its planning, so what is asked before an entity's
 * changes are counted is counted.
 */
#include "run/again.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "run/engine_internal.h"
#include "sql_store.h"

#define MOST_VALUES 8

struct again {
	char *sql; /* NULL: only those that stand in the store already */
	char *values[MOST_VALUES];
	size_t value_count;
	bool only_ask;
	PGresult *answer;
	json_t *later;
	engine_on_again *on_done; /* NULL: nobody waits for it */
	void *arg;
};

static struct again *again_new(const struct again_question *question, engine_on_again *on_done,
			       void *arg)
{
	struct again *again = memory_new(sizeof(*again));

	*again = (struct again){ .sql = text_copy(question->sql),
				 .value_count = question->value_count,
				 .only_ask = question->only_ask,
				 .later = json_array(),
				 .on_done = on_done,
				 .arg = arg };
	for (size_t i = 0; i < question->value_count; i++)
		again->values[i] = text_copy(question->values[i]);
	return again;
}

void again_free(struct again *again)
{
	if (again == NULL)
		return;
	for (size_t i = 0; i < again->value_count; i++)
		free(again->values[i]);
	PQclear(again->answer);
	json_decref(again->later);
	free(again->sql);
	free(again);
}

bool again_only_asks(const struct again *again)
{
	return again->only_ask;
}

static void tell(struct again *again, const struct session *session, bool begun,
		 const struct error *err)
{
	const struct again_outcome outcome = { .answer = again->answer,
					       .session = session,
					       .begun = begun,
					       .later = again->later };

	if (again->on_done != NULL)
		again->on_done(again->arg, err == NULL ? &outcome : NULL, err);
	else if (err != NULL)
		log_error(LOG_WARNING, err);
}

void again_begun(struct again *again, const struct session *session, const struct error *err)
{
	tell(again, session, true, err);
}

/* --- who takes them -------------------------------------------------------------------------------- */

static void add_later(struct again *again, const char *entity, const char *rows, const char *reason)
{
	json_array_append_new(again->later,
			      json_pack("{s:s, s:I, s:s}", "entity", entity, "rows",
					(json_int_t)strtoll(rows, NULL, 10), "reason", reason));
}

/* Why no session without detection can take rows of this entity; NULL: one can. */
static const char *left_out(const struct binding *binding, const char *entity,
			    const char *fingerprint)
{
	const struct bound_entity *bound = binding_find(binding, entity);

	if (bound == NULL)
		return "it is not in the configuration";
	if (!bound->usable)
		return binding_refusal(binding, bound);
	if (fingerprint[0] == '\0')
		return "it was never migrated; its first session carries all rows";
	if (strcmp(fingerprint, bound->fingerprint) != 0)
		return "its mapping has changed; the next session that looks at it carries all "
		       "rows";
	return NULL;
}

static void begin_if_any(struct request *request, const PGresult *waiting)
{
	struct again *again = request->again;
	bool any = false;

	for (int row = 0; row < PQntuples(waiting); row++) {
		const char *entity = PQgetvalue(waiting, row, 0);
		const char *reason = left_out(request->binding, entity,
					      PQgetvalue(waiting, row, 2));

		any |= reason == NULL;
		if (reason != NULL)
			add_later(again, entity, PQgetvalue(waiting, row, 1), reason);
	}
	if (any) {
		request_begin_session(request);
		return;
	}
	tell(again, NULL, false, NULL);
	request_end(request);
}

/* Why the session under way does not take them; NULL: it does. */
static const char *passed_over(const struct session *session, const char *entity)
{
	for (size_t i = 0; i < session->run_count; i++) {
		const struct entity_run *run = &session->runs[i];

		if (strcmp(run->bound->entity->name, entity) != 0)
			continue;
		return run->state > ENTITY_CHECKING_BEFORE
			       ? "the session under way has counted what "
				 "there is to do of it"
			       : NULL;
	}
	return session->phase < SESSION_OPENING ? NULL : "the session under way leaves it out";
}

static void leave_to_those_under_way(struct request *request, const PGresult *waiting)
{
	struct engine *engine = request->engine;
	const struct session *session = engine->session;
	bool runs = session != NULL && session->phase < SESSION_ENDING, any = false;

	engine->left_over = true;
	for (int row = 0; row < PQntuples(waiting); row++) {
		const char *entity = PQgetvalue(waiting, row, 0);
		const char *reason = runs ? passed_over(session, entity)
					  : "it waits for what is under way";

		any |= reason == NULL;
		if (reason != NULL)
			add_later(request->again, entity, PQgetvalue(waiting, row, 1), reason);
	}
	tell(request->again, any ? session : NULL, false, NULL);
	request_end(request);
	again_go_on(engine); /* it may have ended meanwhile */
}

static void on_waiting(void *arg, const struct pg_answer *answer)
{
	struct request *request = arg;

	if (answer->error != NULL)
		request_refuse(request, answer->error);
	else if (request->engine->request == request)
		begin_if_any(request, pg_answer_rows(answer));
	else
		leave_to_those_under_way(request, pg_answer_rows(answer));
}

/* --- asking ------------------------------------------------------------------------------------------ */

static void look_at_waiting(struct request *request)
{
	pg_submit(request->engine->target, sql_store_again_waiting, 0, NULL, on_waiting, request);
}

static void on_asked(void *arg, const struct pg_answer *answer)
{
	struct request *request = arg;
	struct again *again = request->again;
	const PGresult *result = pg_answer_rows(answer);

	if (answer->error != NULL) {
		request_refuse(request, answer->error);
		return;
	}
	fault_point("again.asked");
	request->engine->tally.decided++;
	again->answer = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
	if (!again->only_ask && strtoll(PQgetvalue(result, 0, 0), NULL, 10) > 0) {
		look_at_waiting(request);
		return;
	}
	tell(again, NULL, false, NULL);
	request_end(request);
}

void again_ask(struct request *request)
{
	const struct again *again = request->again;

	if (again->sql != NULL)
		pg_submit(request->engine->target, again->sql, again->value_count,
			  (const char *const *)again->values, on_asked, request);
	else
		look_at_waiting(request);
}

void engine_again(struct engine *engine, const struct again_question *question,
		  engine_on_again *on_done, void *arg)
{
	struct request *request = memory_new(sizeof(*request));

	*request = (struct request){ .engine = engine,
				     .options = json_pack("{s:b}", "again", 1),
				     .again = again_new(question, on_done, arg),
				     .since_ms = clock_monotonic_ms() };
	request_submit(request);
}

/* --- what was left ----------------------------------------------------------------------------------- */

void again_go_on(struct engine *engine)
{
	if (!engine->left_over || engine->stopping || engine_is_busy(engine))
		return;
	engine->left_over = false;
	engine_again(engine, &(struct again_question){ .sql = NULL }, NULL, NULL);
}

static void on_left(void *arg, const struct pg_answer *answer)
{
	struct engine *engine = arg;

	if (answer->error != NULL || PQntuples(pg_answer_rows(answer)) == 0)
		return; /* what cannot be read now is taken by a session that somebody starts */
	engine->left_over = true;
	again_go_on(engine);
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct engine *engine = arg;

	if (answer->error == NULL && PQgetvalue(pg_answer_rows(answer), 0, 1)[0] == 't')
		pg_submit(engine->target, sql_store_again_waiting, 0, NULL, on_left, engine);
}

void again_look_for_left(struct engine *engine)
{
	pg_submit(engine->target, sql_store_asides_known, 0, NULL, on_known, engine);
}
