/*
 * Findings: what a look at both databases has shown, each with a result and what to do about it.
 */
#ifndef DAEMON_VERIFY_FINDING_H
#define DAEMON_VERIFY_FINDING_H

#include <stddef.h>

enum finding_result { FINDING_PASS, FINDING_WARN, FINDING_FAIL, FINDING_UNKNOWN };

struct finding {
	char *check;   /* the theme: "privileges" */
	char *subject; /* "source", "target", an entity, or "public.orders" */
	enum finding_result result;
	char *message;
	char *action; /* what to do; NULL: nothing */
};

struct finding_list {
	struct finding *findings;
	size_t count;
};

/* "pass", "warn", "fail", "unknown". */
const char *finding_result_name(enum finding_result result);

/* Adds a finding unless the list has the same already; strings are copied, `action` may be NULL. */
void finding_add(struct finding_list *list, const char *check, const char *subject,
		 enum finding_result result, const char *action, const char *message);

/* Moves every finding of `from` to the end of `list`. */
void finding_list_move(struct finding_list *list, struct finding_list *from);

void finding_list_done(struct finding_list *list);

#endif
