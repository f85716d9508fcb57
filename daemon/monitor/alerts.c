/*
 * See alerts.h. An event comes from within the log, where nothing may be logged and nothing should take long: it is only put down there;
 * what becomes of it is decided in a turn of the loop.
 */
#include "monitor/alerts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/journal.h"
#include "common/clock.h"
#include "common/json_decode.h"
#include "common/text.h"
#include "config/settings.h"
#include "monitor/command.h"

#define QUEUE_MAX 32
#define KEYS_MAX 256

/* A database that is back before is not worth a word. */
#define MOMENT_MS 10000

/* What the end of the daemon waits for commands. */
#define FINISH_MS 2000

struct alert {
	struct journal_event event;
	unsigned repeated; /* so many before it were held back */
};

/* One event of one entity, or database: when people were told of it last, and what they are still to be told. */
struct key {
	enum event_kind kind;
	char entity[64];
	char database[8];
	int64_t quiet_until_ms;
	struct alert *held; /* NULL: nothing */
};

struct alerts {
	struct event_base *base;
	struct alerts_means means;
	struct journal_watcher watcher;
	struct event *turn;
	struct command *command;
	struct alert queue[QUEUE_MAX]; /* a ring */
	size_t first;
	size_t count;
	enum event_kind running;
	struct key *keys;
	size_t key_count;
	uint64_t counts[EVENT_COUNT][ALERT_RESULTS];
	uint64_t dropped_untold;
};

const char *const alert_result_names[ALERT_RESULTS] = {
	[ALERT_DONE] = "done",	     [ALERT_FAILED] = "failed",	    [ALERT_TIMED_OUT] = "timeout",
	[ALERT_DROPPED] = "dropped", [ALERT_REPEATED] = "repeated", [ALERT_BRIEF] = "brief",
};

static const struct settings *settings_of(const struct alerts *alerts)
{
	return alerts->means.settings(alerts->means.arg);
}

static void count(struct alerts *alerts, enum event_kind kind, enum alert_result result)
{
	alerts->counts[kind][result]++;
}

static void turn_in(struct alerts *alerts, int64_t ms)
{
	event_add(alerts->turn,
		  &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 });
}

/* --- from the log to the queue ------------------------------------------------------------------- */

static void enqueue(struct alerts *alerts, const struct journal_event *event, unsigned repeated)
{
	if (alerts->count == QUEUE_MAX) {
		count(alerts, event->kind, ALERT_DROPPED);
		alerts->dropped_untold++;
		return;
	}
	alerts->queue[(alerts->first + alerts->count++) % QUEUE_MAX] = (struct alert){ *event,
										       repeated };
}

static bool is_about(const struct key *key, enum event_kind kind, const struct journal_event *event)
{
	return key->kind == kind && strcmp(key->entity, event->entity) == 0 &&
	       strcmp(key->database, event->database) == 0;
}

static struct key *find(const struct alerts *alerts, enum event_kind kind,
			const struct journal_event *event)
{
	for (size_t i = 0; i < alerts->key_count; i++)
		if (is_about(&alerts->keys[i], kind, event))
			return &alerts->keys[i];
	return NULL;
}

static void remove_key(struct alerts *alerts, struct key *key)
{
	free(key->held);
	*key = alerts->keys[--alerts->key_count];
}

/* NULL: there are too many to remember another. */
static struct key *add(struct alerts *alerts, const struct journal_event *event)
{
	struct key *key;

	if (alerts->key_count == KEYS_MAX)
		return NULL;
	alerts->keys = memory_grow(alerts->keys, alerts->key_count + 1, sizeof(*alerts->keys));
	key = &alerts->keys[alerts->key_count++];
	*key = (struct key){ .kind = event->kind };
	memcpy(key->entity, event->entity, sizeof(key->entity));
	memcpy(key->database, event->database, sizeof(key->database));
	return key;
}

/* The last of those that are held back is what people are told. */
static void hold(struct alerts *alerts, struct key *key, const struct journal_event *event)
{
	unsigned repeated = key->held != NULL ? key->held->repeated + 1 : 0;

	if (key->held != NULL)
		count(alerts, event->kind, ALERT_REPEATED);
	else
		key->held = memory_new(sizeof(*key->held));
	*key->held = (struct alert){ *event, repeated };
}

/* It was lost for so short a time that nobody has heard of it: then nobody needs to hear that it is back. */
static bool was_brief(struct alerts *alerts, const struct journal_event *event)
{
	struct key *lost = find(alerts, EVENT_DATABASE_LOST, event);

	if (event->kind != EVENT_DATABASE_BACK || lost == NULL || lost->held == NULL)
		return false;
	count(alerts, EVENT_DATABASE_LOST, ALERT_BRIEF);
	count(alerts, EVENT_DATABASE_BACK, ALERT_BRIEF);
	free(lost->held);
	lost->held = NULL;
	return true;
}

static void take(struct alerts *alerts, const struct journal_event *event)
{
	int64_t now = clock_monotonic_ms();
	struct key *key = find(alerts, event->kind, event);

	if (was_brief(alerts, event))
		return;
	if (key == NULL)
		key = add(alerts, event);
	if (key == NULL) {
		enqueue(alerts, event, 0);
		return;
	}
	if (event->kind == EVENT_DATABASE_LOST && key->quiet_until_ms < now + MOMENT_MS)
		key->quiet_until_ms = now + MOMENT_MS;
	if (now < key->quiet_until_ms) {
		hold(alerts, key, event);
		return;
	}
	enqueue(alerts, event, 0);
	key->quiet_until_ms = now + settings_of(alerts)->alert_repeat_after_ms;
}

static void on_event(void *arg, const struct journal_event *event)
{
	struct alerts *alerts = arg;

	if (!event_describe(event->kind)->alerts || settings_of(alerts)->alert_command[0] == '\0')
		return;
	take(alerts, event);
	turn_in(alerts, 0);
}

/* --- from the queue to the command ---------------------------------------------------------------- */

static json_t *string_or_null(const char *string)
{
	return string[0] != '\0' ? json_string(string) : json_null();
}

static char *describe(const struct alert *alert)
{
	const struct journal_event *event = &alert->event;
	char at[CLOCK_RFC3339_SIZE], host[256] = "";
	json_auto_t *object = NULL;

	gethostname(host, sizeof(host) - 1);
	object = json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:s, s:s}", "event",
			   event_describe(event->kind)->name, "message",
			   json_lossy_string(event->message), "priority",
			   journal_priority_name(event->priority), "at",
			   clock_format_rfc3339(at, event->wall_us), "session",
			   string_or_null(event->session), "entity", string_or_null(event->entity),
			   "database", string_or_null(event->database), "sqlstate",
			   string_or_null(event->sqlstate), "phase", string_or_null(event->phase),
			   "repeated", (int)alert->repeated, "host", host, "daemon_version",
			   MIGRATED_VERSION);
	return json_dumps(object, JSON_INDENT(2));
}

/* What a script can use without reading JSON; none of it is anybody else's text. */
static char **variables_of(const struct alert *alert)
{
	const struct journal_event *event = &alert->event;
	char **variables = memory_new(5 * sizeof(*variables));

	variables[0] = text_format("MIGRATED_EVENT=%s", event_describe(event->kind)->name);
	variables[1] = text_format("MIGRATED_PRIORITY=%s", journal_priority_name(event->priority));
	variables[2] = text_format("MIGRATED_ENTITY=%s", event->entity);
	variables[3] = text_format("MIGRATED_SESSION=%s", event->session);
	return variables;
}

static void free_strings(char **strings)
{
	for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
		free(strings[i]);
	free(strings);
}

static char **words_of(const char *command)
{
	json_auto_t *list = json_loads(command, 0, NULL);
	char **words = memory_new((json_array_size(list) + 1) * sizeof(*words));
	const json_t *word;
	size_t i;

	json_array_foreach(list, i, word)
		words[i] = text_copy(json_string_value(word));
	return words;
}

static void failed(struct alerts *alerts, enum event_kind kind, enum alert_result result,
		   const char *how)
{
	count(alerts, kind, result);
	event_log(EVENT_ALERT_FAILED, NULL, "alert \"%s\" did not get out: %s",
		  event_describe(kind)->name, how);
}

static void start(struct alerts *alerts, const struct alert *alert)
{
	const struct settings *settings = settings_of(alerts);
	char **words = words_of(settings->alert_command);
	char **variables = variables_of(alert);
	_cleanup_free_ char *input = describe(alert);
	struct error err;

	alerts->running = alert->event.kind;
	if (words[0] == NULL || input == NULL)
		count(alerts, alerts->running, ALERT_DROPPED);
	else if (!command_start(alerts->command, words, input, variables,
				settings->alert_timeout_ms, &err))
		failed(alerts, alerts->running, ALERT_FAILED, err.message);
	free_strings(words);
	free_strings(variables);
}

static void on_over(void *arg, enum command_outcome outcome, const char *how)
{
	static const enum alert_result results[] = {
		[COMMAND_DONE] = ALERT_DONE,
		[COMMAND_FAILED] = ALERT_FAILED,
		[COMMAND_TIMED_OUT] = ALERT_TIMED_OUT,
	};
	struct alerts *alerts = arg;

	if (outcome == COMMAND_DONE)
		count(alerts, alerts->running, ALERT_DONE);
	else
		failed(alerts, alerts->running, results[outcome], how);
	turn_in(alerts, 0);
}

/* --- a turn --------------------------------------------------------------------------------------- */

/* What was held back long enough is queued; what is not remembered any longer is forgotten. Returns when to look again, in ms; 0:
   never. */
static int64_t let_go(struct alerts *alerts)
{
	int64_t now = clock_monotonic_ms(), next = 0;

	for (size_t i = alerts->key_count; i-- > 0;) {
		struct key *key = &alerts->keys[i];

		if (key->quiet_until_ms > now) {
			int64_t left = key->quiet_until_ms - now;

			next = next == 0 || left < next ? left : next;
		} else if (key->held != NULL) {
			if (key->kind == EVENT_DATABASE_LOST &&
			    alerts->means.is_up(alerts->means.arg, key->database))
				count(alerts, key->kind, ALERT_BRIEF);
			else
				enqueue(alerts, &key->held->event, key->held->repeated);
			free(key->held);
			key->held = NULL;
			key->quiet_until_ms = now + settings_of(alerts)->alert_repeat_after_ms;
			next = next == 0 ? 1 : next;
		} else {
			remove_key(alerts, key);
		}
	}
	return next;
}

static void tell_dropped(struct alerts *alerts)
{
	unsigned long long dropped = alerts->dropped_untold;

	if (dropped == 0)
		return;
	alerts->dropped_untold = 0;
	event_log(EVENT_ALERT_FAILED, NULL,
		  "%llu alert%s did not get out: %d wait already for the alert command", dropped,
		  dropped == 1 ? "" : "s", QUEUE_MAX);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct alerts *alerts = arg;
	int64_t next = let_go(alerts);

	(void)fd;
	(void)what;
	tell_dropped(alerts);
	while (alerts->count > 0 && !command_is_running(alerts->command)) {
		struct alert alert = alerts->queue[alerts->first];

		alerts->first = (alerts->first + 1) % QUEUE_MAX;
		alerts->count--;
		start(alerts, &alert);
	}
	if (next > 0)
		turn_in(alerts, next);
}

/* --- life ----------------------------------------------------------------------------------------- */

uint64_t alerts_count(const struct alerts *alerts, enum event_kind kind, enum alert_result result)
{
	return alerts->counts[kind][result];
}

struct alerts *alerts_new(struct event_base *base, const struct alerts_means *means)
{
	struct alerts *alerts = memory_new(sizeof(*alerts));
	const struct journal_event *event;

	alerts->base = base;
	alerts->means = *means;
	alerts->turn = event_new(base, -1, 0, on_turn, alerts);
	alerts->command = command_new(base, on_over, alerts);
	for (uint64_t after = 0; (event = journal_next(after)) != NULL; after = event->number)
		on_event(alerts, event);
	alerts->watcher = (struct journal_watcher){ .on_event = on_event, .arg = alerts };
	journal_watch(&alerts->watcher);
	return alerts;
}

static void on_finish_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

void alerts_finish(struct alerts *alerts)
{
	bool late = false;
	struct event *timer = event_new(alerts->base, -1, 0, on_finish_timer, &late);

	event_add(timer, &(struct timeval){ .tv_sec = FINISH_MS / 1000 });
	while (!late && (alerts->count > 0 || command_is_running(alerts->command)))
		event_base_loop(alerts->base, EVLOOP_ONCE);
	event_free(timer);
}

void alerts_free(struct alerts *alerts)
{
	if (alerts == NULL)
		return;
	journal_unwatch(&alerts->watcher);
	command_free(alerts->command);
	event_free(alerts->turn);
	for (size_t i = 0; i < alerts->key_count; i++)
		free(alerts->keys[i].held);
	free(alerts->keys);
	free(alerts);
}
