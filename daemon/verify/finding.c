/*
 * Lists of findings; see finding.h.
 */
#include "verify/finding.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

const char *finding_result_name(enum finding_result result)
{
	switch (result) {
	case FINDING_PASS:
		return "pass";
	case FINDING_WARN:
		return "warn";
	case FINDING_FAIL:
		return "fail";
	case FINDING_UNKNOWN:
		return "unknown";
	}
	abort();
}

static bool is_known(const struct finding_list *list, const char *check, const char *subject,
		     const char *message)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->findings[i].check, check) == 0 &&
		    strcmp(list->findings[i].subject, subject) == 0 &&
		    strcmp(list->findings[i].message, message) == 0)
			return true;
	return false;
}

static struct finding *add_one(struct finding_list *list)
{
	list->findings = memory_grow(list->findings, list->count + 1, sizeof(*list->findings));
	return &list->findings[list->count++];
}

void finding_add(struct finding_list *list, const char *check, const char *subject,
		 enum finding_result result, const char *action, const char *message)
{
	if (is_known(list, check, subject, message))
		return;
	*add_one(list) = (struct finding){
		.check = text_copy(check),
		.subject = text_copy(subject),
		.result = result,
		.message = text_copy(message),
		.action = text_copy(action),
	};
}

void finding_list_move(struct finding_list *list, struct finding_list *from)
{
	for (size_t i = 0; i < from->count; i++)
		*add_one(list) = from->findings[i];
	free(from->findings);
	*from = (struct finding_list){ 0 };
}

void finding_list_done(struct finding_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->findings[i].check);
		free(list->findings[i].subject);
		free(list->findings[i].message);
		free(list->findings[i].action);
	}
	free(list->findings);
	*list = (struct finding_list){ 0 };
}
