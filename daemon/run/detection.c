/*
 * Detection of several entities; see detection.h. An entity whose connection was lost while it was looked at waits for a lane again.
 */
#include "run/detection.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "sql_store.h"

/* A lost connection, a deadlock: so often, then the entity is reported as it is. */
#define MOST_ATTEMPTS 5

/* While a detection is being cancelled: how often the servers are asked, and when the connections are given up. */
#define CANCEL_AGAIN_MS 200
#define CANCEL_PATIENCE 10

struct detection {
	struct detection_request request;
	char analysis[UUID_TEXT_SIZE];
	char created[CLOCK_RFC3339_SIZE];
	struct detection_entity *entities;
	size_t count;
	struct moment moment; /* before anything is read */
	bool kept;	      /* the analysis stands in the store, so entities may be looked at */
	bool asking;	      /* for itself, not for an entity: the moment, the store */
	bool cancelled;
	unsigned cancels;
	struct event *cancel; /* asks the servers again; NULL unless it is being cancelled */
	unsigned attempts;
	detection_on_done *on_done;
	void *arg;
};

static void finish(struct detection *detection, const struct error *err)
{
	detection->on_done(detection->arg, detection, err);
}

/* Once it is being cancelled its end is on_cancel()'s business alone, so that nothing ends it from within. */
static void on_finished(void *arg, const struct pg_answer *answer)
{
	struct detection *detection = arg;

	fault_point("detect.finished");
	detection->asking = false;
	if (!detection->cancelled)
		finish(detection, answer->error);
}

static bool is_done(const struct detection *detection)
{
	for (size_t i = 0; i < detection->count; i++)
		if (detection->entities[i].state != DETECTION_DONE)
			return false;
	return true;
}

static void finish_when_done(struct detection *detection)
{
	if (detection->cancelled || !is_done(detection))
		return;
	detection->asking = true;
	pg_submit(detection->request.store, sql_store_analysis_finish, 1,
		  (const char *const[]){ detection->analysis }, on_finished, detection);
}

/* --- one entity ----------------------------------------------------------------------------------- */

static void on_entity_kept(void *arg, const struct pg_answer *answer)
{
	struct detection_entity *entity = arg;

	entity->state = DETECTION_DONE;
	fault_point("detect.kept");
	if (answer->error != NULL)
		entity->error = *answer->error;
	finish_when_done(entity->detection);
}

static void keep_entity(struct detection_entity *entity)
{
	const struct detected *detected = &entity->detected;
	_cleanup_free_ char *added = text_format("%" PRId64, detected->added);
	_cleanup_free_ char *modified = text_format("%" PRId64, detected->modified);
	_cleanup_free_ char *deleted = text_format("%" PRId64, detected->deleted);
	_cleanup_free_ char *rows = text_format("%" PRId64, detected->rows);

	pg_submit(entity->detection->request.store, sql_store_analysis_entity_insert, 9,
		  (const char *const[]){ entity->detection->analysis, entity->bound->entity->name,
					 detected->strategy, detected->whole ? "t" : "f", added,
					 modified, deleted, rows, detected->watermark },
		  on_entity_kept, entity);
}

static bool may_retry(const struct error *err)
{
	return err->kind == ERROR_CONNECTION || err->kind == ERROR_TRANSIENT ||
	       err->kind == ERROR_BUSY;
}

static void log_fallback(const struct detection_entity *entity)
{
	if (entity->detected.fallback != NULL)
		log_event(LOG_NOTICE,
			  &(struct log_fields){ .entity = entity->bound->entity->name,
						.phase = "detect" },
			  "%s is swept: %s", entity->bound->entity->name,
			  entity->detected.fallback);
}

static void on_detected(void *arg, const struct detected *detected, const struct error *err)
{
	struct detection_entity *entity = arg;
	struct detection *detection = entity->detection;
	struct lane *lane = entity->lane;

	entity->lane = NULL;
	entity->run = NULL;
	if (err == NULL && fault_point("detect.compared"))
		err = fault_error();
	if (err == NULL) {
		entity->detected = *detected;
		log_fallback(entity);
		keep_entity(entity);
	} else if (!detection->cancelled && may_retry(err) &&
		   detection->attempts < MOST_ATTEMPTS * detection->count) {
		detection->attempts++;
		entity->state = DETECTION_WAITING;
	} else {
		if (!detection->cancelled)
			log_error_of(LOG_ERR,
				     &(struct log_fields){ .entity = entity->bound->entity->name,
							   .phase = "detect" },
				     err);
		entity->error = *err;
		entity->state = DETECTION_DONE;
	}
	lane_release(lane);
	if (entity->state == DETECTION_DONE)
		finish_when_done(detection);
}

void detection_offer(struct detection *detection, struct lane *lane)
{
	for (size_t i = 0; detection->kept && i < detection->count; i++) {
		struct detection_entity *entity = &detection->entities[i];

		if (entity->state != DETECTION_WAITING)
			continue;
		lane_take(lane);
		entity->lane = lane;
		entity->state = DETECTION_RUNNING;
		entity->run = detect_start(
			&(struct detect_request){
				.binding = detection->request.binding,
				.bound = entity->bound,
				.source = lane_source(lane),
				.target = lane_target(lane),
				.moment = &detection->moment,
				.depth = detection->request.depth,
				.analysis = detection->analysis,
				.always_compare = detection->request.always_compare,
				.work_memory_kb = detection->request.work_memory_kb,
			},
			on_detected, entity);
		return;
	}
}

/* --- the detection -------------------------------------------------------------------------------- */

/* Whether such a session may go on is the breakers' business. */
static void log_identity(const struct detection *detection, const char *before)
{
	if (before[0] != '\0' && strcmp(before, detection->moment.identity) != 0)
		event_log(EVENT_SOURCE_CHANGED, &(struct log_fields){ .database = "source" },
			  "the source is another database than before: its system identifier "
			  "and database are %s now and were %s",
			  detection->moment.identity, before);
}

static void on_kept(void *arg, const struct pg_answer *answer)
{
	struct detection *detection = arg;

	detection->asking = false;
	if (detection->cancelled)
		return;
	if (answer->error != NULL) {
		finish(detection, answer->error);
		return;
	}
	log_identity(detection, PQgetvalue(pg_answer_rows(answer), 0, 0));
	detection->kept = true;
	fault_point("detect.begun");
	finish_when_done(detection);
	lane_pool_wake(detection->request.lanes);
}

static void on_moment(void *arg, const struct moment *moment, const struct error *err)
{
	struct detection *detection = arg;

	if (err != NULL || detection->cancelled) {
		detection->asking = false;
		if (!detection->cancelled)
			finish(detection, err);
		return;
	}
	detection->moment = *moment;
	pg_submit(detection->request.store, sql_store_analysis_insert, 2,
		  (const char *const[]){ detection->analysis, moment->identity }, on_kept,
		  detection);
}

static void add_entity(struct detection *detection, const struct bound_entity *bound)
{
	struct detection_entity *entity = &detection->entities[detection->count++];

	entity->bound = bound;
	entity->detection = detection;
	if (bound->usable)
		return;
	entity->state = DETECTION_DONE;
	error_set(&entity->error, ERROR_STRUCTURE, "%s",
		  binding_refusal(detection->request.binding, bound));
	error_hint(&entity->error, "migratectl check says what does not fit");
}

struct detection *detection_new(const struct detection_request *request, detection_on_done *on_done,
				void *arg)
{
	struct detection *detection = memory_new(sizeof(*detection));
	const struct entity_set *set = request->binding->set;

	detection->request = *request;
	detection->on_done = on_done;
	detection->arg = arg;
	uuid_make(detection->analysis);
	clock_format_rfc3339(detection->created, clock_wall_us());
	detection->entities = memory_new((set->count + 1) * sizeof(*detection->entities));
	for (size_t i = 0; i < set->count; i++)
		if (request->selected[i])
			add_entity(detection, &request->binding->entities[i]);
	detection->asking = true;
	moment_observe(request->source, on_moment, detection);
	return detection;
}

void detection_free(struct detection *detection)
{
	if (detection == NULL)
		return;
	if (detection->cancel != NULL)
		event_free(detection->cancel);
	pg_forget(detection->request.store, detection);
	for (size_t i = 0; i < detection->count; i++)
		pg_forget(detection->request.store, &detection->entities[i]);
	free(detection->entities);
	free(detection);
}

/* --- cancelling it ---------------------------------------------------------------------------------- */

static void cancel_entity(struct detection *detection, struct detection_entity *entity)
{
	if (detection->cancels <= CANCEL_PATIENCE && entity->run != NULL)
		detect_cancel(entity->run, detection->request.source_beside,
			      detection->request.target_beside);
	if (detection->cancels > CANCEL_PATIENCE && entity->lane != NULL)
		pg_connection_reset(lane_source(entity->lane), "the detection was cancelled");
	if (detection->cancels > CANCEL_PATIENCE && entity->lane != NULL)
		pg_connection_reset(lane_target(entity->lane), "the detection was cancelled");
}

static void on_cancel(evutil_socket_t fd, short what, void *arg)
{
	struct detection *detection = arg;
	struct error err;

	(void)fd;
	(void)what;
	if (!detection->asking && is_done(detection)) {
		error_set(&err, ERROR_CANCELLED, "the detection was cancelled");
		finish(detection, &err);
		return;
	}
	detection->cancels++;
	event_add(detection->cancel, &(struct timeval){ .tv_usec = CANCEL_AGAIN_MS * 1000 });
	for (size_t i = 0; i < detection->count; i++)
		cancel_entity(detection, &detection->entities[i]);
}

void detection_cancel(struct detection *detection)
{
	if (detection->cancelled)
		return;
	detection->cancelled = true;
	for (size_t i = 0; i < detection->count; i++)
		if (detection->entities[i].state == DETECTION_WAITING)
			detection->entities[i].state = DETECTION_DONE;
	detection->cancel = event_new(detection->request.base, -1, 0, on_cancel, detection);
	event_active(detection->cancel, 0, 0);
}

/* --- looks ---------------------------------------------------------------------------------------- */

enum detect_depth detection_depth(const char *strategy)
{
	if (strategy == NULL)
		return DETECT_AS_CONFIGURED;
	return strcmp(strategy, "watermark") == 0 ? DETECT_WATERMARK : DETECT_SWEEP;
}

const char *detection_analysis(const struct detection *detection)
{
	return detection->analysis;
}

char *detection_reason(const struct bound_entity *bound)
{
	return detect_reason(bound);
}

const char *detection_created(const struct detection *detection)
{
	return detection->created;
}

const struct detection_entity *detection_entities(const struct detection *detection,
						  size_t *ret_count)
{
	*ret_count = detection->count;
	return detection->entities;
}
