/*
 * What people ask of a session: to pause, to go on, to be cancelled; all of it, or one entity. See session.h.
 *
 * It may be asked at any time, also while the databases are away. What is asked of an entity before its part has begun is
 * noted (session->steered) and done to the part when it begins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "run/recovery.h"
#include "run/schedule.h"
#include "run/selection.h"
#include "run/steer.h"

#define PAUSED "paused by an operator"
#define CANCELLED "cancelled by an operator"

static const char *name_of(const struct entity_run *run)
{
	return run->bound->entity->name;
}

static bool has_begun(const struct session *session)
{
	return session->phase >= SESSION_OPENING;
}

static struct entity_run *run_of(struct session *session, const char *entity)
{
	for (size_t i = 0; i < session->run_count; i++)
		if (strcmp(name_of(&session->runs[i]), entity) == 0)
			return &session->runs[i];
	return NULL;
}

static bool is_selected(const struct session *session, const char *entity)
{
	const struct entity_set *set = session->means.set;
	_cleanup_free_ bool *selected =
		selection_make(set, json_object_get(session->options, "entities"),
			       json_object_get(session->options, "exclude"), &(struct error){ 0 });

	for (size_t i = 0; selected != NULL && i < set->count; i++)
		if (selected[i] && strcmp(set->entities[i].name, entity) == 0)
			return true;
	return false;
}

/* Finds its part, NULL before it has begun. False: it has none in this session. */
static bool find(struct session *session, const char *entity, struct entity_run **ret_run,
		 struct error *err)
{
	*ret_run = run_of(session, entity);
	if (*ret_run != NULL || (!has_begun(session) && is_selected(session, entity)))
		return true;
	error_set(err, ERROR_NOT_FOUND, "entity \"%s\" takes no part in session %s", entity,
		  session->id);
	snprintf(err->entity, sizeof(err->entity), "%s", entity);
	return false;
}

static bool is_going(struct session *session, struct error *err)
{
	if (session->phase < SESSION_ENDING && !session->cancelled)
		return true;
	return error_set(err, ERROR_USAGE, "session %s is %s", session->id, session_state(session));
}

static bool may_wait(const struct session *session, struct error *err)
{
	if (!session->means.dry)
		return true;
	error_set(err, ERROR_USAGE, "a dry run holds locks in the target, so it does not pause");
	return error_hint(err, "migratectl cancel ends it");
}

static bool is_over(const struct entity_run *run, struct error *err)
{
	if (run == NULL || !entity_run_is_over(run))
		return false;
	error_set(err, ERROR_USAGE, "entity \"%s\" is %s", name_of(run), entity_run_status(run));
	snprintf(err->entity, sizeof(err->entity), "%s", name_of(run));
	return true;
}

/* Noted for the part that has not begun yet; NULL: nothing any more. */
static void note(struct session *session, const char *entity, const char *what)
{
	if (has_begun(session))
		return;
	if (session->steered == NULL)
		session->steered = json_object();
	if (what != NULL)
		json_object_set_new(session->steered, entity, json_string(what));
	else
		json_object_del(session->steered, entity);
	hold_keep(session);
}

static void say(const struct session *session, const char *entity, const char *what)
{
	log_event(LOG_NOTICE, &(struct log_fields){ .session = session->id, .entity = entity },
		  "session %s, %s: %s", session->id, entity, what);
}

/* --- one entity -------------------------------------------------------------------------------------- */

static void set_paused(struct entity_run *run, bool paused)
{
	run->paused = paused;
	snprintf(run->reason, sizeof(run->reason), "%s", paused ? PAUSED : "");
}

static bool pause_entity(struct session *session, const char *entity, struct error *err)
{
	struct entity_run *run;

	if (!find(session, entity, &run, err) || is_over(run, err))
		return false;
	say(session, entity, PAUSED);
	note(session, entity, "paused");
	if (run != NULL) {
		set_paused(run, true);
		schedule_keep(run);
	}
	return true;
}

static bool continue_entity(struct session *session, const char *entity, struct error *err)
{
	struct entity_run *run;

	if (!find(session, entity, &run, err) || is_over(run, err))
		return false;
	say(session, entity, "resumed by an operator");
	note(session, entity, NULL);
	if (run != NULL) {
		set_paused(run, false);
		schedule_keep(run);
		schedule_advance(session);
	}
	return true;
}

/* What refers to it cannot be brought either; what was done of either stays. */
static void cancel_run(struct entity_run *run, const char *reason)
{
	struct session *session = run->session;
	_cleanup_free_ char *because = text_format("it refers to \"%s\", which was cancelled",
						   name_of(run));

	if (entity_run_is_over(run))
		return;
	schedule_set_state(run, ENTITY_CANCELLED, reason);
	say(session, name_of(run), reason);
	for (size_t i = 0; i < session->run_count; i++)
		if (&session->runs[i] != run &&
		    bound_depends_on(session->runs[i].bound, run->bound))
			cancel_run(&session->runs[i], because);
}

static bool cancel_entity(struct session *session, const char *entity, struct error *err)
{
	struct entity_run *run;

	if (!find(session, entity, &run, err) || is_over(run, err))
		return false;
	note(session, entity, "cancelled");
	if (run != NULL)
		cancel_run(run, CANCELLED);
	schedule_advance(session);
	return true;
}

void steer_begin(struct entity_run *run)
{
	const char *asked = json_string_value(json_object_get(run->session->steered, name_of(run)));

	if (asked == NULL || entity_run_is_over(run))
		return;
	if (strcmp(asked, "paused") == 0) {
		set_paused(run, true);
		return;
	}
	run->state = ENTITY_CANCELLED;
	snprintf(run->reason, sizeof(run->reason), "%s", CANCELLED);
}

/* --- the session ------------------------------------------------------------------------------------- */

bool session_pause(struct session *session, const char *entity, struct error *err)
{
	if (!is_going(session, err) || !may_wait(session, err))
		return false;
	if (entity != NULL)
		return pause_entity(session, entity, err);
	session_hold(session, HOLD_OPERATOR, PAUSED);
	return true;
}

bool session_continue(struct session *session, const char *entity, struct error *err)
{
	if (!is_going(session, err))
		return false;
	if (entity != NULL)
		return continue_entity(session, entity, err);
	session_release(session, EVENT_SESSION_RESUMED);
	recovery_renews_connection(session); /* or what is tried now would be tried read-only */
	return true;
}

bool session_cancel(struct session *session, const char *entity, struct error *err)
{
	if (!is_going(session, err))
		return false;
	if (entity != NULL)
		return cancel_entity(session, entity, err);
	session->cancelled = true;
	session->hold = HOLD_NONE;
	snprintf(session->reason, sizeof(session->reason), CANCELLED);
	hold_keep(session);
	session_proceed(session);
	return true;
}

void steer_cancel_runs(struct session *session)
{
	for (size_t i = 0; i < session->run_count; i++)
		if (!entity_run_is_over(&session->runs[i]))
			schedule_set_state(&session->runs[i], ENTITY_CANCELLED, session->reason);
}
