/*
 * See breaker.h. What is weighed is asked of the target in one round trip.
 */
#include "run/breaker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "sql_run.h"

/* An empty source alarms when at least so many rows of it were mapped. */
#define EMPTY_MIN_ROWS 10

#define WHAT_TO_DO "; migratectl resume carries it out, migratectl cancel does not"

/* Sentences of the reason; the rest is counted. */
#define MOST_SENTENCES 3

/* What is found against a session, while it is weighed. */
struct finding_list {
	json_t *breach;
	struct text reason;
	size_t count;
};

static int64_t figure(const json_t *object, const char *section, const char *entity,
		      const char *key)
{
	const json_t *of_entity = json_object_get(json_object_get(object, section), entity);

	return json_integer_value(json_object_get(of_entity, key));
}

static void say(struct finding_list *list, const char *sentence)
{
	if (list->count < MOST_SENTENCES) {
		text_separate(&list->reason, "; ");
		text_append(&list->reason, sentence);
	}
	list->count++;
}

/* Takes over `figures`. */
static void add(struct finding_list *list, const char *section, const char *entity, json_t *figures,
		const char *sentence)
{
	json_t *of_section = json_object_get(list->breach, section);

	if (of_section == NULL) {
		of_section = json_object();
		json_object_set_new(list->breach, section, of_section);
	}
	json_object_set_new(of_section, entity, figures);
	if (sentence != NULL)
		say(list, sentence);
}

static void hold(struct session *session, struct finding_list *list)
{
	if (list->count > MOST_SENTENCES)
		text_appendf(&list->reason, "; and %zu more", list->count - MOST_SENTENCES);
	text_append(&list->reason, WHAT_TO_DO);
	json_decref(session->breach);
	session->breach = list->breach;
	session_hold(session, HOLD_BREAKER, text_string(&list->reason));
	text_done(&list->reason);
}

/* --- before anything is written ------------------------------------------------------------------- */

static void append_entity(struct text *sql, const struct session *session, const char *analysis,
			  const struct bound_entity *bound)
{
	_cleanup_free_ char *entity = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *least = text_format("%" PRId64,
						 session->means.settings->breaker_delete_min_rows);

	text_fill(sql, sql_run_weigh_entity,
		  (const struct text_hole[]){ { "id_map", bound->id_map },
					      { "analysis", analysis },
					      { "entity", entity },
					      { "least", least },
					      { NULL, NULL } });
}

char *breaker_sql(const struct session *session)
{
	_cleanup_free_ char *analysis = pg_quote_literal(session->analysis);
	bool all_may_go = session->means.settings->breaker_delete_share == 0;
	_cleanup_text_ struct text entities = TEXT_INIT;
	struct text sql = TEXT_INIT;

	text_fill(&sql, sql_run_weigh_source,
		  (const struct text_hole[]){ { "analysis", analysis }, { NULL, NULL } });
	for (size_t i = 0; i < session->run_count; i++) {
		const struct entity_run *run = &session->runs[i];

		if (all_may_go || entity_run_is_over(run))
			continue;
		text_separate(&entities, "\n UNION ALL\n");
		append_entity(&entities, session, analysis, run->bound);
	}
	text_append(&sql, text_string(&entities));
	return text_steal(&sql);
}

static void weigh_source(const struct session *session, struct finding_list *list,
			 const PGresult *result)
{
	const char *approved = json_string_value(json_object_get(session->approved, "source"));
	_cleanup_free_ char *sentence = NULL;
	const char *now;

	if (PQntuples(result) == 0)
		return;
	now = PQgetvalue(result, 0, 0);
	if (approved != NULL && strcmp(approved, now) == 0)
		return;
	sentence = text_format("the source is not the one that was migrated so far: system and"
			       " database are %s and were %s",
			       now, PQgetvalue(result, 0, 1));
	json_object_set_new(list->breach, "source", json_string(now));
	say(list, sentence);
}

/* An entity whose deletions are ignored loses nothing but its place in the id map. */
static bool deletes(const struct session *session, const char *entity)
{
	return entity_find(session->means.set, entity)->on_delete != ON_DELETE_IGNORE;
}

static void weigh_deletions(const struct session *session, struct finding_list *list,
			    const char *entity, int64_t deleted, int64_t mapped, bool said)
{
	const struct settings *settings = session->means.settings;
	_cleanup_free_ char *sentence = text_format("%" PRId64 " of %" PRId64
						    " rows of \"%s\" are gone from the source"
						    " (breakers.delete_share %" PRId64 " %%)",
						    deleted, mapped, entity,
						    settings->breaker_delete_share);

	if (deleted < settings->breaker_delete_min_rows ||
	    deleted * 100 <= settings->breaker_delete_share * mapped || !deletes(session, entity) ||
	    deleted <= figure(session->approved, "deletes", entity, "deleted"))
		return;
	add(list, "deletes", entity,
	    json_pack("{s:I, s:I}", "deleted", (json_int_t)deleted, "mapped", (json_int_t)mapped),
	    said ? NULL : sentence);
}

static bool weigh_emptiness(const struct session *session, struct finding_list *list,
			    const char *entity, int64_t mapped)
{
	_cleanup_free_ char *sentence = text_format(
		"the source of \"%s\" is suddenly empty, and %" PRId64 " rows of it are mapped",
		entity, mapped);

	if (mapped < EMPTY_MIN_ROWS ||
	    mapped <= figure(session->approved, "empty", entity, "mapped"))
		return false;
	add(list, "empty", entity, json_pack("{s:I}", "mapped", (json_int_t)mapped), sentence);
	return true;
}

static int64_t number(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static void weigh_entities(const struct session *session, struct finding_list *list,
			   const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		const char *entity = PQgetvalue(result, row, 0);
		int64_t mapped = number(result, row, 3);
		bool empty = PQgetvalue(result, row, 1)[0] == 't' &&
			     weigh_emptiness(session, list, entity, mapped);

		weigh_deletions(session, list, entity, number(result, row, 2), mapped, empty);
	}
}

void breaker_weigh(struct session *session, const struct pg_answer *answer)
{
	struct finding_list list = { .breach = json_object(), .reason = TEXT_INIT };

	weigh_source(session, &list, answer->results[0]);
	if (answer->count > 1)
		weigh_entities(session, &list, answer->results[1]);
	if (json_object_size(list.breach) > 0)
		hold(session, &list);
	else
		json_decref(list.breach);
}

/* --- while it runs -------------------------------------------------------------------------------- */

/* Failed rows beyond the share that was approved. */
static int64_t not_approved(const struct session *session, const struct entity_run *run)
{
	const char *entity = run->bound->entity->name;
	int64_t failed = figure(session->approved, "errors", entity, "failed");
	int64_t done = figure(session->approved, "errors", entity, "done");
	double excused = 0;

	if (done > 0)
		excused = (double)failed / (double)done * (double)batch_counts_total(&run->counts);
	return (double)run->counts.failed > excused ? run->counts.failed - (int64_t)excused : 0;
}

static void hold_for_errors(struct session *session, int64_t failed, int64_t done,
			    const struct entity_run *worst)
{
	struct finding_list list = { .breach = json_object(), .reason = TEXT_INIT };
	_cleanup_free_ char *sentence = text_format("%" PRId64 " of %" PRId64
						    " rows failed (breakers.error_rate %" PRId64
						    " %%), most of them, %" PRId64 ", of \"%s\"",
						    failed, done,
						    session->means.settings->breaker_error_rate,
						    worst->counts.failed,
						    worst->bound->entity->name);

	for (size_t i = 0; i < session->run_count; i++) {
		const struct entity_run *run = &session->runs[i];

		if (run->counts.failed > 0)
			add(&list, "errors", run->bound->entity->name,
			    json_pack("{s:I, s:I}", "failed", (json_int_t)run->counts.failed,
				      "done", (json_int_t)batch_counts_total(&run->counts)),
			    run == worst ? sentence : NULL);
	}
	hold(session, &list);
}

void breaker_watch(struct session *session)
{
	const struct settings *settings = session->means.settings;
	const struct entity_run *worst = session->runs;
	int64_t alarming = 0, failed = 0, done = 0, most = 0;

	for (size_t i = 0; i < session->run_count; i++) {
		const struct entity_run *run = &session->runs[i];
		int64_t now = not_approved(session, run);

		if (now > most) {
			worst = run;
			most = now;
		}
		alarming += now;
		failed += run->counts.failed;
		done += batch_counts_total(&run->counts);
	}
	if (session_is_again(session))
		return; /* what fails again was counted when it failed */
	if (settings->breaker_error_rate > 0 && alarming >= settings->breaker_error_min_rows &&
	    alarming * 100 > settings->breaker_error_rate * done)
		hold_for_errors(session, failed, done, worst);
}

/* --- approval ------------------------------------------------------------------------------------- */

void breaker_approve(struct session *session)
{
	if (session->breach == NULL)
		return;
	if (session->approved == NULL)
		session->approved = json_object();
	json_object_update_recursive(session->approved, session->breach);
	json_decref(session->breach);
	session->breach = NULL;
}
