/*
 * See detection.h. An entity whose connection was lost while it was looked at waits for a lane again.
 */
#include "run/detection.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "sql_store.h"

/* A lost connection, a deadlock: so often, then the entity is reported as it is. */
#define MOST_ATTEMPTS 5

struct detection {
	struct detection_request request;
	char analysis[UUID_TEXT_SIZE];
	char created[CLOCK_RFC3339_SIZE];
	struct detection_entity *entities;
	size_t count;
	bool kept; /* the analysis stands in the store, so entities may be looked at */
	unsigned attempts;
	detection_on_done *on_done;
	void *arg;
};

static void finish(struct detection *detection, const struct error *err)
{
	detection->on_done(detection->arg, detection, err);
}

static void on_finished(void *arg, const struct pg_answer *answer)
{
	fault_point("detect.finished");
	finish(arg, answer->error);
}

static void finish_when_done(struct detection *detection)
{
	for (size_t i = 0; i < detection->count; i++)
		if (detection->entities[i].state != DETECTION_DONE)
			return;
	pg_submit(detection->request.store, sql_store_analysis_finish, 1,
		  (const char *const[]){ detection->analysis }, on_finished, detection);
}

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

	pg_submit(entity->detection->request.store, sql_store_analysis_entity_insert, 8,
		  (const char *const[]){ entity->detection->analysis, entity->bound->entity->name,
					 detected->strategy, detected->whole ? "t" : "f", added,
					 modified, deleted, rows },
		  on_entity_kept, entity);
}

static bool may_retry(const struct error *err)
{
	return err->kind == ERROR_CONNECTION || err->kind == ERROR_TRANSIENT ||
	       err->kind == ERROR_BUSY;
}

static void on_detected(void *arg, const struct detected *detected, const struct error *err)
{
	struct detection_entity *entity = arg;
	struct detection *detection = entity->detection;
	struct lane *lane = entity->lane;

	entity->lane = NULL;
	if (err == NULL && fault_point("detect.compared"))
		err = fault_error();
	if (err == NULL) {
		entity->detected = *detected;
		keep_entity(entity);
	} else if (may_retry(err) && detection->attempts < MOST_ATTEMPTS * detection->count) {
		detection->attempts++;
		entity->state = DETECTION_WAITING;
	} else {
		log_error(LOG_ERR, err);
		entity->error = *err;
		entity->state = DETECTION_DONE;
		finish_when_done(detection);
	}
	lane_release(lane);
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
		detect_start(
			&(struct detect_request){
				.binding = detection->request.binding,
				.bound = entity->bound,
				.source = lane_source(lane),
				.target = lane_target(lane),
				.analysis = detection->analysis,
				.always_compare = detection->request.always_compare,
				.work_memory_kb = detection->request.work_memory_kb,
			},
			on_detected, entity);
		return;
	}
}

static void on_kept(void *arg, const struct pg_answer *answer)
{
	struct detection *detection = arg;

	if (answer->error != NULL) {
		finish(detection, answer->error);
		return;
	}
	detection->kept = true;
	fault_point("detect.begun");
	finish_when_done(detection);
	lane_pool_wake(detection->request.lanes);
}

static void add_entity(struct detection *detection, const struct bound_entity *bound)
{
	struct detection_entity *entity = &detection->entities[detection->count++];

	entity->bound = bound;
	entity->detection = detection;
	if (bound->usable)
		return;
	entity->state = DETECTION_DONE;
	error_set(&entity->error, ERROR_STRUCTURE, "the mapping does not fit the databases");
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
	pg_submit(request->store, sql_store_analysis_insert, 1,
		  (const char *const[]){ detection->analysis }, on_kept, detection);
	return detection;
}

void detection_free(struct detection *detection)
{
	if (detection == NULL)
		return;
	free(detection->entities);
	free(detection);
}

const char *detection_analysis(const struct detection *detection)
{
	return detection->analysis;
}

const char *detection_reason(const struct bound_entity *bound)
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
