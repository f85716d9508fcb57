/*
 * Bulk mode as `plan` announces it and `check` finds it; see bulk_plan.h.
 */
#include "control/bulk_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bulk_sql.h"
#include "common/text.h"

const struct bound_entity **bulk_plan_entities(const struct binding *binding, size_t *ret_count)
{
	const struct bound_entity **entities = memory_new((binding->set->count + 1) *
							  sizeof(*entities));

	*ret_count = 0;
	for (size_t i = 0; i < binding->set->count; i++)
		if (binding->entities[i].usable)
			entities[(*ret_count)++] = &binding->entities[i];
	return entities;
}

static size_t place_of(const struct binding *binding, const struct bound_entity *bound)
{
	size_t place = 1;

	for (const struct bound_entity *other = binding->entities; other != bound; other++)
		place += other->usable;
	return place;
}

/* Its rows of the answer: what would be set aside, what would not; and why nothing is, if it is the table's fault. */
static const char *sort(const PGresult *candidates, size_t place, json_t *aside, json_t *kept)
{
	const char *reason = NULL;

	for (int row = 0; row < PQntuples(candidates); row++) {
		const char *name = PQgetvalue(candidates, row, BULK_NAME);
		const char *why = PQgetvalue(candidates, row, BULK_KEPT);

		if (strtoul(PQgetvalue(candidates, row, BULK_PLACE), NULL, 10) != place)
			continue;
		if (strcmp(PQgetvalue(candidates, row, BULK_KIND), "table") == 0)
			reason = why[0] != '\0' ? why : NULL;
		else if (why[0] == '\0')
			json_array_append_new(aside, json_string(name));
		else if (reason == NULL)
			json_array_append_new(kept,
					      json_pack("{s:s, s:s}", "name", name, "reason", why));
	}
	return reason;
}

json_t *bulk_plan_describe(const struct binding *binding, const struct bound_entity *bound,
			   const struct settings *settings, const PGresult *candidates)
{
	json_t *aside = json_array(), *kept = json_array();
	const char *reason = bound->usable ? bulk_refusal(binding, bound)
					   : "it does not fit the databases";
	_cleanup_free_ char *rows = text_format("from %" PRId64 " rows on", settings->bulk_rows);
	bool used;

	if (reason == NULL && settings->bulk_rows == 0)
		reason = "settings.bulk_rows is 0";
	if (reason == NULL && candidates == NULL)
		reason = "what its table has could not be asked";
	if (reason == NULL)
		reason = sort(candidates, place_of(binding, bound), aside, kept);
	if (reason == NULL && json_array_size(aside) == 0)
		reason = "its table has nothing that it can do without";
	used = reason == NULL;
	return json_pack("{s:b, s:s, s:o, s:o}", "used", (int)used, "reason", used ? rows : reason,
			 "aside", aside, "kept", kept);
}

static json_t *finding_of(const json_t *item)
{
	const char *problem = json_string_value(json_object_get(item, "problem"));
	_cleanup_free_ char *message =
		text_format("%s \"%s\" was set aside by bulk mode at %s%s%s",
			    json_string_value(json_object_get(item, "kind")),
			    json_string_value(json_object_get(item, "name")),
			    json_string_value(json_object_get(item, "since")),
			    problem != NULL ? ", and cannot be put back: "
					    : ", and is put back when its rows are there",
			    problem != NULL ? problem : "");

	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "check", "bulk mode", "subject",
			 json_string_value(json_object_get(item, "table")), "result",
			 problem != NULL ? "fail" : "warn", "message", message, "action",
			 problem != NULL
				 ? "mend what stands in the way; it is tried again by itself"
				 : "leave the table alone until then");
}

bool bulk_plan_findings(json_t *findings, const json_t *set_aside)
{
	bool passed = true;
	const json_t *item;
	size_t i;

	json_array_foreach(set_aside, i, item) {
		if (strcmp(json_string_value(json_object_get(item, "kind")), "statistics") == 0)
			continue;
		passed &= json_is_null(json_object_get(item, "problem"));
		json_array_append_new(findings, finding_of(item));
	}
	return passed;
}
