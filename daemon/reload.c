/*
 * See reload.h. What was read and cannot be taken over yet is `pending`; a timer looks whether it can be, as those who only look tell
 * nobody when they have done. Everything is exchanged from that timer, never from within somebody's callback.
 */
#include "reload.h"

#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "config/changes.h"

#define LOOK_MS 50
/* How long an answer waits for what is over in a moment: a question to a database. */
#define PATIENCE_MS 2000

struct asker {
	reload_on_done *on_done;
	void *arg;
	json_t *changes; /* with their effect as it was planned */
	int64_t since_ms;
	struct asker *next;
};

/* A configuration that was read; the first one is somebody else's. */
struct reading {
	struct config config;
	struct reading *next;
};

struct reload {
	struct reload_means means;
	struct config *running;
	struct reading *readings; /* in force, or still referred to */
	struct reading *pending;  /* NULL: none */
	struct asker *askers;
	struct event *look;
};

static void log_problems(const struct problem_list *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		_cleanup_free_ char *line = problem_format(&problems->problems[i]);

		log_event(LOG_ERR, NULL, "%s", line);
	}
}

/* --- answers ------------------------------------------------------------------------------------- */

static void refuse(const struct problem_list *problems, reload_on_done *on_done, void *arg)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < problems->count; i++) {
		_cleanup_free_ char *line = problem_format(&problems->problems[i]);

		json_array_append_new(lines, json_string(line));
	}
	json_auto_t *reply = json_pack("{s:b, s:o, s:[], s:n}", "accepted", 0, "problems", lines,
				       "changes", "waits_for");

	if (on_done != NULL)
		on_done(arg, reply);
}

static const char *effect_name(enum setting_effect effect)
{
	static const char *const names[] = {
		[EFFECT_AT_ONCE] = "in_force",
		[EFFECT_NEXT] = "waiting",
		[EFFECT_RESTART] = "restart",
	};

	return names[effect];
}

static json_t *describe(const struct change_list *list)
{
	json_t *changes = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(changes,
				      json_pack("{s:s, s:s, s:s}", "what", list->changes[i].what,
						"kind", change_kind_name(list->changes[i].kind),
						"effect", effect_name(list->changes[i].effect)));
	return changes;
}

/* What had to wait has come. */
static void are_in_force(json_t *changes)
{
	size_t i;
	json_t *change;

	json_array_foreach(changes, i, change)
		if (strcmp(json_string_value(json_object_get(change, "effect")), "waiting") == 0)
			json_object_set_new(change, "effect", json_string("in_force"));
}

/* The first of those who wait. */
static void answer(struct reload *reload, const char *waits_for)
{
	struct asker *asker = reload->askers;
	json_auto_t *reply = NULL;

	reload->askers = asker->next;
	if (waits_for == NULL)
		are_in_force(asker->changes);
	reply = json_pack("{s:b, s:[], s:o, s:o}", "accepted", 1, "problems", "changes",
			  asker->changes, "waits_for",
			  waits_for != NULL ? json_string(waits_for) : json_null());
	if (asker->on_done != NULL)
		asker->on_done(asker->arg, reply);
	free(asker);
}

static void answer_all(struct reload *reload, const char *waits_for)
{
	while (reload->askers != NULL)
		answer(reload, waits_for);
}

static void wait_for_answer(struct reload *reload, json_t *changes, reload_on_done *on_done,
			    void *arg)
{
	struct asker *asker = memory_new(sizeof(*asker)), **last = &reload->askers;

	*asker = (struct asker){ on_done, arg, changes, clock_monotonic_ms(), NULL };
	while (*last != NULL)
		last = &(*last)->next;
	*last = asker;
}

/* --- taking it over ------------------------------------------------------------------------------ */

static void reading_free(struct reading *reading)
{
	if (reading == NULL)
		return;
	config_done(&reading->config);
	free(reading);
}

static void forget_pending(struct reload *reload)
{
	reading_free(reload->pending);
	reload->pending = NULL;
}

/* Those that nobody knows any more. */
static void drop_former(struct reload *reload)
{
	struct reading **link = &reload->readings;

	while (*link != NULL) {
		struct reading *reading = *link;

		if (engine_refers_to(reload->means.engine, &reading->config)) {
			link = &reading->next;
			continue;
		}
		*link = reading->next;
		reading_free(reading);
	}
}

static bool is_still(const struct reload *reload)
{
	return engine_is_still(reload->means.engine) &&
	       handlers_are_still(reload->means.handlers) && audit_is_still(reload->means.audit);
}

static bool same_entities(const struct config *a, const struct config *b)
{
	struct change_list changes;
	bool same = true;

	changes_find(a, b, &changes);
	for (size_t i = 0; i < changes.count; i++)
		same = same && strncmp(changes.changes[i].what, "entity ", 7) != 0;
	change_list_done(&changes);
	return same;
}

static void exchange(struct reload *reload)
{
	const struct reload_means *means = &reload->means;
	struct reading *reading = reload->pending;
	bool same = same_entities(reload->running, &reading->config);

	fault_point("reload.exchanging");
	changes_keep(reload->running, &reading->config);
	reading->next = reload->readings;
	reload->readings = reading;
	reload->pending = NULL;
	reload->running = &reading->config;
	engine_hold_back(means->engine, false);
	engine_configure(means->engine, reload->running, same);
	audit_renew(means->audit);
	drop_former(reload);
	event_log(EVENT_RELOADED, NULL, "the configuration that was read is in force: %zu entities",
		  reload->running->entities.count);
	fault_point("reload.exchanged");
	answer_all(reload, NULL);
}

static void look_soon(struct reload *reload, int64_t ms)
{
	event_add(reload->look, &(struct timeval){ .tv_usec = (suseconds_t)ms * 1000 });
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct reload *reload = arg;
	char buffer[ENGINE_UNDER_WAY_SIZE];
	const char *under_way = engine_under_way(reload->means.engine, buffer);

	(void)fd;
	(void)what;
	if (reload->pending == NULL) {
		answer_all(reload, NULL);
		return;
	}
	engine_hold_back(reload->means.engine, true);
	if (is_still(reload)) {
		exchange(reload);
		return;
	}
	while (reload->askers != NULL &&
	       (under_way != NULL || clock_monotonic_ms() - reload->askers->since_ms > PATIENCE_MS))
		answer(reload, under_way != NULL ? under_way : "what is asked of the databases");
	look_soon(reload, LOOK_MS);
}

/* --- reading it ---------------------------------------------------------------------------------- */

static void log_changes(const struct config *loaded, const struct change_list *list)
{
	static const char *const words[] = {
		[EFFECT_AT_ONCE] = "counts from now on",
		[EFFECT_NEXT] = "counts when nothing is under way",
		[EFFECT_RESTART] = "counts when migrated is started again",
	};

	for (size_t i = 0; i < list->count; i++)
		log_notice("configuration: %s %s; it %s", list->changes[i].what,
			   change_kind_name(list->changes[i].kind), words[list->changes[i].effect]);
	if (list->count == 0)
		log_notice("configuration: nothing has changed");
	for (size_t i = 0; i < loaded->warnings.count; i++) {
		_cleanup_free_ char *line = problem_format(&loaded->warnings.problems[i]);

		event_log(EVENT_CONFIGURATION_WARNING, NULL, "%s", line);
	}
}

static void take(struct reload *reload, struct reading *reading, reload_on_done *on_done, void *arg)
{
	struct change_list changes;

	changes_find(reload->running, &reading->config, &changes);
	forget_pending(reload);
	engine_hold_back(reload->means.engine, false);
	if (changes_have(&changes, EFFECT_AT_ONCE)) {
		changes_take_at_once(reload->running, &reading->config);
		engine_settings_changed(reload->means.engine);
	}
	log_changes(&reading->config, &changes);
	wait_for_answer(reload, describe(&changes), on_done, arg);
	if (changes_have(&changes, EFFECT_NEXT)) {
		reload->pending = reading;
	} else {
		event_log(EVENT_RELOADED, NULL, "the configuration was read again");
		reading_free(reading);
	}
	change_list_done(&changes);
	look_soon(reload, 0);
}

void reload_ask(struct reload *reload, reload_on_done *on_done, void *arg)
{
	const struct reload_means *means = &reload->means;
	struct problem_list problems = { 0 };
	struct reading *reading = memory_new(sizeof(*reading));
	char **socket = &reading->config.settings.control_socket;

	if (config_load(&reading->config, means->config->file, means->environment, &problems)) {
		if (means->socket != NULL) {
			free(*socket);
			*socket = text_copy(means->socket);
		}
		take(reload, reading, on_done, arg);
	} else {
		log_problems(&problems);
		event_log(
			EVENT_RELOAD_REFUSED, NULL,
			"the configuration was read again and is wrong; the one before stays in force");
		reading_free(reading);
		refuse(&problems, on_done, arg);
	}
	problem_list_done(&problems);
}

/* --- life ---------------------------------------------------------------------------------------- */

struct reload *reload_new(const struct reload_means *means)
{
	struct reload *reload = memory_new(sizeof(*reload));

	reload->means = *means;
	reload->running = means->config;
	reload->look = event_new(means->base, -1, 0, on_look, reload);
	return reload;
}

void reload_free(struct reload *reload)
{
	if (reload == NULL)
		return;
	for (struct asker *asker; (asker = reload->askers) != NULL;) {
		reload->askers = asker->next;
		json_decref(asker->changes);
		free(asker);
	}
	forget_pending(reload);
	for (struct reading *reading; (reading = reload->readings) != NULL;) {
		reload->readings = reading->next;
		reading_free(reading);
	}
	event_free(reload->look);
	free(reload);
}
