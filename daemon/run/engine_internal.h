/*
 * What engine.c and request.c share: the engine itself, and a request on its way to a session or a detection.
 *
 * engine.c knows connections, lanes, and the session that an earlier life left unfinished; request.c leads what is asked
 * for through control schema, binding and id maps to its beginning.
 */
#ifndef DAEMON_RUN_ENGINE_INTERNAL_H
#define DAEMON_RUN_ENGINE_INTERNAL_H

#include "run/again.h"
#include "run/cycle.h"
#include "run/dry_run.h"
#include "run/engine.h"
#include "run/owner.h"
#include "run/restorer.h"
#include "run/tally.h"
#include "run/throttle.h"
#include "run/validation.h"

typedef void engine_on_prepared(void *arg, const struct error *err);

/* What was asked for, until it is a session or has been detected. */
struct request {
	struct engine *engine;
	json_t *options;
	char *analysis;
	struct binding *binding;
	session_on_started *on_started;	 /* migrate */
	engine_on_detected *on_detected; /* detect */
	struct dry_run *dry_run;
	engine_on_prepared *on_prepared; /* nothing but the control schema is wanted */
	struct again *again;		 /* rows are asked for again, and may need a session */
	struct rollback_asked *rollback; /* a session is to be undone; the source is not needed */
	bool names_only;		 /* the mapping is not needed: a rollback is resumed */
	bool resume; /* an unfinished session, whose row is asked for again when all is prepared */
	void *arg;
	int64_t since_ms; /* when it came */
	struct request
		*waiting; /* the next of those that came before it was known whether one may */
};

struct engine {
	struct event_base *base;
	const struct config *config;
	struct connect_settings *settings;
	struct pg_connection *source;
	struct pg_connection *target;
	struct owner *owner;
	struct lane_pool *lanes;
	struct observatory *observatory;
	struct cycle_driver *cycle;
	struct throttle *throttle;
	struct validator *validator;
	struct restorer *restorer;
	struct tally tally;
	struct event *
		again; /* looks for an unfinished session once more, when it could not be resumed */

	struct request *waiting;     /* what came before both databases had said a word */
	struct event *settled;	     /* looks whether they have */
	struct request *request;     /* being prepared */
	struct detection *detection; /* of a detect request */
	struct session *session;
	struct dry_run *dry_run; /* of which the session is; until nothing of it is left */
	bool resumed;		 /* the store was asked for an unfinished session */
	bool known;		 /* the store has said that it has none, in this life */
	bool reached;		 /* both databases have answered once */
	bool lost; /* one of the connections was lost since both were up, and the store was ours */
	struct event *
		put_down; /* the store has, or may have, another owner: what is under way is dropped */
	bool without_source; /* what is under way does not need it */
	bool left_over;	     /* rows may have been asked for that what is under way does not take */
	uint64_t offers;     /* of lanes */
	bool held_back; /* another configuration is wanted: nothing is begun before it is there */
	struct cycles kept; /* from one configuration to the next */
	bool stopping;
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
	struct engine_subscriber *subscribers;
};

/* --- engine.c ---------------------------------------------------------------------------------- */

void engine_changed(struct engine *engine);

/* The connection that cannot be asked, or NULL. */
const struct pg_connection *engine_down(const struct engine *engine);

/* How many lanes these options of a session (may be NULL) ask for, within what is allowed. */
size_t engine_lane_count(const struct engine *engine, const json_t *options);

/* Why nothing can be done here now, since another daemon owns the store or it is not known yet; false with the reason. */
bool engine_owns(const struct engine *engine, struct error *err);

/* What is under way is dropped, soon, without a word to the store; then it is looked whose the store is. */
void engine_put_down(struct engine *engine);

/* An unfinished session is looked for again, soon. */
void engine_look_again_later(struct engine *engine);

/* The connection that cannot be asked and is needed, or NULL. */
const struct pg_connection *engine_lacks(const struct engine *engine, bool without_source);

/* What is begun now: does it need the source? */
void engine_needs_source(struct engine *engine, bool needs_source);

/* --- rollback_request.c ------------------------------------------------------------------------ */

/* The control schema is ours and of this version: looks at the session that is to be undone. */
void rollback_ask(struct request *request);
void rollback_refused(struct rollback_asked *asked, const struct error *err);
void rollback_asked_free(struct rollback_asked *asked);

/* --- request.c --------------------------------------------------------------------------------- */

/* Sees to it that the control schema stands, is of this version and is ours, beside whatever is under way. */
void request_prepare(struct engine *engine, engine_on_prepared *on_prepared, void *arg);

/* Goes on as soon as it may; takes it over. */
void request_submit(struct request *request);

/* Has a dry run begin as soon as it may, or refuses it. */
void request_dry_run(struct engine *engine, struct dry_run *dry, const json_t *options);

/* Its session is begun; it is refused; or it ends here, without a word. */
void request_begin_session(struct request *request);
void request_refuse(struct request *request, const struct error *err);
void request_end(struct request *request);

/* A cycle has ended its look: the request that has come meanwhile, if any, goes on; false: there is none. */
bool request_go_on(struct engine *engine);

/* Resumes the session that the store says is unfinished. */
void request_resume(struct engine *engine, bool rollback);

/* A request that was under way when the store was lost to another daemon is refused. */
void request_put_down(struct engine *engine);

/* Looks again at requests that wait until it is known whether they may begin; of an event. */
void request_on_settled(evutil_socket_t fd, short what, void *engine);

void request_free(struct request *request);
/* Those that wait, too; nobody is told. */
void request_free_all(struct engine *engine);

#endif
