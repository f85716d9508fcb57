/*
 * Account: where every row of each entity's source is, one entity after another over the observing lane. Somebody who does not wait for
 * the answer any more ends it: the queries are cancelled, since they read whole tables.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "common/text.h"
#include "control/handler.h"
#include "run/selection.h"
#include "verify/account.h"

/* While it is being cancelled: how often the servers are asked, and when the connections are given up. */
#define CANCEL_AGAIN_MS 200
#define CANCEL_PATIENCE 10

struct accounting {
	struct handlers *handlers;
	struct control_call *call; /* NULL once the peer has gone */
	json_t *entities;
	json_t *exclude;
	struct lane *lane; /* NULL while it is waited for */
	const struct binding *binding;
	bool *selected;
	size_t next;
	struct account_run *run; /* of the entity `next`; NULL between two */
	struct event *cancel;	 /* asks the servers again */
	unsigned cancels;
	json_t *replies;
	bool balanced;
};

static void account_next(struct accounting *accounting);

static void accounting_free(struct accounting *accounting)
{
	if (accounting->lane != NULL)
		observe_done(engine_observatory(accounting->handlers->engine), accounting->lane);
	event_free(accounting->cancel);
	json_decref(accounting->entities);
	json_decref(accounting->exclude);
	json_decref(accounting->replies);
	free(accounting->selected);
	free(accounting);
}

/* --- nobody waits any more ----------------------------------------------------------------------- */

static void on_cancel(evutil_socket_t fd, short what, void *arg)
{
	struct accounting *accounting = arg;
	struct engine *engine = accounting->handlers->engine;

	(void)fd;
	(void)what;
	if (accounting->run == NULL)
		return;
	event_add(accounting->cancel, &(struct timeval){ .tv_usec = CANCEL_AGAIN_MS * 1000 });
	if (accounting->cancels++ < CANCEL_PATIENCE) {
		account_cancel(accounting->run, engine_source(engine), engine_target(engine));
		return;
	}
	pg_connection_reset(lane_source(accounting->lane), "the account was cancelled");
	pg_connection_reset(lane_target(accounting->lane), "the account was cancelled");
}

static void on_peer_gone(void *arg)
{
	struct accounting *accounting = arg;

	accounting->call = NULL;
	if (accounting->run != NULL)
		event_active(accounting->cancel, 0, 0);
}

/* --- entities ------------------------------------------------------------------------------------ */

static json_t *describe_account(const struct entity *entity, const struct account *account,
				const struct error *err)
{
	static const struct account none = { 0 };
	const struct account *a = err == NULL ? account : &none;
	const struct {
		const char *name;
		int64_t count;
	} counts[] = {
		{ "source", a->source },
		{ "equal", a->equal },
		{ "waiting", a->waiting },
		{ "parked", a->parked },
		{ "dead_letters", a->dead_letters },
		{ "discarded", a->discarded },
		{ "held", a->held },
		{ "kept", a->kept },
		{ "filtered", a->filtered },
		{ "lost", a->lost },
		{ "in_change_set", a->in_change_set },
		{ "gone", a->gone },
		{ "deferred", a->deferred },
		{ "undeleted", a->undeleted },
		{ "duplicates", a->duplicates },
		{ "keyless", a->keyless },
	};
	json_t *described = json_pack("{s:s, s:s?, s:b, s:s?}", "entity", entity->name, "mapping",
				      err == NULL ? account_mapping_name(a->mapping) : NULL,
				      "balanced", err == NULL && account_is_balanced(a), "error",
				      err != NULL ? err->message : NULL);

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(described, counts[i].name,
				    err == NULL ? json_integer(counts[i].count) : json_null());
	return described;
}

/* One frame an entity for those who stream; all at the end for the others. */
static void on_account(void *arg, const struct account *account, const struct error *err)
{
	struct accounting *accounting = arg;
	const struct entity *entity = &accounting->binding->set->entities[accounting->next];
	json_t *described = describe_account(entity, account, err);
	bool balanced = err == NULL && account_is_balanced(account);

	accounting->run = NULL;
	accounting->balanced &= balanced;
	if (accounting->call != NULL && control_call_wants_more(accounting->call))
		control_call_continue(accounting->call,
				      json_pack("{s:[O], s:b}", "accounts", described, "balanced",
						(int)balanced));
	json_array_append_new(accounting->replies, described);
	accounting->next++;
	if (err != NULL && err->kind == ERROR_CONNECTION && accounting->call != NULL) {
		handler_fail(accounting->call, err);
		accounting->call = NULL;
	}
	account_next(accounting);
}

static void account_next(struct accounting *accounting)
{
	const struct binding *binding = accounting->binding;

	while (accounting->next < binding->set->count && !accounting->selected[accounting->next])
		accounting->next++;
	if (accounting->call == NULL) {
		accounting_free(accounting);
		return;
	}
	if (accounting->next == binding->set->count) {
		control_call_reply(accounting->call,
				   json_pack("{s:O, s:b}", "accounts", accounting->replies,
					     "balanced", (int)accounting->balanced));
		accounting_free(accounting);
		return;
	}
	accounting->run = account_start(
		&(struct account_request){
			.binding = binding,
			.bound = &binding->entities[accounting->next],
			.source = lane_source(accounting->lane),
			.target = lane_target(accounting->lane),
			.work_memory_kb = engine_config(accounting->handlers->engine)
						  ->settings.work_memory_kb,
		},
		on_account, accounting);
}

static void on_lane(void *arg, struct lane *lane, const struct binding *binding,
		    const struct error *err)
{
	struct accounting *accounting = arg;
	struct error not_found;

	if (err == NULL) {
		accounting->lane = lane;
		accounting->binding = binding;
		accounting->selected = selection_make(binding->set, accounting->entities,
						      accounting->exclude, &not_found);
		if (accounting->selected != NULL) {
			account_next(accounting);
			return;
		}
		err = &not_found;
	}
	if (accounting->call != NULL)
		handler_fail(accounting->call, err);
	accounting_free(accounting);
}

/* --- the call ------------------------------------------------------------------------------------ */

struct account_parameters {
	json_t *entities;
	json_t *exclude;
};

static const struct json_field account_fields[] = {
	{ .key = "entities",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct account_parameters, entities) },
	{ .key = "exclude",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct account_parameters, exclude) },
	{ .key = NULL },
};

void handle_account(void *arg, struct control_call *call)
{
	struct handlers *handlers = arg;
	struct account_parameters parameters = { 0 };
	struct accounting *accounting;

	if (!handler_decode(call, account_fields, &parameters) ||
	    !handler_names(call, "entities", parameters.entities) ||
	    !handler_names(call, "exclude", parameters.exclude)) {
		json_decref(parameters.entities);
		json_decref(parameters.exclude);
		return;
	}
	accounting = memory_new(sizeof(*accounting));
	*accounting = (struct accounting){ .handlers = handlers,
					   .call = call,
					   .entities = parameters.entities,
					   .exclude = parameters.exclude,
					   .replies = json_array(),
					   .balanced = true };
	accounting->cancel = event_new(handlers->base, -1, 0, on_cancel, accounting);
	control_call_on_gone(call, on_peer_gone, accounting);
	observe(engine_observatory(handlers->engine), on_lane, accounting);
}
