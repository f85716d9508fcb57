/*
 * DryRun: what a migration would do. With `more`, frames while it goes; the last reply has what came of it. Who goes before that
 * ends it, since nobody else would be told.
 *
 * Rows are shown with their values: the table of commands lets only those who may operate call it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "control/handler.h"
#include "run/dry_run.h"

#define FRAME_INTERVAL_MS 500
#define KEYS_MAX 1000

struct dry_call {
	struct handlers *handlers;
	struct control_call *call;
	struct dry_run *dry_run;
	char *analysis;
	struct engine_subscriber *subscriber; /* NULL: it does not want more */
	struct event *timer;
	bool armed;
};

static void dry_call_free(struct dry_call *dry)
{
	if (dry->subscriber != NULL)
		engine_unsubscribe(dry->handlers->engine, dry->subscriber);
	event_free(dry->timer);
	free(dry->analysis);
	free(dry);
}

static void on_gone(void *arg)
{
	struct dry_call *dry = arg;

	dry_run_cancel(dry->dry_run, true);
	dry_call_free(dry);
}

/* --- replies ----------------------------------------------------------------------------------- */

/* Either may be NULL. */
static json_t *reply(const struct session *session, const json_t *shown)
{
	static const char *const lists[] = { "marking", "set_aside", "remarks", "rows" };
	json_t *mode = json_object_get(shown, "mode");
	json_t *frame = json_pack("{s:o, s:o, s:O?}", "session",
				  session != NULL ? session_describe(session) : json_null(),
				  "entities",
				  session != NULL ? session_describe_entities(session)
						  : json_array(),
				  "mode", mode);

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		json_t *list = json_object_get(shown, lists[i]);

		json_object_set_new(frame, lists[i],
				    list != NULL ? json_incref(list) : json_array());
	}
	return frame;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dry_call *dry = arg;

	(void)fd;
	(void)what;
	dry->armed = false;
	control_call_continue(dry->call, reply(dry_run_session(dry->dry_run), NULL));
}

static void on_change(void *arg)
{
	struct dry_call *dry = arg;

	if (!dry->armed)
		event_add(dry->timer, &(struct timeval){ .tv_usec = FRAME_INTERVAL_MS * 1000 });
	dry->armed = true;
}

static void on_done(void *arg, const struct session *session, const json_t *shown,
		    const struct error *err)
{
	struct dry_call *dry = arg;

	if (err != NULL)
		handler_fail_to_begin(dry->handlers, dry->call, dry->analysis, err);
	else
		control_call_reply(dry->call, reply(session, shown));
	dry_call_free(dry);
}

/* --- the call ---------------------------------------------------------------------------------- */

struct dry_parameters {
	char *analysis;
	bool full;
	json_t *entities;
	json_t *exclude;
	int64_t batch_size;
	char *strategy;
	bool rows;
	json_t *keys;
};

static const struct json_field dry_fields[] = {
	{ .key = "analysis",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct dry_parameters, analysis) },
	{ .key = "full", .type = JSON_FIELD_BOOL, .offset = offsetof(struct dry_parameters, full) },
	{ .key = "entities",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct dry_parameters, entities) },
	{ .key = "exclude",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct dry_parameters, exclude) },
	{ .key = "batch_size",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct dry_parameters, batch_size),
	  .minimum = 1,
	  .maximum = 1000000 },
	{ .key = "strategy",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct dry_parameters, strategy) },
	{ .key = "rows", .type = JSON_FIELD_BOOL, .offset = offsetof(struct dry_parameters, rows) },
	{ .key = "keys",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct dry_parameters, keys) },
	{ .key = NULL },
};

/* "13", or "1,de" of a key of two parts; NULL: it has another number of them. */
static json_t *key_parts(const struct entity *entity, const char *key)
{
	json_t *parts = json_array();
	size_t wanted = entity->source_key.count;

	while (json_array_size(parts) + 1 < wanted && strchr(key, ',') != NULL) {
		size_t length = strcspn(key, ",");

		json_array_append_new(parts, json_stringn(key, length));
		key += length + 1;
	}
	json_array_append_new(parts, json_string(key));
	if (json_array_size(parts) == wanted && (wanted == 1 || strchr(key, ',') == NULL))
		return parts;
	json_decref(parts);
	return NULL;
}

/* "patients:13" goes to the list of its entity. False when the call has been answered. */
static bool add_key(struct handlers *handlers, struct control_call *call, json_t *keys,
		    const char *named)
{
	const char *colon = strchr(named, ':');
	_cleanup_free_ char *name = text_format(
		"%.*s", (int)(colon != NULL ? colon - named : (ptrdiff_t)strlen(named)), named);
	const struct entity *entity = entity_find(&engine_config(handlers->engine)->entities, name);
	json_t *parts;

	if (entity == NULL) {
		control_call_error(call, "io.migrated.NoSuchEntity",
				   json_pack("{s:s}", "entity", name));
		return false;
	}
	parts = colon != NULL ? key_parts(entity, colon + 1) : NULL;
	if (parts == NULL) {
		control_call_invalid(call, "keys");
		return false;
	}
	if (json_object_get(keys, name) == NULL)
		json_object_set_new(keys, name, json_array());
	json_array_append_new(json_object_get(keys, name), parts);
	return true;
}

/* By entity; *ret_keys NULL: none were named. */
static bool sort_keys(struct handlers *handlers, struct control_call *call, const json_t *named,
		      json_t **ret_keys)
{
	json_t *keys = json_array_size(named) > 0 ? json_object() : NULL;
	size_t i;
	json_t *key;

	*ret_keys = NULL;
	if (json_array_size(named) > KEYS_MAX) {
		control_call_invalid(call, "keys");
		json_decref(keys);
		return false;
	}
	json_array_foreach(named, i, key)
		if (!add_key(handlers, call, keys, json_string_value(key))) {
			json_decref(keys);
			return false;
		}
	*ret_keys = keys;
	return true;
}

static void begin(struct handlers *handlers, struct control_call *call,
		  const struct dry_parameters *parameters, json_t *keys)
{
	struct dry_call *dry = memory_new(sizeof(*dry));

	*dry = (struct dry_call){ .handlers = handlers,
				  .call = call,
				  .analysis = text_copy(parameters->analysis) };
	dry->timer = event_new(handlers->base, -1, 0, on_timer, dry);
	control_call_on_gone(call, on_gone, dry);
	if (control_call_wants_more(call))
		dry->subscriber = engine_subscribe(handlers->engine, on_change, dry);
	engine_dry_run(handlers->engine,
		       &(struct dry_run_question){ .analysis = parameters->analysis,
						   .options = handler_session_options(call),
						   .rows = parameters->rows || keys != NULL,
						   .keys = keys },
		       on_done, dry, &dry->dry_run);
}

void handle_dry_run(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	struct dry_parameters parameters = { 0 };
	json_t *keys;

	if (!handler_decode(call, dry_fields, &parameters) ||
	    !handler_names(call, "entities", parameters.entities) ||
	    !handler_names(call, "exclude", parameters.exclude) ||
	    !handler_names(call, "keys", parameters.keys) ||
	    !handler_strategy(call, parameters.strategy))
		goto out;
	if (parameters.analysis != NULL && !uuid_is_prefix(parameters.analysis))
		control_call_error(call, "io.migrated.NoSuchAnalysis",
				   json_pack("{s:s}", "analysis", parameters.analysis));
	else if (sort_keys(handlers, call, parameters.keys, &keys))
		begin(handlers, call, &parameters, keys);
out:
	json_decref(parameters.entities);
	json_decref(parameters.exclude);
	json_decref(parameters.keys);
	free(parameters.analysis);
	free(parameters.strategy);
}
