/*
 * What the handlers share: their context, the decoding of parameters, and calls that are answered later. Used by handlers*.c only.
 */
#ifndef DAEMON_CONTROL_HANDLER_H
#define DAEMON_CONTROL_HANDLER_H

#include "base/journal.h"
#include "common/json_decode.h"
#include "control/handlers.h"

struct handlers {
	struct event_base *base;
	struct engine *engine;
	struct audit *audit;
	int64_t started_us;
	struct log_follower *log_followers; /* handlers_logs.c */
	struct journal_watcher log_watcher; /* while there are any */
	struct audience *watchers;	    /* handlers_watch.c */
	struct engine_subscriber *watched;  /* while there are any */
	size_t explaining;		    /* rows that are being explained */
	handlers_on_reload *on_reload;	    /* handlers_reload.c */
	void *reload_arg;
};

/* Those who watch; handlers_watch.c. */
struct audience *handlers_watchers_new(struct handlers *handlers);

/* Decodes the call's parameters; answers InvalidParameter and returns false when they do not fit. */
bool handler_decode(struct control_call *call, const struct json_field *fields,
		    void *target) _warn_unused_;

/* True when `names` is NULL or an array of strings; else answers InvalidParameter. */
bool handler_names(struct control_call *call, const char *parameter,
		   const json_t *names) _warn_unused_;

/* True when `strategy` is NULL or one of its names; else likewise. */
bool handler_strategy(struct control_call *call, const char *strategy) _warn_unused_;

/* Of a call's parameters, once they are decoded, those that are a session's options (engine_migrate()). */
json_t *handler_session_options(const struct control_call *call);

/* A call that is answered when something else has come back; `call` is NULL once the peer has gone. */
struct pending_call {
	struct handlers *handlers;
	struct control_call *call;
	void *state; /* of the handler; its own to free */
};

struct pending_call *pending_call_new(struct handlers *handlers, struct control_call *call);

/* Answer, and free the pending call; nothing is sent when the peer has gone. Parameters are taken over. */
void pending_call_reply(struct pending_call *pending, json_t *parameters);
void pending_call_fail(struct pending_call *pending, const struct error *err);

/* NoSuchSession, Unavailable …: the error of the interface that says it most closely. */
void handler_fail(struct control_call *call, const struct error *err);

/* What was to begin could not: AlreadyRunning, or NoSuchAnalysis (this one), where it is that; else as handler_fail(). */
void handler_fail_to_begin(struct handlers *handlers, struct control_call *call,
			   const char *analysis, const struct error *err);

void handle_status(void *arg, struct control_call *call);
void handle_watch(void *arg, struct control_call *call);
void handle_list(void *arg, struct control_call *call);
void handle_logs(void *arg, struct control_call *call);
void handle_analyze(void *arg, struct control_call *call);
void handle_detect(void *arg, struct control_call *call);
void handle_migrate(void *arg, struct control_call *call);
void handle_dry_run(void *arg, struct control_call *call);
void handle_pause(void *arg, struct control_call *call);
void handle_resume(void *arg, struct control_call *call);
void handle_cancel(void *arg, struct control_call *call);
void handle_plan(void *arg, struct control_call *call);
void handle_check(void *arg, struct control_call *call);
void handle_list_rules(void *arg, struct control_call *call);
void handle_account(void *arg, struct control_call *call);
void handle_validate(void *arg, struct control_call *call);
void handle_show_validation(void *arg, struct control_call *call);
void handle_explain(void *arg, struct control_call *call);
void handle_list_dead_letters(void *arg, struct control_call *call);
void handle_show_dead_letter(void *arg, struct control_call *call);
void handle_retry_dead_letters(void *arg, struct control_call *call);
void handle_discard_dead_letters(void *arg, struct control_call *call);
void handle_list_parked(void *arg, struct control_call *call);
void handle_rollback(void *arg, struct control_call *call);
void handle_list_left(void *arg, struct control_call *call);
void handle_list_conflicts(void *arg, struct control_call *call);
void handle_show_conflict(void *arg, struct control_call *call);
void handle_resolve_conflicts(void *arg, struct control_call *call);
void handle_report(void *arg, struct control_call *call);
void handle_audit(void *arg, struct control_call *call);
void handle_reload(void *arg, struct control_call *call);

#endif
