/*
 * Detection of several entities at once, on the lanes, kept as an analysis.
 */
#ifndef DAEMON_RUN_DETECTION_H
#define DAEMON_RUN_DETECTION_H

#include "common/uuid.h"
#include "detect/detect.h"
#include "run/lane.h"

struct detection;

/* What was found of one entity, or why it could not be looked at. */
struct detection_entity {
	const struct bound_entity *bound;
	struct detected detected;
	struct error error; /* ERROR_NONE: detected holds */
	enum { DETECTION_WAITING, DETECTION_RUNNING, DETECTION_DONE } state;
	struct detection *detection;
	struct lane *lane;
	struct detect_run *run; /* while it is RUNNING */
};

struct detection_request {
	struct event_base *base;
	const struct binding *binding;	     /* outlives the detection */
	const bool *selected;		     /* entities, by index; copied */
	struct lane_pool *lanes;	     /* whose owner calls detection_offer() */
	struct pg_connection *source;	     /* beside the lanes: for the moment */
	struct pg_connection *store;	     /* the target, for what is kept */
	struct pg_connection *source_beside; /* to cancel what the lanes run */
	struct pg_connection *target_beside;
	enum detect_depth depth;
	bool always_compare; /* see struct detect_request */
	int64_t work_memory_kb;
};

typedef void detection_on_done(void *arg, struct detection *detection, const struct error *err);

/* Starts, and calls on_done once: with the detection complete, or with an error of the store. Entities that cannot be
   detected carry their own error. The detection is freed by its owner, with detection_free(), also from on_done. */
struct detection *detection_new(const struct detection_request *request, detection_on_done *on_done,
				void *arg);
void detection_free(struct detection *detection);

/* What a request or a session's options say of the depth: "sweep", "watermark", or nothing (NULL). */
enum detect_depth detection_depth(const char *strategy);

/* Ends it: entities that wait are not looked at, and those under way are cancelled on both sides; a connection that does not obey is
   reset. on_done follows within a second or two, with ERROR_CANCELLED. */
void detection_cancel(struct detection *detection);

/* A lane is idle: takes it when an entity waits. */
void detection_offer(struct detection *detection, struct lane *lane);

const char *detection_analysis(const struct detection *detection); /* its UUID */
/* How this entity is looked at, and why; for `migratectl plan`. Caller frees. */
char *detection_reason(const struct bound_entity *bound);

const char *detection_created(const struct detection *detection); /* RFC 3339 */
const struct detection_entity *detection_entities(const struct detection *detection,
						  size_t *ret_count);

#endif
