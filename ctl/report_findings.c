/*
 * What a session came to, in sentences: its state first, then whatever somebody should look at.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/hold.h"
#include "ctl/reply.h"
#include "ctl/report.h"

#define NAMED_MOST 5

static void add(struct report_findings *findings, enum report_severity severity,
		const char *section, char *sentence)
{
	findings->list = memory_grow(findings->list, findings->count + 1, sizeof findings->list[0]);
	findings->list[findings->count++] = (struct report_finding){ severity, sentence, section };
}

/* --- the state ------------------------------------------------------------------------------------ */

static const struct {
	const char *state;
	enum report_severity severity;
	const char *words;
} states[] = {
	{ "completed", REPORT_GOOD, "The session completed" },
	{ "failed", REPORT_BAD, "The session failed" },
	{ "cancelled", REPORT_BAD, "The session was cancelled" },
	{ "paused", REPORT_WARNING, "The session is paused" },
	{ "running", REPORT_ACTIVE, "The session is still running" },
	{ "pending", REPORT_ACTIVE, "The session has not begun" },
};

/* "paused by an operator" as the reason of a session that is paused. */
static const char *without_state(const char *reason, const char *state)
{
	size_t length = strlen(state);

	return strncmp(reason, state, length) == 0 && reason[length] == ' ' ? reason + length
									    : NULL;
}

static void add_state(struct report_findings *findings, const json_t *session)
{
	const char *state = reply_string_or(session, "state", "unknown");
	const char *reason = reply_string(session, "reason");
	const char *rest = reason ? without_state(reason, state) : NULL;
	struct text sentence = TEXT_INIT;
	enum report_severity severity = REPORT_WARNING;
	const char *words = "The session is in a state unknown here";

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strcmp(states[i].state, state) == 0) {
			severity = states[i].severity;
			words = states[i].words;
		}
	text_append(&sentence, words);
	if (rest)
		text_append(&sentence, rest);
	else if (reason)
		text_appendf(&sentence, ": %s", reason);
	add(findings, severity, NULL, text_steal(&sentence));
}

/* --- counts --------------------------------------------------------------------------------------- */

/* One thing that can be counted: in the session itself, or in the rows of a list of which a member has a value. */
struct count {
	const char *list; /* NULL: a member of the session */
	const char *where;
	const char *is;
	const char *sum; /* the member that is summed up; NULL: rows are counted */
	enum report_severity severity;
	const char *section;
	const char *one;
	const char *many;
};

static const struct count counts[] = {
	{ "entities", "state", "cancelled", NULL, REPORT_WARNING, "carried", "entity was cancelled",
	  "entities were cancelled" },
	{ NULL, NULL, NULL, "failed", REPORT_WARNING, "set-aside",
	  "row could not be carried and was set aside",
	  "rows could not be carried and were set aside" },
	{ NULL, NULL, NULL, "parked", REPORT_WARNING, "waiting",
	  "row was left waiting for its parent", "rows were left waiting for their parents" },
	{ NULL, NULL, NULL, "held", REPORT_WARNING, "conflicts",
	  "row edited in the target was held, for people to decide",
	  "rows edited in the target were held, for people to decide" },
	{ NULL, NULL, NULL, "overwritten", REPORT_WARNING, "conflicts",
	  "row edited in the target was overwritten",
	  "rows edited in the target were overwritten" },
	{ NULL, NULL, NULL, "kept", REPORT_WARNING, "conflicts",
	  "row edited in the target was kept as it was",
	  "rows edited in the target were kept as they were" },
	{ NULL, NULL, NULL, "warned", REPORT_WARNING, "rules",
	  "row was carried although it breaks a rule",
	  "rows were carried although they break a rule" },
	{ "validations", NULL, NULL, "differences", REPORT_BAD, "validation",
	  "difference was found by validation", "differences were found by validation" },
	{ "validations", "state", "unchecked", NULL, REPORT_WARNING, "validation",
	  "check could not be made, which is no pass",
	  "checks could not be made, which is no pass" },
	{ "validations", "state", "failed", NULL, REPORT_WARNING, "validation",
	  "check failed, which is no pass", "checks failed, which is no pass" },
};

static int64_t count_of(const struct count *count, const json_t *report)
{
	int64_t total = 0;
	size_t i;
	json_t *row;

	if (!count->list)
		return reply_integer(json_object_get(report, "session"), count->sum);
	json_array_foreach(json_object_get(report, count->list), i, row) {
		if (!count->where || strcmp(reply_string_or(row, count->where, ""), count->is) == 0)
			total += count->sum ? reply_integer(row, count->sum) : 1;
	}
	return total;
}

/* Entities that failed by themselves each with its reason, but not all of very many; those that refer to them are counted. */
static void add_failed_entities(struct report_findings *findings, const json_t *entities)
{
	static const char because_of_others[] = "it refers to ";
	int64_t named = 0, others = 0;
	char number[32];
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity) {
		const char *reason = reply_string_or(entity, "reason", "no reason is known");

		if (strcmp(reply_string_or(entity, "state", ""), "failed") != 0)
			continue;
		if (strncmp(reason, because_of_others, strlen(because_of_others)) == 0 ||
		    named == NAMED_MOST) {
			others++;
			continue;
		}
		named++;
		add(findings, REPORT_BAD, "carried",
		    text_format("%s failed: %s", reply_string_or(entity, "entity", "?"), reason));
	}
	if (others > 0)
		add(findings, REPORT_BAD, "carried",
		    text_format("%s more %s failed", text_thousands(number, others),
				others == 1 ? "entity" : "entities"));
}

void report_findings_make(struct report_findings *findings, const json_t *report)
{
	char number[32];

	*findings = (struct report_findings){ 0 };
	add_state(findings, json_object_get(report, "session"));
	add_failed_entities(findings, json_object_get(report, "entities"));
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		int64_t total = count_of(&counts[i], report);

		if (total > 0)
			add(findings, counts[i].severity, counts[i].section,
			    text_format("%s %s", text_thousands(number, total),
					total == 1 ? counts[i].one : counts[i].many));
	}
}

void report_findings_done(struct report_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		free(findings->list[i].sentence);
	free(findings->list);
	*findings = (struct report_findings){ 0 };
}

enum report_severity report_findings_worst(const struct report_findings *findings)
{
	enum report_severity worst = REPORT_GOOD;

	for (size_t i = 0; i < findings->count; i++)
		if (findings->list[i].severity > worst)
			worst = findings->list[i].severity;
	return worst;
}
