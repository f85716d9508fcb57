/*
 * Audit: who has asked what here, and which rows were changed by which session. It operates, since it shows what others have done, and
 * the keys of all rows that were ever touched: more than those need who look whether a migration goes well. So reading it is recorded.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "control/audit.h"
#include "control/handler.h"
#include "control/question.h"
#include "sql_store.h"
#include "store/store.h"

enum audit_kind { AUDIT_COMMANDS, AUDIT_ROWS };

static const char *const kinds[] = { "commands", "rows", NULL };

struct audit_parameters {
	enum audit_kind kind;
	char *entity;
	char *session;
	json_t *key;
	char *since;
	char *user;
	int64_t uid; /* -1: any */
	int64_t before;
	int64_t limit;
};

static const struct json_field fields[] = {
	{ .key = "kind",
	  .type = JSON_FIELD_CHOICE,
	  .offset = offsetof(struct audit_parameters, kind),
	  .choices = kinds },
	{ .key = "entity",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct audit_parameters, entity) },
	{ .key = "session",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct audit_parameters, session) },
	{ .key = "key",
	  .type = JSON_FIELD_ARRAY,
	  .offset = offsetof(struct audit_parameters, key) },
	{ .key = "since",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct audit_parameters, since) },
	{ .key = "user",
	  .type = JSON_FIELD_STRING,
	  .offset = offsetof(struct audit_parameters, user) },
	{ .key = "uid",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct audit_parameters, uid),
	  .minimum = 0,
	  .maximum = UINT32_MAX },
	{ .key = "before",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct audit_parameters, before),
	  .minimum = 1,
	  .maximum = INT64_MAX },
	{ .key = "limit",
	  .type = JSON_FIELD_INTEGER,
	  .offset = offsetof(struct audit_parameters, limit),
	  .minimum = 1,
	  .maximum = QUESTION_LIMIT_MAX },
	{ .key = NULL },
};

/* "2026-01-05T09:12:44Z", with or without a fraction; that there is such a day, the store says. */
static bool is_moment(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	size_t i;

	for (i = 0; form[i] != '\0'; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	if (text[i] == '.')
		i += 1 + strspn(text + i + 1, "0123456789");
	return strcmp(text + i, "Z") == 0;
}

/* What only one of both kinds can be asked by is not passed over. */
static const char *misfit(const struct audit_parameters *parameters)
{
	if (parameters->since != NULL && !is_moment(parameters->since))
		return "since";
	if (parameters->kind == AUDIT_COMMANDS)
		return parameters->key != NULL ? "key" : NULL;
	return parameters->user != NULL ? "user" : parameters->uid >= 0 ? "uid" : NULL;
}

static bool is_good(struct control_call *call, const struct audit_parameters *parameters)
{
	const char *parameter = misfit(parameters);

	if (parameter != NULL)
		control_call_invalid(call, parameter);
	return parameter == NULL && handler_names(call, "key", parameters->key) &&
	       question_session_is_good(call, parameters->session);
}

/* No table yet: nothing is recorded. */
static json_t *nothing(void)
{
	return json_pack("{s:[], s:[], s:n}", "commands", "rows", "next");
}

static void on_answered(void *arg, const struct pg_answer *answer)
{
	struct pending_call *pending = arg;

	if (answer != NULL && answer->error != NULL)
		pending_call_fail(pending, answer->error);
	else
		pending_call_reply(pending, answer != NULL ? question_json(pg_answer_rows(answer))
							   : nothing());
}

static char *key_literal(const json_t *key)
{
	size_t count = json_array_size(key);
	const char **parts = memory_new((count + 1) * sizeof(*parts));
	char *literal;

	for (size_t i = 0; i < count; i++)
		parts[i] = json_string_value(json_array_get(key, i));
	literal = key != NULL ? store_key_literal(parts, count) : NULL;
	free(parts);
	return literal;
}

static void ask(struct handlers *handlers, struct control_call *call,
		const struct audit_parameters *parameters)
{
	bool rows = parameters->kind == AUDIT_ROWS;
	_cleanup_free_ char *key = key_literal(parameters->key);
	_cleanup_free_ char *uid = parameters->uid >= 0 ? question_number(parameters->uid) : NULL;
	_cleanup_free_ char *before = parameters->before > 0 ? question_number(parameters->before)
							     : NULL;
	_cleanup_free_ char *limit = question_number(parameters->limit);
	const char *of_commands[] = { parameters->entity,
				      parameters->session,
				      parameters->since,
				      parameters->user,
				      uid,
				      before,
				      limit };
	const char *of_rows[] = {
		parameters->entity, parameters->session, parameters->since, key, before, limit
	};

	audit_ask(handlers->audit,
		  &(struct audit_inquiry){
			  .relation = rows ? "migrated.change_log" : "migrated.command_audit",
			  .sql = rows ? sql_store_audit_rows : sql_store_audit_commands,
			  .value_count = rows ? sizeof(of_rows) / sizeof(of_rows[0])
					      : sizeof(of_commands) / sizeof(of_commands[0]),
			  .values = rows ? of_rows : of_commands,
			  .on_answer = on_answered,
			  .arg = pending_call_new(handlers, call),
		  });
}

void handle_audit(void *arg, struct control_call *call)
{
	struct audit_parameters parameters = { .uid = -1, .limit = QUESTION_LIMIT };

	if (handler_decode(call, fields, &parameters) && is_good(call, &parameters))
		ask(arg, call, &parameters);
	free(parameters.entity);
	free(parameters.session);
	free(parameters.since);
	free(parameters.user);
	json_decref(parameters.key);
}
