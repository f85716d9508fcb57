/*
 * The views: what each command asks the daemon, and how the answer is shown. One row a command,
 * bound by verb.
 */
#ifndef CTL_VIEW_H
#define CTL_VIEW_H

#include <jansson.h>

#include "common/text.h"
#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/exit.h"
#include "ctl/look.h"

struct view {
	const char *verb;
	const char *method; /* NULL: the command's */

	/* What is sent; NULL: nothing. */
	json_t *(*parameters)(const struct arguments *arguments);

	/* The answer as text. Pure, so that it can be held against golden files. */
	void (*print)(const struct look *look, struct text *out, const json_t *reply,
		      const struct arguments *arguments);

	/* The exit status that an answer stands for; NULL: EXIT_DONE. */
	enum exit_status (*judge)(const json_t *reply);

	/* Instead of one call and one answer. */
	enum exit_status (*run)(const struct view *view, const struct arguments *arguments,
				struct client *client);

	/* When no daemon answers; NULL: that is said, and all there is to it. */
	enum exit_status (*without_daemon)(const struct arguments *arguments,
					   const struct failure *failure);

	bool quick; /* answered from memory: not to answer for VIEW_QUICK_TIMEOUT_MS is a failure */
};

#define VIEW_QUICK_TIMEOUT_MS 30000

extern const struct view view_status, view_watch, view_list, view_logs, view_analyze, view_detect,
	view_migrate, view_pause, view_resume, view_cancel, view_plan, view_check, view_report,
	view_rules, view_letters_list, view_letters_show, view_letters_retry, view_letters_discard,
	view_parked, view_account, view_explain, view_validate, view_rollback, view_left,
	view_conflicts_list, view_conflicts_show, view_conflicts_resolve, view_audit, view_reload;

/* NULL for a verb without one. */
const struct view *view_by_verb(const char *verb);

/* Connects, asks, shows, and says on stderr what went wrong. */
enum exit_status view_run(const struct view *view, const struct arguments *arguments);

/* The same on a connection that is there: one call, one answer, shown. */
enum exit_status view_call(const struct view *view, const struct arguments *arguments,
			   struct client *client);

/* Says what went wrong, and gives its exit status. */
enum exit_status view_fail(const struct failure *failure);

/* The answer as one JSON object with "version": 1 first; on one line when streaming. */
void view_append_json(struct text *out, json_t *reply, bool streaming);

/* Entities whose "error" is set: a line for each, and the exit status. What could not be counted is
   not a success. */
void view_append_entity_errors(const struct look *look, struct text *out, const json_t *entities);
enum exit_status view_judge_entity_errors(const json_t *entities);

/* "Label       some text, in lines that a terminal has room for"; the label takes so many columns. */
void view_append_field(const struct look *look, struct text *out, const char *label,
		       int label_width, const char *string);

/* "1,234 rows, the last 50 of them shown (--limit shows more)."; `which` is "first" or "last". */
void view_append_total(struct text *out, int64_t total, int64_t shown, const char *which);

/* Of an entity that was named nothing was found: perhaps it is called otherwise. */
void view_append_names(struct text *out, const struct arguments *arguments);

/* Puts what was given among the parameters; nothing when it was not. */
void view_set_string(json_t *parameters, const char *key, const char *value);
void view_set_names(json_t *parameters, const char *key, const char *names);
void view_set_count(json_t *parameters, const char *key, int64_t count);
void view_set_flag(json_t *parameters, const char *key, bool flag);

#endif
